/* A policy compiles whole or is refused with a text that names the entry and the reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_schema.h"
#include "policy.h"

struct world {
	struct prov_arena arena;
	struct prov_policy *policy;
	struct prov_error err;
};

static int group(void *ctx, struct prov_val ndn)
{
	(void)ctx;
	if (prov_val_equal(ndn, prov_val_str("cn=ghost")))
		return PROV_ENOENT;
	return prov_val_equal(ndn, prov_val_str("cn=person")) ? PROV_EINVAL : 0;
}

static int make(void **state)
{
	static const struct prov_policy_env env = { NULL, group };
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	return w ? prov_policy_new(&fake_schema, &env, &w->policy, NULL) : -1;
}

static int drop(void **state)
{
	struct world *w = *state;

	prov_policy_free(&w->policy);
	prov_arena_dispose(&w->arena);
	free(w);
	return 0;
}

/* A role cn=NAME with up to five more lines. */
static int role(struct world *w, const char *name, const char *const *more)
{
	char dn[64], cn[64];
	const char *lines[8] = { "objectClass: provRole", cn };
	size_t n = 2;

	snprintf(dn, sizeof(dn), "cn=%s", name);
	snprintf(cn, sizeof(cn), "cn: %s", name);
	for (size_t i = 0; more[i]; i++)
		lines[n++] = more[i];
	lines[n] = NULL;
	return prov_policy_add(w->policy, fake_entry(&w->arena, dn, lines), &w->err);
}

#define ROLE(w, name, ...) role(w, name, (const char *const[]){ __VA_ARGS__, NULL })

static void good(struct world *w, int rc)
{
	assert_string_equal(w->err.text, "");
	assert_int_equal(rc, 0);
}

static const struct prov_role *get(struct world *w, const char *ndn)
{
	return prov_policy_role(w->policy, prov_val_str(ndn));
}

static void a_role_closes_over_what_it_includes(void **state)
{
	struct world *w = *state;
	size_t n;

	good(w, ROLE(w, "head", "provInclude: cn=sales", "provInclude: cn=old"));
	good(w,
		ROLE(w, "sales", "provInclude: cn=staff", "provGroup: cn=g1",
			"provEntitlement: crm:write"));
	good(w, ROLE(w, "staff", "provAssignFilter: (employeeType=staff)"));
	good(w, ROLE(w, "old", "provStatus: retired", "provGroup: cn=g2"));
	good(w, prov_policy_seal(w->policy, &w->err));
	assert_non_null(prov_policy_roles(w->policy, &n));
	assert_int_equal(n, 4);
	const struct prov_role *head = get(w, "cn=head");
	assert_int_equal(head->ninclude, 2);
	assert_int_equal(head->nclosure, 3); /* the retired one is none of it */
	assert_string_equal(head->closure[0]->cn, "head");
	assert_string_equal(head->closure[1]->cn, "sales");
	assert_string_equal(head->closure[2]->cn, "staff");
	assert_null(get(w, "cn=nobody"));
	assert_ptr_equal(prov_policy_group_user(w->policy, prov_val_str("cn=g1")),
		get(w, "cn=sales"));
	assert_null(prov_policy_group_user(w->policy, prov_val_str("cn=g2")));
}

static void only_what_an_active_role_looks_at_is_watched(void **state)
{
	struct world *w = *state;

	good(w,
		ROLE(w, "a", "provAssignFilter: (&(title=x)(!(ou=y)))",
			"provTemplate: default mail: {givenName}@x"));
	good(w, ROLE(w, "b", "provStatus: draft", "provAssignFilter: (employeeNumber=1)"));
	good(w, prov_policy_seal(w->policy, &w->err));
	static const char *const yes[] = { "title", "ou", "mail", "givenName", "provState",
		"provAssignedRole", "objectClass", "provException", "title;lang-de" };
	static const char *const no[] = { "employeeNumber", "description", "cn", "sn" };
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		assert_true(prov_policy_watches(w->policy, fake_type(yes[i])));
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_false(prov_policy_watches(w->policy, fake_type(no[i])));
}

static void a_filter_on_a_supertype_watches_what_is_below(void **state)
{
	struct world *w = *state;

	good(w, ROLE(w, "a", "provAssignFilter: (name=x)"));
	good(w, prov_policy_seal(w->policy, &w->err));
	assert_true(prov_policy_watches(w->policy, fake_type("givenName")));
	assert_false(prov_policy_watches(w->policy, fake_type("mail")));
}

static void what_a_role_entry_may_not_say_is_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "provAssignFilter: (sn=x", "provAssignFilter" },
		{ "provAssignFilter: (nosuch=x)", "nosuch" },
		{ "provTemplate: give mail: x", "provTemplate" },
		{ "provTemplate: add userPassword: x", "secret" },
		{ "provTemplate: add mail: {userPassword}", "secret" },
		{ "provTemplate: add mail: {sn}{userPassword|first:9}", "secret" },
		{ "provTemplate: add authzTo: x", "act for others" },
		{ "provStatus: maybe", "provStatus" },
		{ "provPrerequisite: cn=x", "provPrerequisite" },
		{ "provMaxMembers: 3", "provMaxMembers" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&w->err, 0, sizeof(w->err));
		assert_int_equal(ROLE(w, "bad", bad[i][0]), PROV_EINVAL);
		assert_non_null(strstr(w->err.text, "cn=bad"));
		assert_non_null(strstr(w->err.text, bad[i][1]));
	}
}

static void what_does_not_fit_together_is_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "provInclude: cn=bad", "cn=bad" },
		{ "provInclude: cn=nobody", "cn=nobody" },
		{ "provGroup: cn=ghost", "cn=ghost" },
		{ "provGroup: cn=person", "cn=person" },
		{ "provTemplate: add uidNumber: {next:nowhere}", "nowhere" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		void *fresh;
		assert_int_equal(make(&fresh), 0);
		struct world *f = fresh;
		good(f, ROLE(f, "bad", bad[i][0]));
		assert_int_equal(prov_policy_seal(f->policy, &f->err), PROV_EINVAL);
		assert_non_null(strstr(f->err.text, "cn=bad"));
		assert_non_null(strstr(f->err.text, bad[i][1]));
		drop(&fresh);
	}
	good(w, ROLE(w, "a", "provInclude: cn=b"));
	good(w, ROLE(w, "b", "provInclude: cn=c"));
	good(w, ROLE(w, "c", "provInclude: cn=a"));
	assert_int_equal(prov_policy_seal(w->policy, &w->err), PROV_EINVAL);
	assert_non_null(strstr(w->err.text, "a > b > c > a"));
}

static void two_values_that_cannot_both_hold_are_refused(void **state)
{
	struct world *w = *state;

	good(w, ROLE(w, "a", "provTemplate: enforce displayName: A", "provInclude: cn=b"));
	good(w, ROLE(w, "b", "provTemplate: enforce displayName: B"));
	assert_int_equal(prov_policy_seal(w->policy, &w->err), PROV_EINVAL);
	assert_non_null(strstr(w->err.text, "enforce displayName"));
}

static void pools_and_connectors_are_taken_in(void **state)
{
	struct world *w = *state;
	size_t n = 0;

	good(w,
		prov_policy_add(w->policy,
			FAKE_ENTRY(&w->arena, "cn=s1", "objectClass: provPool", "cn: s1",
				"cn: uids"),
			&w->err));
	good(w, ROLE(w, "a", "provTemplate: add uidNumber: {next:UIDS}"));
	const struct prov_entry *c = FAKE_ENTRY(&w->arena, "cn=hr", "objectClass: provConnector",
		"cn: hr", "provConnectorType: exec", "provTarget: /bin/true");
	good(w, prov_policy_add(w->policy, c, &w->err));
	assert_int_equal(prov_policy_add(w->policy, c, &w->err), PROV_EINVAL); /* twice */
	memset(&w->err, 0, sizeof(w->err));
	good(w,
		prov_policy_add(w->policy,
			FAKE_ENTRY(&w->arena, "ou=x", "objectClass: organizationalUnit"),
			&w->err)); /* passed over */
	good(w, prov_policy_seal(w->policy, &w->err));
	assert_string_equal(prov_policy_connectors(w->policy, &n)[0]->name, "hr");
	assert_int_equal(n, 1);
}

static void an_empty_policy_is_a_policy(void **state)
{
	struct world *w = *state;
	size_t n = 9;

	good(w, prov_policy_seal(w->policy, &w->err));
	prov_policy_roles(w->policy, &n);
	assert_int_equal(n, 0);
	assert_null(get(w, "cn=x"));
	assert_true(prov_policy_watches(w->policy, fake_type("provState")));
}

struct seen {
	size_t n;
	const struct prov_role *role[4096];
};

static void see(void *ctx, const struct prov_role *role)
{
	struct seen *s = ctx;

	assert_true(s->n < sizeof(s->role) / sizeof(s->role[0]));
	s->role[s->n++] = role;
}

static bool saw(const struct seen *s, const struct prov_role *role)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->role[i] == role)
			return true;
	return false;
}

static void of_many_roles_few_are_tried(void **state)
{
	struct world *w = *state;
	static struct seen seen;
	char name[16], one[96];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		/* what they share says little, and a class is never looked up */
		snprintf(one, sizeof(one),
			"provAssignFilter: (&(objectClass=person)(employeeType=staff)(departmentNumber=%d))",
			i);
		good(w, role(w, name, (const char *[]){ one, NULL }));
	}
	good(w, ROLE(w, "either", "provAssignFilter: (|(departmentNumber=7)(title=boss))"));
	good(w, ROLE(w, "above", "provAssignFilter: (name=boss)"));
	good(w, ROLE(w, "not", "provAssignFilter: (!(departmentNumber=7))"));
	good(w, ROLE(w, "off", "provAssignFilter: (departmentNumber=7)", "provStatus: draft"));
	good(w, prov_policy_seal(w->policy, &w->err));

	seen.n = 0;
	prov_policy_candidates(w->policy,
		FAKE_ENTRY(&w->arena, "uid=a", "objectClass: inetOrgPerson", "employeeType: staff",
			"departmentNumber: 7"),
		see, &seen);
	assert_int_equal(seen.n, 3);
	assert_true(saw(&seen, get(w, "cn=d7")) && saw(&seen, get(w, "cn=either")) &&
		saw(&seen, get(w, "cn=not")));
	seen.n = 0;
	prov_policy_candidates(w->policy, FAKE_ENTRY(&w->arena, "uid=a", "title: Boss"), see,
		&seen);
	assert_int_equal(seen.n, 3);
	assert_true(saw(&seen, get(w, "cn=either")) && saw(&seen, get(w, "cn=above")) &&
		saw(&seen, get(w, "cn=not")));
}

static const char *const random_attr[] = { "departmentNumber", "title", "name", "cn", "objectClass",
	"uidNumber" };

static void random_filter(char *out, size_t room, unsigned depth)
{
	size_t n = 0;
	int kind = rand() % (depth ? 9 : 5);

	if (kind < 3)
		snprintf(out, room, "(%s=%d)", random_attr[rand() % 6], rand() % 4);
	else if (kind == 3)
		snprintf(out, room, "(%s=*)", random_attr[rand() % 6]);
	else if (kind == 4)
		snprintf(out, room, "(uidNumber>=%d)", rand() % 4);
	if (kind < 5)
		return;
	n = (size_t)snprintf(out, room, "(%c", "&|!&"[kind - 5]);
	for (int i = kind == 7 ? 1 : rand() % 4; i > 0; i--) {
		random_filter(out + n, room - n, depth - 1);
		n += strlen(out + n);
	}
	snprintf(out + n, room - n, ")");
}

static void no_role_that_matches_is_left_out(void **state)
{
	struct world *w = *state;
	static struct seen seen;
	const struct prov_role *const *all;
	size_t n, matched = 0, tried = 0;
	char name[16], filter[4000];

	srand(20261125);
	for (int i = 0; i < 400; i++) {
		size_t at = (size_t)snprintf(filter, sizeof(filter), "provAssignFilter: ");
		snprintf(name, sizeof(name), "r%d", i);
		random_filter(filter + at, sizeof(filter) - at, 3);
		good(w, role(w, name, (const char *[]){ filter, NULL }));
	}
	good(w, prov_policy_seal(w->policy, &w->err));
	all = prov_policy_roles(w->policy, &n);
	for (int i = 0; i < 300; i++) {
		char line[5][40];
		const char *lines[6] = { NULL };
		for (int k = 0, used = 0; k < 5; k++) {
			static const char *const have[] = { "objectClass", "departmentNumber",
				"title", "cn", "uidNumber" };
			if (rand() % 3 == 0)
				continue;
			snprintf(line[used], sizeof(line[used]), "%s: %d", have[k], rand() % 4);
			lines[used] = line[used];
			used++;
		}
		const struct prov_entry *e = fake_entry(&w->arena, "uid=a", lines);
		seen.n = 0;
		prov_policy_candidates(w->policy, e, see, &seen);
		tried += seen.n;
		for (size_t k = 0; k < n; k++) {
			if (prov_filter_match(all[k]->filter[0], e) != PROV_MATCH_TRUE)
				continue;
			matched++;
			assert_true(saw(&seen, all[k]));
		}
	}
	assert_true(matched > 1000 && tried < 300 * n); /* it was a test */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_role_closes_over_what_it_includes),
		TEST(only_what_an_active_role_looks_at_is_watched),
		TEST(a_filter_on_a_supertype_watches_what_is_below),
		TEST(what_a_role_entry_may_not_say_is_refused),
		TEST(what_does_not_fit_together_is_refused),
		TEST(two_values_that_cannot_both_hold_are_refused),
		TEST(pools_and_connectors_are_taken_in),
		TEST(an_empty_policy_is_a_policy),
		TEST(of_many_roles_few_are_tried),
		TEST(no_role_that_matches_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
