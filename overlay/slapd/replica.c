/*
 * replica.c - observes replicated writes after they are committed.
 */
#include "replica.h"

#include "relay.h"
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

static void reload(struct prov_instance *pi, Operation *op)
{
	struct prov_error err = { 0, "" };
	struct prov_snapshot *s = NULL;
	int rc = prov_snapshot_load(pi, op, &s, &err);

	if (rc) {
		Debug(LDAP_DEBUG_ANY, "provision: the replicated policy does not compile: %s\n",
			err.text);
		s = prov_snapshot_broken(rc, err.text);
	}
	s = prov_snapshot_swap(pi, s);
	prov_snapshot_put(&s);
	prov_relay_kick(pi);
}

static int replica_response(Operation *op, SlapReply *rs)
{
	struct prov_instance *pi = op->o_callback->sc_private;

	if (rs->sr_type != REP_RESULT || rs->sr_err != LDAP_SUCCESS)
		return SLAP_CB_CONTINUE;
	if (in_policy(pi, op)) {
		reload(pi, op);
		return SLAP_CB_CONTINUE;
	}
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
