/*
 * fake_values.c - values of the fake schema's syntaxes.
 */
#include "fake_values.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

#include "error.h"
#include "timefmt.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool fake_is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int hex(char c)
{
	return is_digit(c)               ? c - '0'
		: (c >= 'a' && c <= 'f') ? c - 'a' + 10
		: (c >= 'A' && c <= 'F') ? c - 'A' + 10
					 : -1;
}

/* Case folded when asked; outer spaces by `how`, inner runs of spaces to one. */
static int fold(struct prov_val in, bool ignore_case, enum prov_norm how, struct prov_arena *arena,
	struct prov_val *out)
{
	size_t n = 0, o = 0;
	uint8_t *p = ignore_case
		? u8_casefold((const uint8_t *)in.data, in.len, NULL, UNINORM_NFC, NULL, &n)
		: u8_normalize(UNINORM_NFC, (const uint8_t *)in.data, in.len, NULL, &n);
	char *buf = p ? prov_arena_alloc(arena, n + 1) : NULL;
	bool left = how == PROV_NORM_EQUALITY || how == PROV_NORM_INITIAL;
	bool right = how == PROV_NORM_EQUALITY || how == PROV_NORM_FINAL;

	for (size_t i = 0; buf && i < n; i++)
		if (p[i] != ' ' || (o ? buf[o - 1] != ' ' : !left))
			buf[o++] = (char)p[i];
	while (buf && right && o && buf[o - 1] == ' ')
		o--;
	free(p);
	*out = (struct prov_val){ buf, o };
	return buf ? 0 : PROV_ENOMEM;
}

/* One `type=value` from *at on, up to and without ',' or '+'; -1: not an RDN. */
static int one_rdn(struct prov_val in, size_t *at, char *type, size_t room, char *value,
	size_t *len)
{
	size_t i = *at, n = 0, keep = 0;

	while (i < in.len && in.data[i] == ' ')
		i++;
	for (; i < in.len &&
		(fake_is_alnum(in.data[i]) || strchr("-.", in.data[i] ? in.data[i] : '?'));
		i++)
		if (n + 1 < room)
			type[n++] = in.data[i] >= 'A' && in.data[i] <= 'Z' ? (char)(in.data[i] | 32)
									   : in.data[i];
	type[n] = '\0';
	while (i < in.len && in.data[i] == ' ')
		i++;
	if (!n || i == in.len || in.data[i++] != '=')
		return -1;
	while (i < in.len && in.data[i] == ' ')
		i++;
	for (n = 0; i < in.len && in.data[i] != ',' && in.data[i] != '+'; i++) {
		char c = in.data[i];
		if (c == '\0' || strchr("\";<>", c))
			return -1;
		if (c == '\\') {
			if (++i == in.len)
				return -1;
			c = in.data[i];
			if (i + 1 < in.len && hex(c) >= 0 && hex(in.data[i + 1]) >= 0)
				c = (char)(hex(c) * 16 + hex(in.data[++i]));
			else if (!c || !strchr(" \"#+,;<=>\\", c))
				return -1;
			keep = n + 1; /* an escaped space stays */
		}
		value[n++] = c;
	}
	while (n > keep && value[n - 1] == ' ')
		n--;
	*len = n;
	*at = i;
	return 0;
}

static int normal_dn(struct prov_val in, struct prov_arena *arena, struct prov_val *out)
{
	static const char digits[] = "0123456789abcdef";
	char *value = prov_arena_alloc(arena, in.len + 1), type[64];
	char *buf = prov_arena_alloc(arena, in.len * 9 + 1), *o = buf; /* folded: 3, escaped: 3 */

	if (!value || !buf)
		return PROV_ENOMEM;
	for (size_t at = 0; in.len && at <= in.len; at++) {
		struct prov_val v = { value, 0 };
		if (one_rdn(in, &at, type, sizeof(type), value, &v.len) ||
			u8_check((const uint8_t *)v.data, v.len))
			return PROV_EINVAL;
		int rc = fold(v, true, PROV_NORM_EQUALITY, arena, &v);
		if (rc)
			return rc;
		o = stpcpy(o, type);
		*o++ = '=';
		for (size_t i = 0; i < v.len; i++) {
			unsigned char c = (unsigned char)v.data[i];
			if (c < 32 || strchr("\"+,;<>\\=", c) || (c == '#' && !i)) {
				*o++ = '\\';
				*o++ = digits[c >> 4];
				*o++ = digits[c & 15];
			} else {
				*o++ = (char)c;
			}
		}
		if (at < in.len)
			*o++ = in.data[at];
	}
	*out = (struct prov_val){ buf, (size_t)(o - buf) };
	return 0;
}

static int normal_integer(struct prov_val in, struct prov_val *out)
{
	size_t i = in.len && in.data[0] == '-';

	if (i == in.len || (in.data[i] == '0' && in.len > 1))
		return PROV_EINVAL;
	for (; i < in.len; i++)
		if (!is_digit(in.data[i]))
			return PROV_EINVAL;
	*out = in;
	return 0;
}

static int normal_time(struct prov_val in, struct prov_arena *arena, struct prov_val *out)
{
	int64_t secs;
	char *text = prov_arena_alloc(arena, PROV_TIME_TEXT);

	if (!text)
		return PROV_ENOMEM;
	if (in.len < 11 || !is_digit(in.data[4]) || prov_time_parse(in, &secs))
		return PROV_EINVAL;
	prov_time_generalized(secs, text);
	*out = prov_val_str(text);
	return 0;
}

int fake_value_normalize(enum fake_syntax s, enum prov_norm how, struct prov_val in,
	struct prov_arena *arena, struct prov_val *out)
{
	bool text = s == FAKE_TEXT || s == FAKE_WORD || s == FAKE_EXACT;

	if (how != PROV_NORM_EQUALITY && s != FAKE_TEXT && s != FAKE_EXACT)
		return PROV_EINVAL;
	if (text && (!in.len || u8_check((const uint8_t *)in.data, in.len)))
		return PROV_EINVAL;
	switch (s) {
	case FAKE_TEXT:
	case FAKE_WORD:
	case FAKE_EXACT:
		return fold(in, s != FAKE_EXACT, how, arena, out);
	case FAKE_DN:
		return normal_dn(in, arena, out);
	case FAKE_INTEGER:
		return normal_integer(in, out);
	case FAKE_TIME:
		return normal_time(in, arena, out);
	case FAKE_BOOLEAN:
		*out = in;
		return prov_val_equal(in, prov_val_str("TRUE")) ||
				prov_val_equal(in, prov_val_str("FALSE"))
			? 0
			: PROV_EINVAL;
	case FAKE_OCTETS:
		*out = in;
		return 0;
	case FAKE_BLOB:
		break;
	}
	return PROV_EINVAL;
}

int fake_value_validate(enum fake_syntax s, struct prov_val in)
{
	struct prov_arena scratch = PROV_ARENA_INIT;
	struct prov_val out;
	int rc = s == FAKE_BLOB ? 0
				: fake_value_normalize(s, PROV_NORM_EQUALITY, in, &scratch, &out);

	prov_arena_dispose(&scratch);
	return rc;
}
