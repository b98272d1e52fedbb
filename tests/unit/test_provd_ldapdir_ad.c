/* What Active Directory has of its own: names, ids, passwords, error codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "error.h"
#include "ldapdir_ad.h"
#include "ldapdir_map.h"

static void a_guid_is_written_as_windows_writes_it(void **state)
{
	char octets[] = "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", out[37];

	(void)state;
	assert_int_equal(prov_ldapdir_ad_guid(&(struct berval){ 16, octets }, out), 0);
	assert_string_equal(out, "33221100-5544-7766-8899-aabbccddeeff");
	assert_int_equal(prov_ldapdir_ad_guid(&(struct berval){ 15, octets }, out), PROV_EINVAL);
	assert_int_equal(prov_ldapdir_ad_guid(&(struct berval){ 0, NULL }, out), PROV_EINVAL);
}

static void names_that_cannot_be_are_told(void **state)
{
	static const char bad[] = "\"/\\[]:;|=,+*?<>\n\t\x7f";
	char name[] = "a?b";

	(void)state;
	for (const char *p = bad; *p; p++) {
		name[1] = *p;
		assert_non_null(prov_ldapdir_ad_bad_name(name, PROV_AD_USER_NAME));
	}
	assert_non_null(prov_ldapdir_ad_bad_name("", PROV_AD_USER_NAME));
	assert_non_null(prov_ldapdir_ad_bad_name("dot.", PROV_AD_USER_NAME));
	assert_null(prov_ldapdir_ad_bad_name("a.b-c_d e'f@g#h", PROV_AD_USER_NAME));
}

static void characters_are_counted_and_not_octets(void **state)
{
	(void)state;
	assert_null(prov_ldapdir_ad_bad_name("ääääääääääääääääääää", PROV_AD_USER_NAME));
	assert_non_null(prov_ldapdir_ad_bad_name("aaaaaaaaaaaaaaaaaaaaa", PROV_AD_USER_NAME));
	assert_null(prov_ldapdir_ad_bad_name("aaaaaaaaaaaaaaaaaaaaa", PROV_AD_GROUP_NAME));
}

static void the_domain_is_what_the_dn_says(void **state)
{
	static const char *const cases[][2] = {
		{ "OU=staff,DC=ad,DC=example,DC=com", "ad.example.com" },
		{ "dc=example", "example" },
		{ "ou=dc,o=x", NULL },
		{ "", NULL },
		{ "no dn", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *got = prov_ldapdir_ad_domain(cases[i][0]);
		if (cases[i][1])
			assert_string_equal(got, cases[i][1]);
		else
			assert_null(got);
		free(got);
	}
}

/* In quotes, UTF-16LE; 34 characters; upper and lower case, digit, other; never the same. */
static void a_password_is_what_unicodePwd_takes(void **state)
{
	char before[68] = { 0 };

	(void)state;
	for (int round = 0; round < 50; round++) {
		struct berval **v = prov_ldapdir_ad_password();
		assert_non_null(v);
		assert_null(v[1]);
		assert_int_equal(v[0]->bv_len, sizeof(before));
		assert_memory_equal(v[0]->bv_val, "\"\0x\0X\0007\0-\0", 10);
		assert_memory_equal(v[0]->bv_val + 66, "\"\0", 2);
		for (size_t i = 0; i < sizeof(before); i += 2) {
			char c = v[0]->bv_val[i];
			assert_int_equal(v[0]->bv_val[i + 1], 0);
			assert_true(c > ' ' && c < 0x7f && !strchr("aeiouyAEIOUY", c));
			assert_true(c != '"' || i == 0 || i == 66);
		}
		assert_memory_not_equal(v[0]->bv_val, before, sizeof(before));
		memcpy(before, v[0]->bv_val, sizeof(before));
		prov_ldapdir_values_free(v);
	}
}

static void codes_are_explained(void **state)
{
	(void)state;
	assert_string_equal(prov_ldapdir_ad_hint("00002071: UpdErr: DSID-0305038D, problem 6005"),
		"the name is taken there");
	assert_string_equal(prov_ldapdir_ad_hint("0000052d: Constraint violation - check"),
		"the password policy there refuses the password");
	assert_string_equal(
		prov_ldapdir_ad_hint(
			"80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext "
			"error, data 775, v2580"),
		"the account is locked out");
	assert_null(prov_ldapdir_ad_hint(""));
	assert_null(prov_ldapdir_ad_hint("object class violation, data 533, and so on"));
	assert_null(prov_ldapdir_ad_hint("000020710: not a code"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guid_is_written_as_windows_writes_it),
		cmocka_unit_test(names_that_cannot_be_are_told),
		cmocka_unit_test(characters_are_counted_and_not_octets),
		cmocka_unit_test(the_domain_is_what_the_dn_says),
		cmocka_unit_test(a_password_is_what_unicodePwd_takes),
		cmocka_unit_test(codes_are_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
