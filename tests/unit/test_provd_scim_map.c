/* An account as a SCIM User, and the least change that makes one of another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_schema.h"
#include "scim_map.h"

static struct prov_scim_map *map_of(struct prov_arena *a, const char *const *options, size_t n)
{
	static const char *const listed[] = { "mail", "givenName", "departmentNumber", "title" };
	struct prov_connector c = { 0 };
	struct prov_connector_option o[8];
	const struct prov_type *types[4];
	struct prov_scim_map *m = NULL;

	(void)a;
	for (size_t i = 0; i < 4; i++)
		types[i] = fake_type(listed[i]);
	for (size_t i = 0; i < n; i++)
		o[i] = (struct prov_connector_option){ "map", options[i] };
	c.nattr = 4;
	c.attr = types;
	c.noption = n;
	c.option = o;
	prov_scim_map_new(&c, &m, NULL);
	return m;
}

static json_t *parse(const char *text)
{
	json_error_t e;
	json_t *o = json_loads(text, 0, &e);

	if (!o)
		fail_msg("%s in %s", e.text, text);
	return o;
}

static void is(json_t *got, const char *want)
{
	json_t *w = parse(want);
	char *text = json_dumps(got, JSON_COMPACT | JSON_SORT_KEYS);

	if (!json_equal(got, w))
		fail_msg("%s is not %s", text, want);
	free(text);
	json_decref(w);
	json_decref(got);
}

#define ENT "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
#define CORE "urn:ietf:params:scim:schemas:core:2.0:User"

static json_t *event(const char *values)
{
	char text[600];

	snprintf(text, sizeof(text),
		"{\"subject\":\"u-1\",\"data\":{\"uid\":\"ann\",\"values\":%s}}", values);
	return parse(text);
}

static void an_account_becomes_a_user(void **state)
{
	struct prov_arena a = PROV_ARENA_INIT;
	struct prov_scim_map *m = map_of(&a, NULL, 0);
	json_t *e = event(
		"{\"mail\":[\"a@x\",\"b@x\"],\"GIVENNAME\":[\"Ann\"],\"departmentNumber\":[\"it\"],"
		"\"sn\":[\"not listed\"]}");

	(void)state;
	is(prov_scim_map_user(m, e, true),
		"{\"schemas\":[\"" CORE "\",\"" ENT
		"\"],\"externalId\":\"u-1\",\"userName\":\"ann\","
		"\"active\":true,\"name\":{\"givenName\":\"Ann\"},"
		"\"emails\":[{\"type\":\"work\",\"value\":\"a@x\",\"primary\":true}],"
		"\"" ENT "\":{\"department\":\"it\"}}");
	json_decref(e);
	prov_scim_map_free(&m);
	prov_scim_map_free(&m);
}

static json_t *patch(const char *values, const char *remote)
{
	struct prov_arena a = PROV_ARENA_INIT;
	struct prov_scim_map *m = map_of(&a, NULL, 0);
	json_t *e = event(values), *r = parse(remote);
	json_t *user = prov_scim_map_user(m, e, true), *ops = prov_scim_map_patch(m, user, r);

	json_decref(e);
	json_decref(r);
	json_decref(user);
	prov_scim_map_free(&m);
	return ops;
}

static void what_agrees_is_left_alone(void **state)
{
	(void)state;
	is(patch("{\"mail\":[\"a@x\"]}",
		   "{\"id\":\"1\",\"externalId\":\"u-1\",\"userName\":\"ann\",\"active\":\"True\","
		   "\"nickName\":\"theirs\",\"emails\":[{\"type\":\"home\",\"value\":\"h@x\"},"
		   "{\"type\":\"Work\",\"value\":\"a@x\"}],\"name\":{\"familyName\":\"not ours to say\"}}"),
		"[]");
}

static void what_differs_is_changed_and_nothing_else(void **state)
{
	(void)state;
	is(patch("{\"mail\":[\"new@x\"],\"title\":[\"Dr\"]}",
		   "{\"externalId\":\"u-1\",\"userName\":\"ann\",\"active\":false,"
		   "\"emails\":[{\"type\":\"work\",\"value\":\"a@x\"}],\"name\":{\"givenName\":\"Ann\"}}"),
		"[{\"op\":\"remove\",\"path\":\"name.givenName\"},"
		"{\"op\":\"add\",\"path\":\"title\",\"value\":\"Dr\"},"
		"{\"op\":\"replace\",\"path\":\"emails[type eq \\\"work\\\"].value\",\"value\":\"new@x\"},"
		"{\"op\":\"replace\",\"path\":\"active\",\"value\":true}]");
	is(patch("{\"mail\":[\"a@x\"]}", "{\"userName\":\"ANN\",\"active\":true}"),
		"[{\"op\":\"replace\",\"path\":\"userName\",\"value\":\"ann\"},"
		"{\"op\":\"add\",\"path\":\"emails\",\"value\":[{\"type\":\"work\",\"value\":\"a@x\"}]},"
		"{\"op\":\"add\",\"path\":\"externalId\",\"value\":\"u-1\"}]");
	is(patch("{}",
		   "{\"externalId\":\"u-1\",\"userName\":\"ann\",\"active\":true,"
		   "\"emails\":[{\"type\":\"work\",\"value\":\"a@x\"}]}"),
		"[{\"op\":\"remove\",\"path\":\"emails[type eq \\\"work\\\"]\"}]");
}

static void a_whole_replacement_keeps_what_is_theirs(void **state)
{
	struct prov_arena a = PROV_ARENA_INIT;
	struct prov_scim_map *m = map_of(&a, NULL, 0);
	json_t *e = event("{\"title\":[\"Dr\"]}"), *user = prov_scim_map_user(m, e, false);
	json_t *r = parse(
		"{\"id\":\"1\",\"meta\":{\"version\":\"7\"},\"userName\":\"ann\",\"nickName\":\"A\","
		"\"emails\":[{\"type\":\"home\",\"value\":\"h@x\"},{\"type\":\"work\",\"value\":\"w@x\"}],\"active\":true}");

	(void)state;
	is(prov_scim_map_replace(m, user, r),
		"{\"id\":\"1\",\"schemas\":[\"" CORE
		"\"],\"userName\":\"ann\",\"nickName\":\"A\",\"title\":\"Dr\","
		"\"emails\":[{\"type\":\"home\",\"value\":\"h@x\"}],\"active\":false,"
		"\"externalId\":\"u-1\"}");
	json_decref(e);
	json_decref(user);
	json_decref(r);
	prov_scim_map_free(&m);
}

static void bad_mappings_are_refused(void **state)
{
	static const char *const bad[] = { "x", "=uid", "a b=uid", "name.=sn", "emails[]=mail",
		"[work]=mail", "userName=", "urn:x=sn", "a\"b=sn" };
	struct prov_arena a = PROV_ARENA_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(map_of(&a, &bad[i], 1));
	struct prov_scim_map *m =
		map_of(&a, (const char *const[]){ "emails[work]=", "userName=mail" }, 2);
	json_t *e = event("{\"mail\":[\"a@x\"]}");
	is(prov_scim_map_user(m, e, true),
		"{\"schemas\":[\"" CORE
		"\"],\"externalId\":\"u-1\",\"userName\":\"a@x\",\"active\":true}");
	json_decref(e);
	prov_scim_map_free(&m);
}

static void active_is_read_as_servers_write_it(void **state)
{
	static const struct {
		const char *text;
		bool active;
	} known[] = { { "{}", true }, { "{\"active\":true}", true },
		{ "{\"active\":false}", false }, { "{\"active\":\"True\"}", true },
		{ "{\"active\":\"False\"}", false }, { "{\"active\":null}", false } };

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		json_t *o = parse(known[i].text);
		assert_int_equal(prov_scim_active(o), known[i].active);
		json_decref(o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_account_becomes_a_user),
		cmocka_unit_test(what_agrees_is_left_alone),
		cmocka_unit_test(what_differs_is_changed_and_nothing_else),
		cmocka_unit_test(a_whole_replacement_keeps_what_is_theirs),
		cmocka_unit_test(bad_mappings_are_refused),
		cmocka_unit_test(active_is_read_as_servers_write_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
