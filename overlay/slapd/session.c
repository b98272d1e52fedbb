/*
 * session.c - binds and connections of accounts that are not active.
 */
#include "session.h"

#include <stdatomic.h>

#include "account.h"
#include "acting.h"
#include "actor.h"
#include "convert.h"
#include "logtext.h"
#include "schema.h"
#include "txn.h"

#define MEMOS 4096

static _Atomic uint64_t generation = 1;
static _Atomic uint64_t memo[MEMOS]; /* per connection: a hash of who was checked when */

void prov_session_touch(void)
{
	atomic_fetch_add(&generation, 1);
}

uint64_t prov_session_generation(void)
{
	return atomic_load(&generation);
}

/* Also a provState with an option (";lang-en") counts, as it does for the evaluator. */
static bool state_blocks(Entry *e)
{
	for (Attribute *a = e->e_attrs; a; a = a->a_next)
		for (unsigned i = 0; is_ad_subtype(a->a_desc, prov_ad.state) && i < a->a_numvals;
			i++)
			if (!prov_state_may_bind(prov_state_parse(prov_bv(a->a_vals[i]))))
				return true;
	return false;
}

bool prov_session_ours(struct prov_instance *pi, struct berval *ndn)
{
	struct berval *suffix = &pi->be->be_nsuffix[0];
	BackendDB *db = select_backend(ndn, 0);

	return dnIsSuffix(ndn, suffix) &&
		(!db || !db->be_nsuffix || db->be_nsuffix[0].bv_len <= suffix->bv_len);
}

bool prov_session_blocked(struct prov_instance *pi, Operation *op, struct berval *ndn)
{
	BackendInfo *saved = op->o_bd->bd_info, *bi = pi->on->on_info->oi_orig;
	Entry *e = NULL;
	bool blocked = false;

	/* Every bind asks: the entry is looked at where it lies, not copied. An account
	 * without provState is active. */
	op->o_bd->bd_info = bi;
	int rc = bi->bi_entry_get_rw(op, ndn, NULL, NULL, 0, &e);
	if (rc == LDAP_NO_SUCH_OBJECT) { /* renamed or deleted meanwhile */
		blocked = prov_account_scope(pi, ndn) && !be_isroot_dn(op->o_bd, ndn) &&
			prov_session_ours(pi, ndn);
	} else if (rc == LDAP_SUCCESS && e) {
		blocked = state_blocks(e);
		bi->bi_entry_release_rw(op, e, 0);
	}
	op->o_bd->bd_info = saved;
	return blocked;
}

static uint64_t memo_of(Operation *op, uint64_t gen)
{
	uint64_t h = 1469598103934665603ULL ^ gen; /* FNV-1a */

	for (ber_len_t i = 0; i < op->o_ndn.bv_len; i++)
		h = (h ^ (unsigned char)op->o_ndn.bv_val[i]) * 1099511628211ULL;
	return (h ^ op->o_connid) * 1099511628211ULL;
}

int prov_session_check(struct prov_instance *pi, Operation *op, SlapReply *rs)
{
	if (BER_BVISEMPTY(&op->o_ndn) || !op->o_conn || op->o_connid == (unsigned long)-1 ||
		SLAPD_SYNC_IS_SYNCCONN(op->o_connid) || prov_txn_within_publishing(op) ||
		!dnIsSuffix(&op->o_ndn, &pi->be->be_nsuffix[0]))
		return 0;
	_Atomic uint64_t *slot = &memo[op->o_connid % MEMOS];
	uint64_t mine = memo_of(op, atomic_load(&generation));
	if (atomic_load(slot) == mine)
		return 0;
	if (!prov_session_blocked(pi, op, &op->o_ndn)) {
		atomic_store(slot, mine);
		return 0;
	}
	Debug(LDAP_DEBUG_ANY,
		"%s provision: refused dn=\"%s\" reason=\"the account is not active\"\n",
		op->o_log_prefix, PROV_LOG_TEXT(op->o_ndn));
	if (prov_actor_is_bound(op)) {
		rs->sr_err = LDAP_STRONG_AUTH_REQUIRED;
		rs->sr_text = "the account is not active";
		send_ldap_disconnect(op, rs);
		return SLAPD_DISCONNECT;
	}
	send_ldap_error(op, rs, LDAP_PROXIED_AUTHORIZATION_DENIED, "the account is not active");
	return rs->sr_err;
}

/*
 * Under the connection's mutex. While it binds, the bind's thread writes who it shall be without that;
 * prov_session_check and guard.c see to what comes of it.
 */
static bool acts_as(Connection *c, struct berval *ndn)
{
	if (c->c_ndn.bv_len && dn_match(&c->c_ndn, ndn))
		return true;
	if (c->c_conn_state != SLAP_C_BINDING && c->c_sasl_authz_dn.bv_len &&
		dn_match(&c->c_sasl_authz_dn, ndn))
		return true;
	return prov_acting_as(c, ndn);
}

void prov_session_cut(struct berval *ndn)
{
	ber_socket_t i;

	/* connection_first/next lock each connection in turn */
	for (Connection *c = connection_first(&i); c; c = connection_next(c, &i)) {
		if (c->c_conn_state == SLAP_C_INVALID || c->c_conn_state == SLAP_C_CLIENT ||
			!acts_as(c, ndn))
			continue;
		Debug(LDAP_DEBUG_ANY, "conn=%lu provision: cut dn=\"%s\"\n", c->c_connid,
			PROV_LOG_TEXT(*ndn));
		slapd_shutsock(c->c_sd);
	}
	connection_done(NULL);
}
