/* Tables and texts for people: widths as a terminal shows them, nothing that moves the cursor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "error.h"
#include "jsonout.h"
#include "table.h"

static void unsafe_characters_are_shown_as_hex(void **state)
{
	static const struct {
		const char *in, *out;
		size_t len;
	} t[] = {
		{ "plain", "plain", 5 }, { "", "", 0 }, { "a\033[2Jb", "a\\x1b[2Jb", 6 },
		{ "a\nb", "a\\x0ab", 3 }, { "nul\0here", "nul\\x00here", 8 },
		{ "zo\xc3\xab", "zo\xc3\xab", 4 }, { "bad\xff", "bad\\xff", 4 },
		{ "cut\xc3", "cut\\xc3", 4 }, { "c1\xc2\x9b", "c1\\xc2\\x9b", 4 },
		{ "bidi\xe2\x80\xae!", "bidi\\xe2\\x80\\xae!", 8 },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80", 3 }, /* a surrogate */
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char *got = prov_text_safe(t[i].in, t[i].len);
		assert_string_equal(got, t[i].out);
		free(got);
	}
}

static void width_counts_columns(void **state)
{
	(void)state;
	assert_int_equal(prov_text_width("abc"), 3);
	assert_int_equal(prov_text_width("zo\xc3\xab"), 3);
	assert_int_equal(prov_text_width("zoe\xcc\x88"), 3);  /* combining diaeresis */
	assert_int_equal(prov_text_width("\xe6\x9d\x8e"), 2); /* wide */
	assert_int_equal(prov_text_width(""), 0);
}

static char *printed(const struct prov_table *t)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	prov_table_print(t, f);
	fclose(f);
	return text;
}

static void columns_are_aligned_and_nothing_trails(void **state)
{
	struct prov_table *t = NULL;
	char *text;
	(void)state;
	assert_int_equal(prov_table_new(3, (const char *[]){ "A", "B", "C" }, &t), 0);
	text = printed(t);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(prov_table_add(t, (const char *[]){ "\xe6\x9d\x8e", "x", "last" }), 0);
	assert_int_equal(prov_table_add(t, (const char *[]){ "long", NULL, "" }), 0);
	assert_int_equal(prov_table_add(t, (const char *[]){ "e\n", "", "z" }), 0);
	assert_int_equal(prov_table_rows(t), 3);
	text = printed(t);
	assert_string_equal(text,
		"A      B  C\n"
		"\xe6\x9d\x8e     x  last\n"
		"long\n"
		"e\\x0a     z\n");
	free(text);
	prov_table_free(&t);
	assert_null(t);
	prov_table_free(&t);
}

static void a_table_grows(void **state)
{
	struct prov_table *t = NULL;
	(void)state;
	assert_int_equal(prov_table_new(1, (const char *[]){ "N" }, &t), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(prov_table_add(t, (const char *[]){ "row" }), 0);
	assert_int_equal(prov_table_rows(t), 1000);
	prov_table_free(&t);
}

static void json_text_keeps_every_byte(void **state)
{
	json_t *v = prov_json_text("zo\xc3\xab", 4);
	(void)state;
	assert_string_equal(json_string_value(v), "zo\xc3\xab");
	json_decref(v);
	v = prov_json_text("\xff\x00\x01", 3);
	assert_string_equal(json_string_value(json_object_get(v, "base64")), "/wAB");
	json_decref(v);
	v = prov_json_text("a\0b", 3);
	assert_string_equal(json_string_value(json_object_get(v, "base64")), "YQBi");
	json_decref(v);
	v = prov_json_text("", 0);
	assert_string_equal(json_string_value(v), "");
	json_decref(v);
	v = prov_json_texts((const char *[]){ "a", "b" }, 2);
	assert_int_equal(json_array_size(v), 2);
	json_decref(v);
}

static void a_json_line_is_one_line(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	(void)state;
	assert_int_equal(prov_json_line_take(f, json_pack("{s:s}", "a", "x\ny")), 0);
	assert_int_equal(prov_json_line_take(f, NULL), PROV_ENOMEM);
	fclose(f);
	assert_string_equal(text, "{\"a\":\"x\\ny\"}\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unsafe_characters_are_shown_as_hex),
		cmocka_unit_test(width_counts_columns),
		cmocka_unit_test(columns_are_aligned_and_nothing_trails),
		cmocka_unit_test(a_table_grows),
		cmocka_unit_test(json_text_keeps_every_byte),
		cmocka_unit_test(a_json_line_is_one_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
