/* Folding of texts and DNs, and the map of folded texts that a scan joins with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "fold.h"
#include "latin.h"
#include "strmap.h"

static void texts_fold_as_caseIgnoreMatch_does(void **state)
{
	static const char *const same[][2] = {
		{ "Ada Lovelace", "ada  LOVELACE" },
		{ "  trimmed ", "Trimmed" },
		{ "Zo\xc3\x8b", "zo\xc3\xab" },  /* upper and lower */
		{ "zoe\xcc\x88", "zo\xc3\xab" }, /* decomposed and composed */
		{ "Stra\xc3\x9f\x65", "STRASSE" },
		{ "\xef\xbc\xa1", "a" }, /* full width */
		{ "a\tb", "a b" },
		{ "", "   " },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		char *a = prov_fold_text(same[i][0], strlen(same[i][0]));
		char *b = prov_fold_text(same[i][1], strlen(same[i][1]));
		assert_string_equal(a, b);
		free(a);
		free(b);
	}
}

static size_t put(ucs4_t c, uint8_t *out)
{
	int n = u8_uctomb(out, c, 4);
	assert_true(n > 0);
	return (size_t)n;
}

static void same_as_unicode(const uint8_t *s, size_t len)
{
	char got[64];
	size_t n = 0, want = 0, o = 0;
	assert_true(prov_latin_fold(PROV_LATIN_TEXT, (const char *)s, len, got, sizeof(got), &n));
	uint8_t *f = u8_casefold(s, len, NULL, UNINORM_NFKC, NULL, &want);
	assert_non_null(f);
	assert_int_equal(n, want);
	assert_memory_equal(got, f, n);
	free(f);
	f = u8_casefold(s, len, NULL, UNINORM_NFKD, NULL, &want);
	assert_non_null(f);
	assert_true(prov_latin_fold(PROV_LATIN_NAME, (const char *)s, len, got, sizeof(got), &n));
	for (size_t i = 0; i < want;) {
		ucs4_t c;
		size_t step = (size_t)u8_mbtouc(&c, f + i, want - i);
		if (uc_is_general_category(c, UC_LETTER) || uc_is_general_category(c, UC_NUMBER)) {
			assert_true(o + step <= n);
			assert_memory_equal(got + o, f + i, step);
			o += step;
		}
		i += step;
	}
	assert_int_equal(o, n);
	free(f);
}

/* Each character alone, and beside those whose forms are the oddest. */
static void latin_letters_fold_as_unicode_says(void **state)
{
	static const ucs4_t beside[] = { 'a', 'I', ' ', 0xa0, 0xa8, 0xb4, 0xdf, 0xe9, 0x130, 0x131,
		0x132, 0x149, 0x17f, 0x1c4, 0x1d5, 0x1f0, 0x2b0, 0x2dc };
	uint8_t s[12];
	(void)state;
	for (ucs4_t c = 1; c < 0x300; c++) {
		same_as_unicode(s, put(c, s));
		for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
			size_t n = put(beside[i], s);
			n += put(c, s + n);
			n += put(beside[i], s + n);
			same_as_unicode(s, n);
		}
	}
}

static void what_the_table_has_not_is_left_to_unicode(void **state)
{
	static const char *const not_here[] = { "zoe\xcc\x88", "\xe5\xbc\xa0", "a\xc3", "\xc3",
		"\xff", "\xc0\x80", "\xc1\xbf", "\x80", "\xc3\x28" };
	char out[16];
	size_t n;
	(void)state;
	for (size_t i = 0; i < sizeof(not_here) / sizeof(not_here[0]); i++)
		assert_false(prov_latin_fold(PROV_LATIN_TEXT, not_here[i], strlen(not_here[i]), out,
			sizeof(out), &n));
	assert_true(prov_latin_fold(PROV_LATIN_TEXT, "\xc3\x9f", 2, out, 2, &n));
	assert_false(prov_latin_fold(PROV_LATIN_TEXT, "\xc3\x9f", 2, out, 1, &n));
	assert_true(prov_latin_fold(PROV_LATIN_NAME, "", 0, out, 0, &n) && n == 0);
}

static void bytes_that_are_not_text_stay_apart(void **state)
{
	char *a = prov_fold_text("x\xff", 2), *b = prov_fold_text("x\xfe", 2);
	(void)state;
	assert_string_not_equal(a, b);
	free(a);
	free(b);
}

static void equal_dns_fold_to_the_same(void **state)
{
	static const char *const same[][2] = {
		{ "uid=ada,ou=people,dc=example,dc=com", "UID=Ada, OU=People, DC=Example, DC=COM" },
		{ "cn=a+uid=b,dc=x", "uid=B+cn=A,dc=x" },
		{ "cn=Smith\\, John,dc=x", "cn=smith\\2C john,dc=x" },
		{ "commonName=a,dc=x", "cn=a,dc=x" },
		{ "2.5.4.3=a,domainComponent=x", "cn=a,dc=x" },
		{ "cn=Zo\\C3\\8B,dc=x", "cn=zo\xc3\xab,dc=x" },
		{ "cn=a  b,dc=x", "cn=a b,dc=x" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		char *a = prov_fold_dn(same[i][0], strlen(same[i][0]));
		char *b = prov_fold_dn(same[i][1], strlen(same[i][1]));
		assert_string_equal(a, b);
		free(a);
		free(b);
	}
}

static void different_dns_do_not(void **state)
{
	static const char *const other[][2] = {
		{ "cn=a,dc=x", "cn=a,dc=y" },
		{ "cn=a\\,dc=x", "cn=a,dc=x" },
		{ "cn=a\\+uid\\=b,dc=x", "cn=a+uid=b,dc=x" },
		{ "cn=a,dc=x", "uid=a,dc=x" },
		{ "cn=a\\\\2c,dc=x", "cn=a\\2c,dc=x" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		char *a = prov_fold_dn(other[i][0], strlen(other[i][0]));
		char *b = prov_fold_dn(other[i][1], strlen(other[i][1]));
		assert_string_not_equal(a, b);
		free(a);
		free(b);
	}
}

static void what_is_no_dn_is_folded_as_text(void **state)
{
	char *a = prov_fold_dn("No DN", 5), *b = prov_fold_dn("", 0);
	(void)state;
	assert_string_equal(a, "no dn");
	assert_string_equal(b, "");
	free(a);
	free(b);
}

static void within_is_by_whole_rdns(void **state)
{
	(void)state;
	assert_true(prov_fold_dn_within("cn=a,dc=x", "dc=x"));
	assert_true(prov_fold_dn_within("dc=x", "dc=x"));
	assert_true(prov_fold_dn_within("dc=x", ""));
	assert_false(prov_fold_dn_within("cn=adc=x", "dc=x"));
	assert_false(prov_fold_dn_within("dc=x", "cn=a,dc=x"));
	char *escaped = prov_fold_dn("cn=a\\,dc=x", 10);
	assert_false(prov_fold_dn_within(escaped, "dc=x"));
	free(escaped);
}

static void the_map_finds_what_was_added(void **state)
{
	enum { MANY = 20000 };
	struct prov_strmap *m = NULL;
	char text[32];
	size_t at;
	int fresh;
	(void)state;
	assert_int_equal(prov_strmap_new(&m), 0);
	assert_int_equal(prov_strmap_find(m, "x"), PROV_STRMAP_NONE);
	for (size_t i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "uid=u%zu,dc=example", i);
		assert_int_equal(prov_strmap_add(m, text, &at, &fresh), 0);
		assert_int_equal(at, i);
		assert_true(fresh);
	}
	for (size_t i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "uid=u%zu,dc=example", i);
		assert_int_equal(prov_strmap_find(m, text), i);
		assert_int_equal(prov_strmap_add(m, text, &at, &fresh), 0);
		assert_int_equal(at, i);
		assert_false(fresh);
		assert_string_equal(prov_strmap_text(m, i), text);
	}
	assert_int_equal(prov_strmap_count(m), MANY);
	assert_int_equal(prov_strmap_find(m, "uid=u20000,dc=example"), PROV_STRMAP_NONE);
	assert_int_equal(prov_strmap_add(m, "", &at, NULL), 0);
	assert_int_equal(prov_strmap_find(m, ""), MANY);
	assert_null(prov_strmap_text(m, MANY + 1));
	prov_strmap_free(&m);
	prov_strmap_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_fold_as_caseIgnoreMatch_does),
		cmocka_unit_test(latin_letters_fold_as_unicode_says),
		cmocka_unit_test(what_the_table_has_not_is_left_to_unicode),
		cmocka_unit_test(bytes_that_are_not_text_stay_apart),
		cmocka_unit_test(equal_dns_fold_to_the_same),
		cmocka_unit_test(different_dns_do_not),
		cmocka_unit_test(what_is_no_dn_is_folded_as_text),
		cmocka_unit_test(within_is_by_whole_rdns),
		cmocka_unit_test(the_map_finds_what_was_added),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
