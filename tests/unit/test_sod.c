/* Segregation of duties: rules that make no sense, and accounts that would break one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_world.h"

#define NOW 1700000000 /* 20231114221320Z */
#define PAST "20231114221319Z"
#define SOON "20231114221321Z"
#define LATER "20231116221320Z"

/* dn is "cn=name"; up to six lines more. */
static int add(struct world *w, const char *class, const char *dn, const char *const *more)
{
	char cn[64];
	const char *lines[9] = { class, cn };
	size_t n = 2;

	snprintf(cn, sizeof(cn), "cn: %s", dn + 3);
	for (size_t i = 0; more[i]; i++)
		lines[n++] = more[i];
	lines[n] = NULL;
	return prov_policy_add(w->policy, fake_entry(&w->arena, dn, lines), &w->err);
}

#define LINES(...) ((const char *const[]){ "description: x", ##__VA_ARGS__, NULL })
#define ROLE(w, dn, ...) \
	assert_int_equal(add(w, "objectClass: provRole", dn, LINES(__VA_ARGS__)), 0)
#define TRY_SET(w, dn, ...) add(w, "objectClass: provSodSet", dn, LINES(__VA_ARGS__))
#define SET(w, dn, ...) assert_int_equal(TRY_SET(w, dn, __VA_ARGS__), 0)

static void sealed(struct world *w)
{
	if (prov_policy_seal(w->policy, &w->err))
		fail_msg("%s", w->err.text);
}

static void says(const struct world *w, const char *const *words)
{
	for (size_t i = 0; words[i]; i++)
		if (!strstr(w->err.text, words[i]))
			fail_msg("\"%s\" is not in \"%s\"", words[i], w->err.text);
}

#define SAYS(w, ...) says(w, (const char *const[]){ __VA_ARGS__, NULL })
#define SEAL_FAILS(w, ...) \
	do { \
		assert_int_equal(prov_policy_seal((w)->policy, &(w)->err), PROV_EINVAL); \
		SAYS(w, __VA_ARGS__); \
	} while (0)

/* -- the policy ---------------------------------------------------------------------- */

static void a_limit_that_can_never_apply_is_refused(void **state)
{
	static const struct {
		const char *limit, *word;
	} bad[] = { { "provSodLimit: 0", "less than 1" }, { "provSodLimit: -1", "less than 1" },
		{ "provSodLimit: 2", "more than 2 of 2 roles" },
		{ "provSodLimit: 99999999999999999999999", "never apply" } };
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(TRY_SET(w, "cn=pay", "provSodRole: cn=a", "provSodRole: cn=b",
					 bad[i].limit),
			PROV_EINVAL);
		SAYS(w, "cn=pay", "provSodLimit", bad[i].word);
	}
	assert_int_equal(TRY_SET(w, "cn=pay", "provSodRole: cn=a"), PROV_EINVAL);
	SAYS(w, "more than 1 of 1 role,", "provSodRole");
	assert_int_equal(TRY_SET(w, "cn=pay", "provSodLimit: 1"), PROV_EINVAL);
	SAYS(w, "more than 1 of 0 roles");
}

static void a_role_that_is_not_there_is_refused(void **state)
{
	struct world *w = *state;
	void *other;

	ROLE(w, "cn=a");
	SET(w, "cn=pay", "provSodRole: cn=a", "provSodRole: cn=ghost");
	SEAL_FAILS(w, "set \"cn=pay\"", "provSodRole \"cn=ghost\"", "no such role");
	assert_int_equal(world_new(&other), 0);
	w = other;
	ROLE(w, "cn=a", "provConflict: cn=ghost");
	SEAL_FAILS(w, "role \"cn=a\"", "provConflict \"cn=ghost\"", "no such role");
	world_free(&other);
}

static void a_role_is_not_in_conflict_with_itself(void **state)
{
	struct world *w = *state;

	ROLE(w, "cn=a", "provConflict: cn=a");
	SEAL_FAILS(w, "cn=a", "itself");
}

static void a_role_that_includes_a_conflict_is_refused(void **state)
{
	struct world *w = *state;

	ROLE(w, "cn=a", "provConflict: cn=b");
	ROLE(w, "cn=b");
	ROLE(w, "cn=mid", "provInclude: cn=b");
	ROLE(w, "cn=top", "provInclude: cn=a", "provInclude: cn=mid");
	SEAL_FAILS(w, "role \"cn=top\"", "a, b", "nobody could hold it");
}

static void a_role_that_includes_its_own_conflict_is_refused(void **state)
{
	struct world *w = *state;

	ROLE(w, "cn=a", "provInclude: cn=b");
	ROLE(w, "cn=b", "provConflict: cn=a");
	SEAL_FAILS(w, "role \"cn=a\"", "a, b", "provConflict of \"cn=b\"");
}

static void a_role_that_is_too_much_of_a_set_is_refused(void **state)
{
	struct world *w = *state;

	ROLE(w, "cn=a", "provInclude: cn=b", "provInclude: cn=c");
	ROLE(w, "cn=b");
	ROLE(w, "cn=c");
	SET(w, "cn=pay", "provSodRole: cn=a", "provSodRole: cn=b", "provSodRole: cn=c",
		"provSodLimit: 2");
	SEAL_FAILS(w, "role \"cn=a\"", "3 roles of set \"cn=pay\"", "allows 2", "a, b, c");
}

static void a_draft_may_be_anything(void **state)
{
	struct world *w = *state;

	ROLE(w, "cn=a", "provConflict: cn=b", "provInclude: cn=b", "provStatus: draft");
	ROLE(w, "cn=b");
	sealed(w);
}

static void both_sides_know_the_rule(void **state)
{
	struct world *w = *state;

	ROLE(w, "cn=a", "provConflict: cn=b");
	ROLE(w, "cn=b", "provConflict: cn=a");
	ROLE(w, "cn=c");
	SET(w, "cn=pay", "provSodRole: cn=c", "provSodRole: cn=a");
	sealed(w);
	const struct prov_role *a = prov_policy_role(w->policy, prov_val_str("cn=a")),
			       *c = prov_policy_role(w->policy, prov_val_str("cn=c"));
	assert_int_equal(a->nsod, 3);
	assert_int_equal(c->nsod, 1);
	assert_true(c->sod[0]->set);
	assert_int_equal(c->sod[0]->limit, 1);
	assert_string_equal(c->sod[0]->role[0]->cn, "a");
}

/* -- accounts ------------------------------------------------------------------------ */

/*
 * pay and order are in conflict, and head with pay and buy; order and head come by filter; boss
 * includes pay, chief includes head; of a, b, c one may have two.
 */
static int company(void **state)
{
	int rc = world_new(state);
	struct world *w = *state;

	if (rc)
		return rc;
	ROLE(w, "cn=pay", "provConflict: cn=order", "provEntitlement: pay");
	ROLE(w, "cn=order", "provAssignFilter: (title=buyer)", "provEntitlement: order");
	ROLE(w, "cn=boss", "provInclude: cn=pay", "provEntitlement: boss");
	ROLE(w, "cn=head", "provAssignFilter: (title=head)", "provConflict: cn=pay",
		"provConflict: cn=buy");
	ROLE(w, "cn=buy");
	ROLE(w, "cn=chief", "provInclude: cn=head");
	ROLE(w, "cn=a");
	ROLE(w, "cn=b");
	ROLE(w, "cn=c");
	SET(w, "cn=set", "provSodRole: cn=a", "provSodRole: cn=b", "provSodRole: cn=c",
		"provSodLimit: 2");
	sealed(w);
	return 0;
}

#define ACCOUNT(w, ...) \
	FAKE_ENTRY(&(w)->arena, "uid=ada", "objectClass: provAccount", "uid: ada", ##__VA_ARGS__)
#define WITH(w, e, ...) FAKE_ENTRY_WITH(&(w)->arena, e, __VA_ARGS__)
#define RUN(w, op, before, after) world_evaluate(w, op, before, after, NOW)
#define JOINS(w, ...) RUN(w, PROV_OP_ADD, NULL, ACCOUNT(w, __VA_ARGS__))
#define CHANGES(w, e, ...) RUN(w, PROV_OP_MODIFY, e, WITH(w, e, __VA_ARGS__))

static void listed(struct prov_list list, const char *names)
{
	char text[200] = "";
	size_t n = 0;

	for (size_t i = 0; i < list.n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.*s", i ? " " : "",
			(int)list.val[i].len, list.val[i].data);
	assert_string_equal(text, names);
}

static void neither_side_is_given_beside_the_other(void **state)
{
	struct world *w = *state;

	assert_int_equal(JOINS(w, "provAssignedRole: cn=pay", "title: buyer"), PROV_EREFUSED);
	SAYS(w, "\"cn=order\" (by its filter)", " and \"cn=pay\" (assigned)",
		"must not be held together", "take one away");
	assert_int_equal(JOINS(w, "provAssignedRole: cn=boss", "title: buyer"), PROV_EREFUSED);
	SAYS(w, "\"cn=pay\" (included in boss)");
	assert_int_equal(JOINS(w, "provAssignedRole: cn=pay"), 0);
	assert_int_equal(JOINS(w, "title: buyer"), 0);
	const struct prov_entry *pays =
		ACCOUNT(w, "provAssignedRole: cn=pay", "provEffectiveRole: cn=pay");
	assert_int_equal(CHANGES(w, pays, "title: buyer"), PROV_EREFUSED);
	const struct prov_entry *orders = ACCOUNT(w, "title: buyer", "provEffectiveRole: cn=order");
	assert_int_equal(CHANGES(w, orders, "provAssignedRole: cn=pay"), PROV_EREFUSED);
	assert_int_equal(CHANGES(w, orders, "provAssignedRole: cn=pay", "title: clerk"), 0);
	listed(w->plan.roles_gained, "cn=pay");
	listed(w->plan.roles_lost, "cn=order");
}

static void a_set_counts(void **state)
{
	struct world *w = *state;
	const struct prov_entry *two = ACCOUNT(w, "provAssignedRole: cn=a",
		"provAssignedRole: cn=b", "provEffectiveRole: cn=a", "provEffectiveRole: cn=b");

	assert_int_equal(JOINS(w, "provAssignedRole: cn=a", "provAssignedRole: cn=b"), 0);
	assert_int_equal(CHANGES(w, two, "provAssignedRole: cn=a", "provAssignedRole: cn=c"), 0);
	assert_int_equal(CHANGES(w, two, "provAssignedRole: cn=a", "provAssignedRole: cn=b",
				 "provAssignedRole: cn=c"),
		PROV_EREFUSED);
	SAYS(w, "set \"cn=set\" allows an account 2 of its roles, not 3",
		"a (assigned), b (assigned), c (assigned)");
}

static void a_role_counts_only_while_its_time_runs(void **state)
{
	struct world *w = *state;
	const struct prov_entry *orders = ACCOUNT(w, "title: buyer", "provEffectiveRole: cn=order");

	assert_int_equal(CHANGES(w, orders, "provTimedRole: " PAST " " LATER " cn=pay"),
		PROV_EREFUSED);
	SAYS(w, "\"cn=pay\" (for a time)");
	assert_int_equal(CHANGES(w, orders, "provTimedRole: " SOON " " LATER " cn=pay"), 0);
	assert_int_equal(CHANGES(w, orders, "provTimedRole: - " PAST " cn=pay"), 0);
}

/* The rule came after the account. */
static const struct prov_entry *violator(struct world *w)
{
	return ACCOUNT(w, "title: buyer", "provAssignedRole: cn=pay", "provEffectiveRole: cn=pay",
		"provEffectiveRole: cn=order", "provState: active");
}

static void only_what_gets_worse_is_refused(void **state)
{
	struct world *w = *state;
	const struct prov_entry *v = violator(w);
	const struct prov_entry *many = ACCOUNT(w, "provAssignedRole: cn=a",
		"provAssignedRole: cn=b", "provAssignedRole: cn=pay", "title: buyer",
		"provEffectiveRole: cn=pay", "provEffectiveRole: cn=order",
		"provEffectiveRole: cn=a", "provEffectiveRole: cn=b");

	assert_int_equal(CHANGES(w, v, "description: y"), 0);
	listed(w->plan.withheld, "");
	listed(w->plan.roles_lost, "");
	assert_int_equal(CHANGES(w, v, "provAssignedRole: cn=pay", "provAssignedRole: cn=a"), 0);
	listed(w->plan.roles_gained, "cn=a");
	assert_int_equal(CHANGES(w, v, "provState: suspended"), 0);
	assert_int_equal(CHANGES(w, v, "provState: terminated"), 0);
	assert_int_equal(CHANGES(w, v, "provAssignedRole:"), 0);
	listed(w->plan.roles_lost, "cn=pay");
	assert_int_equal(CHANGES(w, many, "provAssignedRole: cn=a", "provAssignedRole: cn=b",
				 "provAssignedRole: cn=c"),
		PROV_EREFUSED);
	SAYS(w, "cn=set");
}

static void who_comes_back_holds_nothing_yet(void **state)
{
	struct world *w = *state;
	const struct prov_entry *gone = ACCOUNT(w, "title: buyer", "provState: terminated");
	const struct prov_entry *rests = ACCOUNT(w, "title: buyer", "provAssignedRole: cn=pay",
		"provEffectiveRole: cn=pay", "provEffectiveRole: cn=order", "provState: suspended");

	assert_int_equal(CHANGES(w, gone, "provState: active", "provAssignedRole: cn=pay"),
		PROV_EREFUSED);
	assert_int_equal(CHANGES(w, rests, "provState: active"), 0);
	assert_int_equal(CHANGES(w, gone, "provAssignedRole: cn=pay"), 0);
}

static void what_comes_by_itself_is_withheld(void **state)
{
	struct world *w = *state;
	/* pay's time has come; boss, which includes it, is no better; a's time is over */
	const struct prov_entry *e = ACCOUNT(w, "title: buyer", "provState: active",
		"provTimedRole: " PAST " " LATER " cn=boss", "provTimedRole: - " PAST " cn=a",
		"provEffectiveRole: cn=order", "provEffectiveRole: cn=a");

	assert_int_equal(RUN(w, PROV_OP_FOLLOW, e, e), 0);
	listed(w->plan.withheld, "cn=boss cn=pay");
	listed(w->plan.roles_gained, "");
	listed(w->plan.roles_lost, "cn=a");
	listed(w->plan.ent_gained, "order"); /* and nothing of boss */
	assert_true(w->plan.due > NOW);
	memcpy(w->err.text, w->plan.withheld_why.data, w->plan.withheld_why.len + 1);
	SAYS(w, "\"cn=order\" (by its filter) and \"cn=pay\" (included in boss)");
	/* and does not stand in the way of what people do */
	assert_int_equal(CHANGES(w, e, "provState: suspended"), 0);
	assert_int_equal(CHANGES(w, e, "provAssignedRole: cn=b"), 0);
	listed(w->plan.roles_gained, "cn=b");
	/* but once the other role goes, it is given */
	assert_int_equal(CHANGES(w, e, "title: clerk"), 0);
	listed(w->plan.withheld, "");
	listed(w->plan.roles_gained, "cn=boss cn=pay");
}

static void what_is_withheld_already_does_not_count_against_others(void **state)
{
	struct world *w = *state;
	/* head is due and withheld beside pay; buy conflicts with head only */
	const struct prov_entry *e = ACCOUNT(w, "title: head", "provAssignedRole: cn=pay",
		"provEffectiveRole: cn=pay", "provState: active");

	assert_int_equal(RUN(w, PROV_OP_FOLLOW, e, e), 0);
	listed(w->plan.withheld, "cn=head");
	assert_int_equal(CHANGES(w, e, "provAssignedRole: cn=pay", "provAssignedRole: cn=buy"), 0);
	listed(w->plan.roles_gained, "cn=buy");
	listed(w->plan.withheld, "cn=head");
	/* but it is given when pay goes, so that then buy may not come */
	assert_int_equal(CHANGES(w, e, "provAssignedRole: cn=buy"), PROV_EREFUSED);
	SAYS(w, "\"cn=buy\" (assigned) and \"cn=head\" (by its filter)");
	/* and who asks for a role that includes it is told that he cannot have it */
	assert_int_equal(CHANGES(w, e, "provAssignedRole: cn=pay", "provAssignedRole: cn=chief"),
		PROV_EREFUSED);
	SAYS(w, "\"cn=head\" (by its filter) and \"cn=pay\" (assigned)");
}

static void who_waits_is_asked_at_the_start(void **state)
{
	struct world *w = *state;
	const struct prov_entry *waits = ACCOUNT(w, "title: buyer", "provAssignedRole: cn=pay",
		"provState: pending", "provStartTime: " SOON);
	const struct prov_entry *due = ACCOUNT(w, "title: buyer", "provAssignedRole: cn=pay",
		"provState: pending", "provStartTime: " PAST);

	assert_int_equal(CHANGES(w, waits, "description: y"), 0);
	listed(w->plan.withheld, "");
	assert_int_equal(JOINS(w, "title: buyer", "provAssignedRole: cn=pay",
				 "provStartTime: " SOON),
		PROV_EREFUSED);
	assert_int_equal(CHANGES(w, waits, "provState: active"), PROV_EREFUSED);
	assert_int_equal(RUN(w, PROV_OP_FOLLOW, due, due), 0);
	assert_int_equal(w->plan.after, PROV_STATE_ACTIVE);
	listed(w->plan.withheld, "cn=order cn=pay");
	listed(w->plan.roles_gained, "");
}

static void the_plan_tells_what_is_withheld(void **state)
{
	struct world *w = *state;
	const struct prov_entry *e = ACCOUNT(w, "title: buyer", "provAssignedRole: cn=pay",
		"provEffectiveRole: cn=order");
	struct prov_val json;

	assert_int_equal(RUN(w, PROV_OP_FOLLOW, e, e), 0);
	assert_int_equal(prov_plan_json(&w->plan, &w->arena, &json), 0);
	assert_non_null(strstr(json.data, "\"withheld\":{\"reason\":\"roles "));
	assert_non_null(strstr(json.data, "\"roles\":[\"cn=pay\"]"));
	assert_int_equal(RUN(w, PROV_OP_FOLLOW, violator(w), violator(w)), 0);
	assert_int_equal(prov_plan_json(&w->plan, &w->arena, &json), 0);
	assert_null(strstr(json.data, "withheld"));
}

#define POLICY(f) cmocka_unit_test_setup_teardown(f, world_new, world_free)
#define LIFE(f) cmocka_unit_test_setup_teardown(f, company, world_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		POLICY(a_limit_that_can_never_apply_is_refused),
		POLICY(a_role_that_is_not_there_is_refused),
		POLICY(a_role_is_not_in_conflict_with_itself),
		POLICY(a_role_that_includes_a_conflict_is_refused),
		POLICY(a_role_that_includes_its_own_conflict_is_refused),
		POLICY(a_role_that_is_too_much_of_a_set_is_refused),
		POLICY(a_draft_may_be_anything),
		POLICY(both_sides_know_the_rule),
		LIFE(neither_side_is_given_beside_the_other),
		LIFE(a_set_counts),
		LIFE(a_role_counts_only_while_its_time_runs),
		LIFE(only_what_gets_worse_is_refused),
		LIFE(who_comes_back_holds_nothing_yet),
		LIFE(what_comes_by_itself_is_withheld),
		LIFE(what_is_withheld_already_does_not_count_against_others),
		LIFE(who_waits_is_asked_at_the_start),
		LIFE(the_plan_tells_what_is_withheld),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
