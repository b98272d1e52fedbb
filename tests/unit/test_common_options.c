/* Command lines and configuration files as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "options.h"

struct all {
	struct prov_common_options common;
	bool flag;
	unsigned number;
	struct prov_option_list list;
};

static int parse(struct prov_options *o, struct all *a, char *const *words, int *operand,
	char **argv)
{
	const struct prov_option table[] = {
		{ "flag", 'f', PROV_OPTION_FLAG, &a->flag, NULL, "a flag" },
		{ "number", 'n', PROV_OPTION_NUMBER, &a->number, "N", "a number" },
		{ "item", 'i', PROV_OPTION_LIST, &a->list, "ITEM", "more than one" },
	};
	int argc = 0;
	memset(a, 0, sizeof(*a));
	*o = (struct prov_options){ .program = "tool", .usage = "[options] command" };
	assert_int_equal(prov_options_add(o, table, 3), 0);
	assert_int_equal(prov_options_add_common(o, &a->common), 0);
	for (; words[argc]; argc++)
		argv[argc] = words[argc];
	argv[argc] = NULL;
	return prov_options_parse(o, argc, argv, operand);
}

static void options_stand_before_and_after_the_command(void **state)
{
	(void)state;
	struct prov_options o;
	struct all a;
	char *argv[32];
	int operand = 0;
	char password[] = "hunter2";
	setenv("POSIXLY_CORRECT", "1", 1);
	char *words[] = { "tool", "-H", "ldap://h", "show", "-ZZ", "it", "--number=7", "-f", "-w",
		password, "--item", "a", "-ib", "--", "-x", NULL };
	assert_int_equal(parse(&o, &a, words, &operand, argv), 0);
	assert_string_equal(a.common.ldap.uri, "ldap://h");
	assert_int_equal(a.common.ldap.starttls, 2);
	assert_true(a.flag);
	assert_int_equal(a.number, 7);
	assert_int_equal(a.list.n, 2);
	assert_string_equal(a.list.item[0], "a");
	assert_string_equal(a.list.item[1], "b");
	assert_string_equal(a.common.ldap.password, "hunter2");
	assert_string_equal(password, "*******"); /* ps does not show it */
	static const char *const rest[] = { "show", "it", "-x" };
	for (int i = 0; i < 3; i++)
		assert_string_equal(argv[operand + i], rest[i]);
	assert_null(argv[operand + 3]);
	prov_options_dispose(&o);
	assert_null(a.common.ldap.password);
}

static void wrong_options_are_refused(void **state)
{
	(void)state;
	static char *const wrong[][4] = { { "tool", "--nonsense" }, { "tool", "-n" },
		{ "tool", "-n", "x" }, { "tool", "-n", "-1" }, { "tool", "-n", "99999999999" },
		{ "tool", "--flag=yes" } };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct prov_options o;
		struct all a;
		char *argv[8];
		int operand = 0;
		assert_int_equal(parse(&o, &a, wrong[i], &operand, argv), PROV_EINVAL);
		prov_options_dispose(&o);
	}
}

static void help_and_version_are_answered(void **state)
{
	(void)state;
	static char *const asks[][3] = { { "tool", "--help" }, { "tool", "--version" } };
	for (size_t i = 0; i < 2; i++) {
		struct prov_options o;
		struct all a;
		char *argv[8];
		int operand = 0;
		assert_int_equal(parse(&o, &a, asks[i], &operand, argv), 1);
		prov_options_dispose(&o);
	}
}

static int read_text(const char *text, char *const *words, struct all *a, struct prov_options *o,
	struct prov_error *err)
{
	char path[] = "/tmp/prov-options-XXXXXX", *argv[16];
	int operand = 0, fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(parse(o, a, words, &operand, argv), 0);
	int rc = prov_options_read(o, path, err);
	unlink(path);
	return rc;
}

static void a_file_gives_what_the_command_line_does_not(void **state)
{
	(void)state;
	struct prov_options o;
	struct all a;
	char *words[] = { "tool", "-H", "ldap://here", NULL };
	assert_int_equal(
		read_text(
			"# comment\n\n uri ldap://there\nbind-dn  cn=a b,dc=c \t\nflag\nnumber 12\n"
			"item one\nitem two\nstarttls\nstarttls\n",
			words, &a, &o, NULL),
		0);
	assert_string_equal(a.common.ldap.uri, "ldap://here");
	assert_string_equal(a.common.ldap.bind_dn, "cn=a b,dc=c");
	assert_true(a.flag);
	assert_int_equal(a.number, 12);
	assert_int_equal(a.list.n, 2);
	assert_int_equal(a.common.ldap.starttls, 2);
	prov_options_dispose(&o);
}

static void a_wrong_line_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *text, *says;
	} t[] = {
		{ "flag\nnonsense 1\n", "line 2: unknown option \"nonsense\"" },
		{ "flag yes\n", "line 1: \"flag\" takes no value" },
		{ "number\n", "line 1: \"number\" needs a value" },
		{ "number x\n", "line 1: \"number\" needs a number" },
	};
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct prov_options o;
		struct all a;
		struct prov_error err = { 0 };
		char *words[] = { "tool", NULL };
		assert_int_equal(read_text(t[i].text, words, &a, &o, &err), PROV_EINVAL);
		if (!strstr(err.text, t[i].says))
			fail_msg("%s", err.text);
		prov_options_dispose(&o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_stand_before_and_after_the_command),
		cmocka_unit_test(wrong_options_are_refused),
		cmocka_unit_test(help_and_version_are_answered),
		cmocka_unit_test(a_file_gives_what_the_command_line_does_not),
		cmocka_unit_test(a_wrong_line_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
