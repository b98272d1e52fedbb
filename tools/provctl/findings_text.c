/* findings_text.c - what the forms for people have in common; see findings_report.h. */
#include <stdlib.h>
#include <string.h>

#include "findings_report.h"

const char *report_thousandths(unsigned n, char out[REPORT_NUMBER])
{
	snprintf(out, REPORT_NUMBER, "%u.%03u", n / 1000, n % 1000);
	return out;
}

const char *report_tenths(unsigned n, char out[REPORT_NUMBER])
{
	snprintf(out, REPORT_NUMBER, n % 10 ? "%u.%u" : "%u", n / 10, n % 10);
	return out;
}

const char *report_date(int64_t secs, char out[PROV_TIME_TEXT])
{
	out[0] = '\0';
	if (secs) {
		prov_time_rfc3339(secs, 0, out);
		out[10] = '\0';
	}
	return out;
}

const char *report_s(size_t n)
{
	return n == 1 ? "" : "s";
}

void report_severities(const struct report *r, char *out, size_t room)
{
	size_t at = 0;

	out[0] = '\0';
	for (int s = FINDING_CRITICAL; s >= FINDING_LOW && at < room; s--)
		if (r->severity[s])
			at += (size_t)snprintf(out + at, room - at, "%s%zu %s", at ? ", " : "",
				r->severity[s], finding_severity_name((enum finding_severity)s));
}

void report_print_risk(const struct report *r, FILE *out)
{
	const struct risk *k = &r->risk;
	char number[REPORT_NUMBER];
	const char *before = ": ";
	bool told[FINDING_CHECKS] = { false };

	fprintf(out, "risk %s of 100, the mean over %zu account%s",
		report_thousandths(risk_share(k, k->total), number), k->accounts,
		report_s(k->accounts));
	for (;;) { /* the greatest part first */
		int most = -1;
		for (int c = 0; c < FINDING_CHECKS; c++)
			if (!told[c] && k->by_check[c] &&
				(most < 0 || k->by_check[c] > k->by_check[most]))
				most = c;
		if (most < 0)
			break;
		told[most] = true;
		fprintf(out, "%s%s %s", before, finding_about((enum finding_check)most)->id,
			report_thousandths(risk_share(k, k->by_check[most]), number));
		before = ", ";
	}
	putc('\n', out);
}

void report_print_notes(const struct report *r, const char *before, FILE *out)
{
	char date[PROV_TIME_TEXT];

	if (r->ask.history && r->ask.history->last) {
		prov_time_rfc3339(r->ask.history->last, 0, date);
		fprintf(out, "%s%zu new since the scan of %s, %zu not found any more\n", before,
			r->fresh, date, r->gone);
	} else if (r->ask.history) {
		fprintf(out, "%sall new: no scan was remembered before this one\n", before);
	}
	if (r->older)
		fprintf(out, "%s%zu older finding%s left out\n", before, r->older,
			r->older == 1 ? " is" : "s are");
	if (r->exempt)
		fprintf(out, "%s%zu exempt\n", before, r->exempt);
	if (r->expired)
		fprintf(out, "%s%zu count%s again: the exemption has expired\n", before, r->expired,
			r->expired == 1 ? "s" : "");
}
