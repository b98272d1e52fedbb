/* json.h: whole or not there, whichever allocation of jansson's fails. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"

static long left; /* this many are given yet; below zero: all */

static void *sometimes(size_t n)
{
	if (left == 0) {
		errno = ENOMEM;
		return NULL;
	}
	left -= left > 0;
	return malloc(n);
}

static char *make(struct prov_error *err)
{
	struct prov_json b = PROV_JSON_INIT;
	json_t *o = json_object(), *list = json_array(), *more = json_object();
	char *text;

	prov_json_put(&b, o, "v", json_integer(1));
	for (int i = 0; i < 40; i++)
		prov_json_push(&b, list, json_sprintf("value number %d of the list", i));
	prov_json_put(&b, more, "name",
		json_string("a text of some length, so that the buffer grows"));
	prov_json_copy(&b, more, "again", json_object_get(more, "name"));
	prov_json_copy(&b, more, "missing", NULL);
	prov_json_put(&b, o, "list", list);
	prov_json_put(&b, o, "more", more);
	int rc = prov_json_take(&b, o, &text, err);
	assert_int_equal(rc, text ? 0 : PROV_ENOMEM);
	return text;
}

static void a_text_is_whole_or_not_there(void **state)
{
	(void)state;
	left = -1;
	char *whole = make(NULL);
	assert_non_null(whole);
	assert_non_null(strstr(whole, "\"again\":\"a text"));
	assert_null(strstr(whole, "missing"));
	long n = 0;
	for (bool enough = false; !enough; n++) {
		struct prov_error err = { 0, "" };
		left = n;
		char *text = make(&err);
		enough = text != NULL;
		left = -1;
		if (text)
			assert_string_equal(text, whole);
		else
			assert_string_equal(err.text, "out of memory");
		free(text);
	}
	assert_true(n > 50);
	free(whole);
}

static void what_is_read_is_whole_or_lacks_memory(void **state)
{
	static const char text[] = "{\"a\":[1,2.5,true,null,\"x\\u00e9\"],\"b\":{\"c\":\"d\"}}";
	json_t *o = NULL;
	struct prov_error err = { 0, "" };
	long n = 0;

	(void)state;
	for (int rc = PROV_ENOMEM; rc; n++) {
		left = n;
		rc = prov_json_load(text, strlen(text), &o, &err);
		left = -1;
		assert_true(rc == 0 || rc == PROV_ENOMEM);
		assert_true((rc == 0) == (o != NULL));
	}
	assert_true(n > 10);
	json_decref(o);
}

static void what_is_no_json_is_not_called_a_lack_of_memory(void **state)
{
	static const char *const bad[] = { "", "{", "{\"a\":1,\"a\":2}", "[1,]", "{\"a\":\"\xff\"}",
		"{} x", "{\"a\":1e9999}" };
	struct prov_error err;
	json_t *o;

	(void)state;
	left = -1;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&err, 0, sizeof(err));
		assert_int_equal(prov_json_load(bad[i], strlen(bad[i]), &o, &err), PROV_ECORRUPT);
		assert_null(o);
		assert_true(err.text[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_whole_or_not_there),
		cmocka_unit_test(what_is_read_is_whole_or_lacks_memory),
		cmocka_unit_test(what_is_no_json_is_not_called_a_lack_of_memory),
	};

	json_set_alloc_funcs(sometimes, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
