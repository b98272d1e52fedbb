/*
 * op.c - the hooks: which operation goes which way. Decides, never does.
 */
#include "account.h"
#include "actor.h"
#include "context.h"
#include "control.h"
#include "convert.h"
#include "flow.h"
#include "group.h"
#include "hooks.h"
#include "logtext.h"
#include "lookup.h"
#include "pending.h"
#include "replica.h"
#include "schema.h"
#include "session.h"
#include "txn.h"

static struct prov_instance *instance_of(Operation *op)
{
	slap_overinst *on = (slap_overinst *)op->o_bd->bd_info;

	return on->on_bi.bi_private;
}

static bool in_policy(struct prov_instance *pi, struct berval *ndn)
{
	return !BER_BVISNULL(&pi->policy_ndn) && dnIsSuffix(ndn, &pi->policy_ndn);
}

/*
 * What all writes share. Returns true when the write is dealt with (*rc is what the
 * hook returns): shown only, replicated, not open, blocked, or in a client's transaction.
 */
static bool settled(struct prov_instance *pi, Operation *op, SlapReply *rs, int *rc)
{
	if (prov_txn_publishing(op)) {
		BackendInfo *saved = op->o_bd->bd_info;
		op->o_bd->bd_info = pi->on->on_info->oi_orig;
		prov_txn_show(op, rs);
		op->o_bd->bd_info = saved;
		*rc = rs->sr_err;
		return true;
	}
	*rc = SLAP_CB_CONTINUE;
	if (!pi->snapshot)
		return true;
	prov_schema_groups();
	if (prov_replica_is(op)) {
		prov_replica_watch(pi, op);
		return true;
	}
	*rc = prov_session_check(pi, op, rs);
	if (*rc)
		return true;
	const char *wrong = prov_control_check(op);
	if (wrong) {
		send_ldap_error(op, rs, LDAP_PROTOCOL_ERROR, wrong);
		*rc = rs->sr_err;
		return true;
	}
	if (prov_txn_joined(op)) {
		send_ldap_error(op, rs, LDAP_UNWILLING_TO_PERFORM,
			"provision: LDAP transactions (RFC 5805) are not supported on this database");
		*rc = rs->sr_err;
		return true;
	}
	return false;
}

/* No business of ours: the backend does it. */
static int pass(Operation *op)
{
	prov_pending_watch(op);
	return SLAP_CB_CONTINUE;
}

int prov_op_add(Operation *op, SlapReply *rs)
{
	struct prov_instance *pi = instance_of(op);
	int rc;

	if (settled(pi, op, rs, &rc))
		return rc;
	if (in_policy(pi, &op->o_req_ndn))
		return prov_flow_policy(pi, op, rs);
	if (prov_account_is(pi, op, op->ora_e, &op->o_req_ndn))
		return prov_flow_account_add(pi, op, rs);
	if (prov_group_kind_of(op->ora_e) != PROV_GROUP_NONE)
		return prov_flow_group_add(pi, op, rs);
	return pass(op);
}

/* Members are written on something that is an account, or becomes one: the account's flow. */
static bool on_account(struct prov_instance *pi, Operation *op)
{
	Entry *e = NULL;

	if (!prov_account_scope(pi, &op->o_req_ndn) ||
		prov_lookup_entry(pi, op, &op->o_req_ndn, &e) != LDAP_SUCCESS || !e)
		return false;
	bool is = prov_account_is(pi, op, e, &op->o_req_ndn);
	if (!is && prov_mods_apply(op, e, op->orm_modlist) == LDAP_SUCCESS)
		is = prov_account_is(pi, op, e, &op->o_req_ndn);
	entry_free(e);
	return is;
}

/* Done by an overlay above: as somebody else than the connection, with no control that says so. */
static bool is_internal(Operation *op)
{
	return op->orm_no_opattrs || (op->o_conn && prov_actor_is_other(op));
}

/* What an overlay above notes for itself (ppolicy at a failed bind, say): no change of the account. */
static bool is_bookkeeping(Operation *op)
{
	if (!is_internal(op))
		return false;
	for (Modifications *m = op->orm_modlist; m; m = m->sml_next)
		if (!is_at_operational(m->sml_desc->ad_type))
			return false;
	return true;
}

int prov_op_modify(Operation *op, SlapReply *rs)
{
	struct prov_instance *pi = instance_of(op);
	int rc;

	if (settled(pi, op, rs, &rc))
		return rc;
	if (in_policy(pi, &op->o_req_ndn))
		return prov_flow_policy(pi, op, rs);
	if (is_bookkeeping(op))
		return pass(op);
	if (prov_group_touched(op->orm_modlist) && !on_account(pi, op))
		return prov_flow_group_modify(pi, op, rs);
	if (prov_account_scope(pi, &op->o_req_ndn))
		return prov_flow_account_modify(pi, op, rs);
	return pass(op);
}

int prov_op_modrdn(Operation *op, SlapReply *rs)
{
	struct prov_instance *pi = instance_of(op);
	int rc;

	if (settled(pi, op, rs, &rc))
		return rc;
	if (in_policy(pi, &op->o_req_ndn) || (op->orr_nnewSup && in_policy(pi, op->orr_nnewSup)))
		return prov_flow_policy(pi, op, rs);
	return prov_flow_rename(pi, op, rs);
}

int prov_op_delete(Operation *op, SlapReply *rs)
{
	struct prov_instance *pi = instance_of(op);
	int rc;

	if (settled(pi, op, rs, &rc))
		return rc;
	if (in_policy(pi, &op->o_req_ndn))
		return prov_flow_policy(pi, op, rs);
	return prov_flow_delete(pi, op, rs);
}

/*
 * A leaver's answer shall not differ from a wrong password's, in time neither. So everybody's
 * entry is looked at before, and everybody's password is checked. Whose state changed meanwhile
 * is looked at once more.
 */
int prov_op_bind(Operation *op, SlapReply *rs)
{
	struct prov_instance *pi = instance_of(op);
	BackendInfo *saved = op->o_bd->bd_info, *bi = pi->on->on_info->oi_orig;

	if (!pi->snapshot || be_isroot_dn(op->o_bd, &op->o_req_ndn))
		return SLAP_CB_CONTINUE;
	uint64_t generation = prov_session_generation();
	bool blocked = prov_session_blocked(pi, op, &op->o_req_ndn);
	op->o_bd->bd_info = bi;
	int rc = bi->bi_op_bind(op, rs);
	op->o_bd->bd_info = saved;
	if (rc != LDAP_SUCCESS)
		return rc;
	if (generation != prov_session_generation())
		blocked = prov_session_blocked(pi, op, &op->o_req_ndn);
	if (!blocked)
		return rc;
	ch_free(op->orb_edn.bv_val);
	BER_BVZERO(&op->orb_edn);
	send_ldap_error(op, rs, LDAP_INVALID_CREDENTIALS, NULL);
	Debug(LDAP_DEBUG_STATS, "%s provision: bind refused dn=\"%s\"\n", op->o_log_prefix,
		PROV_LOG_TEXT(op->o_req_dn));
	return rs->sr_err;
}

static int check_only(Operation *op, SlapReply *rs)
{
	struct prov_instance *pi = instance_of(op);
	int rc = pi->snapshot ? prov_session_check(pi, op, rs) : 0;

	return rc ? rc : SLAP_CB_CONTINUE;
}

int prov_op_search(Operation *op, SlapReply *rs)
{
	return check_only(op, rs);
}

int prov_op_compare(Operation *op, SlapReply *rs)
{
	return check_only(op, rs);
}

int prov_op_extended(Operation *op, SlapReply *rs)
{
	return check_only(op, rs);
}

int prov_op_entry_get(Operation *op, struct berval *ndn, ObjectClass *oc, AttributeDescription *at,
	int rw, Entry **e)
{
	struct prov_instance *pi = instance_of(op);

	/* an overlay above is opened before we are */
	if (!pi->snapshot && at == slap_schema.si_ad_contextCSN && !(slapMode & SLAP_TOOL_MODE))
		prov_context_mend(pi, op, ndn);
	return prov_txn_entry_get(op, ndn, oc, at, rw, e);
}

int prov_op_response(Operation *op, SlapReply *rs)
{
	(void)op;
	(void)rs;
	return SLAP_CB_CONTINUE;
}
