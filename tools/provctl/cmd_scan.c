/*
 * cmd_scan.c - provctl scan: what has no owner, no reason or no end.
 *
 * Changes nothing. Findings come sorted by check and then in the order of the directory.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "jsonout.h"
#include "scan.h"
#include "table.h"

static const struct {
	enum scan_check check;
	const char *name, *severity;
} known[] = {
	{ SCAN_LEAVER, "LEAVER_LEFTOVER", "high" },
	{ SCAN_ORPHAN, "ORPHAN_SOURCE", "high" },
	{ SCAN_UNEXPLAINED, "UNEXPLAINED", "medium" },
	{ SCAN_DANGLING, "DANGLING_MEMBER", "low" },
};
enum { NKNOWN = sizeof(known) / sizeof(known[0]) };

static struct {
	const char *source;
	struct prov_option_list check;
	unsigned max_missing;
} arg = { .max_missing = 20 };

static const struct prov_option option[] = {
	{ "source", 0, PROV_OPTION_TEXT, &arg.source, "csv:FILE?key=ATTR[&column=NAME]",
		"who should exist: accounts whose ATTR is not in the file are findings" },
	{ "check", 0, PROV_OPTION_LIST, &arg.check, "ID", "only this check; may be repeated" },
	{ "max-missing", 0, PROV_OPTION_NUMBER, &arg.max_missing, "PCT",
		"refuse a source that lacks more than this share of the known keys (20)" },
};

const char *scan_check_name(enum scan_check c)
{
	for (size_t i = 0; i < NKNOWN; i++)
		if (known[i].check == c)
			return known[i].name;
	return "?";
}

enum scan_check scan_check_parse(const char *name)
{
	for (size_t i = 0; i < NKNOWN; i++)
		if (!strcasecmp(known[i].name, name))
			return known[i].check;
	return 0;
}

int scan_add(struct scan *s, enum scan_check check, const char *dn, const char *related,
	const char *fix, const char *fmt, ...)
{
	va_list ap;
	if (s->nfinding == s->froom) {
		size_t room = s->froom ? 2 * s->froom : 64;
		struct scan_finding *f = reallocarray(s->finding, room, sizeof(*f));
		if (!f)
			return PROV_ENOMEM;
		s->finding = f;
		s->froom = room;
	}
	struct scan_finding f = { check, strdup(dn), related ? strdup(related) : NULL, NULL,
		strdup(fix) };
	va_start(ap, fmt);
	int n = vasprintf(&f.text, fmt, ap);
	va_end(ap);
	if (n < 0)
		f.text = NULL;
	s->finding[s->nfinding++] = f;
	return f.dn && f.text && f.fix && (!related || f.related) ? 0 : PROV_ENOMEM;
}

static void scan_dispose(struct scan *s)
{
	for (size_t i = 0; i < s->nperson; i++) {
		free(s->person[i].dn);
		free(s->person[i].group);
	}
	free(s->person);
	for (size_t i = 0; i < s->nfinding; i++) {
		free(s->finding[i].dn);
		free(s->finding[i].related);
		free(s->finding[i].text);
		free(s->finding[i].fix);
	}
	free(s->finding);
	free(s->uid_person);
	prov_strmap_free(&s->people);
	prov_strmap_free(&s->uids);
	prov_strmap_free(&s->groups);
	prov_csvsrc_dispose(&s->source);
}

static int print_json(const struct scan *s)
{
	for (size_t k = 0; k < NKNOWN; k++) {
		for (size_t i = 0; i < s->nfinding; i++) {
			const struct scan_finding *f = &s->finding[i];
			if (f->check != known[k].check)
				continue;
			json_t *v = json_object();
			json_object_set_new(v, "id", json_string(known[k].name));
			json_object_set_new(v, "severity", json_string(known[k].severity));
			json_object_set_new(v, "dn", prov_json_text(f->dn, strlen(f->dn)));
			if (f->related)
				json_object_set_new(v, "related",
					prov_json_text(f->related, strlen(f->related)));
			json_object_set_new(v, "text", prov_json_text(f->text, strlen(f->text)));
			json_object_set_new(v, "fix", json_string(f->fix));
			if (prov_json_line_take(stdout, v))
				return ctl_nomem();
		}
	}
	return 0;
}

static int print_text(const struct scan *s)
{
	static const char *const head[] = { "SEVERITY", "CHECK", "DN", "FINDING" };
	struct prov_table *t = NULL;
	int rc = prov_table_new(4, head, &t);
	for (size_t k = 0; !rc && k < NKNOWN; k++) {
		for (size_t i = 0; !rc && i < s->nfinding; i++) {
			const struct scan_finding *f = &s->finding[i];
			if (f->check == known[k].check)
				rc = prov_table_add(t,
					(const char *[]){ known[k].severity, known[k].name, f->dn,
						f->text });
		}
	}
	if (!rc)
		prov_table_print(t, stdout);
	prov_table_free(&t);
	if (rc)
		return ctl_nomem();
	if (s->nfinding)
		putchar('\n');
	for (size_t k = 0; k < NKNOWN; k++) { /* how to go on, once per check */
		for (size_t i = 0; i < s->nfinding; i++) {
			if (s->finding[i].check != known[k].check)
				continue;
			printf("%s: %s\n", known[k].name, s->finding[i].fix);
			break;
		}
	}
	printf("%s%zu account%s, %zu group%s, %zu finding%s\n", s->nfinding ? "\n" : "", s->nperson,
		s->nperson == 1 ? "" : "s", s->ngroup, s->ngroup == 1 ? "" : "s", s->nfinding,
		s->nfinding == 1 ? "" : "s");
	return 0;
}

static int set_up(struct ctl *c, struct scan *s)
{
	struct prov_error err = { 0 };
	int rc;
	s->ctl = c;
	s->max_missing = arg.max_missing;
	for (size_t i = 0; i < arg.check.n; i++) {
		enum scan_check k = scan_check_parse(arg.check.item[i]);
		if (!k)
			return prov_options_misuse(&c->opt, "no such check: %s", arg.check.item[i]);
		s->checks |= k;
	}
	if (s->checks & SCAN_ORPHAN && !arg.source)
		return prov_options_misuse(&c->opt, "ORPHAN_SOURCE needs --source");
	if (!s->checks)
		s->checks = ~0u;
	if (arg.max_missing > 100)
		return prov_options_misuse(&c->opt, "--max-missing wants a percentage");
	if (!arg.source)
		return 0;
	if (prov_csvsrc_parse(arg.source, &s->source, &err))
		return prov_options_misuse(&c->opt, "%s", err.text);
	rc = prov_csvsrc_load(&s->source, &err);
	if (rc)
		ctl_fail(&err);
	return rc == PROV_EREFUSED ? PROV_EXIT_GUARD : rc ? PROV_EXIT_CANNOT : 0;
}

static int run(struct ctl *c, int argc, char **argv)
{
	struct scan s = { 0 };
	struct prov_error err = { 0 };
	bool guard = false;
	int rc, st;
	(void)argv;
	if (argc > 1)
		return prov_options_misuse(&c->opt, "scan takes no operands");
	st = set_up(c, &s);
	if (!st)
		st = ctl_site(c);
	if (!st) {
		rc = scan_people(&s, &err);
		if (!rc) {
			rc = scan_source(&s, &err);
			guard = rc == PROV_EREFUSED;
		}
		if (!rc)
			rc = scan_groups(&s, &err);
		if (rc)
			st = ctl_fail(&err);
		if (guard)
			st = PROV_EXIT_GUARD;
	}
	if (!st)
		st = c->json ? print_json(&s) : print_text(&s);
	if (!st && s.nfinding)
		st = PROV_EXIT_FINDINGS;
	scan_dispose(&s);
	return st;
}

const struct ctl_command cmd_scan = {
	"scan",
	"[options] scan [--source csv:FILE?key=ATTR[&column=NAME]] [--check ID] ...",
	"find what has no owner, no reason or no end",
	"\nChecks:\n"
	"  DANGLING_MEMBER  a group's member that does not exist\n"
	"  UNEXPLAINED      a membership that no role gives\n"
	"  LEAVER_LEFTOVER  a leaver with a membership, role or grant left\n"
	"  ORPHAN_SOURCE    an account that the authoritative source does not have (--source)\n"
	"\nA source that is empty, broken or lacks too much is refused: exit status 3.\n",
	option,
	sizeof(option) / sizeof(option[0]),
	run,
};
