/* Looking things up in entries; and that the schema the unit tests use is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "entry.h"
#include "error.h"
#include "fake_schema.h"

static struct prov_val val(const char *s)
{
	return prov_val_str(s);
}

static void types_know_what_is_above_them(void **state)
{
	(void)state;
	static const struct {
		const char *type, *asked;
		bool is;
	} t[] = {
		{ "cn", "cn", true },
		{ "cn", "name", true },
		{ "name", "cn", false },
		{ "cn", "sn", false },
		{ "cn;lang-de", "cn", true },
		{ "cn;lang-de", "name", true },
		{ "cn", "cn;lang-de", false },
		{ "cn;lang-de", "cn;lang-fr", false },
		{ "owner", "manager", false },
	};
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(prov_type_is(fake_type(t[i].type), fake_type(t[i].asked)),
			t[i].is);
	assert_false(prov_type_is(NULL, fake_type("cn")));
}

static void equal_types_have_the_same_address(void **state)
{
	(void)state;
	assert_ptr_equal(fake_type("cn"), fake_type("CN"));
	assert_ptr_equal(fake_type("cn"), fake_type("commonName"));
	assert_ptr_equal(fake_type("cn;lang-de"), fake_type("CN;Lang-DE"));
	static const char *const bad[] = { "", "nosuch", "cn;", "cn;;x", "cn;a b", "cn ", ";x",
		"nosuch;lang-de" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(fake_schema.type(NULL, bad[i], strlen(bad[i])));
	assert_null(fake_schema.type(NULL, "cn\0", 3));
}

static void values_are_bytes_with_a_length(void **state)
{
	(void)state;
	struct prov_val a = { "a\0b", 3 }, b = { "a\0c", 3 }, nothing = { NULL, 0 };

	assert_true(prov_val_equal(a, a));
	assert_false(prov_val_equal(a, b));
	assert_false(prov_val_equal(a, val("a")));
	assert_true(prov_val_equal(nothing, val("")));
	assert_true(prov_val_equal(val(NULL), nothing));
	assert_non_null(val(NULL).data);
}

static void an_attribute_is_found_by_its_exact_type(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;
	const struct prov_entry *e = FAKE_ENTRY(&a, "uid=anna,dc=x", "cn;lang-de: Anne", "cn: Anna",
		"cn: Ann", "sn: Berg");

	assert_int_equal(prov_entry_attr(e, fake_type("cn"))->n, 2);
	assert_ptr_equal(prov_entry_attr(e, fake_type("cn;lang-de"))->type,
		fake_type("cn;lang-de"));
	assert_null(prov_entry_attr(e, fake_type("name")));
	assert_null(prov_entry_attr(e, fake_type("mail")));
	assert_null(prov_entry_attr(NULL, fake_type("cn")));
	prov_arena_dispose(&a);
}

static void the_first_value_of_the_type_itself_goes_before_one_below_it(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;
	struct prov_val v;
	const struct prov_entry *e =
		FAKE_ENTRY(&a, "uid=anna,dc=x", "cn;lang-de: Anne", "cn: Anna", "sn;lang-de: Berg");

	assert_true(prov_entry_first(e, fake_type("cn"), &v));
	assert_true(prov_val_equal(v, val("Anna")));
	assert_true(prov_entry_first(e, fake_type("sn"), &v));
	assert_true(prov_val_equal(v, val("Berg")));
	assert_true(prov_entry_first(e, fake_type("name"), &v));
	assert_false(prov_entry_first(e, fake_type("sn;lang-fr"), &v));
	assert_false(prov_entry_first(e, fake_type("mail"), &v));
	assert_false(prov_entry_first(NULL, fake_type("cn"), &v));
	prov_arena_dispose(&a);
}

static void an_attribute_without_values_counts_as_missing(void **state)
{
	(void)state;
	struct prov_attr none = { fake_type("cn"), 0, NULL, NULL };
	struct prov_entry e = { val("dc=x"), val("dc=x"), val(""), 1, &none };
	struct prov_val v;

	assert_false(prov_entry_first(&e, fake_type("cn"), &v));
	assert_false(prov_attr_has(&none, val("x")));
	assert_false(prov_attr_has(NULL, val("x")));
}

static void values_are_looked_up_normalized(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;
	const struct prov_entry *e = FAKE_ENTRY(&a, "UID=Anna , DC=X", "title:  Sales   Manager ",
		"manager: UID=Bo, dc=X", "entryUUID: 9f", "uidNumber: -7");
	const struct prov_attr *title = prov_entry_attr(e, fake_type("title"));

	assert_true(prov_attr_has(title, fake_norm(&a, "title", val("sales manager"))));
	assert_true(prov_attr_has(title, val("sales manager")));
	assert_false(prov_attr_has(title, val("Sales Manager")));
	assert_true(prov_attr_has(prov_entry_attr(e, fake_type("manager")), val("uid=bo,dc=x")));
	assert_true(prov_val_equal(e->ndn, val("uid=anna,dc=x")));
	assert_true(prov_val_equal(e->uuid, val("9f")));
	prov_arena_dispose(&a);
}

static void an_entry_can_be_changed_by_lines(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;
	const struct prov_entry *e = FAKE_ENTRY(&a, "uid=a,dc=x", "cn: A", "sn: B", "title: C");
	const struct prov_entry *f =
		FAKE_ENTRY_WITH(&a, e, "sn: D", "sn: E", "title:", "mail: m@x");

	assert_int_equal(f->n, 3);
	assert_true(prov_val_equal(prov_entry_attr(f, fake_type("cn"))->val[0], val("A")));
	assert_int_equal(prov_entry_attr(f, fake_type("sn"))->n, 2);
	assert_null(prov_entry_attr(f, fake_type("title")));
	assert_non_null(prov_entry_attr(f, fake_type("mail")));
	assert_int_equal(e->n, 3);
	prov_arena_dispose(&a);
}

static void the_fake_schema_normalizes_by_syntax(void **state)
{
	(void)state;
	static const struct {
		const char *type, *in, *out; /* out NULL: not a value */
	} t[] = {
		{ "cn", " Anna  B ", "anna b" },
		{ "cn", "\xc3\x84rzte", "\xc3\xa4rzte" },
		{ "cn", "", NULL },
		{ "cn", "\xff", NULL },
		{ "provGrant", "A  b", "A b" },
		{ "uidNumber", "0", "0" },
		{ "uidNumber", "-12", "-12" },
		{ "uidNumber", "012", NULL },
		{ "uidNumber", "-", NULL },
		{ "uidNumber", "", NULL },
		{ "uidNumber", "-0", NULL },
		{ "uidNumber", "1 ", NULL },
		{ "provEndTime", "20261124032210Z", "20261124032210Z" },
		{ "provEndTime", "2026-11-24T03:22:10Z", NULL },
		{ "provEndTime", "tomorrow", NULL },
		{ "provEnabled", "TRUE", "TRUE" },
		{ "provEnabled", "true", NULL },
		{ "manager", "", "" },
		{ "manager", "CN=A\\2C B + SN = c , dc=X", "cn=a\\2c b+sn=c,dc=x" },
		{ "manager", "cn=a\\,b", "cn=a\\2cb" },
		{ "manager", "cn=a\\", NULL },
		{ "manager", "cn=a,", NULL },
		{ "manager", ",cn=a", NULL },
		{ "manager", "plain", NULL },
		{ "manager", "=x", NULL },
		{ "manager", "cn=a;b", NULL },
		{ "jpegPhoto", "x", NULL },
	};
	struct prov_arena a = PROV_ARENA_INIT;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct prov_val out = { NULL, 0 };
		int rc = fake_schema.normalize(NULL, fake_type(t[i].type), PROV_NORM_EQUALITY,
			val(t[i].in), &a, &out);
		if ((rc == 0) != (t[i].out != NULL) ||
			(rc == 0 && !prov_val_equal(out, val(t[i].out))))
			fail_msg("%s: \"%s\": rc %d, \"%.*s\"", t[i].type, t[i].in, rc,
				(int)out.len, out.data ? out.data : "");
	}
	prov_arena_dispose(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_know_what_is_above_them),
		cmocka_unit_test(equal_types_have_the_same_address),
		cmocka_unit_test(values_are_bytes_with_a_length),
		cmocka_unit_test(an_attribute_is_found_by_its_exact_type),
		cmocka_unit_test(the_first_value_of_the_type_itself_goes_before_one_below_it),
		cmocka_unit_test(an_attribute_without_values_counts_as_missing),
		cmocka_unit_test(values_are_looked_up_normalized),
		cmocka_unit_test(an_entry_can_be_changed_by_lines),
		cmocka_unit_test(the_fake_schema_normalizes_by_syntax),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
