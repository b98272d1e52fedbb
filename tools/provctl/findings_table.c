/* findings_table.c - findings for a terminal: worst first, then how to go on, then counts. */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "findings_report.h"
#include "table.h"

/* What is wrong, and that somebody had answered for it until then; malloc'ed. */
static char *text_of(const struct report *r, size_t i)
{
	const struct exemption *over = r->item[i].expired;
	char date[PROV_TIME_TEXT], *text = NULL;

	if (!over)
		return strdup(r->found->item[i].text);
	return asprintf(&text, "%s (exemption of %s expired on %s)", r->found->item[i].text,
		       over->owner, report_date(over->expires - 1, date)) < 0
		? NULL
		: text;
}

static int add_row(struct prov_table *t, const struct report *r, size_t i)
{
	const struct finding *f = &r->found->item[i];
	const struct finding_about *about = finding_about(f->check);
	char date[PROV_TIME_TEXT], *text = text_of(r, i);
	const char *cell[] = { finding_severity_name(about->severity), about->id,
		report_date(f->since, date), f->dn, text };
	int rc = text ? prov_table_add(t, cell) : PROV_ENOMEM;

	free(text);
	return rc;
}

/* Once per check; another finding's may name another entry, but it is the same way. */
static int print_fixes(const struct report *r, FILE *out)
{
	bool said[FINDING_CHECKS] = { false };

	for (size_t i = 0; i < r->found->n; i++) {
		const struct finding *f = &r->found->item[i];
		if (!report_counts(r, i) || said[f->check])
			continue;
		char *fix = f->fix ? prov_text_safe(f->fix, strlen(f->fix)) : NULL;
		if (f->fix && !fix)
			return PROV_ENOMEM;
		said[f->check] = true;
		fprintf(out, "%s: %s\n", finding_about(f->check)->id,
			fix ? fix : finding_about(f->check)->what);
		free(fix);
	}
	return 0;
}

static void print_counts(const struct report *r, FILE *out)
{
	char text[120];

	if (r->n) {
		report_severities(r, text, sizeof(text));
		fprintf(out, "\n%s\n", text);
	}
	report_print_notes(r, "", out);
	if (r->risk.total)
		report_print_risk(r, out);
	if (r->remedy)
		fprintf(out, "%zu can be put right with ldapmodify: --ldif prints how\n",
			r->remedy);
	fprintf(out, "%zu account%s, %zu group%s, ", r->found->accounts,
		report_s(r->found->accounts), r->found->groups, report_s(r->found->groups));
	if (r->found->records)
		fprintf(out, "%zu record%s, ", r->found->records, report_s(r->found->records));
	fprintf(out, "%zu finding%s\n", r->n, report_s(r->n));
}

int findings_as_table(const struct report *r, FILE *out)
{
	static const char *const head[] = { "SEVERITY", "CHECK", "SINCE", "DN", "FINDING" };
	struct prov_table *t = NULL;
	int rc = prov_table_new(5, head, &t);

	for (size_t i = 0; !rc && i < r->found->n; i++)
		if (report_counts(r, i))
			rc = add_row(t, r, i);
	if (!rc) {
		prov_table_print(t, out);
		if (r->n)
			putc('\n', out);
		rc = print_fixes(r, out);
	}
	if (!rc)
		print_counts(r, out);
	prov_table_free(&t);
	return rc;
}
