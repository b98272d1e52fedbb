/* findings_summary.c - a mail about a scan: the first line is its subject. And the scorecard. */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "findings_report.h"
#include "table.h"

#define WORST 10

/* "uid=a,… 100 = LEAVER_ACTIVE 100 + UNEXPLAINED 3 + ..." ; malloc'ed. */
static char *made_up_of(const struct report *r, const struct risk_entry *e)
{
	char *text = NULL, number[REPORT_NUMBER];
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	for (size_t k = e->first; f && k < e->first + e->n; k++) {
		const struct risk_part *p = &r->risk.part[k];
		fprintf(f, "%s%s %s", k == e->first ? "" : " + ",
			finding_about(r->found->item[p->finding].check)->id,
			report_tenths(p->points, number));
	}
	if (f && fclose(f)) {
		free(text);
		text = NULL;
	}
	return text;
}

static int print_entries(const struct report *r, size_t most, FILE *out)
{
	static const char *const head[] = { "RISK", "DN", "MADE UP OF" };
	struct prov_table *t = NULL;
	int rc = prov_table_new(3, head, &t);

	for (size_t i = 0; !rc && i < r->risk.n && i < most; i++) {
		char number[REPORT_NUMBER], *parts = made_up_of(r, &r->risk.entry[i]);
		const char *cell[] = { report_tenths(r->risk.entry[i].risk, number),
			r->risk.entry[i].dn, parts };
		rc = parts ? prov_table_add(t, cell) : PROV_ENOMEM;
		free(parts);
	}
	if (!rc)
		prov_table_print(t, out);
	prov_table_free(&t);
	return rc;
}

int findings_as_scorecard(const struct report *r, FILE *out)
{
	int rc = print_entries(r, (size_t)-1, out);

	if (rc)
		return rc;
	fprintf(out,
		"%sa line: the weight of the heaviest finding and a tenth of each other's, "
		"100 at most\n",
		r->risk.n ? "\n" : "");
	for (int s = FINDING_CRITICAL; s >= FINDING_LOW; s--)
		fprintf(out, "%zu %s%s", r->risk.band[s],
			finding_severity_name((enum finding_severity)s),
			s ? ", " : " (from 90, 50, 20, below)\n");
	report_print_notes(r, "", out);
	report_print_risk(r, out);
	return 0;
}

int findings_as_summary(const struct report *r, FILE *out)
{
	char text[120];
	char *suffix = prov_text_safe(r->ask.suffix, strlen(r->ask.suffix));

	if (!suffix)
		return PROV_ENOMEM;
	report_severities(r, text, sizeof(text));
	fprintf(out, "provctl scan of %s: ", suffix);
	free(suffix);
	if (!r->n)
		fprintf(out, "no %sfindings\n\n", r->older ? "new " : "");
	else
		fprintf(out, "%zu finding%s (%s)\n\n", r->n, report_s(r->n), text);
	for (int s = FINDING_CRITICAL; s >= FINDING_LOW; s--)
		for (int c = 0; c < FINDING_CHECKS; c++) {
			const struct finding_about *a = finding_about((enum finding_check)c);
			if (r->check[c] && (int)a->severity == s)
				fprintf(out, "%6zu  %-8s  %-18s %s\n", r->check[c],
					finding_severity_name(a->severity), a->id, a->what);
		}
	if (r->n)
		putc('\n', out);
	report_print_notes(r, "", out);
	report_print_risk(r, out);
	if (r->risk.n)
		fprintf(out, "\nThe worst%s:\n", r->risk.n > WORST ? " of them" : "");
	return print_entries(r, WORST, out);
}
