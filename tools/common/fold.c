/* fold.c - see fold.h. Pure; its one failure is no memory. */
#include "fold.h"

#include <ctype.h>
#include <ldap.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

#include "error.h"
#include "latin.h"

static size_t squeeze(char *s, size_t len)
{
	size_t o = 0;
	for (size_t i = 0; i < len; i++) {
		int space = s[i] == ' ' || s[i] == '\t' || s[i] == '\r' || s[i] == '\n';
		if (!space)
			s[o++] = s[i];
		else if (o && s[o - 1] != ' ')
			s[o++] = ' ';
	}
	while (o && s[o - 1] == ' ')
		o--;
	return o;
}

enum { QUICK = 512 }; /* bytes of a text that is folded on the stack */

char *prov_fold_text(const char *s, size_t len)
{
	char *out, quick[QUICK];
	size_t n;
	if (prov_fold_text_quick(s, len, quick, sizeof(quick), &n))
		return strndup(quick, n);
	if (u8_check((const uint8_t *)s, len)) {
		out = malloc(len + 1);
		if (!out)
			return NULL;
		for (size_t i = 0; i < len; i++)
			out[i] = (char)((unsigned char)s[i] < 0x80 ? tolower((unsigned char)s[i])
								   : s[i]);
		n = squeeze(out, len);
	} else {
		size_t got = 0;
		uint8_t *f = u8_casefold((const uint8_t *)s, len, NULL, UNINORM_NFKC, NULL, &got);
		if (!f)
			return NULL;
		n = squeeze((char *)f, got);
		out = realloc(f, n + 1);
		if (!out) {
			free(f);
			return NULL;
		}
	}
	out[n] = '\0';
	return out;
}

/* The spellings of the naming attributes in use (RFC 4519, 2) that have two names. */
#define ALIAS(name, is) \
	{ \
		name, sizeof(name) - 1, is \
	}
static const struct {
	const char *name;
	size_t len;
	const char *is;
} alias[] = {
	ALIAS("commonname", "cn"),
	ALIAS("surname", "sn"),
	ALIAS("userid", "uid"),
	ALIAS("domaincomponent", "dc"),
	ALIAS("countryname", "c"),
	ALIAS("localityname", "l"),
	ALIAS("stateorprovincename", "st"),
	ALIAS("organizationname", "o"),
	ALIAS("organizationalunitname", "ou"),
	ALIAS("streetaddress", "street"),
	ALIAS("2.5.4.3", "cn"),
	ALIAS("2.5.4.11", "ou"),
	ALIAS("2.5.4.10", "o"),
	ALIAS("0.9.2342.19200300.100.1.1", "uid"),
	ALIAS("0.9.2342.19200300.100.1.25", "dc"),
};

bool prov_fold_text_quick(const char *s, size_t len, char *out, size_t room, size_t *n)
{
	if (!prov_latin_fold(PROV_LATIN_TEXT, s, len, out, room, n))
		return false;
	*n = squeeze(out, *n);
	return true;
}

bool prov_fold_name_quick(const char *s, size_t len, char *out, size_t room, size_t *n)
{
	return prov_latin_fold(PROV_LATIN_NAME, s, len, out, room, n);
}

/* Does it stand for itself in a DN, in one byte? */
static bool simple(char c)
{
	switch (c) {
	case '\\':
	case '"':
	case '+':
	case '#':
	case ';':
	case '<':
	case '>':
	case '=':
		return false;
	default:
		return (unsigned char)c >= ' ' && (unsigned char)c < 0x80;
	}
}

/* One "type=value" up to a comma or the end; *used counts it without the comma. 0: not simple. */
static size_t quick_ava(const char *s, size_t len, char *out, size_t *used)
{
	size_t i = 0, o = 0;
	for (; i < len && s[i] == ' '; i++)
		;
	size_t type = i;
	for (; i < len && (isalnum((unsigned char)s[i]) || s[i] == '-' || s[i] == '.'); i++)
		;
	size_t tlen = i - type;
	if (i == len || s[i] != '=' || !tlen)
		return 0;
	for (; o < tlen; o++)
		out[o] = (char)tolower((unsigned char)s[type + o]);
	for (size_t a = 0; a < sizeof(alias) / sizeof(alias[0]); a++)
		if (alias[a].len == tlen && !memcmp(out, alias[a].name, tlen)) {
			o = strlen(alias[a].is);
			memcpy(out, alias[a].is, o);
			break;
		}
	out[o++] = '=';
	size_t value = ++i, from = o;
	for (; i < len && s[i] != ','; i++) {
		if (!simple(s[i]))
			return 0;
		out[o++] = (char)tolower((unsigned char)s[i]);
	}
	*used = i;
	o = from + squeeze(out + from, i - value);
	return o > from ? o : 0;
}

bool prov_fold_dn_quick(const char *s, size_t len, char *out, size_t *n)
{
	size_t i = 0, o = 0;
	while (i < len) {
		size_t used = 0, put = quick_ava(s + i, len - i, out + o, &used);
		if (!put)
			return false;
		o += put;
		i += used;
		if (i < len) {
			out[o++] = ',';
			if (++i == len)
				return false; /* a comma and nothing */
		}
	}
	*n = o;
	return true;
}

char *prov_fold_name(const char *s, size_t len)
{
	char quick[QUICK];
	size_t got = 0, o = 0;
	if (prov_fold_name_quick(s, len, quick, sizeof(quick), &o))
		return strndup(quick, o);
	uint8_t *f = u8_check((const uint8_t *)s, len)
		? NULL
		: u8_casefold((const uint8_t *)s, len, NULL, UNINORM_NFKD, NULL, &got);
	if (!f)
		return prov_fold_text(s, len);
	o = prov_latin_letters(f, got);
	char *out = realloc(f, o + 1);
	if (!out)
		free(f);
	else
		out[o] = '\0';
	return out;
}

/* Hex for what separates, so that a raw ',' in the result always ends an RDN. */
static void put_value(FILE *out, const char *v)
{
	for (; *v; v++) {
		if (strchr(",+=\\", *v))
			fprintf(out, "\\%02x", (unsigned char)*v);
		else
			fputc(*v, out);
	}
}

static int text_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "type=value", folded; malloc'ed or NULL. */
static char *fold_ava(const LDAPAVA *a)
{
	char *type = prov_fold_text(a->la_attr.bv_val, a->la_attr.bv_len);
	char *value = prov_fold_text(a->la_value.bv_val, a->la_value.bv_len);
	char *text = NULL;
	size_t len = 0;
	FILE *out = type && value ? open_memstream(&text, &len) : NULL;
	if (out) {
		const char *name = type;
		for (size_t i = 0; i < sizeof(alias) / sizeof(alias[0]); i++)
			if (!strcmp(type, alias[i].name))
				name = alias[i].is;
		fprintf(out, "%s=%s", name, a->la_flags & LDAP_AVA_BINARY ? "#" : "");
		put_value(out, value);
		if (fclose(out)) {
			free(text);
			text = NULL;
		}
	}
	free(type);
	free(value);
	return text;
}

static int put_rdn(FILE *out, LDAPRDN rdn)
{
	enum { MOST = 16 };
	char *ava[MOST];
	int n = 0, rc = 0;
	for (; rdn[n] && n < MOST; n++) {
		ava[n] = fold_ava(rdn[n]);
		if (!ava[n])
			break;
	}
	if (rdn[n])
		rc = -1;
	else
		qsort(ava, (size_t)n, sizeof(*ava), text_order);
	for (int i = 0; i < n; i++) {
		fprintf(out, "%s%s", i ? "+" : "", ava[i]);
		free(ava[i]);
	}
	return rc;
}

char *prov_fold_dn(const char *s, size_t len)
{
	LDAPDN dn = NULL;
	char *text = strndup(s, len), *got = NULL;
	size_t n = 0;
	int rc = 0;
	if (!text)
		return NULL;
	if (!len || ldap_str2dn(text, &dn, LDAP_DN_FORMAT_LDAPV3) || !dn) {
		free(text);
		return prov_fold_text(s, len);
	}
	FILE *out = open_memstream(&got, &n);
	for (int i = 0; out && !rc && dn[i]; i++) {
		if (i)
			fputc(',', out);
		rc = put_rdn(out, dn[i]);
	}
	if (out && (fclose(out) || rc)) {
		free(got);
		got = NULL;
	}
	ldap_dnfree(dn);
	free(text);
	return got;
}

int prov_fold_dn_same(const char *a, const char *b)
{
	char *fa = prov_fold_dn(a, strlen(a)), *fb = prov_fold_dn(b, strlen(b));
	int same = fa && fb ? !strcmp(fa, fb) : PROV_ENOMEM;
	free(fa);
	free(fb);
	return same;
}

int prov_fold_dn_within(const char *dn, const char *base)
{
	size_t n = strlen(dn), m = strlen(base);
	if (!m)
		return 1;
	return n >= m && !strcmp(dn + n - m, base) && (n == m || dn[n - m - 1] == ',');
}
