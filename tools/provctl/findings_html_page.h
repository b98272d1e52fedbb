/* findings_html_page.h - the style sheet and the script of the page (findings_html.c). Constants. */
#ifndef PROV_CTL_FINDINGS_HTML_PAGE_H
#define PROV_CTL_FINDINGS_HTML_PAGE_H

extern const char findings_html_style[], findings_html_script[];

#endif
