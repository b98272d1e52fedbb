/* The reason of a decision of an access review: made and read back, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "error.h"
#include "review_reason.h"

static void names(void **state)
{
	char longest[REVIEW_NAME_MOST + 2];
	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[REVIEW_NAME_MOST + 1] = '\0';
	assert_false(review_name_ok(longest));
	longest[REVIEW_NAME_MOST] = '\0';
	assert_true(review_name_ok(longest));
	assert_true(review_name_ok("2026-Q4_x.1"));
	assert_false(review_name_ok(""));
	assert_false(review_name_ok("a b"));
	assert_false(review_name_ok("a:"));
	assert_false(review_name_ok("\xc3\xa4"));
}

static void made_and_read_back(void **state)
{
	static const struct {
		enum review_decision d;
		const char *role, *text, *reason, *role_back, *text_back;
	} t[] = {
		{ REVIEW_KEEP, "cn=a,dc=x", "why", "review q4: keep cn=a,dc=x: why", "cn=a,dc=x",
			"why" },
		{ REVIEW_REVOKE, "cn=a,dc=x", "", "review q4: revoke cn=a,dc=x", "cn=a,dc=x", "" },
		{ REVIEW_REVOKE, "cn=a: keep b,dc=x", " x:\r\n\ty  z ",
			"review q4: revoke cn=a\\3A keep b,dc=x: x: y z", "cn=a\\3A keep b,dc=x",
			"x: y z" },
		{ REVIEW_KEEP, "cn=a", " \n", "review q4: keep cn=a", "cn=a", "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct review_reason was;
		char *reason = review_reason_make("q4", t[i].d, t[i].role, t[i].text);
		assert_string_equal(reason, t[i].reason);
		assert_int_equal(review_reason_parse(reason, &was), 0);
		assert_string_equal(was.name, "q4");
		assert_int_equal(was.decision, t[i].d);
		assert_string_equal(was.role, t[i].role_back);
		assert_string_equal(was.text, t[i].text_back);
		free(was.role);
		free(reason);
	}
}

static void what_is_none(void **state)
{
	static const char *const text[] = { "", "review", "review ", "review q4",
		"review q4: ", "review q4: keep", "review q4: keep ", "review q4: keep : x",
		"review q4: keep cn=a:x", "review q4: keep cn=a:", "review q 4: keep cn=a",
		"review : keep cn=a", "review q4: keeps cn=a", "Review q4: keep cn=a",
		"CHG-1 review q4: keep cn=a" };
	struct review_reason was;
	(void)state;
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		assert_int_equal(review_reason_parse(text[i], &was), PROV_EINVAL);
		assert_null(was.role);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(made_and_read_back),
		cmocka_unit_test(what_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
