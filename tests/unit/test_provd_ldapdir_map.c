/* Which attributes an account has in another directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_schema.h"
#include "ldapdir_map.h"

static struct prov_ldapdir_map *map_there(const char *domain, const char *const *options, size_t n)
{
	const struct prov_type *types[] = { fake_type("mail"), fake_type("title") };
	struct prov_connector_option o[8];
	struct prov_connector c = { .nattr = 2, .attr = types, .noption = n, .option = o };
	struct prov_ldapdir_map *m = NULL;

	for (size_t i = 0; i < n; i++)
		o[i] = (struct prov_connector_option){ "map", options[i] };
	prov_ldapdir_map_new(&c, domain, &m, NULL);
	return m;
}

static struct prov_ldapdir_map *map_of(const char *const *options, size_t n)
{
	return map_there(NULL, options, n);
}

/* "attr=a,b;..." of all that may leave. */
static void are(struct prov_ldapdir_map *m, const char *event, const char *want)
{
	json_t *e = json_loads(event, 0, NULL);
	char got[400] = "";

	assert_non_null(e);
	for (size_t i = 0; i < prov_ldapdir_map_size(m); i++) {
		struct berval **v;
		const char *there;
		if (prov_ldapdir_map_get(m, i, e, &there, &v))
			continue;
		strcat(strcat(got, there), "=");
		for (struct berval **p = v; p && *p; p++)
			strncat(strcat(got, p == v ? "" : ","), (*p)->bv_val, (*p)->bv_len);
		strcat(got, ";");
		prov_ldapdir_values_free(v);
	}
	assert_string_equal(got, want);
	json_decref(e);
	prov_ldapdir_map_free(&m);
}

#define EVENT \
	"{\"data\":{\"uid\":\"ann\",\"values\":{\"Mail\":[\"a\",\"b\"],\"cn\":[\"not listed\"]}}}"

static void only_what_is_listed_leaves(void **state)
{
	(void)state;
	are(map_of(NULL, 0), EVENT, "uid=ann;mail=a,b;title=;");
}

static void options_replace_defaults(void **state)
{
	(void)state;
	are(map_of((const char *const[]){ "title=", "uid=mail", "cn=uid" }, 3), EVENT,
		"mail=a,b;uid=a,b;cn=ann;");
}

static void active_directory_has_names_of_its_own_and_single_values(void **state)
{
	(void)state;
	are(map_there("ad.x", NULL, 0), EVENT,
		"sAMAccountName=ann;userPrincipalName=ann@ad.x;mail=a;title=;");
	are(map_there("", NULL, 0), EVENT, "sAMAccountName=ann;mail=a;title=;");
	are(map_there("ad.x",
		    (const char *const[]){ "userPrincipalName=mail", "samaccountname=mail",
			    "url=mail" },
		    3),
		EVENT, "mail=a;title=;userPrincipalName=a;samaccountname=a;url=a,b;");
}

static void one_attribute_can_be_asked_for(void **state)
{
	struct prov_ldapdir_map *m = map_of((const char *const[]){ "x=mail", "y=sn" }, 2);
	json_t *e = json_loads(EVENT, 0, NULL);
	char *first = prov_ldapdir_map_first(m, "X", e);

	(void)state;
	assert_string_equal(first, "a");
	assert_null(prov_ldapdir_map_first(m, "y", e)); /* may not leave */
	assert_null(prov_ldapdir_map_first(m, "z", e));
	assert_string_equal(prov_ldapdir_map_from(m, "X"), "mail");
	assert_null(prov_ldapdir_map_from(m, "z"));
	free(first);
	json_decref(e);
	prov_ldapdir_map_free(&m);
}

static void bytes_come_through(void **state)
{
	(void)state;
	are(map_of(NULL, 0),
		"{\"data\":{\"values\":{\"title\":[{\"base64\":\"YWI=\"},{\"base64\":\"!\"}]}}}",
		"uid=;mail=;title=ab;");
}

static void bad_mappings_are_refused(void **state)
{
	static const char *const bad[] = { "x", "=x", "a b=c", "a=b c", "a=b)", "(a=b" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(map_of(&bad[i], 1));
}

static void values_are_compared_as_a_set(void **state)
{
	struct berval a = { 1, (char *)(uintptr_t) "a" }, b = { 1, (char *)(uintptr_t) "b" };
	struct berval *ab[] = { &a, &b, NULL }, *ba[] = { &b, &a, NULL }, *one[] = { &a, NULL },
		      *none[] = { NULL };

	(void)state;
	assert_true(prov_ldapdir_values_equal(ab, ba));
	assert_false(prov_ldapdir_values_equal(ab, one));
	assert_false(prov_ldapdir_values_equal(one, NULL));
	assert_true(prov_ldapdir_values_equal(NULL, none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_listed_leaves),
		cmocka_unit_test(options_replace_defaults),
		cmocka_unit_test(active_directory_has_names_of_its_own_and_single_values),
		cmocka_unit_test(one_attribute_can_be_asked_for),
		cmocka_unit_test(bytes_come_through),
		cmocka_unit_test(bad_mappings_are_refused),
		cmocka_unit_test(values_are_compared_as_a_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
