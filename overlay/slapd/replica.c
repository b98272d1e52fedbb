/*
 * replica.c - observes replicated writes after they are committed.
 */
#include "replica.h"

#include "background.h"
#include "session.h"
#include "snapshot.h"

bool prov_replica_is(Operation *op)
{
	return be_shadow_update(op) || SLAPD_SYNC_IS_SYNCCONN(op->o_connid);
}

static bool in_policy(struct prov_instance *pi, Operation *op)
{
	if (BER_BVISNULL(&pi->policy_ndn))
		return false;
	if (dnIsSuffix(&op->o_req_ndn, &pi->policy_ndn))
		return true;
	return op->o_tag == LDAP_REQ_MODRDN && op->orr_nnewSup &&
		dnIsSuffix(op->orr_nnewSup, &pi->policy_ndn);
}

static int replica_response(Operation *op, SlapReply *rs)
{
	struct prov_instance *pi = op->o_callback->sc_private;

	if (rs->sr_type != REP_RESULT || rs->sr_err != LDAP_SUCCESS)
		return SLAP_CB_CONTINUE;
	bool policy = in_policy(pi, op);
	/* what a role names may come later than the role */
	if (policy || prov_snapshot_is_broken(pi)) {
		prov_snapshot_outdate(pi);
		prov_background_kick(pi);
	}
	if (policy)
		return SLAP_CB_CONTINUE;
	prov_session_touch();
	if (pi->sessions &&
		(op->o_tag == LDAP_REQ_DELETE || prov_session_blocked(pi, op, &op->o_req_ndn)))
		prov_session_cut(&op->o_req_ndn);
	return SLAP_CB_CONTINUE;
}

static int replica_cleanup(Operation *op, SlapReply *rs)
{
	slap_callback *sc = op->o_callback;

	if (rs->sr_type == REP_RESULT || rs->sr_err == SLAPD_ABANDON) {
		op->o_callback = sc->sc_next;
		op->o_tmpfree(sc, op->o_tmpmemctx);
	}
	return 0;
}

void prov_replica_watch(struct prov_instance *pi, Operation *op)
{
	slap_callback *sc = op->o_tmpcalloc(1, sizeof(*sc), op->o_tmpmemctx);

	sc->sc_response = replica_response;
	sc->sc_cleanup = replica_cleanup;
	sc->sc_private = pi;
	sc->sc_next = op->o_callback;
	op->o_callback = sc;
}
