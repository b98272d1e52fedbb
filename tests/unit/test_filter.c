/* Search filters: what parses, what is refused and where, and what matches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_schema.h"
#include "filter.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const anna[] = { "objectClass: inetOrgPerson", "cn: Anna Berg", "cn: A. Berg",
	"cn;lang-de: Anna vom Berg", "sn: Berg", "title: Head of  Sales", "ou: Sales", "uid: aberg",
	"uidNumber: 1042", "gidNumber: -5", "mail: anna.berg@example.org",
	"manager: uid=bo,ou=People,dc=example,dc=org", "description: 5 * (3) \\ 2",
	"provEndTime: 20270101000000Z", "provState: active", "jpegPhoto: xx",
	"departmentNumber: \xc3\x84rzte", NULL };

static int compile(struct prov_arena *a, const char *text, const struct prov_filter **f,
	struct prov_error *err)
{
	return prov_filter_compile(prov_val_str(text), &fake_schema, a, f, err);
}

static void check(const struct prov_entry *e, const char *text, enum prov_match want)
{
	struct prov_arena a = PROV_ARENA_INIT;
	const struct prov_filter *f;
	struct prov_error err = { 0 };

	if (compile(&a, text, &f, &err))
		fail_msg("%s: %s", text, err.text);
	if (prov_filter_match(f, e) != want)
		fail_msg("%s: gives %d", text, prov_filter_match(f, e));
	prov_arena_dispose(&a);
}

static void filters_match_what_they_say(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;
	const struct prov_entry *e = fake_entry(&a, "uid=aberg,ou=People,dc=example,dc=org", anna);
	static const char *const yes[] = {
		/* equality by the attribute's rule */
		"(uid=aberg)",
		"(uid=ABERG)",
		"(UID=aberg)",
		"(userid=aberg)",
		"(title=head of sales)",
		"(title= Head   of Sales )",
		"(cn=a. berg)",
		"(uidNumber=1042)",
		"(gidNumber=-5)",
		"(provEndTime=20270101000000Z)",
		"(provEndTime=202701010100+0100)",
		"(manager=UID=Bo, OU=people,DC=Example,dc=org)",
		"(departmentNumber=\xc3\xa4rzte)",
		"(departmentNumber=\\c3\\a4rzte)",
		/* subtypes and options */
		"(name=Berg)",
		"(name=sales)",
		"(cn=anna vom berg)",
		"(cn;lang-de=anna vom berg)",
		"(!(cn;lang-de=anna berg))",
		"(name=anna vom berg)",
		"(2.5.4.3=anna berg)",
		/* a class is its superclasses, too */
		"(objectClass=inetOrgPerson)",
		"(objectClass=person)",
		"(objectclass=PERSON)",
		"(!(objectClass=posixAccount))",
		/* presence */
		"(title=*)",
		"(name=*)",
		"(jpegPhoto=*)",
		"(!(sn;lang-de=*))",
		"(cn;lang-de=*)",
		"(!(employeeType=*))",
		/* substrings */
		"(cn=anna*)",
		"(cn=*berg)",
		"(cn=*nn*)",
		"(cn=a*b*g)",
		"(cn=anna*berg)",
		"(cn=*a*n*n*a*b*e*r*g*)",
		"(mail=anna*@*.org)",
		"(title=head*sales)",
		"(cn=anna berg*)",
		"(cn=*anna berg)",
		"(cn=*anna berg*)",
		"(!(cn=anna berg*g))",
		"(!(uid=aberg*aberg))",
		"(!(uid=ab*berg))",
		"(!(uid=*b*b*))",
		"(uid=a*b*e*r*g)",
		"(!(uid=*g*r*))",
		"(cn=**berg)",
		"(cn=a**g)",
		"(cn=an*na*)",
		"(!(cn=anna*anna berg))",
		/* escapes */
		"(description=5 \\2a \\283\\29 \\5c 2)",
		"(description=*\\2a*)",
		"(description=5 \\2A*\\5C 2)",
		"(description=*\\28*\\29*)",
		"(uid=\\61berg)",
		"(!(uid=\\2a))",
		"(uid=\\61*)",
		"(uid=a\\62\\65*\\67)",
		/* order */
		"(uidNumber>=1042)",
		"(uidNumber<=1042)",
		"(uidNumber>=999)",
		"(uidNumber<=9999)",
		"(!(uidNumber>=1043))",
		"(!(uidNumber<=1041))",
		"(gidNumber<=-1)",
		"(gidNumber>=-10)",
		"(!(gidNumber>=-4))",
		"(gidNumber<=0)",
		"(uidNumber>=-99999)",
		"(uidNumber<=99999999999999999999999999999999999999)",
		"(provEndTime>=20260101000000Z)",
		"(provEndTime<=20270101000000Z)",
		"(!(provEndTime<=20261231235959Z))",
		"(!(employeeNumber=1))",
		/* approximate is equal */
		"(cn~=anna berg)",
		"(!(cn~=ana berg))",
		/* junctions */
		"(&)",
		"(!(|))",
		"(|(&))",
		"(&(uid=aberg)(sn=berg))",
		"(&(uid=aberg)(!(sn=x)))",
		"(|(uid=x)(sn=berg))",
		"(|(uid=aberg)(sn=x))",
		"(!(&(uid=aberg)(sn=x)))",
		"(!(!(uid=aberg)))",
		"(!(|(uid=x)(sn=x)))",
		"(&(|(ou=it)(ou=sales))(!(title=*chief*)))",
		" (uid=aberg) ",
		"(& (uid=aberg) (sn=berg) )",
		"( ! ( uid=aberg2 ) )",
	};
	for (size_t i = 0; i < COUNT(yes); i++)
		check(e, yes[i], PROV_MATCH_TRUE);
	static const char *const no[] = { "(|)", "(!(&))", "(uid=anna)", "(uid=aber)",
		"(uid=abergg)", "(&(uid=aberg)(|))", "(|(uid=x)(!(&)))", "(employeeType=*)",
		"(uid=\\61\\00berg)", "(jpegPhoto;x=*)" };
	for (size_t i = 0; i < COUNT(no); i++)
		check(e, no[i], PROV_MATCH_FALSE);
	prov_arena_dispose(&a);
}

static void nothing_matches_an_empty_entry_but_what_is_always_true(void **state)
{
	(void)state;
	struct prov_entry none = { { "", 0 }, { "", 0 }, { "", 0 }, 0, NULL };

	check(&none, "(&)", PROV_MATCH_TRUE);
	check(&none, "(!(cn=*))", PROV_MATCH_TRUE);
	check(&none, "(cn=*)", PROV_MATCH_FALSE);
	check(&none, "(cn=a)", PROV_MATCH_FALSE);
	struct prov_attr empty = { fake_type("cn"), 0, NULL, NULL };
	struct prov_entry e = { { "", 0 }, { "", 0 }, { "", 0 }, 1, &empty };
	check(&e, "(cn=*)", PROV_MATCH_FALSE);
}

/* Texts name the byte, from 0, and the reason. */
static void what_is_no_filter_is_refused_with_its_place(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int at;
		const char *why;
	} t[] = {
		{ "", 0, "'(' is missing" },
		{ "   ", 3, "'(' is missing" },
		{ "cn=a", 0, "'(' is missing" },
		{ "(", 1, "unknown attribute \"\"" },
		{ "()", 1, "unknown attribute \"\"" },
		{ "(=a)", 1, "unknown attribute \"\"" },
		{ "(cn)", 3, "'=', '<=', '>=' or '~=' is missing" },
		{ "(cn", 3, "'=', '<=', '>=' or '~=' is missing" },
		{ "(cn>a)", 4, "'=' is missing" },
		{ "(cn~a)", 4, "'=' is missing" },
		{ "(cn<", 4, "'=' is missing" },
		{ "(cn=a", 5, "')' is missing" },
		{ "(cn=a*", 6, "')' is missing" },
		{ "(cn=a))", 6, "there is more after the filter" },
		{ "(cn=a)(cn=b)", 6, "there is more after the filter" },
		{ "(cn=a)x", 6, "there is more after the filter" },
		{ "(cn=a(b)", 5, "'(' in a value must be written \\28" },
		{ "(cn=a\\)", 5, "'\\' wants two hexadecimal digits after it" },
		{ "(cn=a\\2)", 5, "'\\' wants two hexadecimal digits after it" },
		{ "(cn=a\\zz)", 5, "'\\' wants two hexadecimal digits after it" },
		{ "(cn=a*\\4*)", 6, "'\\' wants two hexadecimal digits after it" },
		{ "(cn=\\", 4, "'\\' wants two hexadecimal digits after it" },
		{ "(uidNumber>=1*)", 13, "'*' in a value must be written \\2a" },
		{ "(cn~=a*)", 6, "'*' in a value must be written \\2a" },
		{ "(nosuch=a)", 1, "unknown attribute \"nosuch\"" },
		{ "(&(cn=a)(nosuch=a))", 9, "unknown attribute \"nosuch\"" },
		{ "(cn;=a)", 1, "unknown attribute \"cn;\"" },
		{ "(c n=a)", 1, "unknown attribute \"c n\"" },
		{ "(cn:=a)", 3, "extensible match is not supported" },
		{ "(cn:caseExactMatch:=a)", 3, "extensible match is not supported" },
		{ "(:dn:2.4.6.8=a)", 1, "extensible match is not supported" },
		{ "(cn=)", 4, "not a value of cn" },
		{ "(uidNumber=x)", 11, "not a value of uidNumber" },
		{ "(uidNumber=1*)", 11, "uidNumber cannot be compared this way" },
		{ "(uidNumber=*1)", 12, "uidNumber cannot be compared this way" },
		{ "(manager=*dc=x)", 10, "manager cannot be compared this way" },
		{ "(manager=x)", 9, "not a value of manager" },
		{ "(jpegPhoto=x)", 11, "jpegPhoto cannot be compared this way" },
		{ "(uidNumber>=x)", 12, "not a value of uidNumber" },
		{ "(cn>=a)", 5, "the attribute has no order" },
		{ "(cn=\xff)", 4, "not a value of cn" },
		{ "(cn=\\ff)", 4, "not a value of cn" },
		{ "(cn=\xc3*)", 4, "not a value of cn" },
		{ "(!)", 2, "'(' is missing" },
		{ "(!cn=a)", 2, "'(' is missing" },
		{ "(!(cn=a)(cn=b))", 8, "')' is missing" },
		{ "(&cn=a)", 2, "')' is missing" },
		{ "(&(cn=a)", 8, "')' is missing" },
		{ "(|", 2, "')' is missing" },
		{ "(&(cn=a)x)", 8, "')' is missing" },
	};
	for (size_t i = 0; i < COUNT(t); i++) {
		struct prov_arena a = PROV_ARENA_INIT;
		const struct prov_filter *f = (const void *)1;
		struct prov_error err = { 0 };
		char place[32];
		assert_int_equal(compile(&a, t[i].text, &f, &err), PROV_EINVAL);
		assert_null(f);
		snprintf(place, sizeof(place), "at byte %d: ", t[i].at);
		if (!strstr(err.text, place) || !strstr(err.text, t[i].why))
			fail_msg("wanted %s%s, got: %s", place, t[i].why, err.text);
		assert_int_equal(compile(&a, t[i].text, &f, NULL), PROV_EINVAL);
		prov_arena_dispose(&a);
	}
}

static void nul_bytes_and_lengths_are_taken_at_their_word(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t len;
		const char *why;
	} t[] = {
		{ "(cn=a\0b)", 8, "at byte 5: a NUL byte must be written \\00" },
		{ "(c\0n=a)", 7, "at byte 1: unknown attribute \"c\"" },
		{ "\0(cn=a)", 7, "at byte 0: '(' is missing" },
		{ "(cn=a)\0", 7, "at byte 6: there is more after the filter" },
		{ "(cn=ab)", 6, "at byte 6: ')' is missing" },
		{ "(cn=a\\2a)", 7, "at byte 5: '\\' wants" },
	};
	struct prov_arena a = PROV_ARENA_INIT;
	for (size_t i = 0; i < COUNT(t); i++) {
		const struct prov_filter *f;
		struct prov_error err = { 0 };
		/* on the heap, so that reading past the end is seen */
		char *exact = malloc(t[i].len);
		memcpy(exact, t[i].text, t[i].len);
		int rc = prov_filter_compile((struct prov_val){ exact, t[i].len }, &fake_schema, &a,
			&f, &err);
		free(exact);
		assert_int_equal(rc, PROV_EINVAL);
		if (!strstr(err.text, t[i].why))
			fail_msg("%zu: %s", i, err.text);
	}
	prov_arena_dispose(&a);
}

static void a_compiled_filter_does_not_need_its_text(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;
	const struct prov_filter *f;
	const struct prov_entry *e = fake_entry(&a, "uid=aberg,dc=x", anna);
	char *text = strdup("(&(uid=a*r*g)(uidNumber>=5)(uidNumber=1042)(!(cn=x)))");

	assert_int_equal(compile(&a, text, &f, NULL), 0);
	memset(text, 'x', strlen(text));
	free(text);
	assert_int_equal(prov_filter_match(f, e), PROV_MATCH_TRUE);
	prov_arena_dispose(&a);
}

static char *nested(const char *open, unsigned depth)
{
	char *s = calloc(1, depth * (strlen(open) + 1) + 16), *p = s;

	for (unsigned i = 0; i + 1 < depth; i++)
		p = stpcpy(p, open);
	p = stpcpy(p, "(cn=a");
	memset(p, ')', depth);
	return s;
}

static void nesting_is_bounded(void **state)
{
	(void)state;
	static const char *const open[] = { "(!", "(&", "(|" };
	for (size_t i = 0; i < COUNT(open); i++)
		for (unsigned depth = 63; depth <= 100000;
			depth = depth < 66 ? depth + 1 : depth * 40) {
			struct prov_arena a = PROV_ARENA_INIT;
			const struct prov_filter *f;
			struct prov_error err = { 0 };
			char *text = nested(open[i], depth);
			assert_int_equal(compile(&a, text, &f, &err),
				depth <= 64 ? 0 : PROV_EINVAL);
			if (depth > 64)
				assert_non_null(strstr(err.text, "at byte 128: nested too deeply"));
			free(text);
			prov_arena_dispose(&a);
		}
}

static void a_filter_may_be_wide(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;
	const struct prov_filter *f;
	const struct prov_entry *e = fake_entry(&a, "uid=aberg,dc=x", anna);
	char *text = malloc(20 * 10000 + 100), *p = stpcpy(text, "(|");

	for (int i = 0; i < 10000; i++)
		p += sprintf(p, "(uid=%d)", i);
	strcpy(p, "(uid=aberg))");
	assert_int_equal(compile(&a, text, &f, NULL), 0);
	assert_int_equal(prov_filter_match(f, e), PROV_MATCH_TRUE);
	/* many pieces of one substring filter */
	p = stpcpy(text, "(cn=");
	for (int i = 0; i < 5000; i++)
		p = stpcpy(p, "*a");
	strcpy(p, ")");
	assert_int_equal(compile(&a, text, &f, NULL), 0);
	assert_int_equal(prov_filter_match(f, e), PROV_MATCH_FALSE);
	free(text);
	prov_arena_dispose(&a);
}

static void a_long_filter_is_quoted_only_in_part(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;
	const struct prov_filter *f;
	struct prov_error err = { 0 };
	char *text = malloc(5000);

	memset(text, 'x', 5000);
	memcpy(text, "(cn=", 4);
	strcpy(text + 4990, ")(");
	assert_int_equal(compile(&a, text, &f, &err), PROV_EINVAL);
	assert_non_null(strstr(err.text, "at byte 4991: there is more after the filter"));
	assert_true(strlen(err.text) < 300);
	free(text);
	prov_arena_dispose(&a);
}

static void collect(void *ctx, const struct prov_type *type)
{
	strcat(ctx, type->name);
	strcat(ctx, " ");
}

static void the_types_a_filter_looks_at_are_named(void **state)
{
	(void)state;
	static const struct {
		const char *text, *types;
	} t[] = {
		{ "(&)", "" },
		{ "(cn=a)", "cn " },
		{ "(&(cn;lang-de=a)(|(surname=*)(!(uidNumber>=3)))(cn=a*b))",
			"cn;lang-de sn uidNumber cn " },
	};
	struct prov_arena a = PROV_ARENA_INIT;
	for (size_t i = 0; i < COUNT(t); i++) {
		const struct prov_filter *f;
		char got[200] = "";
		assert_int_equal(compile(&a, t[i].text, &f, NULL), 0);
		prov_filter_types(f, collect, got);
		assert_string_equal(got, t[i].types);
	}
	prov_arena_dispose(&a);
}

static int no_memory(void *ctx, const struct prov_type *type, enum prov_norm how,
	struct prov_val in, struct prov_arena *arena, struct prov_val *out)
{
	(void)ctx, (void)type, (void)how, (void)in, (void)arena, (void)out;
	return PROV_ENOMEM;
}

static void no_memory_is_told_apart_from_a_bad_filter(void **state)
{
	(void)state;
	struct prov_schema poor = fake_schema;
	struct prov_arena a = PROV_ARENA_INIT;
	const struct prov_filter *f;
	struct prov_error err = { 0 };
	static const char *const text[] = { "(cn=a)", "(cn=a*)", "(cn=*a)", "(uidNumber>=1)",
		"(!(cn=*a*b))" };

	poor.normalize = no_memory;
	for (size_t i = 0; i < COUNT(text); i++) {
		assert_int_equal(prov_filter_compile(prov_val_str(text[i]), &poor, &a, &f, &err),
			PROV_ENOMEM);
		assert_int_equal(err.code, PROV_ENOMEM);
		assert_null(f);
	}
	prov_arena_dispose(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_match_what_they_say),
		cmocka_unit_test(nothing_matches_an_empty_entry_but_what_is_always_true),
		cmocka_unit_test(what_is_no_filter_is_refused_with_its_place),
		cmocka_unit_test(nul_bytes_and_lengths_are_taken_at_their_word),
		cmocka_unit_test(a_compiled_filter_does_not_need_its_text),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(a_filter_may_be_wide),
		cmocka_unit_test(a_long_filter_is_quoted_only_in_part),
		cmocka_unit_test(the_types_a_filter_looks_at_are_named),
		cmocka_unit_test(no_memory_is_told_apart_from_a_bad_filter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
