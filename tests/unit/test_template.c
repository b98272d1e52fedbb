/* Template lines: what parses, what is refused and where, and what they expand to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_schema.h"
#include "template.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NOW 1795748530 /* 2026-11-27T03:02:10Z */

/* Services of a test: who is taken, what the pools give. */
struct world {
	const char *taken; /* " uid uid2 ": these are; "*": everything is */
	uint64_t number;
	unsigned asked;
	unsigned char byte; /* what randomness begins with */
	int rc;             /* what a service fails with */
};

static int taken(void *ctx, const struct prov_type *type, struct prov_val value, bool *out,
	struct prov_error *err)
{
	struct world *w = ctx;
	char word[100];

	assert_ptr_equal(type, fake_type("uid"));
	assert_int_equal(value.data[value.len], '\0');
	snprintf(word, sizeof(word), " %.*s ", (int)value.len, value.data);
	*out = w->taken && (w->taken[0] == '*' || strstr(w->taken, word));
	w->asked++;
	return w->rc ? prov_error_set(err, w->rc, "the index is broken") : 0;
}

static int next(void *ctx, struct prov_val pool, uint64_t *number, struct prov_error *err)
{
	struct world *w = ctx;

	if (!prov_val_equal(pool, prov_val_str("ids")))
		return prov_error_set(err, PROV_ENOENT, "no pool \"%.*s\"", (int)pool.len,
			pool.data);
	if (w->number == 0)
		return prov_error_set(err, PROV_EFULL, "pool ids is used up");
	*number = w->number++;
	return 0;
}

static int any(void *ctx, unsigned char *out, size_t len)
{
	struct world *w = ctx;

	for (size_t i = 0; i < len; i++)
		out[i] = w->byte++;
	return w->rc;
}

static int compile(struct prov_arena *a, const char *line, const struct prov_template **t,
	struct prov_error *err)
{
	return prov_template_compile(prov_val_str(line), &fake_schema, a, t, err);
}

static int expand_at(struct prov_arena *a, const char *line, const struct prov_entry *e,
	struct world *w, int64_t now, struct prov_val *out, struct prov_error *err)
{
	const struct prov_services services = { w, taken, next, any, NULL };
	const struct prov_template *t;

	if (compile(a, line, &t, err))
		fail_msg("%s: %s", line, err->text);
	return prov_template_expand(t, e, &fake_schema, &services, now, a, out, err);
}

static const struct prov_entry *anna(struct prov_arena *a)
{
	return FAKE_ENTRY(a, "uid=x,ou=People,dc=example,dc=org", "givenName: \xc3\x85sa",
		"givenName: Other", "sn: \xc3\x98st-Lund\xc3\xa9n", "cn: Anna, Berg", "cn: Second",
		"title:   Head  ", "description:  ", "employeeNumber: 42", "ou: +Sales#",
		"o: \xef\xac\x81nance \xe2\x85\xa3", "mail: a@b");
}

/* line, wanted value */
static void lines_expand_to_their_values(void **state)
{
	(void)state;
	static const struct {
		const char *line, *want;
	} t[] = {
		{ "default mail: fixed@x", "fixed@x" },
		{ "add   title:x", "x" },
		{ "add title:   x y ", "x y " },
		{ "add title: {{{mail}}}", "{a@b}" },
		{ "add title: {{}}", "{}" },
		{ "add title: a{{b}}c", "a{b}c" },
		{ "add title: {givenName}", "\xc3\x85sa" },
		{ "add title: {surname}", "\xc3\x98st-Lund\xc3\xa9n" },
		{ "add title: {name}", "\xc3\x85sa" },
		{ "default mail: {givenName|ascii|lower|first:1}.{sn|ascii|lower}@x.org",
			"a.ost-lunden@x.org" },
		{ "add title: {givenName|lower}", "\xc3\xa5sa" },
		{ "add title: {sn|upper}", "\xc3\x98ST-LUND\xc3\x89N" },
		{ "add title: {o|ascii}", "finance IV" },
		{ "add title: {givenName|first:1}", "\xc3\x85" },
		{ "add title: {givenName|last:2}", "sa" },
		{ "add title: {givenName|first:99}", "\xc3\x85sa" },
		{ "add title: x{givenName|first:0}", "x" },
		{ "add title: x{givenName|last:0}", "x" },
		{ "add title: {sn|replace:-: }", "\xc3\x98st Lund\xc3\xa9n" },
		{ "add title: {sn|replace:-:}", "\xc3\x98stLund\xc3\xa9n" },
		{ "add title: {mail|replace:a:aa}", "aa@b" },
		{ "add title: {mail|replace:q:z}", "a@b" },
		{ "add title: {mail|replace:a:b|replace:b:c}", "c@c" },
		{ "add title: {mail|replace:@:::}", "a::b" },
		{ "add title: {title|trim}.", "Head." },
		{ "add title: {employeeNumber|pad:6}", "000042" },
		{ "add title: {employeeNumber|pad:1}", "42" },
		{ "add title: {givenName|pad:4}", "0\xc3\x85sa" },
		{ "add title: {employeeType|or:staff}", "staff" },
		{ "add title: {employeeType|upper|or:staff}", "staff" },
		{ "add title: {employeeType|or:staff|upper}", "STAFF" },
		{ "add title: {employeeType|or:}x", "x" },
		{ "add title: {mail|or:none}", "a@b" },
		{ "add title: {givenName|ascii|replace:Asa:|or:empty}", "empty" },
		{ "add uidNumber: {next:ids}", "5000" },
		{ "add title: u{next:ids|pad:8}", "u00005000" },
		{ "add title: {now}", "20261127030210Z" },
		{ "add provEndTime: {now+90d}", "20270225030210Z" },
		{ "add title: {now+0s}", "20261127030210Z" },
		{ "add title: {now+1m}", "20261127030310Z" },
		{ "add title: {now+2h}", "20261127050210Z" },
		{ "add title: {now+1w}", "20261204030210Z" },
		{ "add title: {now|first:4}", "2026" },
		{ "add title: {random:4}", "ABCD" },
		{ "default uid: {mail|first:1}{unique}", "a" },
		/* parts of a DN are escaped, what is a DN itself is not */
		{ "add manager: cn={cn},dc=x", "cn=Anna\\, Berg,dc=x" },
		{ "add manager: ou={ou},dc=x", "ou=\\+Sales#,dc=x" },
		{ "add manager: cn=a\\, b,dc=x", "cn=a\\, b,dc=x" },
		{ "add manager: cn={employeeType|or:#a b},dc=x", "cn=\\#a b,dc=x" },
		{ "add manager: cn={employeeType|or:\"<a>;b=c\\},dc=x",
			"cn=\\\"\\<a\\>\\;b\\=c\\\\,dc=x" },
		{ "add manager: cn={employeeType|or: a },dc=x", "cn=\\ a\\ ,dc=x" },
	};
	for (size_t i = 0; i < COUNT(t); i++) {
		struct prov_arena a = PROV_ARENA_INIT;
		struct world w = { .number = 5000 };
		struct prov_val out = { NULL, 0 };
		struct prov_error err = { 0 };
		int rc = expand_at(&a, t[i].line, anna(&a), &w, NOW, &out, &err);
		if (rc || !prov_val_equal(out, prov_val_str(t[i].want)))
			fail_msg("%s: %d \"%.*s\" %s", t[i].line, rc, (int)out.len,
				out.data ? out.data : "", err.text);
		prov_arena_dispose(&a);
	}
}

static void what_cannot_be_expanded_says_why(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		int rc;
		const char *why;
	} t[] = {
		{ "add title: {employeeType}", PROV_ENOENT, "attribute employeeType is missing" },
		{ "add title: {employeeType|lower}", PROV_ENOENT,
			"attribute employeeType is missing" },
		{ "add title: {cn;lang-de}", PROV_ENOENT, "attribute cn;lang-de is missing" },
		{ "add title: {employeeType|or:}", PROV_EINVAL,
			"the value of title would be empty" },
		{ "add uidNumber: {mail}", PROV_EINVAL, "\"a@b\" is not a value of uidNumber" },
		{ "add uidNumber: {employeeNumber|pad:5}", PROV_EINVAL,
			"\"00042\" is not a value of uidNumber" },
		{ "add manager: {mail}", PROV_EINVAL, "\"a@b\" is not a value of manager" },
		{ "add title: {next:nosuch}", PROV_ENOENT, "no pool \"nosuch\"" },
		{ "add title: {next:ids}", PROV_EFULL, "pool ids is used up" },
		{ "add title: {userPassword|lower}", PROV_EINVAL, "userPassword is not text" },
		{ "add title: {userPassword|first:1}", PROV_EINVAL, "userPassword is not text" },
		{ "add title: {userPassword|ascii}", PROV_EINVAL, "userPassword is not text" },
		{ "add title: {userPassword|trim}", PROV_EINVAL, "userPassword is not text" },
		{ "add title: {userPassword|pad:9}", PROV_EINVAL, "userPassword is not text" },
		{ "add title: {userPassword}", PROV_EINVAL, "is not a value of title" },
	};
	for (size_t i = 0; i < COUNT(t); i++) {
		struct prov_arena a = PROV_ARENA_INIT;
		struct world w = { 0 };
		struct prov_val out;
		struct prov_error err = { 0 };
		const struct prov_entry *e =
			FAKE_ENTRY_WITH(&a, anna(&a), "userPassword: x\xff\xc3");
		assert_int_equal(expand_at(&a, t[i].line, e, &w, 0, &out, &err), t[i].rc);
		if (!strstr(err.text, t[i].why))
			fail_msg("%s: wanted %s, got %s", t[i].line, t[i].why, err.text);
		prov_arena_dispose(&a);
	}
}

static void lines_that_do_not_parse_are_refused_with_their_place(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		int at;
		const char *why;
	} t[] = {
		{ "", 0, "begins with default, add or enforce" },
		{ "set cn: x", 0, "begins with default, add or enforce" },
		{ "Add cn: x", 0, "begins with default, add or enforce" },
		{ " add cn: x", 0, "begins with default, add or enforce" },
		{ "add", 3, "':' is missing after the attribute" },
		{ "add cn", 4, "':' is missing after the attribute" },
		{ "add : x", 4, "unknown attribute \"\"" },
		{ "add nosuch: x", 4, "unknown attribute \"nosuch\"" },
		{ "add provGrant: x", 4, "the server sets this attribute itself" },
		{ "add cn:", 7, "the expression is missing" },
		{ "add cn:   ", 10, "the expression is missing" },
		{ "add cn: {", 8, "'{' without '}'" },
		{ "add cn: x{sn", 9, "'{' without '}'" },
		{ "add cn: {sn{", 8, "'{' without '}'" },
		{ "add cn: {{{", 10, "'{' without '}'" },
		{ "add cn: }", 8, "'}' without '{'" },
		{ "add cn: {sn}}", 12, "'}' without '{'" },
		{ "add cn: }}}", 10, "'}' without '{'" },
		{ "add cn: {}", 9, "unknown attribute \"\"" },
		{ "add cn: {|lower}", 9, "unknown attribute \"\"" },
		{ "add cn: { sn}", 9, "unknown attribute \" sn\"" },
		{ "add cn: {nosuch|or:x}", 9, "unknown attribute \"nosuch\"" },
		{ "add cn: {sn|}", 12, "unknown filter \"\"" },
		{ "add cn: {sn||lower}", 12, "unknown filter \"\"" },
		{ "add cn: {sn|Lower}", 12, "unknown filter \"Lower\"" },
		{ "add cn: {sn|lower|md5:x}", 18, "unknown filter \"md5\"" },
		{ "add cn: {sn|lower:1}", 12, "lower takes no value" },
		{ "add cn: {sn|first}", 12, "first: wants a value" },
		{ "add cn: {sn|or}", 12, "or: wants a value" },
		{ "add cn: {sn|first:}", 12, "a number from 0 to 4096" },
		{ "add cn: {sn|first:-1}", 12, "a number from 0 to 4096" },
		{ "add cn: {sn|first: 1}", 12, "a number from 0 to 4096" },
		{ "add cn: {sn|last:4097}", 12, "a number from 0 to 4096" },
		{ "add cn: {sn|pad:18446744073709551617}", 12, "a number from 0 to 4096" },
		{ "add cn: {sn|pad:99999999999999999999999999}", 12, "a number from 0 to 4096" },
		{ "add cn: {sn|replace:a}", 12, "replace: wants X:Y" },
		{ "add cn: {sn|replace::b}", 12, "replace: wants X:Y" },
		{ "add cn: {sn|replace:}", 12, "replace: wants X:Y" },
		{ "add cn: {random:0}", 9, "a number from 1 to 256" },
		{ "add cn: {random:257}", 9, "a number from 1 to 256" },
		{ "add cn: {random:x}", 9, "a number from 1 to 256" },
		{ "add cn: {random:}", 9, "unknown attribute \"random:\"" },
		{ "add cn: {next:}", 9, "unknown attribute \"next:\"" },
		{ "add cn: {nowhere}", 9, "unknown attribute \"nowhere\"" },
		{ "add cn: {now+}", 9, "after \"now\" comes '+'" },
		{ "add cn: {now+d}", 9, "after \"now\" comes '+'" },
		{ "add cn: {now+5}", 9, "after \"now\" comes '+'" },
		{ "add cn: {now+55}", 9, "one of s m h d w" },
		{ "add cn: {now+5y}", 9, "one of s m h d w" },
		{ "add cn: {now+-5d}", 9, "more than a hundred years" },
		{ "add cn: {now+36601d}", 9, "more than a hundred years" },
		{ "add cn: {now+18446744073709551616w}", 9, "more than a hundred years" },
		{ "add uid: {unique|lower}", 17, "{unique} takes no filter" },
		{ "add uidNumber: x", 15, "the value is not one of uidNumber" },
		{ "add manager: nobody", 13, "the value is not one of manager" },
		{ "add cn: \xff", 0, "not UTF-8 text" },
		{ "add cn: a\xc3", 0, "not UTF-8 text" },
		{ "add cn: \xed\xa0\x80", 0, "not UTF-8 text" },
	};
	for (size_t i = 0; i < COUNT(t); i++) {
		struct prov_arena a = PROV_ARENA_INIT;
		const struct prov_template *tp = (const void *)1;
		struct prov_error err = { 0 };
		char place[32];
		if (compile(&a, t[i].line, &tp, &err) != PROV_EINVAL)
			fail_msg("taken: %s", t[i].line);
		assert_null(tp);
		snprintf(place, sizeof(place), "at byte %d: ", t[i].at);
		if (!strstr(err.text, place) || !strstr(err.text, t[i].why))
			fail_msg("wanted %s%s, got: %s", place, t[i].why, err.text);
		prov_arena_dispose(&a);
	}
}

static void a_nul_byte_in_a_line_is_refused(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;
	const struct prov_template *t;
	struct prov_val line = { "add cn: a\0b", 11 }, nothing = { NULL, 0 };

	assert_int_equal(prov_template_compile(line, &fake_schema, &a, &t, NULL), PROV_EINVAL);
	assert_int_equal(prov_template_compile(nothing, &fake_schema, &a, &t, NULL), PROV_EINVAL);
	prov_arena_dispose(&a);
}

static char *repeated(const char *head, const char *piece, size_t n, const char *tail)
{
	char *s = malloc(strlen(head) + n * strlen(piece) + strlen(tail) + 1), *p = stpcpy(s, head);

	while (n--)
		p = stpcpy(p, piece);
	strcpy(p, tail);
	return s;
}

static void parts_filters_and_lines_are_bounded(void **state)
{
	(void)state;
	static const struct {
		const char *head, *piece, *tail;
		size_t fits, over;
		const char *why;
	} t[] = {
		{ "add cn: ", "{sn}", "", 64, 65, "too many parts" },
		{ "add cn: ", "{sn}x", "", 32, 33, "too many parts" },
		{ "add cn: {sn", "|lower", "}", 16, 17, "too many filters" },
		{ "add cn: ", "x", "", 8184, 8185, "the line is too long" },
		{ "add cn: ", "{{", "", 4092, 4093, "the line is too long" },
	};
	for (size_t i = 0; i < COUNT(t); i++) {
		struct prov_arena a = PROV_ARENA_INIT;
		const struct prov_template *tp;
		struct prov_error err = { 0 };
		char *fits = repeated(t[i].head, t[i].piece, t[i].fits, t[i].tail);
		char *over = repeated(t[i].head, t[i].piece, t[i].over, t[i].tail);
		assert_int_equal(compile(&a, fits, &tp, &err), 0);
		assert_int_equal(compile(&a, over, &tp, &err), PROV_EINVAL);
		assert_non_null(strstr(err.text, t[i].why));
		free(fits);
		free(over);
		prov_arena_dispose(&a);
	}
}

static void a_value_that_grows_without_end_is_refused_early(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;
	struct world w = { 0 };
	struct prov_val out;
	struct prov_error err = { 0 };
	char *line = repeated("add description: {mail",
		"|replace:a:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 16, "}");

	assert_int_equal(expand_at(&a, line, anna(&a), &w, 0, &out, &err), PROV_EINVAL);
	assert_non_null(strstr(err.text, "mail has more than 65536 bytes"));
	free(line);
	/* a huge value of the account's own, and many parts that are too much together */
	char *big = repeated("cn: ", "x", 70000, "");
	const struct prov_entry *e = FAKE_ENTRY(&a, "dc=x", big);
	assert_int_equal(expand_at(&a, "add title: {cn|first:1}", e, &w, 0, &out, &err),
		PROV_EINVAL);
	big[4 + 60000] = '\0';
	e = FAKE_ENTRY(&a, "dc=x", big);
	assert_int_equal(expand_at(&a, "add title: {cn|first:1}", e, &w, 0, &out, &err), 0);
	assert_int_equal(expand_at(&a, "add title: {cn}{cn}", e, &w, 0, &out, &err), PROV_EINVAL);
	assert_non_null(strstr(err.text, "120000 bytes"));
	free(big);
	prov_arena_dispose(&a);
}

static void unique_counts_from_two_until_nobody_has_the_value(void **state)
{
	(void)state;
	static const struct {
		const char *taken, *line, *want;
		unsigned asked;
	} t[] = {
		{ NULL, "default uid: {sn|first:2}{unique}", "Be", 1 },
		{ " be Be ", "default uid: {sn|first:2}{unique}", "Be2", 2 },
		{ " Be Be2 Be3 Be5 ", "default uid: {sn|first:2}{unique}", "Be4", 4 },
		{ " x-y ", "default uid: x{unique}-y", "x2-y", 2 },
		{ " - ", "default uid: {unique}-{unique}", "2-2", 2 },
	};
	for (size_t i = 0; i < COUNT(t); i++) {
		struct prov_arena a = PROV_ARENA_INIT;
		struct world w = { .taken = t[i].taken };
		struct prov_val out;
		struct prov_error err = { 0 };
		const struct prov_entry *e = FAKE_ENTRY(&a, "dc=x", "sn: Berg");
		assert_int_equal(expand_at(&a, t[i].line, e, &w, 0, &out, &err), 0);
		assert_true(prov_val_equal(out, prov_val_str(t[i].want)));
		assert_int_equal(w.asked, t[i].asked);
		prov_arena_dispose(&a);
	}
}

static void unique_gives_up_and_hands_on_what_went_wrong(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;
	struct world w = { .taken = "*" }, broken = { .rc = PROV_EIO };
	struct prov_val out;
	struct prov_error err = { 0 };
	const struct prov_entry *e = FAKE_ENTRY(&a, "dc=x", "sn: Berg");

	assert_int_equal(expand_at(&a, "add uid: {sn}{unique}", e, &w, 0, &out, &err), PROV_EFULL);
	assert_non_null(strstr(err.text, "no unique value of uid"));
	assert_int_equal(w.asked, 99999);
	assert_int_equal(expand_at(&a, "add uid: {sn}{unique}", e, &broken, 0, &out, &err),
		PROV_EIO);
	assert_string_equal(err.text, "the index is broken");
	assert_int_equal(broken.asked, 1);
	prov_arena_dispose(&a);
}

static void random_is_of_letters_and_digits_each_as_likely(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;
	struct world w = { .byte = 240 }, broken = { .rc = PROV_EIO };
	struct prov_val out;
	struct prov_error err = { 0 };
	unsigned count[256] = { 0 };
	const struct prov_entry *e = FAKE_ENTRY(&a, "dc=x", "sn: Berg");

	/* bytes 240 to 247 count, 248 to 255 are thrown away, then 0 on */
	assert_int_equal(expand_at(&a, "add cn: {random:10}", e, &w, 0, &out, &err), 0);
	assert_true(prov_val_equal(out, prov_val_str("23456789AB")));
	w.byte = 0;
	assert_int_equal(expand_at(&a, "add cn: {random:248}", e, &w, 0, &out, &err), 0);
	for (size_t i = 0; i < out.len; i++)
		count[(unsigned char)out.data[i]]++;
	for (const char *p = "AZaz09Mm5"; *p; p++)
		assert_int_equal(count[(unsigned char)*p], 4);
	assert_int_equal(expand_at(&a, "add cn: {random:4}", e, &broken, 0, &out, &err), PROV_EIO);
	prov_arena_dispose(&a);
}

static void times_at_the_edge_do_not_overflow(void **state)
{
	(void)state;
	static const struct {
		int64_t now;
		const char *line, *want;
	} t[] = {
		{ INT64_MAX, "add title: {now+36600d}", "99991231235959Z" },
		{ INT64_MAX, "add title: {now}", "99991231235959Z" },
		{ INT64_MIN, "add title: {now+1s}", "00000101000000Z" },
		{ 253402300799, "add title: {now+1s}", "99991231235959Z" },
		{ -1, "add title: {now+1s}", "19700101000000Z" },
		{ 951782399, "add title: {now+1s}", "20000229000000Z" },
	};
	for (size_t i = 0; i < COUNT(t); i++) {
		struct prov_arena a = PROV_ARENA_INIT;
		struct world w = { 0 };
		struct prov_val out;
		struct prov_error err = { 0 };
		assert_int_equal(expand_at(&a, t[i].line, anna(&a), &w, t[i].now, &out, &err), 0);
		if (!prov_val_equal(out, prov_val_str(t[i].want)))
			fail_msg("%s: %.*s", t[i].line, (int)out.len, out.data);
		prov_arena_dispose(&a);
	}
}

static void ascii_writes_names_of_many_languages(void **state)
{
	(void)state;
	static const char *const t[][2] = {
		{ "Stra\xc3\x9f"
		  "e",
			"Strasse" },
		{ "M\xc3\xbcller", "Muller" },
		{ "\xc5\x81ukasz \xc5\xbb\xc3\xb3\xc5\x82ty", "Lukasz Zolty" },
		{ "S\xc3\xb8ren \xc3\x86gir", "Soren AEgir" },
		{ "\xc3\x9e\xc3\xb3r\xc3\xb0ur", "Thordur" },
		{ "O\xe2\x80\x99"
		  "Brien",
			"O'Brien" },
		{ "Nguy\xe1\xbb\x85n", "Nguyen" },
		{ "e\xcc\x81", "e" },
		{ "a\xe4\xb8\xad"
		  "b\xf0\x9f\x98\x80"
		  "c",
			"abc" },
		{ "x\xc2\xa0y", "x y" },
	};
	for (size_t i = 0; i < COUNT(t); i++) {
		struct prov_arena a = PROV_ARENA_INIT;
		struct world w = { 0 };
		struct prov_val out;
		struct prov_error err = { 0 };
		char line[64];
		snprintf(line, sizeof(line), "displayName: %s", t[i][0]);
		const struct prov_entry *e = FAKE_ENTRY(&a, "dc=x", line);
		assert_int_equal(expand_at(&a, "add cn: {displayName|ascii}", e, &w, 0, &out, &err),
			0);
		if (!prov_val_equal(out, prov_val_str(t[i][1])))
			fail_msg("%s: %.*s", t[i][0], (int)out.len, out.data);
		prov_arena_dispose(&a);
	}
}

static void a_letter_and_its_marks_are_one_character(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;
	struct world w = { 0 };
	struct prov_val out;
	struct prov_error err = { 0 };
	const struct prov_entry *e = FAKE_ENTRY(&a, "dc=x",
		"displayName: e\xcc\x81"
		"a");

	assert_int_equal(expand_at(&a, "add cn: {displayName|first:1}", e, &w, 0, &out, &err), 0);
	assert_true(prov_val_equal(out, prov_val_str("\xc3\xa9")));
	assert_int_equal(expand_at(&a, "add cn: {displayName|pad:3}", e, &w, 0, &out, &err), 0);
	assert_true(prov_val_equal(out,
		prov_val_str("0\xc3\xa9"
			     "a")));
	prov_arena_dispose(&a);
}

static void pool(void *ctx, struct prov_val v)
{
	strncat(ctx, v.data, v.len);
	strcat(ctx, " ");
}

static void read_type(void *ctx, const struct prov_type *type)
{
	strcat(ctx, type->name);
	strcat(ctx, " ");
}

static void a_line_tells_what_it_is(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		enum prov_mode mode;
		bool is_volatile;
		const char *literal, *pools, *types;
	} t[] = {
		{ "default cn: x", PROV_MODE_DEFAULT, false, "x", "", "" },
		{ "add cn: {{x}}", PROV_MODE_ADD, false, "{x}", "", "" },
		{ "enforce cn: {sn}{givenName|or:y}", PROV_MODE_ENFORCE, false, NULL, "",
			"sn givenName " },
		{ "add cn: {next:a}{next:b c}", PROV_MODE_ADD, true, NULL, "a b c ", "" },
		{ "add cn: {now}", PROV_MODE_ADD, true, NULL, "", "" },
		{ "add cn: {random:1}", PROV_MODE_ADD, true, NULL, "", "" },
		{ "add cn: {sn}{unique}", PROV_MODE_ADD, true, NULL, "", "sn " },
	};
	for (size_t i = 0; i < COUNT(t); i++) {
		struct prov_arena a = PROV_ARENA_INIT;
		const struct prov_template *tp;
		struct prov_val v;
		char got[100] = "";
		char *line = strdup(t[i].line);
		assert_int_equal(compile(&a, line, &tp, NULL), 0);
		memset(line, '#', strlen(line)); /* the text is not needed any more */
		free(line);
		assert_int_equal(prov_template_mode(tp), t[i].mode);
		assert_ptr_equal(prov_template_type(tp), fake_type("cn"));
		assert_true(prov_val_equal(prov_template_line(tp), prov_val_str(t[i].line)));
		assert_int_equal(prov_template_volatile(tp), t[i].is_volatile);
		assert_int_equal(prov_template_literal(tp, &v), t[i].literal != NULL);
		if (t[i].literal)
			assert_true(prov_val_equal(v, prov_val_str(t[i].literal)));
		prov_template_pools(tp, pool, got);
		assert_string_equal(got, t[i].pools);
		got[0] = '\0';
		prov_template_types(tp, read_type, got);
		assert_string_equal(got, t[i].types);
		prov_arena_dispose(&a);
	}
}

/* The tag is in grants on disk: it must never come out otherwise (FNV-1a, 32 bits). */
static void the_tag_of_a_line_is_for_ever(void **state)
{
	(void)state;
	static const char *const lines[] = { "add cn: x", "add cn: y" };
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct prov_arena a = PROV_ARENA_INIT;
		const struct prov_template *t;
		static const char *const want[] = { "c6237039", "c5236ea6" };
		assert_int_equal(compile(&a, lines[i], &t, NULL), 0);
		assert_string_equal(prov_template_tag(t), want[i]);
		prov_arena_dispose(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_expand_to_their_values),
		cmocka_unit_test(what_cannot_be_expanded_says_why),
		cmocka_unit_test(lines_that_do_not_parse_are_refused_with_their_place),
		cmocka_unit_test(a_nul_byte_in_a_line_is_refused),
		cmocka_unit_test(parts_filters_and_lines_are_bounded),
		cmocka_unit_test(a_value_that_grows_without_end_is_refused_early),
		cmocka_unit_test(unique_counts_from_two_until_nobody_has_the_value),
		cmocka_unit_test(unique_gives_up_and_hands_on_what_went_wrong),
		cmocka_unit_test(random_is_of_letters_and_digits_each_as_likely),
		cmocka_unit_test(times_at_the_edge_do_not_overflow),
		cmocka_unit_test(ascii_writes_names_of_many_languages),
		cmocka_unit_test(a_letter_and_its_marks_are_one_character),
		cmocka_unit_test(a_line_tells_what_it_is),
		cmocka_unit_test(the_tag_of_a_line_is_for_ever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
