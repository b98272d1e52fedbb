/* csvout.c - see csvout.h. */
#include "csvout.h"

#include <string.h>

static bool formula(const char *s)
{
	static const char *const wide[] = { "\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d",
		"\xef\xbc\xa0" }; /* U+FF1D U+FF0B U+FF0D U+FF20 */
	if (strchr("'\t\r\n", *s) && *s)
		return true;
	s += strspn(s, " ");
	if (*s && strchr("=+-@\t\r\n", *s))
		return true;
	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
		if (!strncmp(s, wide[i], 3))
			return true;
	return false;
}

void prov_csv_cell(FILE *out, const char *text, bool first)
{
	bool apostrophe = formula(text);
	bool quoted = apostrophe || strpbrk(text, ",;\"\r\n") || *text == ' ';
	if (!first)
		fputc(',', out);
	if (quoted)
		fputc('"', out);
	if (apostrophe)
		fputc('\'', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	if (quoted)
		fputc('"', out);
}

void prov_csv_end(FILE *out)
{
	fputs("\r\n", out);
}
