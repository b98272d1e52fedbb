/*
 * guard.c - wraps the frontend's bind, to refuse SASL binds, all in the same words; and its search.
 */
#include "guard.h"

#include <stdlib.h>

#include "acting.h"
#include "logtext.h"
#include "session.h"

static struct prov_instance **instances;
static size_t ninstances;
static BI_op_bind *frontend_bind;
static BI_op_search *frontend_search;

static bool blocked(Operation *op, struct berval *ndn)
{
	for (size_t i = 0; i < ninstances; i++) {
		struct prov_instance *pi = instances[i];
		Operation op2 = *op;
		BackendDB db = prov_instance_database(pi);
		if (!prov_session_ours(pi, ndn) || be_isroot_dn(&db, ndn))
			continue;
		db.bd_info = (BackendInfo *)pi->on->on_info;
		op2.o_bd = &db;
		return prov_session_blocked(pi, &op2, ndn);
	}
	return false;
}

/* Mechanisms tell why a password is wrong, each in its words. A leaver's right one is answered
 * without any, so the others are, too. */
static int bind_response(Operation *op, SlapReply *rs)
{
	if (rs->sr_err == LDAP_INVALID_CREDENTIALS)
		rs->sr_text = NULL;
	if (rs->sr_type != REP_SASL || rs->sr_err != LDAP_SUCCESS || BER_BVISEMPTY(&op->orb_edn) ||
		!blocked(op, &op->orb_edn))
		return SLAP_CB_CONTINUE;
	Debug(LDAP_DEBUG_STATS, "%s provision: bind refused dn=\"%s\"\n", op->o_log_prefix,
		PROV_LOG_TEXT(op->orb_edn));
	rs->sr_err = LDAP_INVALID_CREDENTIALS;
	rs->sr_text = NULL;
	rs->sr_sasldata = NULL;
	return SLAP_CB_CONTINUE;
}

static int guarded_bind(Operation *op, SlapReply *rs)
{
	slap_callback cb = { .sc_response = bind_response };

	if (op->orb_method != LDAP_AUTH_SASL)
		return frontend_bind(op, rs);
	cb.sc_next = op->o_callback;
	op->o_callback = &cb;
	int rc = frontend_bind(op, rs);
	for (slap_callback **p = &op->o_callback; *p; p = &(*p)->sc_next)
		if (*p == &cb) {
			*p = cb.sc_next;
			break;
		}
	return rc;
}

static int guarded_search(Operation *op, SlapReply *rs)
{
	if (ninstances && op->o_proxy_authz && op->o_connid != (unsigned long)-1)
		prov_acting_note(op);
	return frontend_search(op, rs);
}

static BackendInfo *frontend_info(void)
{
	BackendInfo *bi = frontendDB->bd_info;

	/* under global overlays lies the frontend itself */
	return overlay_is_over(frontendDB) ? ((slap_overinfo *)bi)->oi_orig : bi;
}

int prov_guard_add(struct prov_instance *pi)
{
	struct prov_instance **more = realloc(instances, (ninstances + 1) * sizeof(*more));

	if (!more)
		return -1;
	instances = more;
	instances[ninstances++] = pi;
	if (!frontend_bind) {
		BackendInfo *bi = frontend_info();
		frontend_bind = bi->bi_op_bind;
		bi->bi_op_bind = guarded_bind;
		frontend_search = bi->bi_op_search;
		bi->bi_op_search = guarded_search;
	}
	return 0;
}

void prov_guard_remove(struct prov_instance *pi)
{
	for (size_t i = 0; i < ninstances; i++)
		if (instances[i] == pi)
			instances[i--] = instances[--ninstances];
	if (!ninstances) {
		free(instances);
		instances = NULL;
	}
}
