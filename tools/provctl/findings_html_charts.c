/*
 * findings_html_charts.c - the page's charts, as SVG in the page.
 *
 * Texts are names of checks and severities: nothing of the directory's, nothing to escape.
 */
#include "findings_html_page.h"

/* One bar a line: name, bar, figure. */
static void bar(FILE *out, size_t line, const char *class, const char *name, uint64_t value,
	uint64_t most, const char *figure)
{
	size_t y = line * 22;

	fprintf(out,
		"<text x=\"0\" y=\"%zu\">%s</text>"
		"<rect class=\"%s\" x=\"168\" y=\"%zu\" width=\"%.1f\" height=\"14\" rx=\"2\"/>"
		"<text x=\"%.1f\" y=\"%zu\">%s</text>\n",
		y + 14, name, class, y + 3, 240.0 * (double)value / (double)most,
		175 + 240.0 * (double)value / (double)most, y + 14, figure);
}

static void begin_chart(FILE *out, const char *title, size_t lines)
{
	fprintf(out,
		"<figure><figcaption>%s</figcaption>\n<svg viewBox=\"0 0 470 %zu\" role=\"img\" "
		"aria-label=\"%s\">\n",
		title, lines * 22, title);
}

/* Checks by a figure of theirs, the greatest first. */
static void chart(FILE *out, const char *title, const struct report *r,
	const uint64_t value[FINDING_CHECKS], bool share)
{
	bool done[FINDING_CHECKS] = { false };
	uint64_t first = 0;
	size_t lines = 0, line = 0;

	for (int c = 0; c < FINDING_CHECKS; c++)
		lines += value[c] > 0;
	if (!lines)
		return;
	begin_chart(out, title, lines);
	for (; line < lines; line++) {
		int most = -1;
		for (int c = 0; c < FINDING_CHECKS; c++)
			if (!done[c] && value[c] && (most < 0 || value[c] > value[most]))
				most = c;
		const struct finding_about *a = finding_about((enum finding_check)most);
		char figure[REPORT_NUMBER];
		if (share)
			report_thousandths(risk_share(&r->risk, value[most]), figure);
		else
			snprintf(figure, sizeof(figure), "%llu", (unsigned long long)value[most]);
		first = first ? first : value[most];
		done[most] = true;
		bar(out, line, finding_severity_name(a->severity), a->id, value[most], first,
			figure);
	}
	fputs("</svg></figure>\n", out);
}

void findings_html_charts(const struct report *r, FILE *out)
{
	uint64_t n[FINDING_CHECKS];
	size_t most = 1;

	for (int c = 0; c < FINDING_CHECKS; c++)
		n[c] = r->check[c];
	fputs("<div class=\"charts\">\n", out);
	chart(out, "Findings by check", r, n, false);
	chart(out, "What the risk is made up of", r, r->risk.by_check, true);
	for (int s = FINDING_LOW; s <= FINDING_CRITICAL; s++)
		most = r->risk.band[s] > most ? r->risk.band[s] : most;
	if (r->risk.n) {
		begin_chart(out, "Entries by their risk", 4);
		for (int s = FINDING_CRITICAL; s >= FINDING_LOW; s--) {
			const char *name = finding_severity_name((enum finding_severity)s);
			char figure[REPORT_NUMBER];
			snprintf(figure, sizeof(figure), "%zu", r->risk.band[s]);
			bar(out, (size_t)(FINDING_CRITICAL - s), name, name, r->risk.band[s], most,
				figure);
		}
		fputs("</svg></figure>\n", out);
	}
	fputs("</div>\n", out);
}
