/* What time does to an account: its beginning, its end, roles for a time, and when to look next. */
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
#define AT_ONCE "20231114221320Z"
#define SOON "20231114221321Z"
#define LATER "20231116221320Z"

static int setup(void **state)
{
	assert_int_equal(world_new(state), 0);
	struct world *w = *state;

	assert_int_equal(prov_policy_add(w->policy,
				 FAKE_ENTRY(&w->arena, "cn=vip", "objectClass: provRole", "cn: vip",
					 "provEntitlement: vip"),
				 &w->err),
		0);
	return prov_policy_seal(w->policy, &w->err);
}

#define ACCOUNT(w, ...) \
	FAKE_ENTRY(&(w)->arena, "uid=ada", "objectClass: provAccount", "uid: ada", __VA_ARGS__)

static bool sets(const struct world *w, const char *attr, const char *value)
{
	for (size_t i = 0; i < w->plan.nmod; i++)
		if (w->plan.mod[i].type == fake_type(attr))
			return value ? w->plan.mod[i].n == 1 &&
					prov_val_equal(w->plan.mod[i].val[0], prov_val_str(value))
				     : w->plan.mod[i].n == 0;
	return false;
}

static void a_new_account_waits_for_its_start(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_evaluate(w, PROV_OP_ADD, NULL, ACCOUNT(w, "provStartTime: " SOON),
				 NOW),
		0);
	assert_int_equal(w->plan.after, PROV_STATE_PENDING);
	assert_true(sets(w, "provState", "pending"));
	assert_true(sets(w, "provDue", SOON));
	assert_int_equal(w->plan.due, NOW + 1);
}

static void who_says_active_is_believed(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_evaluate(w, PROV_OP_ADD, NULL,
				 ACCOUNT(w, "provStartTime: " SOON, "provState: active"), NOW),
		0);
	assert_int_equal(w->plan.after, PROV_STATE_ACTIVE);
	assert_false(sets(w, "provState", "active"));
}

static void a_pending_account_begins_at_its_second_and_not_before(void **state)
{
	static const struct {
		int64_t now;
		enum prov_state is;
	} at[] = { { NOW - 1, PROV_STATE_PENDING }, { NOW, PROV_STATE_ACTIVE },
		{ NOW + 1, PROV_STATE_ACTIVE } };
	struct world *w = *state;
	struct prov_entry *e =
		ACCOUNT(w, "provStartTime: " AT_ONCE, "provState: pending", "provDue: " AT_ONCE);

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		assert_int_equal(world_evaluate(w, PROV_OP_FOLLOW, e, e, at[i].now), 0);
		assert_int_equal(w->plan.after, at[i].is);
		assert_int_equal(sets(w, "provState", "active"), at[i].is == PROV_STATE_ACTIVE);
		assert_int_equal(sets(w, "provDue", NULL), at[i].is == PROV_STATE_ACTIVE);
	}
}

static void an_account_ends_at_its_second_whatever_its_state(void **state)
{
	static const char *const states[] = { "active", "suspended", "pending" };
	struct world *w = *state;
	char text[64];

	for (size_t i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "provState: %s", states[i]);
		struct prov_entry *e = ACCOUNT(w, "provEndTime: " AT_ONCE, text);
		assert_int_equal(world_evaluate(w, PROV_OP_FOLLOW, e, e, NOW - 1), 0);
		assert_false(w->plan.leaver);
		assert_int_equal(w->plan.due, NOW);
		assert_int_equal(world_evaluate(w, PROV_OP_FOLLOW, e, e, NOW), 0);
		assert_true(w->plan.leaver);
		assert_true(w->plan.events & PROV_EV_TERMINATED);
		assert_int_equal(!!(w->plan.events & PROV_EV_SESSION_REVOKED), i == 0);
		assert_true(sets(w, "provState", "terminated"));
		assert_int_equal(w->plan.due, 0);
	}
}

static void the_state_is_written_down_so_that_it_can_be_searched_for(void **state)
{
	struct world *w = *state;
	struct prov_entry *e = ACCOUNT(w, "provEndTime: " LATER);

	assert_int_equal(world_evaluate(w, PROV_OP_MODIFY, e, e, NOW), 0);
	assert_true(sets(w, "provState", "active"));
	assert_int_equal(w->plan.events, PROV_EV_UPDATED);
}

static void an_end_that_has_passed_is_no_place_to_come_back_to(void **state)
{
	struct world *w = *state;
	struct prov_entry *gone = ACCOUNT(w, "provEndTime: " PAST, "provState: terminated");

	assert_int_equal(world_evaluate(w, PROV_OP_MODIFY, gone,
				 ACCOUNT(w, "provEndTime: " PAST, "provState: active"), NOW),
		PROV_EREFUSED);
	assert_non_null(strstr(w->err.text, "provEndTime \"" PAST "\" has passed"));
	assert_int_equal(world_evaluate(w, PROV_OP_MODIFY, gone,
				 ACCOUNT(w, "provEndTime: " LATER, "provState: active"), NOW),
		0);
	assert_int_equal(w->plan.after, PROV_STATE_ACTIVE);
}

static void an_end_before_the_start_is_refused_when_it_is_new(void **state)
{
	struct world *w = *state;
	struct prov_entry *had =
		ACCOUNT(w, "provStartTime: " LATER, "provEndTime: " SOON, "provState: pending");

	assert_int_equal(world_evaluate(w, PROV_OP_ADD, NULL, had, NOW), PROV_EREFUSED);
	assert_non_null(strstr(w->err.text, "is not after provStartTime"));
	assert_int_equal(world_evaluate(w, PROV_OP_FOLLOW, had, had, NOW), 0);
}

static void only_a_near_and_new_end_of_an_account_that_is_there_counts_as_a_leaver(void **state)
{
	struct world *w = *state;
	struct prov_entry *no = ACCOUNT(w, "provState: active");
	struct prov_entry *soon = ACCOUNT(w, "provState: active", "provEndTime: " SOON);
	struct prov_entry *later = ACCOUNT(w, "provState: active", "provEndTime: " LATER);

	assert_int_equal(world_evaluate(w, PROV_OP_MODIFY, no, soon, NOW), 0);
	assert_true(w->plan.ends_soon);
	assert_int_equal(world_evaluate(w, PROV_OP_MODIFY, soon, soon, NOW), 0);
	assert_false(w->plan.ends_soon);
	assert_int_equal(world_evaluate(w, PROV_OP_MODIFY, no, later, NOW), 0);
	assert_false(w->plan.ends_soon);
	assert_int_equal(world_evaluate(w, PROV_OP_ADD, NULL, soon, NOW), 0);
	assert_false(w->plan.ends_soon);
}

static void a_role_is_held_from_its_first_second_to_before_its_last(void **state)
{
	static const struct {
		int64_t now;
		bool held;
		int64_t due;
	} at[] = { { NOW - 5, false, NOW }, { NOW, true, NOW + 1 }, { NOW + 1, false, 0 } };
	struct world *w = *state;
	struct prov_entry *e =
		ACCOUNT(w, "provState: active", "provTimedRole: " AT_ONCE " " SOON " cn=vip");

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		assert_int_equal(world_evaluate(w, PROV_OP_FOLLOW, e, e, at[i].now), 0);
		assert_int_equal(w->plan.ent_gained.n, at[i].held);
		assert_int_equal(w->plan.due, at[i].due);
	}
}

static void the_nearest_of_all_times_is_when_to_look_next(void **state)
{
	struct world *w = *state;
	struct prov_entry *e = ACCOUNT(w, "provState: active", "provEndTime: " LATER,
		"provTimedRole: - " SOON " cn=vip", "provTimedRole: " LATER " - cn=vip");

	assert_int_equal(world_evaluate(w, PROV_OP_MODIFY, e, e, NOW), 0);
	assert_true(sets(w, "provDue", SOON));
	assert_int_equal(world_evaluate(w, PROV_OP_MODIFY, e, e, NOW + 1), 0);
	assert_true(sets(w, "provDue", LATER));
}

static void values_that_are_no_timed_roles_are_refused(void **state)
{
	static const struct {
		const char *value, *why;
	} bad[] = {
		{ "provTimedRole: cn=vip", "is not of the form" },
		{ "provTimedRole: - cn=vip", "is not of the form" },
		{ "provTimedRole: - - ", "is not of the form" },
		{ "provTimedRole: now - cn=vip", "is not of the form" },
		{ "provTimedRole: - - cn=nobody", "there is no such role" },
		{ "provTimedRole: " LATER " " SOON " cn=vip", "ends before it begins" },
		{ "provTimedRole: " SOON " " SOON " cn=vip", "ends before it begins" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(world_evaluate(w, PROV_OP_ADD, NULL, ACCOUNT(w, bad[i].value),
					 NOW),
			PROV_EREFUSED);
		assert_non_null(strstr(w->err.text, bad[i].why));
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_free)
	const struct CMUnitTest tests[] = {
		TEST(a_new_account_waits_for_its_start),
		TEST(who_says_active_is_believed),
		TEST(a_pending_account_begins_at_its_second_and_not_before),
		TEST(an_account_ends_at_its_second_whatever_its_state),
		TEST(the_state_is_written_down_so_that_it_can_be_searched_for),
		TEST(an_end_that_has_passed_is_no_place_to_come_back_to),
		TEST(an_end_before_the_start_is_refused_when_it_is_new),
		TEST(only_a_near_and_new_end_of_an_account_that_is_there_counts_as_a_leaver),
		TEST(a_role_is_held_from_its_first_second_to_before_its_last),
		TEST(the_nearest_of_all_times_is_when_to_look_next),
		TEST(values_that_are_no_timed_roles_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
