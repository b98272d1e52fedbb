/* mask.c - a secret that a destination sends back, made unreadable. See mask.h. */
#include "mask.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int hex(const char *p, const char *end, size_t digits)
{
	char number[5] = "";

	if ((size_t)(end - p) < digits)
		return -1;
	for (size_t i = 0; i < digits; i++) {
		if (!isxdigit((unsigned char)p[i]))
			return -1;
		number[i] = p[i];
	}
	return (int)strtol(number, NULL, 16);
}

/* How many bytes at p stand for the character c; 0: they do not. */
static size_t step(const char *p, const char *end, char c, bool escapes)
{
	const int want = (unsigned char)c;

	if (escapes && *p == '%' && hex(p + 1, end, 2) == want)
		return 3;
	if (escapes && *p == '\\' && end - p >= 2) {
		if (p[1] == 'u' && hex(p + 2, end, 4) == want)
			return 6;
		if (p[1] == c)
			return 2;
	}
	return *p == c;
}

/* How many bytes at p are the secret, or as much of it as fits; 0: they are not. */
static size_t match(const char *p, const char *end, const char *secret, bool escapes)
{
	const char *at = p;
	size_t i = 0;

	for (; secret[i] && at < end; i++) {
		size_t n = step(at, end, secret[i], escapes);
		bool cut = (*at == '\\' || *at == '%') && end - at < 6;
		if (n == 0 && escapes && cut && i >= PROV_MASK_LEAST)
			n = (size_t)(end - at); /* an escape that was cut off */
		if (n == 0)
			return 0;
		at += n;
	}
	return !secret[i] || i >= PROV_MASK_LEAST ? (size_t)(at - p) : 0;
}

static void mask(char *text, const char *end, const char *secret, bool escapes)
{
	for (char *p = text; p < end;) {
		size_t n = match(p, end, secret, escapes);
		memset(p, '*', n);
		p += n ? n : 1;
	}
}

void prov_mask(char *text, size_t len, const char *secret)
{
	if (strlen(secret) < PROV_MASK_LEAST)
		return;
	mask(text, text + len, secret, false);
	mask(text, text + len, secret, true);
}
