/* What of an event leaves for a connector. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "body.h"

#define EVENT \
	"{\"data\":{\"dn\":\"uid=ann\"},\"id\":\"e1\",\"route\":[\"hr\",\"git\"]," \
	"\"subject\":\"s-1\",\"type\":\"t\",\"values\":{\"mail\":[\"a@b\"]," \
	"\"mail;lang-de\":[\"c@d\"],\"mailbox\":[\"x\"],\"homePhone\":[\"1\"]}}"

static int route(const char *json, const char *name, bool *wanted)
{
	char subject[37] = "";
	int rc = prov_body_route(json, strlen(json), name, NULL, wanted, subject, NULL);
	if (!rc && *wanted)
		assert_string_equal(subject, "s-1");
	return rc;
}

static void the_route_says_who_gets_it(void **state)
{
	(void)state;
	bool wanted = false;
	assert_int_equal(route(EVENT, "hr", &wanted), 0);
	assert_true(wanted);
	assert_int_equal(route(EVENT, "git", &wanted), 0);
	assert_true(wanted);
	static const char *const others[] = { "h", "hr2", "mail", "ann", "a\"b", "caf\xc3\xa9" };
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(route(EVENT, others[i], &wanted), 0);
		assert_false(wanted);
	}
}

static void a_name_that_json_escapes_is_found(void **state)
{
	(void)state;
	bool wanted = false;
	assert_int_equal(route("{\"id\":\"e\",\"route\":[\"a\\\"b\"],\"subject\":\"s-1\"}", "a\"b",
				 &wanted),
		0);
	assert_true(wanted);
	assert_int_equal(route("{\"id\":\"e\",\"route\":[\"a\\/b\"],\"subject\":\"s-1\"}", "a/b",
				 &wanted),
		0);
	assert_true(wanted);
	assert_int_equal(route("{\"id\":\"e\",\"route\":[\"caf\\u00e9\"],\"subject\":\"s-1\"}",
				 "caf\xc3\xa9", &wanted),
		0);
	assert_true(wanted);
}

static void what_is_no_event_is_corrupt(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "x hr", "[\"hr\"]",
		"{\"hr\":", "{\"route\":[\"hr\"]}", "null" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bool wanted = true;
		assert_int_equal(route(bad[i], "hr", &wanted), PROV_ECORRUPT);
		assert_false(wanted);
	}
}

static void values_leave_only_when_listed_and_helpers_never(void **state)
{
	(void)state;
	const struct prov_type mail = { .name = "MAIL" };
	const struct prov_type *attr[] = { &mail };
	const struct prov_connector none = { .name = "hr" };
	const struct prov_connector some = { .name = "hr", .nattr = 1, .attr = attr };
	struct prov_body b;
	assert_int_equal(prov_body_make(EVENT, strlen(EVENT), &none, &b, NULL), 0);
	assert_string_equal(b.text,
		"{\"data\":{\"dn\":\"uid=ann\"},\"id\":\"e1\",\"subject\":\"s-1\",\"type\":\"t\"}\n");
	assert_int_equal(b.len, strlen(b.text));
	assert_string_equal(b.id, "e1");
	assert_string_equal(b.type, "t");
	assert_string_equal(b.subject, "s-1");
	prov_body_dispose(&b);
	assert_int_equal(prov_body_make(EVENT, strlen(EVENT), &some, &b, NULL), 0);
	assert_string_equal(b.text,
		"{\"data\":{\"dn\":\"uid=ann\",\"values\":{\"mail\":[\"a@b\"],\"mail;lang-de\":"
		"[\"c@d\"]}},\"id\":\"e1\",\"subject\":\"s-1\",\"type\":\"t\"}\n");
	prov_body_dispose(&b);
	assert_int_equal(prov_body_make("{", 1, &some, &b, NULL), PROV_ECORRUPT);
	assert_null(b.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_route_says_who_gets_it),
		cmocka_unit_test(a_name_that_json_escapes_is_found),
		cmocka_unit_test(what_is_no_event_is_corrupt),
		cmocka_unit_test(values_leave_only_when_listed_and_helpers_never),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
