/*
 * findings_html.c - findings as one page of HTML that needs nothing else.
 *
 * Two walls against hostile values: every one is escaped (and what could reorder a line is shown as
 * \xNN), and the page's own Content-Security-Policy lets nothing run or load but the one style
 * sheet and the one script, by their hashes. So no attribute here may hold style or a handler.
 */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "findings_html_page.h"
#include "findings_report.h"
#include "sha256.h"
#include "options.h" /* PROV_VERSION */
#include "table.h"

#define ROWS 5000 /* more than a browser shows well */
#define ENTRIES 500

/* breaks: a line may end after a comma, as those of a DN do. */
static int put_text(FILE *out, const char *s, bool breaks)
{
	char *safe = s ? prov_text_safe(s, strlen(s)) : NULL;

	if (s && !safe)
		return PROV_ENOMEM;
	for (const char *p = safe; p && *p; p++) {
		switch (*p) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		case ',':
			fputs(breaks ? ",<wbr>" : ",", out);
			break;
		default:
			putc(*p, out);
		}
	}
	free(safe);
	return 0;
}

static int put(FILE *out, const char *s)
{
	return put_text(out, s, true);
}

/* A value of the directory: its direction is its own, its length cannot push others away. */
static int put_value(FILE *out, const char *before, const char *s, const char *after)
{
	fputs(before, out);
	fputs("<bdi>", out);
	int rc = put(out, s);
	fputs("</bdi>", out);
	fputs(after, out);
	return rc;
}

static int head(const struct report *r, FILE *out)
{
	char style[PROV_SHA256_BASE64], script[PROV_SHA256_BASE64];

	prov_sha256_base64(findings_html_style, strlen(findings_html_style), style);
	prov_sha256_base64(findings_html_script, strlen(findings_html_script), script);
	fprintf(out,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		"style-src 'sha256-%s'; script-src 'sha256-%s'; base-uri 'none'; "
		"form-action 'none'\">\n"
		"<meta name=\"viewport\" content=\"width=device-width\">\n"
		"<meta name=\"referrer\" content=\"no-referrer\">\n"
		"<meta name=\"robots\" content=\"noindex\">\n<title>Scan of ",
		style, script);
	int rc = put_text(out, r->ask.suffix, false);
	fprintf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n", findings_html_style);
	return rc;
}

static void tile(FILE *out, const char *class, const char *name, const char *value)
{
	fprintf(out, "<li><b class=\"%s\">%s</b>%s</li>\n", class, value, name);
}

static void count_tile(FILE *out, const char *class, const char *name, size_t n)
{
	char value[24];

	snprintf(value, sizeof(value), "%zu", n);
	tile(out, n ? class : "soft", name, value);
}

static void tiles(const struct report *r, FILE *out)
{
	char number[REPORT_NUMBER];

	fputs("<ul class=\"tiles\">\n", out);
	count_tile(out, "", "findings", r->n);
	for (int s = FINDING_CRITICAL; s >= FINDING_LOW; s--) {
		const char *name = finding_severity_name((enum finding_severity)s);
		count_tile(out, name, name, r->severity[s]);
	}
	tile(out, "", "risk of 100",
		report_thousandths(risk_share(&r->risk, r->risk.total), number));
	if (r->ask.history)
		count_tile(out, "", "new", r->fresh);
	if (r->ask.history && r->ask.history->last)
		count_tile(out, "", "not found any more", r->gone);
	if (r->ask.exemptions)
		count_tile(out, "", "exempt", r->exempt);
	fputs("</ul>\n", out);
}

static int intro(const struct report *r, FILE *out)
{
	char at[PROV_TIME_TEXT];
	int rc = put_value(out, "<h1>Scan of ", r->ask.suffix, "</h1>\n");

	prov_time_rfc3339(r->ask.at, 0, at);
	fprintf(out,
		"<p class=\"soft\">%.10s %.8s UTC, %zu account%s, %zu group%s, %zu record%s of the "
		"source, %.1f seconds</p>\n",
		at, at + 11, r->found->accounts, report_s(r->found->accounts), r->found->groups,
		report_s(r->found->groups), r->found->records, report_s(r->found->records),
		r->ask.seconds);
	tiles(r, out);
	report_print_notes(r, "<p>", out);
	return rc;
}

static int remedy(const struct finding *f, FILE *out)
{
	int rc;

	fputs("<div class=\"v\">", out);
	rc = put(out, f->fix);
	fputs("</div>", out);
	if (!rc && f->ldif) {
		/* put() shows a newline as \x0a, so line by line */
		fputs("<details><summary>LDIF</summary><pre>", out);
		for (const char *s = f->ldif; !rc && *s;) {
			size_t n = strcspn(s, "\n");
			char *line = strndup(s, n);
			rc = line ? put_text(out, line, false) : PROV_ENOMEM;
			putc('\n', out);
			free(line);
			s += n + (s[n] == '\n');
		}
		fputs("</pre></details>", out);
	}
	return rc;
}

static int finding_row(const struct report *r, size_t i, FILE *out)
{
	const struct finding *f = &r->found->item[i];
	const struct finding_about *a = finding_about(f->check);
	const struct report_item *it = &r->item[i];
	const char *severity = finding_severity_name(a->severity);
	char date[PROV_TIME_TEXT], number[REPORT_NUMBER];

	fprintf(out,
		"<tr><td data-h=\"Severity\" data-v=\"%d\"><b class=\"%s\">%s</b></td>"
		"<td data-h=\"Check\">%s%s</td><td data-h=\"Entry\">",
		(int)a->severity, severity, severity, a->id,
		it->fresh ? " <span class=\"new\">new</span>" : "");
	int rc = put_value(out, "<div class=\"v\">", f->dn, "</div></td>");
	fputs("<td data-h=\"Finding\"><div class=\"v\">", out);
	if (!rc)
		rc = put(out, f->text);
	if (!rc && f->related && !strstr(f->text, f->related))
		rc = put_value(out, "<br><span class=\"soft\">", f->related, "</span>");
	if (!rc && it->expired) {
		fprintf(out, "<br>exemption expired on %s: ",
			report_date(it->expired->expires - 1, date));
		rc = put_value(out, "", it->expired->owner, "");
	}
	fputs("</div></td><td data-h=\"What to do\">", out);
	if (!rc)
		rc = remedy(f, out);
	fprintf(out,
		"</td><td data-h=\"Since\">%s</td><td class=\"n\" data-h=\"Risk\">%s</td></tr>\n",
		report_date(f->since, date), report_tenths(it->risk, number));
	return rc;
}

static int findings(const struct report *r, FILE *out)
{
	size_t shown = 0;
	int rc = 0;

	fputs("<h2>Findings</h2>\n", out);
	if (!r->n) {
		fputs("<p>None.</p>\n", out);
		return 0;
	}
	if (r->n > ROWS)
		fprintf(out, "<p>The first %d of %zu; --csv and --json have them all.</p>\n", ROWS,
			r->n);
	fputs("<p class=\"screen\"><input id=\"filter\" type=\"search\" hidden "
	      "placeholder=\"Show only rows with …\" aria-label=\"Show only rows with\"></p>\n"
	      "<table class=\"sort\" id=\"findings\"><thead><tr><th class=\"w5\">Severity</th>"
	      "<th class=\"w9\">Check</th><th>Entry</th><th>Finding</th><th>What to do</th>"
	      "<th class=\"w7\">Since</th><th class=\"n w5\">Risk</th></tr></thead>\n<tbody>\n",
		out);
	for (size_t i = 0; !rc && i < r->found->n && shown < ROWS; i++)
		if (report_counts(r, i)) {
			rc = finding_row(r, i, out);
			shown++;
		}
	fputs("</tbody></table>\n", out);
	return rc;
}

static int scorecard(const struct report *r, FILE *out)
{
	char number[REPORT_NUMBER];
	int rc = 0;

	if (!r->risk.n)
		return 0;
	fputs("<h2>Scorecard</h2>\n<p>An entry's risk is the weight of its heaviest finding and a "
	      "tenth of each other's, 100 at most. The directory's is their mean over the accounts "
	      "looked at.</p>\n",
		out);
	if (r->risk.n > ENTRIES)
		fprintf(out, "<p>The worst %d of %zu.</p>\n", ENTRIES, r->risk.n);
	fputs("<table class=\"sort\" id=\"scorecard\"><thead><tr><th class=\"n w5\">Risk</th>"
	      "<th>Entry</th><th>Made up of</th></tr></thead>\n<tbody>\n",
		out);
	for (size_t i = 0; !rc && i < r->risk.n && i < ENTRIES; i++) {
		const struct risk_entry *e = &r->risk.entry[i];
		fprintf(out, "<tr><td class=\"n\" data-h=\"Risk\"><b class=\"%s\">%s</b></td>",
			finding_severity_name(risk_band(e->risk)), report_tenths(e->risk, number));
		rc = put_value(out, "<td data-h=\"Entry\"><div class=\"v\">", e->dn, "</div></td>");
		fputs("<td data-h=\"Made up of\"><div class=\"v\">", out);
		for (size_t k = e->first; k < e->first + e->n; k++) {
			const struct risk_part *p = &r->risk.part[k];
			fprintf(out, "%s%s %s", k > e->first ? " + " : "",
				finding_about(r->found->item[p->finding].check)->id,
				report_tenths(p->points, number));
		}
		fputs("</div></td></tr>\n", out);
	}
	fputs("</tbody></table>\n", out);
	return rc;
}

static int exempt(const struct report *r, FILE *out)
{
	size_t shown = 0;
	int rc = 0;

	if (!r->exempt)
		return 0;
	fputs("<h2>Exempt</h2>\n<table class=\"sort\" id=\"exempt\"><thead><tr>"
	      "<th class=\"w9\">Check</th><th>Entry</th><th>Reason</th><th>Owner</th>"
	      "<th class=\"w7\">Until</th></tr></thead>\n<tbody>\n",
		out);
	for (size_t i = 0; !rc && i < r->found->n && shown < ROWS; i++) {
		const struct exemption *e = r->item[i].exempt;
		char date[PROV_TIME_TEXT];
		if (!e || !r->item[i].listed)
			continue;
		shown++;
		fprintf(out, "<tr><td data-h=\"Check\">%s</td>",
			finding_about(r->found->item[i].check)->id);
		rc = put_value(out, "<td data-h=\"Entry\"><div class=\"v\">", r->found->item[i].dn,
			"</div></td>");
		if (!rc)
			rc = put_value(out, "<td data-h=\"Reason\"><div class=\"v\">", e->reason,
				"</div></td>");
		if (!rc)
			rc = put_value(out, "<td data-h=\"Owner\"><div class=\"v\">", e->owner,
				"</div></td>");
		fprintf(out, "<td data-h=\"Until\">%s</td></tr>\n",
			report_date(e->expires - 1, date));
	}
	fputs("</tbody></table>\n", out);
	return rc;
}

static void weights(const struct report *r, FILE *out)
{
	fputs("<h2>Checks</h2>\n<table class=\"sort\" id=\"checks\"><thead><tr>"
	      "<th class=\"w9\">Check</th><th class=\"w5\">Severity</th><th class=\"n w5\">Weight"
	      "</th><th class=\"n w7\">Findings</th><th>What it finds</th></tr></thead>\n<tbody>\n",
		out);
	for (int c = 0; c < FINDING_CHECKS; c++) {
		const struct finding_about *a = finding_about((enum finding_check)c);
		const char *severity = finding_severity_name(a->severity);
		char n[24] = "not run";
		if (report_ran(r, (enum finding_check)c))
			snprintf(n, sizeof(n), "%zu", r->check[c]);
		fprintf(out,
			"<tr><td data-h=\"Check\">%s</td><td data-h=\"Severity\" data-v=\"%d\">"
			"<b class=\"%s\">%s</b></td><td class=\"n\" data-h=\"Weight\">%u</td>"
			"<td class=\"n\" data-h=\"Findings\">%s</td>"
			"<td data-h=\"What it finds\">%s</td></tr>\n",
			a->id, (int)a->severity, severity, severity, a->weight, n, a->what);
	}
	fputs("</tbody></table>\n", out);
}

int findings_as_html(const struct report *r, FILE *out)
{
	int rc = head(r, out);

	if (!rc)
		rc = intro(r, out);
	findings_html_charts(r, out);
	if (!rc)
		rc = findings(r, out);
	if (!rc)
		rc = scorecard(r, out);
	if (!rc)
		rc = exempt(r, out);
	weights(r, out);
	fprintf(out,
		"<p class=\"soft\">provctl %s. See provctl(1).</p>\n<script>%s</script>\n</body>\n"
		"</html>\n",
		PROV_VERSION, findings_html_script);
	return rc;
}
