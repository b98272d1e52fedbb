/* Error texts: set, cut, prefixed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "error.h"

static void setting_returns_the_code_and_fills_the_text(void **state)
{
	(void)state;
	struct prov_error err = { 0 };

	assert_int_equal(prov_error_set(&err, PROV_EINVAL, "%s is %d", "answer", 42), PROV_EINVAL);
	assert_int_equal(err.code, PROV_EINVAL);
	assert_string_equal(err.text, "answer is 42");
}

static void without_a_place_for_the_text_only_the_code_comes_back(void **state)
{
	(void)state;
	assert_int_equal(prov_error_set(NULL, PROV_ENOENT, "%s", "nobody"), PROV_ENOENT);
	assert_int_equal(prov_error_prefix(NULL, "%s", "nobody"), 0);
}

static void a_long_text_is_cut_and_terminated(void **state)
{
	(void)state;
	struct prov_error err;
	char big[2000];

	memset(&err, 'z', sizeof(err));
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	prov_error_set(&err, PROV_EIO, "%s", big);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void a_text_that_is_cut_is_still_utf8(void **state)
{
	(void)state;
	struct prov_error err;

	/* \u20ac has three bytes: for two of three starts the cut falls into one */
	for (int start = 0; start < 3; start++) {
		char big[1000] = "xx";
		size_t n = (size_t)start;
		while (n + 3 < sizeof(big)) {
			memcpy(big + n, "\xe2\x82\xac", 3);
			n += 3;
		}
		big[n] = '\0';
		prov_error_set(&err, PROV_EIO, "%s", big);
		n = strlen(err.text);
		assert_int_equal((n - (size_t)start) % 3, 0);
		assert_true(n > sizeof(err.text) - 4);
		prov_error_set(&err, PROV_EIO, "%s", big);
		prov_error_prefix(&err, "role");
		n = strlen(err.text);
		assert_int_equal((n - (size_t)start - strlen("role: ")) % 3, 0);
	}
}

static void quoted_bytes_cannot_break_the_line_or_the_encoding(void **state)
{
	(void)state;
	struct prov_error err;

	prov_error_set(&err, PROV_EINVAL, "value \"%s\"", "a\nb\tc\x7f\xff\xc3\xa9\xe2\x82");
	assert_string_equal(err.text, "value \"a?b?c??\xc3\xa9??\"");
	prov_error_prefix(&err, "role \"%s\"", "x\ry\x80");
	assert_string_equal(err.text, "role \"x?y?\": value \"a?b?c??\xc3\xa9??\"");
}

static void a_text_may_be_made_of_the_one_before(void **state)
{
	(void)state;
	struct prov_error err;

	prov_error_set(&err, PROV_EINVAL, "one");
	prov_error_set(&err, PROV_EIO, "two, after %s", err.text);
	assert_string_equal(err.text, "two, after one");
}

static void a_prefix_goes_before_the_text_and_the_code_stays(void **state)
{
	(void)state;
	struct prov_error err;

	prov_error_set(&err, PROV_EREFUSED, "attribute sn is missing");
	assert_int_equal(prov_error_prefix(&err, "line %d", 3), PROV_EREFUSED);
	prov_error_prefix(&err, "role \"%s\"", "sales");
	assert_string_equal(err.text, "role \"sales\": line 3: attribute sn is missing");
}

static void a_prefix_that_is_too_long_leaves_what_is_there(void **state)
{
	(void)state;
	struct prov_error err;
	char big[600];

	memset(big, 'p', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	prov_error_set(&err, PROV_EINVAL, "reason");
	assert_int_equal(prov_error_prefix(&err, "%s", big), PROV_EINVAL);
	assert_string_equal(err.text, "reason");
}

static void every_length_of_prefix_and_text_fits(void **state)
{
	(void)state;
	char p[520], t[520];

	for (size_t np = 500; np < 515; np++)
		for (size_t nt = 0; nt < 515; nt += 103) {
			struct prov_error err;
			memset(p, 'p', np);
			p[np] = '\0';
			memset(t, 't', nt);
			t[nt] = '\0';
			prov_error_set(&err, PROV_EIO, "%s", t);
			prov_error_prefix(&err, "%s", p);
			assert_true(strlen(err.text) < sizeof(err.text));
		}
}

static void every_code_has_its_own_words(void **state)
{
	(void)state;
	for (int a = PROV_EVERSION; a <= PROV_OK; a++) {
		assert_string_not_equal(prov_strerror(a), "unknown error");
		for (int b = PROV_EVERSION; b < a; b++)
			assert_string_not_equal(prov_strerror(a), prov_strerror(b));
	}
	assert_string_equal(prov_strerror(-4711), "unknown error");
	assert_string_equal(prov_strerror(1), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(setting_returns_the_code_and_fills_the_text),
		cmocka_unit_test(without_a_place_for_the_text_only_the_code_comes_back),
		cmocka_unit_test(a_long_text_is_cut_and_terminated),
		cmocka_unit_test(a_text_that_is_cut_is_still_utf8),
		cmocka_unit_test(quoted_bytes_cannot_break_the_line_or_the_encoding),
		cmocka_unit_test(a_text_may_be_made_of_the_one_before),
		cmocka_unit_test(a_prefix_goes_before_the_text_and_the_code_stays),
		cmocka_unit_test(a_prefix_that_is_too_long_leaves_what_is_there),
		cmocka_unit_test(every_length_of_prefix_and_text_fits),
		cmocka_unit_test(every_code_has_its_own_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
