/*
 * flow_account.c - joiners and movers: adding and modifying an account.
 */
#include "flow.h"

#include "access.h"
#include "account.h"
#include "control.h"
#include "convert.h"
#include "group.h"
#include "lookup.h"
#include "schema.h"
#include "types.h"
#include "write.h"

/* The client must own the account classes; the rest of an add is the policy's. */
static int apply_to_new_entry(struct prov_write *w, Entry *e)
{
	Modifications *mods = NULL;
	int rc = prov_write_account_mods(w, &mods);

	if (rc == LDAP_SUCCESS) {
		rc = prov_mods_apply(w->op, e, mods);
		if (rc != LDAP_SUCCESS)
			prov_error_set(&w->err, PROV_EREFUSED,
				"cannot complete the new account: %s", ldap_err2string(rc));
	}
	slap_mods_free(mods, 1);
	return rc;
}

int prov_flow_account_add(struct prov_instance *pi, Operation *op, SlapReply *rs)
{
	struct prov_write w;
	Entry *e = op->ora_e;
	int rc;

	prov_write_open(&w, pi, op, rs, "add");
	rc = prov_write_begin(&w);
	if (rc)
		goto out;
	for (Attribute *a = e->e_attrs; a; a = a->a_next) {
		Modifications m = { .sml_mod = { .sm_desc = a->a_desc } };
		prov_write_note_mods(&w, &m);
	}
	w.is = true;
	w.after = entry_dup(e); /* what the client wants; the entry itself is completed below */
	/* without a parent: the backend's to say */
	if (!prov_access_parent(op, &op->o_req_ndn, ACL_WADD, be_isroot(op))) {
		rc = prov_write_no_access(&w);
		goto out;
	}
	rc = prov_write_evaluate(&w, PROV_OP_ADD);
	if (rc == LDAP_SUCCESS)
		rc = apply_to_new_entry(&w, e);
	if (rc != LDAP_SUCCESS) {
		rc = prov_write_refuse(&w, rc);
		goto out;
	}
	if (prov_txn_run(w.txn) != LDAP_SUCCESS) {
		rc = prov_write_refuse(&w, -1);
		goto out;
	}
	entry_free(w.after);
	w.after = entry_dup(e);
	rc = prov_convert_entry(w.after, &w.arena, &w.pafter) ? LDAP_OTHER : LDAP_SUCCESS;
	if (rc == LDAP_SUCCESS)
		rc = prov_write_members(&w, e->e_name, e->e_nname);
	if (rc == LDAP_SUCCESS)
		rc = prov_group_added(&w, e); /* it may be a group, too */
	rc = rc == LDAP_SUCCESS ? prov_write_finish(&w, w.after) : prov_write_refuse(&w, rc);
out:
	prov_write_close(&w);
	return rc;
}

static bool touches(struct prov_write *w, Modifications *mods)
{
	for (Modifications *m = mods; m; m = m->sml_next) {
		const struct prov_type *t = prov_type_of(m->sml_desc);
		if (!t || prov_policy_watches(w->policy, t) ||
			m->sml_desc == slap_schema.si_ad_uid || /* groups hold it */
			prov_account_filter_looks_at(w->pi, m->sml_desc))
			return true;
	}
	return false;
}

/* Nothing that any role looks at: no evaluation, only the record and the stamps. */
static void plan_of_plain_update(struct prov_write *w)
{
	memset(&w->plan, 0, sizeof(w->plan));
	w->plan.before = w->plan.after = prov_account_state(w->before);
	w->plan.events = PROV_EV_UPDATED;
	w->planned = true;
}

static int decide_modify(struct prov_write *w)
{
	Operation *op = w->op;
	size_t nconn = 0;

	if (prov_control_adopt(op) && !prov_write_may_manage(w)) {
		prov_error_set(&w->err, PROV_EREFUSED,
			"the adopt control needs manage access to the entry");
		return LDAP_INSUFFICIENT_ACCESS;
	}
	if (w->policy)
		prov_policy_connectors(w->policy, &nconn);
	bool full = !w->policy || prov_control_adopt(op) || touches(w, op->orm_modlist);
	if (!full && nconn == 0) {
		plan_of_plain_update(w);
		return LDAP_SUCCESS;
	}
	w->after = entry_dup(w->before);
	/* A list that does not apply is the backend's to refuse, in its own words. */
	if (prov_mods_apply(op, w->after, op->orm_modlist) != LDAP_SUCCESS)
		return LDAP_SUCCESS;
	w->is = prov_account_is(w->pi, op, w->after, &w->after->e_nname);
	if (full && (w->was || w->is))
		return prov_write_evaluate(w,
			prov_control_adopt(op) ? PROV_OP_ADOPT : PROV_OP_MODIFY);
	if (w->was) {
		plan_of_plain_update(w);
		if (prov_convert_entry(w->before, &w->arena, &w->pbefore) ||
			prov_convert_entry(w->after, &w->arena, &w->pafter))
			return LDAP_OTHER;
	}
	return LDAP_SUCCESS;
}

/* The posixGroups that hold the account's old uid. */
static int old_uid_groups(struct prov_write *w, struct prov_membership **m, size_t *n)
{
	struct berval none = BER_BVNULL, was = prov_account_uid(w->before),
		      is = w->after ? prov_account_uid(w->after) : was;

	*n = 0;
	if (!w->was || !w->is || BER_BVISEMPTY(&was) || ber_bvcmp(&was, &is) == 0)
		return LDAP_SUCCESS;
	return prov_group_memberships(w->pi, w->op, none, was, &w->arena, m, n, &w->err);
}

static int modify_in_txn(struct prov_write *w)
{
	Operation *op = w->op;
	struct prov_membership *m = NULL;
	size_t n = 0;
	int rc = prov_lookup_entry(w->pi, op, &op->o_req_ndn, &w->before);

	if (rc != LDAP_SUCCESS)
		return prov_write_refuse(w, rc);
	if (w->before) {
		w->was = prov_account_is(w->pi, op, w->before, &op->o_req_ndn);
		prov_write_note_mods(w, op->orm_modlist);
	}
	/* What the client may not write he is told by the backend, before any policy shows. */
	bool may = w->before &&
		(prov_txn_publishing(op) || acl_check_modlist(op, w->before, op->orm_modlist));
	if (may) {
		rc = decide_modify(w);
		if (rc == LDAP_SUCCESS)
			rc = prov_write_note_state(w);
		if (rc == LDAP_SUCCESS)
			rc = old_uid_groups(w, &m, &n);
		if (rc == LDAP_SUCCESS && (w->planned || w->was))
			rc = prov_write_account_mods(w, &op->orm_modlist);
		if (rc != LDAP_SUCCESS)
			return prov_write_refuse(w, rc);
	}
	if (prov_txn_run(w->txn) != LDAP_SUCCESS)
		return prov_write_refuse(w, -1);
	if (w->evaluated && w->before) {
		rc = prov_write_follow_names(w, m, n, w->before->e_name,
			prov_account_uid(w->before), prov_account_uid(w->after));
		if (rc == LDAP_SUCCESS)
			rc = prov_write_members(w, w->before->e_name, w->before->e_nname);
		if (rc != LDAP_SUCCESS)
			return prov_write_refuse(w, rc);
	}
	if (w->before && prov_group_touched(op->orm_modlist))
		rc = prov_group_changed(w, w->before);
	return rc == LDAP_SUCCESS ? prov_write_finish(w, w->before) : prov_write_refuse(w, rc);
}

int prov_flow_account_modify(struct prov_instance *pi, Operation *op, SlapReply *rs)
{
	struct prov_write w;

	prov_write_open(&w, pi, op, rs, "modify");
	int rc = prov_write_begin(&w);
	if (rc == 0)
		rc = modify_in_txn(&w);
	prov_write_close(&w);
	return rc;
}
