/* CSV sources: what is whole is read, what cannot be whole is refused as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "csvsrc.h"
#include "fold.h"

static void names_are_parsed(void **state)
{
	struct prov_csvsrc s;
	struct prov_error err;
	(void)state;
	assert_int_equal(prov_csvsrc_parse("csv:/a?b/hr.csv?key=employeeNumber", &s, &err), 0);
	assert_string_equal(s.file, "/a?b/hr.csv");
	assert_string_equal(s.attr, "employeeNumber");
	assert_string_equal(s.column, "employeeNumber");
	prov_csvsrc_dispose(&s);
	assert_int_equal(prov_csvsrc_parse("csv:f?column=Nr&key=uid", &s, &err), 0);
	assert_string_equal(s.attr, "uid");
	assert_string_equal(s.column, "Nr");
	prov_csvsrc_dispose(&s);
}

static void bad_names_are_refused(void **state)
{
	static const char *const bad[] = { "", "csv:", "csv:f", "csv:?key=a", "csv:f?", "csv:f?key",
		"csv:f?key=", "csv:f?column=a", "csv:f?key=a&key=b", "csv:f?key=a&x=b",
		"ldif:f?key=a" };
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct prov_csvsrc s;
		struct prov_error err = { 0 };
		assert_int_equal(prov_csvsrc_parse(bad[i], &s, &err), PROV_EINVAL);
		assert_true(err.text[0]);
		prov_csvsrc_dispose(&s);
	}
}

/* Load a text as a source with the key column "k". */
static int load(const char *text, size_t len, struct prov_csvsrc *s, struct prov_error *err)
{
	char path[] = "/tmp/csvsrcXXXXXX", name[64];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
	snprintf(name, sizeof(name), "csv:%s?key=k", path);
	assert_int_equal(prov_csvsrc_parse(name, s, err), 0);
	int rc = prov_csvsrc_load(s, err);
	unlink(path);
	return rc;
}

static void good_sources_give_their_keys(void **state)
{
	static const struct {
		const char *text;
		size_t n;
	} t[] = {
		{ "k\n1\n2\n3\n", 3 }, { "k\n1", 1 }, { "name,K\r\na,1\r\nb,2\r\n", 2 },
		{ "\xef\xbb\xbf\"k\",x\n1,\n", 1 },
		{ "k,x\n\"1\",\"two\nlines, \"\"quoted\"\"\"\n", 1 },
		{ "k,x\n\n1,a\n\n\n2,b\n", 2 }, /* empty lines are nothing */
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct prov_csvsrc s;
		struct prov_error err = { 0 };
		assert_int_equal(load(t[i].text, strlen(t[i].text), &s, &err), 0);
		assert_int_equal(prov_strmap_count(s.keys), t[i].n);
		assert_int_not_equal(prov_strmap_find(s.keys, "1"), PROV_STRMAP_NONE);
		prov_csvsrc_dispose(&s);
	}
}

static void broken_sources_are_refused(void **state)
{
	static const char *const bad[] = { "", "\n\n", "k\n", "x\n1\n", "k,k\n1,2\n",
		"k,x\n1,a\n1,b\n", "k,x\nA,a\na,b\n", "k,x\n,a\n", "k,x\n\" \",a\n", "k,x\n1\n",
		"k,x\n1,a,b\n", "k,x\n1,\"open\n", "k,x\n1,qu\"ote\n", "k\n\xff\n",
		"k,x\n1,\xc3\n" };
	struct prov_csvsrc s;
	struct prov_error err;
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err.text[0] = '\0';
		int rc = load(bad[i], strlen(bad[i]), &s, &err);
		if (rc != PROV_EREFUSED)
			print_message("case %zu gave %d\n", i, rc);
		assert_int_equal(rc, PROV_EREFUSED);
		assert_true(err.text[0]);
		prov_csvsrc_dispose(&s);
	}
	assert_int_equal(load("k\n1\0\n", 5, &s, &err), PROV_EREFUSED);
	prov_csvsrc_dispose(&s);
}

static void a_long_source_is_read_across_blocks(void **state)
{
	enum { ROWS = 30000 };
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	struct prov_csvsrc s;
	struct prov_error err = { 0 };
	(void)state;
	fputs("k,name\n", f);
	for (int i = 0; i < ROWS; i++)
		fprintf(f, "E%d,\"Name, %d\"\n", i, i);
	fclose(f);
	assert_int_equal(load(text, len, &s, &err), 0);
	assert_int_equal(prov_strmap_count(s.keys), ROWS);
	prov_csvsrc_dispose(&s);
	free(text);
}

static void a_file_that_is_not_there_is_no_refusal(void **state)
{
	struct prov_csvsrc s;
	struct prov_error err = { 0 };
	(void)state;
	assert_int_equal(prov_csvsrc_parse("csv:/nonexistent/x?key=k", &s, &err), 0);
	assert_int_equal(prov_csvsrc_load(&s, &err), PROV_EIO);
	prov_csvsrc_dispose(&s);
	assert_int_equal(prov_csvsrc_parse("csv:/tmp?key=k", &s, &err), 0);
	assert_int_equal(prov_csvsrc_load(&s, &err), PROV_EIO); /* a folder */
	prov_csvsrc_dispose(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_parsed),
		cmocka_unit_test(bad_names_are_refused),
		cmocka_unit_test(good_sources_give_their_keys),
		cmocka_unit_test(broken_sources_are_refused),
		cmocka_unit_test(a_long_source_is_read_across_blocks),
		cmocka_unit_test(a_file_that_is_not_there_is_no_refusal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
