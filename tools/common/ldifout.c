/* ldifout.c - see ldifout.h. */
#include "ldifout.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PERMISSIVE_MODIFY "1.2.840.113556.1.4.1413"

/* SAFE-STRING of RFC 2849, and no blank at the end, which its note 8 says to encode. */
static bool safe(const char *s, size_t len)
{
	if (!len)
		return true;
	if (s[0] == ' ' || s[0] == ':' || s[0] == '<' || s[len - 1] == ' ')
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] & 0x80 || s[i] == '\0' || s[i] == '\n' || s[i] == '\r')
			return false;
	return true;
}

void prov_ldif_line(FILE *out, const char *name, const char *value, size_t len)
{
	enum { PIECE = 3 * 256 }; /* whole groups, so that the pieces join */
	unsigned char text[PIECE / 3 * 4 + 1];
	if (safe(value, len)) {
		fprintf(out, "%s: %.*s\n", name, (int)len, value);
		return;
	}
	fprintf(out, "%s:: ", name);
	for (size_t i = 0; i < len; i += PIECE) {
		size_t n = len - i < PIECE ? len - i : PIECE;
		EVP_EncodeBlock(text, (const unsigned char *)value + i, (int)n);
		fputs((const char *)text, out);
	}
	fputc('\n', out);
}

char *prov_ldif_change(const char *dn, const char *op, const char *attr, const char *value,
	size_t len)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	prov_ldif_line(out, "dn", dn, strlen(dn));
	if (strcmp(op, "replace") != 0)
		fputs("control: " PERMISSIVE_MODIFY " false\n", out);
	fprintf(out, "changetype: modify\n%s: %s\n", op, attr);
	prov_ldif_line(out, attr, value, len);
	fputs("-\n\n", out);
	if (fclose(out)) {
		free(text);
		text = NULL;
	}
	return text;
}
