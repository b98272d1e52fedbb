/* provGrant and provException: what is printed is read back; what is broken is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "grant.h"

static struct prov_val S(const char *s) {
	return prov_val_str(s);
}

static void
the_text_form_is_as_documented(void **state)
{
	struct prov_arena a = PROV_ARENA_INIT;
	const struct prov_grant g = { PROV_KIND_ADD, true, S("20260101000000Z"), S("id"),
		S("cn=a$b"), S("3"), S("description: back\\slash") };
	struct prov_val out;

	(void)state;
	assert_int_equal(prov_grant_print(&g, false, &a, &out), 0);
	assert_true(prov_val_equal(out,
		S("add$had$20260101000000Z$id$cn=a\\24b$3$description: back\\5Cslash")));
	assert_int_equal(prov_grant_print(&g, true, &a, &out), 0);
	assert_true(prov_val_equal(out,
		S("add$$20260101000000Z$id$cn=a\\24b$3$description: back\\5Cslash")));
	prov_arena_dispose(&a);
}

static void every_kind_and_every_byte_comes_back(void **state)
{
	char all[256];

	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	for (int k = PROV_KIND_GROUP; k <= PROV_KIND_ENFORCE; k++) {
		struct prov_arena a = PROV_ARENA_INIT;
		const struct prov_grant g = { (enum prov_kind)k, k % 2, S("1"), S(""), { all, 256 },
			S(""), { all, 256 } };
		struct prov_grant back;
		struct prov_val out;
		assert_int_equal(prov_grant_print(&g, false, &a, &out), 0);
		assert_int_equal(prov_grant_parse(out, &a, &back, NULL), 0);
		assert_int_equal(back.kind, k);
		assert_int_equal(back.had, k % 2);
		assert_true(prov_val_equal(back.role, g.role));
		assert_true(prov_val_equal(back.what, g.what));
		assert_int_equal(back.tag.len, 0);
		prov_arena_dispose(&a);
	}
}

static void what_is_broken_is_named(void **state)
{
	static const char *const bad[][2] = {
		{ "", "origin" },
		{ "group$new$s$c$r$t", "what" },
		{ "group$new$s$c$r$t$", "what" },
		{ "group$new$s$c$r$t$w$more", "fields" },
		{ "gift$new$s$c$r$t$w", "gift" },
		{ "group$old$s$c$r$t$w", "origin" },
		{ "group$new$s$c$r$t$w\\2", "what" },
		{ "group$new$s$c$r\\zz$t$w", "role" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct prov_arena a = PROV_ARENA_INIT;
		struct prov_error err = { 0, "" };
		struct prov_grant g;
		assert_int_equal(prov_grant_parse(S(bad[i][0]), &a, &g, &err), PROV_EINVAL);
		assert_non_null(strstr(err.text, bad[i][1]));
		prov_arena_dispose(&a);
	}
}

static void attribute_and_value_are_split_at_the_first_colon(void **state)
{
	struct prov_val attr, value;

	(void)state;
	assert_true(prov_grant_split(S("mail: a: b"), &attr, &value));
	assert_true(prov_val_equal(attr, S("mail")));
	assert_true(prov_val_equal(value, S("a: b")));
	assert_true(prov_grant_split(S("cn: "), &attr, &value));
	assert_int_equal(value.len, 0);
	assert_false(prov_grant_split(S(": x"), &attr, &value));
	assert_false(prov_grant_split(S("cn:x"), &attr, &value));
	assert_false(prov_grant_split(S(""), &attr, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_form_is_as_documented),
		cmocka_unit_test(every_kind_and_every_byte_comes_back),
		cmocka_unit_test(what_is_broken_is_named),
		cmocka_unit_test(attribute_and_value_are_split_at_the_first_colon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
