/* A working life through the evaluator: joiner, mover, leaver, and what people do by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "evaluate.h"
#include "fake_schema.h"

#define NOW 1700000000 /* 20231114221320Z */

struct world {
	struct prov_arena arena;
	struct prov_policy *policy;
	struct prov_error err;
	struct prov_plan plan;
	uint64_t next;
	struct prov_val group[4]; /* what services.memberships tells */
	size_t ngroup;
};

static int taken(void *ctx, const struct prov_type *type, struct prov_val value, bool *is,
	struct prov_error *err)
{
	(void)ctx;
	(void)type;
	(void)err;
	*is = value.len >= 3 && memcmp(value.data, "ada", 3) == 0 && value.data[3] == '@';
	return 0;
}

static int next_number(void *ctx, struct prov_val pool, uint64_t *n, struct prov_error *err)
{
	(void)pool;
	(void)err;
	*n = ((struct world *)ctx)->next++;
	return 0;
}

static int no_random(void *ctx, unsigned char *out, size_t len)
{
	(void)ctx;
	memset(out, 0, len);
	return 0;
}

static int memberships(void *ctx, struct prov_arena *arena, struct prov_val **dn,
	struct prov_val **ndn, size_t *n, struct prov_error *err)
{
	struct world *w = ctx;

	(void)arena;
	(void)err;
	*dn = *ndn = w->group;
	*n = w->ngroup;
	return 0;
}

static const char *const roles[][8] = {
	{ "cn=staff", "objectClass: provRole", "cn: staff",
		"provAssignFilter: (employeeType=staff)",
		"provTemplate: default mail: {uid}{unique}@example.com",
		"provGroup: cn=all,ou=groups", NULL },
	{ "cn=sales", "objectClass: provRole", "cn: sales",
		"provAssignFilter: (departmentNumber=sales)",
		"provTemplate: add description: sells", "provGroup: cn=sell,ou=groups",
		"provEntitlement: crm:write", NULL },
	{ "cn=head", "objectClass: provRole", "cn: head", "provInclude: cn=sales",
		"provTemplate: enforce title: Head", NULL },
	{ "cn=plan", "objectClass: provRole", "cn: plan", "provStatus: draft",
		"provAssignFilter: (cn=*)", "provGroup: cn=secret,ou=groups", NULL },
	{ "cn=unix", "objectClass: provRole", "cn: unix", "provAssignFilter: (ou=unix)",
		"provTemplate: add uidNumber: {next:uids}", NULL },
	{ "cn=needy", "objectClass: provRole", "cn: needy", "provAssignFilter: (ou=needy)",
		"provTemplate: add description: {manager}", NULL },
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(prov_policy_new(&fake_schema, NULL, &w->policy, NULL), 0);
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		assert_int_equal(prov_policy_add(w->policy,
					 fake_entry(&w->arena, roles[i][0], &roles[i][1]), &w->err),
			0);
	assert_int_equal(prov_policy_add(w->policy,
				 FAKE_ENTRY(&w->arena, "cn=uids", "objectClass: provPool",
					 "cn: uids", "provPoolNext: 100"),
				 &w->err),
		0);
	if (prov_policy_seal(w->policy, &w->err))
		fail_msg("%s", w->err.text);
	w->next = 100;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	prov_policy_free(&w->policy);
	prov_arena_dispose(&w->arena);
	free(w);
	return 0;
}

static int run(struct world *w, enum prov_op op, struct prov_entry *before,
	struct prov_entry *after)
{
	struct prov_services s = { w, taken, next_number, no_random, memberships };
	struct prov_request r = { .op = op,
		.before = before,
		.after = after,
		.change_id = prov_val_str("c1"),
		.actor = prov_val_str("cn=hr"),
		.now = NOW };

	memset(&w->err, 0, sizeof(w->err));
	return prov_evaluate(w->policy, &r, &s, &w->arena, &w->plan, &w->err);
}

/* "op attr=value" of the plan's changes, provGrant, provStateSince and objectClass left out; then groups. */
static const char *shown(struct world *w)
{
	static const char ops[] = "+-=";
	char *text = prov_arena_strndup(&w->arena, "", 0);

	for (size_t i = 0; i < w->plan.nmod; i++) {
		const struct prov_mod *m = &w->plan.mod[i];
		if (m->type == fake_type("provGrant") || m->type == fake_type("provStateSince") ||
			m->type == fake_type("objectClass"))
			continue;
		if (!m->n)
			text = prov_arena_printf(&w->arena, "%s%c%s ", text, ops[m->op],
				m->type->name);
		for (size_t j = 0; j < m->n; j++)
			text = prov_arena_printf(&w->arena, "%s%c%s=%.*s ", text, ops[m->op],
				m->type->name, (int)m->val[j].len, m->val[j].data);
	}
	for (size_t i = 0; i < w->plan.nmember; i++)
		text = prov_arena_printf(&w->arena, "%s%c[%.*s] ", text,
			w->plan.member[i].add ? '+' : '-', (int)w->plan.member[i].dn.len,
			w->plan.member[i].dn.data);
	return text;
}

/* The account with the plan carried out. */
static struct prov_entry *done(struct world *w, struct prov_entry *e)
{
	const char *line[128];
	size_t n = 0;

	for (size_t i = 0; i < e->n; i++)
		for (size_t j = 0; j < e->attr[i].n; j++) {
			bool gone = false;
			for (size_t k = 0; k < w->plan.nmod; k++) {
				const struct prov_mod *m = &w->plan.mod[k];
				if (m->type != e->attr[i].type || m->op == PROV_MOD_ADD)
					continue;
				gone |= m->op == PROV_MOD_REPLACE || m->n == 0;
				for (size_t v = 0; v < m->n; v++)
					gone |= prov_val_equal(fake_norm(&w->arena, m->type->name,
								       m->val[v]),
						e->attr[i].nval[j]);
			}
			if (!gone)
				line[n++] = prov_arena_printf(&w->arena, "%s: %.*s",
					e->attr[i].type->name, (int)e->attr[i].val[j].len,
					e->attr[i].val[j].data);
		}
	for (size_t k = 0; k < w->plan.nmod; k++)
		for (size_t v = 0; w->plan.mod[k].op != PROV_MOD_DELETE && v < w->plan.mod[k].n;
			v++)
			line[n++] =
				prov_arena_printf(&w->arena, "%s: %.*s", w->plan.mod[k].type->name,
					(int)w->plan.mod[k].val[v].len, w->plan.mod[k].val[v].data);
	line[n] = NULL;
	return fake_entry(&w->arena, "uid=ada,ou=people", line);
}

static struct prov_entry *joined(struct world *w)
{
	struct prov_entry *e =
		FAKE_ENTRY(&w->arena, "uid=ada,ou=people", "objectClass: inetOrgPerson", "uid: ada",
			"cn: Ada", "employeeType: staff", "departmentNumber: sales");

	if (run(w, PROV_OP_ADD, NULL, e))
		fail_msg("%s", w->err.text);
	return done(w, e);
}

static void change(struct world *w, struct prov_entry *before, const char *line, int want_rc,
	const char *want)
{
	struct prov_entry *after = FAKE_ENTRY_WITH(&w->arena, before, line);
	int rc = run(w, PROV_OP_MODIFY, before, after);

	if (rc != want_rc)
		fail_msg("%s: %d \"%s\"", line, rc, w->err.text);
	if (rc == 0)
		assert_string_equal(shown(w), want);
	else if (!strstr(w->err.text, want))
		fail_msg("\"%s\" does not say \"%s\"", w->err.text, want);
}

static void a_joiner_gets_what_his_roles_give(void **state)
{
	struct world *w = *state;

	joined(w);
	assert_string_equal(shown(w),
		"+mail=ada2@example.com +description=sells +provEffectiveRole=cn=sales +provEffectiveRole=cn=staff "
		"+[cn=sell,ou=groups] +[cn=all,ou=groups] ");
	assert_int_equal(w->plan.events, PROV_EV_CREATED | PROV_EV_ROLE_GRANTED);
	assert_int_equal(w->plan.ent_gained.n, 1);
}

static void what_is_right_already_needs_nothing(void **state)
{
	struct world *w = *state;
	struct prov_entry *e = joined(w);

	change(w, e, "cn: Ada Byron", 0, "");
	assert_int_equal(w->plan.nmod, 0);
	assert_int_equal(run(w, PROV_OP_FOLLOW, e, e), 0);
	assert_int_equal(w->plan.nmod + w->plan.nmember, 0);
}

static void a_mover_loses_what_no_role_supports_and_keeps_what_is_his(void **state)
{
	struct world *w = *state;
	struct prov_entry *e = joined(w);

	e = FAKE_ENTRY_WITH(&w->arena, e, "description: sells", "description: by hand");
	change(w, e, "departmentNumber: it", 0,
		"-description=sells -provEffectiveRole=cn=sales -[cn=sell,ou=groups] ");
	assert_int_equal(w->plan.ent_lost.n, 1);
}

static void a_value_that_was_there_before_the_role_stays(void **state)
{
	struct world *w = *state;
	struct prov_entry *e =
		FAKE_ENTRY(&w->arena, "uid=bob,ou=people", "objectClass: inetOrgPerson", "uid: bob",
			"cn: Bob", "description: sells", "departmentNumber: sales");

	assert_int_equal(run(w, PROV_OP_ADD, NULL, e), 0);
	e = done(w, e);
	change(w, e, "departmentNumber: it", 0,
		"-provEffectiveRole=cn=sales -[cn=sell,ou=groups] ");
}

static void a_thing_that_two_roles_give_stays_until_the_last_goes(void **state)
{
	struct world *w = *state;
	struct prov_entry *e = joined(w);

	change(w, e, "provAssignedRole: cn=head", 0, "+title=Head +provEffectiveRole=cn=head ");
	e = done(w, FAKE_ENTRY_WITH(&w->arena, e, "provAssignedRole: cn=head"));
	change(w, e, "departmentNumber: it", 0, ""); /* sales is held through head still */
	change(w, FAKE_ENTRY_WITH(&w->arena, e, "departmentNumber: it"), "provAssignedRole:", 0,
		"-description=sells -title=Head -provEffectiveRole=cn=sales -provEffectiveRole=cn=head "
		"-[cn=sell,ou=groups] ");
}

static void an_enforced_value_cannot_be_changed(void **state)
{
	struct world *w = *state;
	struct prov_entry *e =
		FAKE_ENTRY_WITH(&w->arena, joined(w), "provAssignedRole: cn=head", "title: Head");

	change(w, e, "title: Boss", PROV_EREFUSED, "role \"cn=head\"");
}

static void a_leaver_loses_everything_also_what_was_given_by_hand(void **state)
{
	struct world *w = *state;
	struct prov_entry *e = joined(w);

	w->group[0] = prov_val_str("cn=all,ou=groups");
	w->group[1] = prov_val_str("cn=chess,ou=groups");
	w->ngroup = 2;
	change(w, e, "provState: terminated", 0,
		"-description=sells -provEffectiveRole=cn=sales -provEffectiveRole=cn=staff -[cn=sell,ou=groups] "
		"-[cn=all,ou=groups] -[cn=chess,ou=groups] ");
	assert_true(w->plan.leaver);
	assert_int_equal(w->plan.events,
		PROV_EV_TERMINATED | PROV_EV_ROLE_REVOKED | PROV_EV_SESSION_REVOKED);
	e = done(w, FAKE_ENTRY_WITH(&w->arena, e, "provState: terminated"));
	change(w, e, "provState: active", 0,
		"+description=sells +provEffectiveRole=cn=sales +provEffectiveRole=cn=staff +[cn=sell,ou=groups] "
		"+[cn=all,ou=groups] ");
	assert_true(w->plan.events & PROV_EV_RESTORED);
}

static void suspended_keeps_pending_waits(void **state)
{
	struct world *w = *state;
	struct prov_entry *e = joined(w);

	change(w, e, "provState: suspended", 0, "");
	assert_int_equal(w->plan.events, PROV_EV_SUSPENDED | PROV_EV_SESSION_REVOKED);
	change(w, e, "provState: pending", 0,
		"-provEffectiveRole=cn=sales -provEffectiveRole=cn=staff -[cn=sell,ou=groups] -[cn=all,ou=groups] ");
	change(w, e, "provState: gone", PROV_EREFUSED, "provState \"gone\"");
}

static void what_is_taken_by_hand_is_not_given_back_until_the_exception_goes(void **state)
{
	struct world *w = *state;
	struct prov_entry *e = joined(w);

	change(w, e, "description:", 0,
		"+provException=add$$20231114221320Z$c1$cn=hr$" /* the tag */
		"a6e89b19$description: sells ");
	e = done(w, FAKE_ENTRY_WITH(&w->arena, e, "description:"));
	change(w, e, "cn: Ada B", 0, "");
	change(w, e, "provException:", 0, "+description=sells ");
}

static void an_id_once_given_stays(void **state)
{
	struct world *w = *state;
	struct prov_entry *e = joined(w);

	change(w, e, "ou: unix", 0, "+uidNumber=100 +provEffectiveRole=cn=unix ");
	e = done(w, FAKE_ENTRY_WITH(&w->arena, e, "ou: unix"));
	change(w, e, "cn: Ada B", 0, "");
	assert_int_equal(w->next, 101);
}

static void refusals_name_role_line_and_reason(void **state)
{
	struct world *w = *state;
	struct prov_entry *e = joined(w);

	change(w, e, "ou: needy", PROV_EREFUSED,
		"role \"cn=needy\", template \"add description: {manager}\": attribute manager is missing");
	change(w, e, "provAssignedRole: cn=nowhere", PROV_EREFUSED, "there is no such role");
	change(w, e, "provTimedRole: tomorrow - cn=sales", PROV_EREFUSED, "is not of the form");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_joiner_gets_what_his_roles_give, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_right_already_needs_nothing, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_mover_loses_what_no_role_supports_and_keeps_what_is_his, setup, teardown),
		cmocka_unit_test_setup_teardown(a_value_that_was_there_before_the_role_stays, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_thing_that_two_roles_give_stays_until_the_last_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(an_enforced_value_cannot_be_changed, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_leaver_loses_everything_also_what_was_given_by_hand, setup, teardown),
		cmocka_unit_test_setup_teardown(suspended_keeps_pending_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_taken_by_hand_is_not_given_back_until_the_exception_goes, setup,
			teardown),
		cmocka_unit_test_setup_teardown(an_id_once_given_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals_name_role_line_and_reason, setup,
			teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
