/* latin.c - see latin.h. */
#include "latin.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

enum { NON_ASCII = 0x80, END = 0x300, FORMS = 2, MOST = 7, NOT_HERE = 255 };

static struct {
	uint8_t n; /* NOT_HERE: longer than MOST, or no memory when it was asked */
	char text[MOST];
} table[FORMS][END];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool in_names(ucs4_t c)
{
	return uc_is_general_category(c, UC_LETTER) || uc_is_general_category(c, UC_NUMBER);
}

size_t prov_latin_letters(uint8_t *s, size_t len)
{
	size_t o = 0;
	for (size_t i = 0; i < len;) {
		ucs4_t c;
		size_t step = (size_t)u8_mbtouc(&c, s + i, len - i);
		if (in_names(c)) {
			memmove(s + o, s + i, step);
			o += step;
		}
		i += step;
	}
	return o;
}

static void fill_one(enum prov_latin form, ucs4_t c)
{
	uint8_t in[4];
	size_t n = 0;
	int len = u8_uctomb(in, c, sizeof(in));
	uint8_t *f = len > 0
		? u8_casefold(in, (size_t)len, NULL,
			  form == PROV_LATIN_TEXT ? UNINORM_NFKC : UNINORM_NFKD, NULL, &n)
		: NULL;
	if (f && form == PROV_LATIN_NAME)
		n = prov_latin_letters(f, n);
	table[form][c].n = f && n <= MOST ? (uint8_t)n : NOT_HERE;
	if (f && n <= MOST)
		memcpy(table[form][c].text, f, n);
	free(f);
}

static void fill(void)
{
	for (ucs4_t c = 0; c < END; c++) {
		fill_one(PROV_LATIN_TEXT, c);
		fill_one(PROV_LATIN_NAME, c);
	}
}

/* The character of one or two bytes at s, at most len; 0: it is none of the table's. */
static size_t take(const char *s, size_t len, unsigned *c)
{
	const unsigned char *b = (const unsigned char *)s;
	*c = b[0];
	if (b[0] < NON_ASCII)
		return 1;
	if (b[0] < 0xc2 || b[0] >= 0xcc || len < 2 || (b[1] & 0xc0) != 0x80)
		return 0;
	*c = (b[0] & 0x1fu) << 6 | (b[1] & 0x3fu);
	return 2;
}

bool prov_latin_fold(enum prov_latin form, const char *s, size_t len, char *out, size_t room,
	size_t *n)
{
	size_t o = 0;
	pthread_once(&once, fill);
	for (size_t i = 0; i < len;) {
		unsigned c;
		size_t step = take(s + i, len - i, &c);
		if (!step || table[form][c].n == NOT_HERE || room - o < table[form][c].n)
			return false;
		for (unsigned k = 0; k < table[form][c].n; k++)
			out[o++] = table[form][c].text[k];
		i += step;
	}
	*n = o;
	return true;
}
