/*
 * flow_delete.c - ldapdelete: of an account (allow, preserve, deny), of a group, of
 * anything else.
 */
#include "flow.h"

#include "access.h"
#include "account.h"
#include "convert.h"
#include "lookup.h"
#include "schema.h"
#include "write.h"

/* The account as it will be in the archive. */
static int archived_copy(struct prov_write *w)
{
	struct prov_val v = prov_val_str("archived");
	Modifications *mods = NULL;

	w->after = entry_dup(w->before);
	int rc = prov_mods_append(w->op, &mods, LDAP_MOD_REPLACE, prov_ad.state, &v, 1, &w->err);
	if (rc == LDAP_SUCCESS) {
		Attribute *oc = attr_find(w->after->e_attrs, slap_schema.si_ad_objectClass);
		if (oc && !is_entry_objectclass(w->after, prov_ad.oc_account, 0)) {
			struct prov_val cls = prov_bv(prov_ad.oc_account->soc_cname);
			rc = prov_mods_append(w->op, &mods, LDAP_MOD_ADD,
				slap_schema.si_ad_objectClass, &cls, 1, &w->err);
		}
	}
	if (rc == LDAP_SUCCESS)
		rc = prov_mods_apply(w->op, w->after, mods);
	slap_mods_free(mods, 1);
	return rc;
}

static struct berval join(struct prov_write *w, struct berval rdn, struct berval parent)
{
	struct berval dn = { rdn.bv_len + 1 + parent.bv_len, NULL };

	dn.bv_val =
		prov_arena_printf(&w->arena, "%.*s,%s", (int)rdn.bv_len, rdn.bv_val, parent.bv_val);
	return dn;
}

static int archive_name(struct prov_write *w)
{
	struct berval rdn, nrdn;

	dnRdn(&w->before->e_name, &rdn);
	dnRdn(&w->before->e_nname, &nrdn);
	w->new_dn = join(w, rdn, w->pi->archive_dn);
	w->new_ndn = join(w, nrdn, w->pi->archive_ndn);
	return w->new_dn.bv_val && w->new_ndn.bv_val ? 0 : -1;
}

/* What the backend would ask of a delete, which here is a move. */
static int as_a_delete(struct prov_write *w)
{
	Operation *op = w->op;
	int has = LDAP_COMPARE_FALSE;

	if (get_assert(op) && test_filter(op, w->before, get_assertion(op)) != LDAP_COMPARE_TRUE) {
		prov_error_set(&w->err, PROV_EREFUSED, "the assertion does not hold");
		return LDAP_ASSERTION_FAILED;
	}
	if (w->txn->backend->bi_has_subordinates(op, w->before, &has) != LDAP_SUCCESS)
		return LDAP_OTHER;
	if (has == LDAP_COMPARE_TRUE) {
		prov_error_set(&w->err, PROV_EREFUSED, "subordinate objects must be deleted first");
		return LDAP_NOT_ALLOWED_ON_NONLEAF;
	}
	prov_txn_preread(w->txn, w->before);
	return LDAP_SUCCESS;
}

static int preserve(struct prov_write *w)
{
	struct prov_instance *pi = w->pi;
	struct prov_val state = prov_val_str("archived");
	Modifications *mods = NULL;
	int rc;

	if (BER_BVISNULL(&pi->archive_ndn)) {
		prov_error_set(&w->err, PROV_EREFUSED,
			"provision-on-delete is preserve but provision-archive is not set");
		return prov_write_refuse(w, LDAP_UNWILLING_TO_PERFORM);
	}
	rc = as_a_delete(w);
	if (rc != LDAP_SUCCESS)
		return prov_write_refuse(w, rc);
	rc = archived_copy(w);
	w->is = true; /* it leaves the accounts, but as an account that has ended */
	if (rc == LDAP_SUCCESS)
		rc = prov_write_evaluate(w, PROV_OP_MODIFY);
	if (rc == LDAP_SUCCESS)
		rc = prov_write_breaker(w);
	if (rc == LDAP_SUCCESS)
		rc = prov_mods_append(w->op, &mods, LDAP_MOD_REPLACE, prov_ad.state, &state, 1,
			&w->err);
	if (rc == LDAP_SUCCESS && !is_entry_objectclass(w->before, prov_ad.oc_account, 0)) {
		struct prov_val cls = prov_bv(prov_ad.oc_account->soc_cname);
		rc = prov_mods_append(w->op, &mods, LDAP_MOD_ADD, slap_schema.si_ad_objectClass,
			&cls, 1, &w->err);
	}
	if (rc == LDAP_SUCCESS)
		rc = prov_write_account_mods(w, &mods);
	if (rc != LDAP_SUCCESS) {
		slap_mods_free(mods, 1);
		return prov_write_refuse(w, rc);
	}
	if (archive_name(w)) {
		slap_mods_free(mods, 1);
		return prov_write_refuse(w, LDAP_OTHER);
	}
	w->txn->answered = true; /* the client's delete itself is not run */
	w->txn->err = LDAP_SUCCESS;
	rc = prov_txn_rename(w->txn, w->before->e_name, w->before->e_nname, pi->archive_dn,
		pi->archive_ndn, mods, &w->err);
	if (rc == LDAP_SUCCESS)
		rc = prov_write_members(w, w->new_dn, w->new_ndn);
	if (rc == LDAP_SUCCESS)
		rc = prov_write_cut(w, w->before->e_nname);
	return rc == LDAP_SUCCESS ? prov_write_finish(w, w->before) : prov_write_refuse(w, rc);
}

static int delete_account(struct prov_write *w)
{
	int rc;

	if (w->pi->on_delete == PROV_DELETE_DENY) {
		prov_error_set(&w->err, PROV_EREFUSED,
			"accounts are not deleted here (provision-on-delete deny): set provState to terminated");
		return prov_write_refuse(w, LDAP_UNWILLING_TO_PERFORM);
	}
	if (w->pi->on_delete == PROV_DELETE_PRESERVE)
		return preserve(w);
	rc = prov_write_evaluate(w, PROV_OP_DELETE);
	if (rc == LDAP_SUCCESS)
		rc = prov_write_breaker(w);
	if (rc == LDAP_SUCCESS)
		rc = prov_write_cut(w, w->before->e_nname);
	if (rc != LDAP_SUCCESS)
		return prov_write_refuse(w, rc);
	if (prov_txn_run(w->txn) != LDAP_SUCCESS)
		return prov_write_refuse(w, -1);
	prov_txn_preread(w->txn, w->before);
	rc = prov_write_members(w, w->before->e_name, w->before->e_nname);
	return rc == LDAP_SUCCESS ? prov_write_finish(w, w->before) : prov_write_refuse(w, rc);
}

static int delete_group(struct prov_write *w)
{
	const struct prov_role *role =
		w->policy ? prov_policy_group_user(w->policy, prov_bv(w->before->e_nname)) : NULL;
	struct berval none = BER_BVNULL;

	w->what = "group";
	if (role) {
		prov_error_set(&w->err, PROV_EREFUSED,
			"role \"%.*s\" grants this group: change or retire the role first",
			(int)role->dn.len, role->dn.data);
		return prov_write_refuse(w, LDAP_UNWILLING_TO_PERFORM);
	}
	if (prov_txn_run(w->txn) != LDAP_SUCCESS)
		return prov_write_refuse(w, -1);
	prov_txn_preread(w->txn, w->before);
	int rc = prov_group_members_follow(w, w->before, false, none);
	return rc == LDAP_SUCCESS ? prov_write_finish(w, w->before) : prov_write_refuse(w, rc);
}

static int delete_in_txn(struct prov_write *w)
{
	Operation *op = w->op;
	int rc = prov_lookup_entry(w->pi, op, &op->o_req_ndn, &w->before);

	if (rc != LDAP_SUCCESS)
		return prov_write_refuse(w, rc);
	if (w->before && !prov_access_entry(op, w->before, ACL_WDEL, ACL_WDEL))
		return prov_write_no_access(w);
	if (w->before) {
		w->was = prov_account_is(w->pi, op, w->before, &op->o_req_ndn);
		if (w->was)
			return delete_account(w);
		if (prov_group_kind_of(w->before) != PROV_GROUP_NONE)
			return delete_group(w);
	}
	if (prov_txn_run(w->txn) != LDAP_SUCCESS)
		return prov_write_refuse(w, -1);
	prov_txn_preread(w->txn, w->before);
	return prov_write_finish(w, w->before);
}

int prov_flow_delete(struct prov_instance *pi, Operation *op, SlapReply *rs)
{
	struct prov_write w;

	prov_write_open(&w, pi, op, rs, "delete");
	int rc = prov_write_begin(&w);
	if (rc == 0)
		rc = delete_in_txn(&w);
	prov_write_close(&w);
	return rc;
}
