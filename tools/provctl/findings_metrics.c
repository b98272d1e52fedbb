/*
 * findings_metrics.c - a scan for Prometheus' textfile collector (text format 0.0.4).
 *
 * Labels are checks and severities, never names from the directory.
 */
#include "findings_report.h"

static void head(FILE *out, const char *name, const char *help)
{
	fprintf(out, "# HELP provctl_scan_%s %s.\n# TYPE provctl_scan_%s gauge\n", name, help,
		name);
}

static void one(FILE *out, const char *name, const char *help, size_t value)
{
	head(out, name, help);
	fprintf(out, "provctl_scan_%s %zu\n", name, value);
}

static void by_check(const struct report *r, FILE *out)
{
	char number[REPORT_NUMBER];

	head(out, "findings", "Findings that count, of each check that ran");
	for (int c = 0; c < FINDING_CHECKS; c++) {
		const struct finding_about *a = finding_about((enum finding_check)c);
		if (report_ran(r, (enum finding_check)c))
			fprintf(out, "provctl_scan_findings{check=\"%s\",severity=\"%s\"} %zu\n",
				a->id, finding_severity_name(a->severity), r->standing[c]);
	}
	head(out, "risk_part", "What each check adds to the risk of the directory");
	for (int c = 0; c < FINDING_CHECKS; c++)
		if (report_ran(r, (enum finding_check)c))
			fprintf(out, "provctl_scan_risk_part{check=\"%s\"} %s\n",
				finding_about((enum finding_check)c)->id,
				report_thousandths(risk_share(&r->risk, r->risk.by_check[c]),
					number));
}

int findings_as_metrics(const struct report *r, FILE *out)
{
	char number[REPORT_NUMBER];

	by_check(r, out);
	head(out, "risk", "Risk of the directory, 0 to 100");
	fprintf(out, "provctl_scan_risk %s\n",
		report_thousandths(risk_share(&r->risk, r->risk.total), number));
	head(out, "risk_entries", "Entries with findings, by how great their risk is");
	for (int s = FINDING_LOW; s <= FINDING_CRITICAL; s++)
		fprintf(out, "provctl_scan_risk_entries{severity=\"%s\"} %zu\n",
			finding_severity_name((enum finding_severity)s), r->risk.band[s]);
	if (r->ask.history)
		one(out, "new_findings", "Findings that count and the last scan did not have",
			r->fresh);
	one(out, "exempt_findings", "Findings that somebody has answered for", r->exempt);
	one(out, "expired_exemptions_findings", "Findings that count again", r->expired);
	one(out, "accounts", "Accounts looked at", r->found->accounts);
	one(out, "groups", "Groups looked at", r->found->groups);
	one(out, "records", "Records of the source looked at", r->found->records);
	head(out, "duration_seconds", "How long the scan took");
	fprintf(out, "provctl_scan_duration_seconds %.3f\n", r->ask.seconds);
	head(out, "timestamp_seconds", "When the scan began");
	fprintf(out, "provctl_scan_timestamp_seconds %lld\n", (long long)r->ask.at);
	return 0;
}
