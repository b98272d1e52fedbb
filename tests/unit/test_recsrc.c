/* Sources of records: what is whole is read, what cannot be whole is refused as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "recsrc.h"

static void names_are_parsed(void **state)
{
	struct prov_recsrc s;
	struct prov_error err;
	(void)state;
	assert_int_equal(prov_recsrc_parse("csv:/a?b/hr.csv?key=employeeNumber", &s, &err), 0);
	assert_string_equal(s.place, "/a?b/hr.csv");
	assert_string_equal(s.option[PROV_RECSRC_KEY], "employeeNumber");
	assert_string_equal(prov_recsrc_column(&s), "employeeNumber");
	prov_recsrc_dispose(&s);
	assert_int_equal(prov_recsrc_parse("csv:f?column=Nr%26%20x&key=uid&status=s&left=a,b", &s,
				 &err),
		0);
	assert_string_equal(s.option[PROV_RECSRC_KEY], "uid");
	assert_string_equal(prov_recsrc_column(&s), "Nr& x");
	prov_recsrc_dispose(&s);
	assert_int_equal(
		prov_recsrc_parse("ldap:ldaps://h:636/dc=x??sub?(a=b)?key=uid&bind=cn=a&ca=f", &s,
			&err),
		0);
	assert_string_equal(s.place, "ldaps://h:636/dc=x??sub?(a=b)");
	assert_string_equal(s.option[PROV_RECSRC_BIND], "cn=a");
	prov_recsrc_dispose(&s);
	assert_int_equal(prov_recsrc_parse("passwd:/etc/passwd", &s, &err), 0);
	prov_recsrc_dispose(&s);
}

static void bad_names_are_refused(void **state)
{
	static const char *const bad[] = { "", "csv:", "f", "csv:?key=a", "csv:f?key",
		"csv:f?key=", "csv:f?key=a&key=b", "csv:f?key=a&x=b", "csv:f?key=%",
		"csv:f?key=%zz", "csv:f?key=%00", "csv:f?key=a&status=b", "csv:f?key=a&left=b",
		"csv:f?key=a&token=f", "scim:u?key=a&bind=b", "sql:f?key=a" };
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct prov_recsrc s;
		struct prov_error err = { 0 };
		int rc = prov_recsrc_parse(bad[i], &s, &err);
		if (rc != PROV_EINVAL)
			print_message("\"%s\" gave %d\n", bad[i], rc);
		assert_int_equal(rc, PROV_EINVAL);
		assert_true(err.text[0]);
		prov_recsrc_dispose(&s);
	}
}

struct got {
	size_t n;
	char text[4096]; /* "k=1,2 x=a\n" */
};

static void put(struct got *g, const char *s)
{
	size_t len = strlen(g->text);
	snprintf(g->text + len, sizeof(g->text) - len, "%s", s);
}

static int see(void *ctx, const struct prov_record *r, struct prov_error *err)
{
	struct got *g = ctx;
	(void)err;
	g->n++;
	for (size_t c = 0; c < 2; c++) {
		for (size_t i = 0; i < r->col[c].n; i++) {
			put(g, i ? "," : "");
			put(g, r->col[c].val[i].data);
		}
		put(g, c ? "\n" : " ");
	}
	return 0;
}

static const char *const column[] = { "k", "x" };

static int load(const char *kind, const char *text, size_t len, size_t ncolumn, struct got *g,
	struct prov_error *err)
{
	char path[] = "/tmp/recsrcXXXXXX", name[64];
	struct prov_recsrc s;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
	snprintf(name, sizeof(name), "%s:%s?key=k", kind, path);
	assert_int_equal(prov_recsrc_parse(name, &s, err), 0);
	memset(g, 0, sizeof(*g));
	int rc = prov_recsrc_read(&s, column, ncolumn, see, g, err);
	if (!rc)
		assert_int_equal(s.seen, g->n);
	prov_recsrc_dispose(&s);
	unlink(path);
	return rc;
}

static void good_files_give_their_records(void **state)
{
	static const struct {
		const char *kind, *text, *want;
	} t[] = {
		{ "csv", "k,x\n1,a\n2,b\n3,\n", "1 a\n2 b\n3 \n" },
		{ "csv", "x,K\r\na,1", "1 a\n" },
		{ "csv", "\xef\xbb\xbf\"k\",x\n1,\n", "1 \n" },
		{ "csv", "k,y,x\n\"1\",,\"two, \"\"quoted\"\"\"\n", "1 two, \"quoted\"\n" },
		{ "csv", "k,x\n\n1,a\n\n\n2,b\n", "1 a\n2 b\n" }, /* empty lines are nothing */
		{ "ldif", "dn: o=a\nk: 1\nX: a\n\ndn: o=b\nx: b\nk: 2\nk: 3\n", "1 a\n2,3 b\n" },
		{ "ldif", "version: 1\n\n# note\ndn: o=a\nk;lang-de:: MQ==\nx: a\n b\n", "1 ab\n" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct got g;
		struct prov_error err = { 0 };
		int rc = load(t[i].kind, t[i].text, strlen(t[i].text), 2, &g, &err);
		if (rc)
			print_message("case %zu: %s\n", i, err.text);
		assert_int_equal(rc, 0);
		assert_string_equal(g.text, t[i].want);
	}
}

static void broken_files_are_refused(void **state)
{
	static const struct {
		const char *kind, *text;
	} t[] = {
		{ "csv", "" },
		{ "csv", "\n\n" },
		{ "csv", "k,x\n" },
		{ "csv", "x\n1\n" },
		{ "csv", "k,k,x\n1,2,3\n" },
		{ "csv", "k,x\n1\n" },
		{ "csv", "k,x\n1,a,b\n" },
		{ "csv", "k,x\n1,\"open\n" },
		{ "csv", "k,x\n1,qu\"ote\n" },
		{ "csv", "k,x\n\xff,1\n" },
		{ "csv", "k,x\n1,\xc3\n" },
		{ "ldif", "" },
		{ "ldif", "k: 1\n" },
		{ "ldif", "dn: o=a\n" },
		{ "ldif", "dn: o=a\nk:: %\n" },
		{ "ldif", "dn: o=a\nk:< file:///etc/hostname\n" },
		{ "ldif", "dn: o=a\nk: 1\n\ninclude: file:///etc/hostname\n" },
		{ "ldif", "dn: o=a\nchangetype: delete\n" },
		{ "ldif", "dn: o=a\nk\n" },
		{ "passwd", "" },
		{ "passwd", "a:x:1:1::/\n" },
		{ "passwd", ":x:1:1::/:/bin/sh\n" },
		{ "passwd", "a:x:1:1::/:/bin/sh:more\n" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct got g;
		struct prov_error err = { 0 };
		int rc = load(t[i].kind, t[i].text, strlen(t[i].text), 2, &g, &err);
		if (rc != PROV_EREFUSED)
			print_message("case %zu gave %d\n", i, rc);
		assert_int_equal(rc, PROV_EREFUSED);
		assert_true(err.text[0]);
	}
	struct got g;
	struct prov_error err = { 0 };
	assert_int_equal(load("csv", "k,x\n1\0,a\n", 10, 2, &g, &err), PROV_EREFUSED);
}

static void a_long_file_is_read_across_blocks(void **state)
{
	enum { ROWS = 30000 };
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	struct got g;
	struct prov_error err = { 0 };
	(void)state;
	fputs("k,name\n", f);
	for (int i = 0; i < ROWS; i++)
		fprintf(f, "E%d,\"Name, %d\"\n", i, i);
	fclose(f);
	static const char *const one[] = { "k", "name" };
	struct prov_recsrc s;
	char path[] = "/tmp/recsrcXXXXXX", name[64];
	int fd = mkstemp(path);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
	snprintf(name, sizeof(name), "csv:%s?key=k", path);
	assert_int_equal(prov_recsrc_parse(name, &s, &err), 0);
	memset(&g, 0, sizeof(g));
	assert_int_equal(prov_recsrc_read(&s, one, 2, see, &g, &err), 0);
	assert_int_equal(g.n, ROWS);
	prov_recsrc_dispose(&s);
	unlink(path);
	free(text);
}

static int stop(void *ctx, const struct prov_record *r, struct prov_error *err)
{
	++*(size_t *)ctx;
	return r->number == 2 ? prov_error_set(err, PROV_EBUSY, "enough") : 0;
}

static void who_reads_may_end_it(void **state)
{
	struct prov_recsrc s;
	struct prov_error err = { 0 };
	char path[] = "/tmp/recsrcXXXXXX", name[64];
	size_t n = 0;
	int fd = mkstemp(path);
	(void)state;
	assert_int_equal(write(fd, "k,x\n1,a\n2,b\n", 12), 12);
	close(fd);
	snprintf(name, sizeof(name), "csv:%s?key=k", path);
	assert_int_equal(prov_recsrc_parse(name, &s, &err), 0);
	assert_int_equal(prov_recsrc_read(&s, column, 2, stop, &n, &err), PROV_EBUSY);
	assert_int_equal(n, 1);
	assert_string_equal(err.text, "enough");
	prov_recsrc_dispose(&s);
	unlink(path);
}

static void a_file_that_is_not_there_is_no_refusal(void **state)
{
	static const char *const place[] = { "csv:/nonexistent/x?key=k", "csv:/tmp?key=k",
		"ldif:/nonexistent/x?key=k", "passwd:/nonexistent/x", "passwd:/tmp" };
	(void)state;
	for (size_t i = 0; i < sizeof(place) / sizeof(place[0]); i++) {
		struct prov_recsrc s;
		struct prov_error err = { 0 };
		struct got g = { 0 };
		assert_int_equal(prov_recsrc_parse(place[i], &s, &err), 0);
		assert_int_equal(prov_recsrc_read(&s, column, 2, see, &g, &err), PROV_EIO);
		prov_recsrc_dispose(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_parsed),
		cmocka_unit_test(bad_names_are_refused),
		cmocka_unit_test(good_files_give_their_records),
		cmocka_unit_test(broken_files_are_refused),
		cmocka_unit_test(a_long_file_is_read_across_blocks),
		cmocka_unit_test(who_reads_may_end_it),
		cmocka_unit_test(a_file_that_is_not_there_is_no_refusal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
