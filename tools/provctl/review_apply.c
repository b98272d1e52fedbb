/*
 * review_apply.c - decisions become ordinary writes, each with its reason. See review.h.
 *
 * Every write asserts that the role is still held (RFC 4528). Who keeps a role gets a modify that
 * takes one value of provAssignedRole and puts it back, or the other way round when it is not
 * there: nothing differs afterwards, and whoever does so may give the role.
 */
#include <stdlib.h>
#include <string.h>

#include "fold.h"
#include "names.h"
#include "review.h"
#include "search.h"

/* A modification of one attribute. */
struct change {
	LDAPMod mod;
	struct berval **value; /* of mod, NULL-terminated; borrowed values */
};

static void set(struct change *c, int op, const char *attr, struct berval **value)
{
	c->mod = (LDAPMod){ .mod_op = op | LDAP_MOD_BVALUES,
		.mod_type = (char *)attr,
		.mod_bvalues = value };
}

static int modify(struct review *r, const struct review_row *row, const char *dn, LDAPMod **mods)
{
	LDAP *ld = r->c->ld;
	LDAPControl why = { PROV_CTL_REASON, { strlen(row->reason), row->reason }, 1 };
	LDAPControl assertion = { LDAP_CONTROL_ASSERT, { 0, NULL }, 1 };
	LDAPControl *ctrl[] = { &why, &assertion, NULL };
	char *filter = ctl_filter_equal("provEffectiveRole", row->role);
	int rc = filter ? ldap_create_assertion_control_value(ld, filter, &assertion.ldctl_value)
			: LDAP_NO_MEMORY;
	if (!rc)
		rc = ldap_modify_ext_s(ld, dn, mods, ctrl, NULL);
	ber_memfree(assertion.ldctl_value.bv_val);
	free(filter);
	return rc;
}

static int write_keep(struct review *r, const struct review_row *row,
	const struct review_account *a)
{
	size_t at = review_account_assigned(a, row->role_key);
	bool there = at != PROV_STRMAP_NONE;
	/* as it is written there */
	char *text = there ? a->assigned[at] : a->role[review_account_has(a, row->role_key)];
	struct berval bv = { strlen(text), text }, *value[] = { &bv, NULL };
	struct change first, second;
	set(&first, there ? LDAP_MOD_DELETE : LDAP_MOD_ADD, "provAssignedRole", value);
	set(&second, there ? LDAP_MOD_ADD : LDAP_MOD_DELETE, "provAssignedRole", value);
	return modify(r, row, a->dn, (LDAPMod *[]){ &first.mod, &second.mod, NULL });
}

/* Those of this role, also the ones to come: else it would be back one day. They move to the front. */
static int timed_values(struct berval **v, const char *role_key)
{
	int n = 0;
	for (int i = 0; v && v[i]; i++) {
		struct explain_time t;
		int rc = explain_time_parse(v[i], &t);
		if (rc == PROV_ENOMEM)
			return -1;
		if (rc)
			continue;
		if (!strcmp(t.role_key, role_key)) {
			struct berval *was = v[n];
			v[n++] = v[i];
			v[i] = was;
		}
		free(t.role_key);
	}
	return n;
}

static int write_revoke(struct review *r, const struct review_row *row,
	const struct review_account *a)
{
	size_t at = review_account_assigned(a, row->role_key);
	struct berval **v = ldap_get_values_len(a->ld, a->entry, "provTimedRole");
	int n = timed_values(v, row->role_key), rc = LDAP_NO_MEMORY;
	struct berval **timed = n < 0 ? NULL : calloc((size_t)n + 1, sizeof(*timed));
	for (int i = 0; timed && i < n; i++)
		timed[i] = v[i];
	struct berval bv = { 0, NULL }, *assigned[] = { &bv, NULL };
	struct change one, two;
	LDAPMod *mods[3] = { NULL };
	size_t nmod = 0;
	if (at != PROV_STRMAP_NONE) {
		bv = (struct berval){ strlen(a->assigned[at]), a->assigned[at] };
		set(&one, LDAP_MOD_DELETE, "provAssignedRole", assigned);
		mods[nmod++] = &one.mod;
	}
	if (timed && n) {
		set(&two, LDAP_MOD_DELETE, "provTimedRole", timed);
		mods[nmod++] = &two.mod;
	}
	if (timed && nmod)
		rc = modify(r, row, a->dn, mods);
	else if (timed)
		rc = LDAP_NO_SUCH_ATTRIBUTE;
	free(timed);
	ldap_value_free_len(v);
	return rc;
}

/* -- its answer ----------------------------------------------------------------------------- */

static int lost(struct review *r, struct review_row *row, int rc)
{
	struct prov_error err = { 0 };
	size_t done = 0;
	for (size_t i = 0; i < r->nrow; i++)
		done += r->row[i].decision && r->row[i].fate == REVIEW_DONE;
	prov_ldap_error(r->c->ld, rc, &err, "write");
	ctl_say("row %zu: %s", row->line, err.text);
	return ctl_say("%zu decisions are written; the same command does the rest", done);
}

/* An exit status when it ends the run. */
static int take_answer(struct review *r, struct review_row *row, int rc)
{
	char *text = NULL;
	switch (rc) {
	case LDAP_SUCCESS:
		review_settle(row, REVIEW_DONE, "%s", "");
		return 0;
	case LDAP_SERVER_DOWN:
	case LDAP_TIMEOUT:
	case LDAP_CONNECT_ERROR:
	case LDAP_UNAVAILABLE:
		return lost(r, row, rc);
	case LDAP_NO_MEMORY:
		return ctl_nomem();
	case LDAP_UNAVAILABLE_CRITICAL_EXTENSION:
	case LDAP_REFERRAL:
		return ctl_say("%s", ctl_takes_no_writes(rc));
	case LDAP_ASSERTION_FAILED:
	case LDAP_NO_SUCH_ATTRIBUTE:
	case LDAP_TYPE_OR_VALUE_EXISTS:
		review_settle(row, REVIEW_FAILED,
			"the role is not held any more, or not in the same way");
		return 0;
	default:
		ldap_get_option(r->c->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
		review_settle(row, REVIEW_FAILED, "%s%s%s", ldap_err2string(rc),
			text && *text ? ": " : "", text ? text : "");
		ldap_memfree(text);
		return 0;
	}
}

/* Does the account have the role still, and by what? Of a revoked one, or one that had to stay:
 * it may have gone with the role that included it. */
static int look_again(struct review *r, struct review_row *row)
{
	struct prov_error err = { 0 };
	struct review_account a;
	struct review_held held = { .text = NULL };
	LDAPMessage *m = NULL;
	int rc = review_read(r, row, &m, &a, &err);
	bool has = !rc && review_account_has(&a, row->role_key) != PROV_STRMAP_NONE;
	if (has)
		rc = review_row_held(r, &a, row, &held);
	if (!rc && has && row->fate == REVIEW_DONE)
		review_settle(row, REVIEW_FAILED,
			"it is taken away, but the account has the role: %s", held.text);
	else if ((!rc && !has && row->fate == REVIEW_STAYS) || rc == PROV_ENOENT)
		review_settle(row, REVIEW_NOT_HELD, "it has gone with another role");
	free(held.text);
	review_account_dispose(&a);
	ldap_msgfree(m);
	return !rc || rc == PROV_ENOENT ? 0 : err.text[0] ? ctl_fail(&err) : ctl_nomem();
}

static int write_row(struct review *r, struct review_row *row)
{
	struct prov_error err = { 0 };
	struct review_account a;
	LDAPMessage *m = NULL;
	int st = 0, rc = review_read(r, row, &m, &a, &err);
	if (rc == PROV_ENOENT || (!rc && review_account_has(&a, row->role_key) == PROV_STRMAP_NONE))
		review_settle(row, REVIEW_FAILED, "the role is not held any more");
	else if (rc)
		st = ctl_fail(&err);
	else
		st = take_answer(r, row,
			row->decision == REVIEW_KEEP ? write_keep(r, row, &a)
						     : write_revoke(r, row, &a));
	review_account_dispose(&a);
	ldap_msgfree(m);
	if (!st && row->decision == REVIEW_REVOKE && row->fate == REVIEW_DONE)
		st = look_again(r, row);
	return st;
}

static int write_all(struct review *r, enum review_decision what)
{
	int st = 0;
	for (size_t i = 0; !st && i < r->nrow; i++)
		if (r->row[i].decision == what && r->row[i].fate == REVIEW_DUE)
			st = write_row(r, &r->row[i]);
	return st;
}

/* Who loses access comes first. */
int review_apply(struct review *r)
{
	int st = write_all(r, REVIEW_REVOKE);
	for (size_t i = 0; !st && i < r->nrow; i++)
		if (r->row[i].decision && r->row[i].fate == REVIEW_STAYS)
			st = look_again(r, &r->row[i]);
	return st ? st : write_all(r, REVIEW_KEEP);
}
