/*
 * text.c - Unicode operations for templates.
 */
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

static int keep(uint8_t *p, size_t n, struct prov_arena *arena, struct prov_val *out)
{
	if (!p)
		return PROV_ENOMEM;
	out->data = prov_arena_strndup(arena, (char *)p, n);
	out->len = n;
	free(p);
	return out->data ? 0 : PROV_ENOMEM;
}

static bool is_text(struct prov_val v)
{
	return u8_check((const uint8_t *)v.data, v.len) == NULL;
}

int prov_text_lower(struct prov_val in, struct prov_arena *arena, struct prov_val *out)
{
	size_t n = 0;

	if (!is_text(in))
		return PROV_EINVAL;
	uint8_t *p = u8_tolower((const uint8_t *)in.data, in.len, NULL, UNINORM_NFC, NULL, &n);
	return keep(p, n, arena, out);
}

int prov_text_upper(struct prov_val in, struct prov_arena *arena, struct prov_val *out)
{
	size_t n = 0;

	if (!is_text(in))
		return PROV_EINVAL;
	uint8_t *p = u8_toupper((const uint8_t *)in.data, in.len, NULL, UNINORM_NFC, NULL, &n);
	return keep(p, n, arena, out);
}

/* Letters that Unicode does not decompose, as they are usually written in ASCII. */
static const struct {
	ucs4_t c;
	const char *ascii;
} letters[] = {
	{ 0x00df, "ss" },
	{ 0x1e9e, "SS" },
	{ 0x00c6, "AE" },
	{ 0x00e6, "ae" },
	{ 0x0152, "OE" },
	{ 0x0153, "oe" },
	{ 0x00d8, "O" },
	{ 0x00f8, "o" },
	{ 0x0110, "D" },
	{ 0x0111, "d" },
	{ 0x00d0, "D" },
	{ 0x00f0, "d" },
	{ 0x00de, "Th" },
	{ 0x00fe, "th" },
	{ 0x0141, "L" },
	{ 0x0142, "l" },
	{ 0x0126, "H" },
	{ 0x0127, "h" },
	{ 0x0131, "i" },
	{ 0x0138, "k" },
	{ 0x014a, "N" },
	{ 0x014b, "n" },
	{ 0x0166, "T" },
	{ 0x0167, "t" },
	{ 0x2018, "'" },
	{ 0x2019, "'" },
	{ 0x02bc, "'" },
	{ 0x2010, "-" },
	{ 0x2011, "-" },
	{ 0x2012, "-" },
	{ 0x2013, "-" },
	{ 0x2014, "-" },
	{ 0x00a0, " " },
};

static const char *ascii_of(ucs4_t c)
{
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (letters[i].c == c)
			return letters[i].ascii;
	return NULL;
}

int prov_text_ascii(struct prov_val in, struct prov_arena *arena, struct prov_val *out)
{
	size_t n = 0, o = 0;

	if (!is_text(in))
		return PROV_EINVAL;
	uint8_t *d = u8_normalize(UNINORM_NFKD, (const uint8_t *)in.data, in.len, NULL, &n);
	if (!d)
		return PROV_ENOMEM;
	char *buf =
		prov_arena_alloc(arena, n * 2 + 1); /* the table at most doubles a letter's bytes */
	for (size_t i = 0; buf && i < n;) {
		ucs4_t c;
		int step = u8_mbtouc(&c, d + i, n - i);
		const char *a = c < 0x80 ? NULL : ascii_of(c);
		if (c < 0x80)
			buf[o++] = (char)c;
		else
			for (; a && *a; a++)
				buf[o++] = *a;
		i += (size_t)(step > 0 ? step : 1);
	}
	free(d);
	*out = (struct prov_val){ buf, o };
	return buf ? 0 : PROV_ENOMEM;
}

int prov_text_trim(struct prov_val in, struct prov_arena *arena, struct prov_val *out)
{
	size_t from = 0, to = 0;
	bool begun = false;

	(void)arena;
	if (!is_text(in))
		return PROV_EINVAL;
	for (size_t i = 0; i < in.len;) {
		ucs4_t c;
		int step = u8_mbtouc(&c, (const uint8_t *)in.data + i, in.len - i);
		if (!uc_is_property_white_space(c)) {
			if (!begun)
				from = i;
			begun = true;
			to = i + (size_t)step;
		}
		i += (size_t)(step > 0 ? step : 1);
	}
	*out = (struct prov_val){ in.data + from, to - from };
	return 0;
}

/* Composed, so that a letter with its marks is one character where Unicode has one. */
static int composed(struct prov_val in, struct prov_arena *arena, struct prov_val *out,
	size_t *chars)
{
	size_t n = 0;

	if (!is_text(in))
		return PROV_EINVAL;
	uint8_t *p = u8_normalize(UNINORM_NFC, (const uint8_t *)in.data, in.len, NULL, &n);
	int rc = keep(p, n, arena, out);
	if (rc == 0)
		*chars = u8_mbsnlen((const uint8_t *)out->data, out->len);
	return rc;
}

static size_t bytes_of(struct prov_val v, size_t chars)
{
	size_t i = 0;

	for (; chars && i < v.len; chars--) {
		ucs4_t c;
		int step = u8_mbtouc(&c, (const uint8_t *)v.data + i, v.len - i);
		i += (size_t)(step > 0 ? step : 1);
	}
	return i;
}

int prov_text_first(struct prov_val in, unsigned n, struct prov_arena *arena, struct prov_val *out)
{
	size_t chars = 0;
	int rc = composed(in, arena, out, &chars);

	if (rc == 0 && chars > n)
		out->len = bytes_of(*out, n);
	return rc;
}

int prov_text_last(struct prov_val in, unsigned n, struct prov_arena *arena, struct prov_val *out)
{
	size_t chars = 0;
	int rc = composed(in, arena, out, &chars);

	if (rc == 0 && chars > n) {
		size_t skip = bytes_of(*out, chars - n);
		out->data += skip;
		out->len -= skip;
	}
	return rc;
}

int prov_text_pad(struct prov_val in, unsigned n, struct prov_arena *arena, struct prov_val *out)
{
	size_t chars = 0;
	struct prov_val v;
	int rc = composed(in, arena, &v, &chars);

	if (rc)
		return rc;
	size_t zeros = chars < n ? n - chars : 0;
	char *p = prov_arena_alloc(arena, zeros + v.len + 1);
	if (!p)
		return PROV_ENOMEM;
	memset(p, '0', zeros);
	memcpy(p + zeros, v.data, v.len);
	*out = (struct prov_val){ p, zeros + v.len };
	return 0;
}

int prov_text_replace(struct prov_val in, struct prov_val from, struct prov_val to,
	struct prov_arena *arena, struct prov_val *out)
{
	size_t hits = 0;
	const char *p = in.data, *end = in.data + in.len, *hit;

	if (!from.len || !in.len) {
		*out = in;
		return 0;
	}
	while ((hit = memmem(p, (size_t)(end - p), from.data, from.len))) {
		hits++;
		p = hit + from.len;
	}
	char *buf = prov_arena_alloc(arena, in.len + hits * to.len + 1), *o = buf;
	if (!buf)
		return PROV_ENOMEM;
	for (p = in.data; (hit = memmem(p, (size_t)(end - p), from.data, from.len));
		p = hit + from.len) {
		o = mempcpy(o, p, (size_t)(hit - p));
		o = mempcpy(o, to.data, to.len);
	}
	o = mempcpy(o, p, (size_t)(end - p));
	*out = (struct prov_val){ buf, (size_t)(o - buf) };
	return 0;
}

int prov_text_escape_rdn(struct prov_val in, struct prov_arena *arena, struct prov_val *out)
{
	static const char hex[] = "0123456789ABCDEF";
	char *buf = prov_arena_alloc(arena, in.len * 3 + 1), *o = buf;

	for (size_t i = 0; buf && i < in.len; i++) {
		unsigned char c = (unsigned char)in.data[i];
		bool edge = (c == ' ' && (i == 0 || i + 1 == in.len)) || (c == '#' && i == 0);
		if (c < 0x20 || c == 0x7f) {
			*o++ = '\\';
			*o++ = hex[c >> 4];
			*o++ = hex[c & 15];
		} else {
			if (edge || strchr("\"+,;<>\\=", c))
				*o++ = '\\';
			*o++ = (char)c;
		}
	}
	*out = (struct prov_val){ buf, (size_t)(o - buf) };
	return buf ? 0 : PROV_ENOMEM;
}
