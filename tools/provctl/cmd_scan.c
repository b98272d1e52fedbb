/*
 * cmd_scan.c - provctl scan: what has no owner, no reason or no end.
 *
 * Changes nothing. Findings come sorted by check and then in the order of the directory.
 */
#include <stdlib.h>
#include <string.h>

#include "jsonout.h"
#include "finding.h"
#include "scan_options.h"
#include "table.h"

static const char *severity_of(const struct finding *f)
{
	return finding_severity_name(finding_about(f->check)->severity);
}

static int print_json(const struct findings *found)
{
	for (size_t i = 0; i < found->n; i++) {
		const struct finding *f = &found->item[i];
		json_t *v = json_object();
		json_object_set_new(v, "id", json_string(finding_about(f->check)->id));
		json_object_set_new(v, "severity", json_string(severity_of(f)));
		json_object_set_new(v, "dn", prov_json_text(f->dn, strlen(f->dn)));
		if (f->related)
			json_object_set_new(v, "related",
				prov_json_text(f->related, strlen(f->related)));
		json_object_set_new(v, "text", prov_json_text(f->text, strlen(f->text)));
		json_object_set_new(v, "fix", json_string(f->fix));
		if (prov_json_line_take(stdout, v))
			return ctl_nomem();
	}
	return 0;
}

static int print_text(const struct findings *found)
{
	static const char *const head[] = { "SEVERITY", "CHECK", "DN", "FINDING" };
	struct prov_table *t = NULL;
	int rc = prov_table_new(4, head, &t);
	for (size_t i = 0; !rc && i < found->n; i++) {
		const struct finding *f = &found->item[i];
		const char *cell[] = { severity_of(f), finding_about(f->check)->id, f->dn,
			f->text };
		rc = prov_table_add(t, cell);
	}
	if (!rc)
		prov_table_print(t, stdout);
	prov_table_free(&t);
	if (rc)
		return ctl_nomem();
	if (found->n)
		putchar('\n');
	for (size_t i = 0; i < found->n; i++) /* how to go on, once per check */
		if (!i || found->item[i].check != found->item[i - 1].check)
			printf("%s: %s\n", finding_about(found->item[i].check)->id,
				found->item[i].fix);
	printf("%s%zu account%s, %zu group%s, %zu finding%s\n", found->n ? "\n" : "",
		found->accounts, found->accounts == 1 ? "" : "s", found->groups,
		found->groups == 1 ? "" : "s", found->n, found->n == 1 ? "" : "s");
	return 0;
}

static int run(struct ctl *c, int argc, char **argv)
{
	struct findings found = { 0 };
	int st;
	(void)argv;
	if (argc > 1)
		return prov_options_misuse(&c->opt, "scan takes no operands");
	st = scan_run(c, &scan_options, &found);
	if (!st) {
		findings_sort(&found);
		st = c->json ? print_json(&found) : print_text(&found);
	}
	if (!st && found.n)
		st = PROV_EXIT_FINDINGS;
	findings_dispose(&found);
	return st;
}

static const struct prov_option option[] = {
	{ NULL, 0, PROV_OPTION_TABLE, (void *)scan_option, NULL, NULL },
};

const struct ctl_command cmd_scan = {
	"scan",
	"[options] scan [--source csv:FILE?key=ATTR[&column=NAME]] [--check ID] ...",
	"find what has no owner, no reason or no end",
	"\nA source that is empty, broken or lacks too much is refused: exit status 3.\n",
	option,
	sizeof(option) / sizeof(option[0]),
	run,
};
