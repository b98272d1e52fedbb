/* A secret that a destination sends back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "mask.h"

static void secrets_are_masked_however_they_are_written(void **state)
{
	static const struct {
		const char *secret, *text, *want;
	} cases[] = {
		{ "s3cret", "no s3cret here, s3cret", "no ****** here, ******" },
		{ "s3cret", "S3cret s3cre t", "S3cret s3cre t" },
		{ "ab/cd+=", "{\"a\":\"ab\\/cd+=\"}", "{\"a\":\"********\"}" },
		{ "ab/cd+=", "ab%2Fcd%2b%3D&x", "*************&x" },
		{ "ab/cd+=", "\"ab/cd\\u002b\\u003D\"", "\"*****************\"" },
		{ "aab\"c", "aaab\\\"c", "a******" },
		{ "aab\\c", "aab\\\\c.", "******." },
		{ "s3cret-token", "cut: s3cret-to", "cut: *********" },
		{ "s3cret/token", "cut: s3cret\\", "cut: *******" },
		{ "s3cret/token", "cut: s3cret%2", "cut: ********" },
		{ "s3cret", "ends with s3c", "ends with s3c" }, /* too little to tell anything */
		{ "abc", "abc", "abc" },
		{ "s3cret", "", "" },
		{ "a\\\\bc", "a\\\\bc a\\\\\\\\bc", "***** *******" },
		{ "p%20q", "p%20q p%2520q", "***** *******" },
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		strcpy(text, cases[i].text);
		prov_mask(text, strlen(text), cases[i].secret);
		assert_string_equal(text, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_are_masked_however_they_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
