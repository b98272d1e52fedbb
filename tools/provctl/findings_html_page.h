/* findings_html_page.h - parts of the page (findings_html.c): style sheet, script, charts. */
#ifndef PROV_CTL_FINDINGS_HTML_PAGE_H
#define PROV_CTL_FINDINGS_HTML_PAGE_H

#include "findings_report.h"

extern const char findings_html_style[], findings_html_script[];

void findings_html_charts(const struct report *r, FILE *out);

#endif
