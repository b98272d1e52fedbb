/* What a scan keeps: hashes for texts, DNs in pieces, LDIF that RFC 2849 takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fold.h"
#include "hashindex.h"
#include "ldifout.h"
#include "scan.h"

static void the_quick_way_folds_as_the_long_way_does(void **state)
{
	static const char *const simple[] = { "uid=ada,ou=people,dc=example,dc=com",
		"UID=Ada, OU=People ,  DC=Example, DC=COM", "commonName=a  b,dc=x",
		"2.5.4.3=a,domainComponent=x", "cn= x ,dc=y", "" };
	static const char *const not_simple[] = { "cn=a\\,b,dc=x", "cn=a+uid=b,dc=x",
		"cn=zo\xc3\xab,dc=x", "cn=#0401,dc=x", "cn=a=b,dc=x", "cn=,dc=x", "cn", "cn=a,",
		"cn=\"a\",dc=x", "=a,dc=x", "cn=a;dc=x" };
	char out[128];
	size_t n;
	(void)state;
	for (size_t i = 0; i < sizeof(simple) / sizeof(simple[0]); i++) {
		char *slow = prov_fold_dn(simple[i], strlen(simple[i]));
		assert_true(prov_fold_dn_quick(simple[i], strlen(simple[i]), out, &n));
		assert_int_equal(n, strlen(slow));
		assert_memory_equal(out, slow, n);
		free(slow);
	}
	for (size_t i = 0; i < sizeof(not_simple) / sizeof(not_simple[0]); i++)
		assert_false(prov_fold_dn_quick(not_simple[i], strlen(not_simple[i]), out, &n));
	assert_true(prov_fold_text_quick(" A  b ", 6, out, sizeof(out), &n));
	assert_int_equal(n, 3);
	assert_false(prov_fold_text_quick("\xe5\xbc\xa0", 3, out, sizeof(out), &n));
}

static void names_of_people_are_compared_without_accents_and_signs(void **state)
{
	static const char *const same[][2] = { { "Zo\xc3\xab M\xc3\xbcller-Gro\xc3\x9f",
						       "zoe MULLER GROSS" },
		{ "O'Brien", "obrien" }, { "\xc3\x85sa", "A\xcc\x8asa" } };
	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		char *a = prov_fold_name(same[i][0], strlen(same[i][0]));
		char *b = prov_fold_name(same[i][1], strlen(same[i][1]));
		assert_string_equal(a, b);
		free(a);
		free(b);
	}
	char *a = prov_fold_name("\xe5\xbc\xa0", 3), *b = prov_fold_name("\xe6\x9d\x8e", 3);
	assert_string_not_equal(a, b);
	free(a);
	free(b);
}

static void a_hundred_thousand_hashes_keep_their_numbers(void **state)
{
	struct prov_hashindex x = { 0 };
	char name[32];
	uint32_t n;
	int fresh;
	(void)state;
	for (int round = 0; round < 2; round++)
		for (uint32_t i = 0; i < 100000; i++) {
			int len = snprintf(name, sizeof(name), "uid=p%u", i);
			assert_int_equal(prov_hashindex_add(&x, prov_hash_dn(name, (size_t)len), &n,
						 &fresh),
				0);
			assert_int_equal(n, i);
			assert_int_equal(fresh, !round);
		}
	assert_int_equal(x.n, 100000);
	assert_int_equal(prov_hashindex_find(&x, prov_hash_dn("UID=P7", 6)), 7);
	assert_int_equal(prov_hashindex_find(&x, prov_hash_dn("uid=other", 9)),
		PROV_HASHINDEX_NONE);
	prov_hashindex_dispose(&x);
	assert_int_equal(prov_hashindex_find(&x, 1), PROV_HASHINDEX_NONE);
}

static void dns_come_back_as_they_were(void **state)
{
	static const char *const dn[] = { "uid=ada,ou=people,dc=example,dc=com",
		"cn=Smith\\, John,dc=x", "cn=a\\2Cb\\\\,dc=x", "dc=com",
		"uid=bob,ou=people,dc=example,dc=com" };
	struct scan s = { 0 };
	uint32_t number;
	int fresh;
	(void)state;
	assert_int_equal(prov_strmap_new(&s.parents), 0);
	for (size_t i = 0; i < sizeof(dn) / sizeof(dn[0]); i++) {
		struct berval v = { strlen(dn[i]), (char *)dn[i] };
		assert_int_equal(scan_account_add(&s, &v, &number, &fresh), 0);
		assert_true(fresh);
		assert_int_equal(number, i);
	}
	for (uint32_t i = 0; i < sizeof(dn) / sizeof(dn[0]); i++) {
		char *back = scan_account_dn(&s, i);
		assert_string_equal(back, dn[i]);
		free(back);
	}
	struct berval again = { 36, "UID=ADA, ou=people,dc=example,dc=com" };
	assert_int_equal(scan_account_add(&s, &again, &number, &fresh), 0);
	assert_int_equal(number, 0);
	assert_false(fresh);
	assert_int_equal(prov_strmap_count(s.parents), 3);
	scan_dispose(&s);
}

static void sorted_values_are_found_by_their_hash(void **state)
{
	struct scan s = { 0 };
	(void)state;
	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(scan_id_add(&s, SCAN_ID_UID, prov_hash(&i, sizeof(i)), i), 0);
	scan_id_sort(&s, SCAN_ID_UID);
	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(scan_id_find(&s, SCAN_ID_UID, prov_hash(&i, sizeof(i))), i);
	assert_int_equal(scan_id_find(&s, SCAN_ID_UID, 12345), SCAN_NONE);
	assert_int_equal(scan_id_find(&s, SCAN_ID_MAIL, 12345), SCAN_NONE);
	scan_dispose(&s);
}

static void change_records_are_ldif(void **state)
{
	static const struct {
		const char *value, *line;
	} t[] = {
		{ "plain", "cn: plain\n" },
		{ "", "cn: \n" },
		{ " leading", "cn:: IGxlYWRpbmc=\n" },
		{ "trailing ", "cn:: dHJhaWxpbmcg\n" },
		{ ":colon", "cn:: OmNvbG9u\n" },
		{ "<less", "cn:: PGxlc3M=\n" },
		{ "two\nlines", "cn:: dHdvCmxpbmVz\n" },
		{ "zo\xc3\xab", "cn:: em/Dqw==\n" },
		{ "mid: dle <", "cn: mid: dle <\n" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char *text = prov_ldif_change("uid=zo\xc3\xab,dc=x", "delete", "cn", t[i].value,
			strlen(t[i].value));
		char want[256];
		snprintf(want, sizeof(want),
			"dn:: dWlkPXpvw6ssZGM9eA==\ncontrol: 1.2.840.113556.1.4.1413 false\nchangetype: modify\ndelete: cn\n%s-\n\n",
			t[i].line);
		assert_string_equal(text, want);
		free(text);
	}
	char big[1998], *text; /* whole groups of three: no padding anywhere */
	memset(big, 0xc3, sizeof(big));
	text = prov_ldif_change("dc=x", "add", "cn", big, sizeof(big));
	assert_null(strchr(strstr(text, "cn:: "), '='));
	assert_int_equal(strcspn(strstr(text, "cn:: "), "\n"), 5 + sizeof(big) / 3 * 4);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_quick_way_folds_as_the_long_way_does),
		cmocka_unit_test(names_of_people_are_compared_without_accents_and_signs),
		cmocka_unit_test(a_hundred_thousand_hashes_keep_their_numbers),
		cmocka_unit_test(dns_come_back_as_they_were),
		cmocka_unit_test(sorted_values_are_found_by_their_hash),
		cmocka_unit_test(change_records_are_ldif),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
