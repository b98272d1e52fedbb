/* Splitting a connector's command line without a shell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "argv.h"

static void words_are_split_and_unquoted_like_a_shell_does(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		const char *word[6];
	} t[] = {
		{ "/bin/true", { "/bin/true" } },
		{ "  /bin/echo  a\tb \n", { "/bin/echo", "a", "b" } },
		{ "p 'a b' \"c d\"", { "p", "a b", "c d" } },
		{ "p a'b c'd", { "p", "ab cd" } },
		{ "p '' \"\"", { "p", "", "" } },
		{ "p a\\ b \\'c", { "p", "a b", "'c" } },
		{ "p \"a\\\"b\\\\c\\d\"", { "p", "a\"b\\c\\d" } },
		{ "p 'a\\b'", { "p", "a\\b" } },
		{ "p 'it'\\''s'", { "p", "it's" } },
		{ "p \xc3\xa9", { "p", "\xc3\xa9" } },
	};
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char **argv = NULL;
		assert_int_equal(prov_argv_split(t[i].line, &argv, NULL), 0);
		size_t n = 0;
		for (; t[i].word[n]; n++) {
			assert_non_null(argv[n]);
			assert_string_equal(argv[n], t[i].word[n]);
		}
		assert_null(argv[n]);
		free(argv);
	}
}

static void nothing_is_expanded(void **state)
{
	(void)state;
	char **argv = NULL;
	assert_int_equal(prov_argv_split("p $HOME `id` $(id) * ~ a|b a;b a&b >f {x,y} #c", &argv,
				 NULL),
		0);
	static const char *const want[] = { "p", "$HOME", "`id`", "$(id)", "*", "~", "a|b", "a;b",
		"a&b", ">f", "{x,y}", "#c", NULL };
	for (size_t i = 0; want[i]; i++)
		assert_string_equal(argv[i], want[i]);
	free(argv);
}

static void a_line_that_does_not_end_is_refused_with_its_place(void **state)
{
	(void)state;
	static const struct {
		const char *line, *says;
	} t[] = {
		{ "p 'a", "' in the word at offset 2" },
		{ "p b\"a", "\" in the word at offset 2" },
		{ "p a\\", "\\ in the word at offset 2" },
		{ "", "no program" },
		{ "   ", "no program" },
		{ "'' a", "no program" },
	};
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct prov_error err = { 0 };
		char **argv = (char **)&err;
		assert_int_equal(prov_argv_split(t[i].line, &argv, &err), PROV_EINVAL);
		assert_null(argv);
		assert_non_null(strstr(err.text, t[i].says));
	}
}

static void one_letter_words_fill_the_vector_exactly(void **state)
{
	(void)state;
	char line[401];
	char **argv = NULL;
	for (size_t len = 1; len < sizeof(line); len++) {
		for (size_t i = 0; i < len; i++)
			line[i] = i % 2 ? ' ' : 'x';
		line[len] = 0;
		assert_int_equal(prov_argv_split(line, &argv, NULL), 0);
		size_t n = 0;
		while (argv[n])
			assert_string_equal(argv[n++], "x");
		assert_int_equal(n, (len + 1) / 2);
		free(argv);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_split_and_unquoted_like_a_shell_does),
		cmocka_unit_test(nothing_is_expanded),
		cmocka_unit_test(a_line_that_does_not_end_is_refused_with_its_place),
		cmocka_unit_test(one_letter_words_fill_the_vector_exactly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
