/*
 * actor.c - identities, ids and times of a write, and the attributes that keep them.
 */
#include "actor.h"

#include <sys/time.h>

#include "control.h"
#include "convert.h"
#include "random.h"
#include "schema.h"

void prov_stamp_uuid(char out[PROV_UUID_TEXT])
{
	unsigned char r[10];
	struct timeval tv;

	gettimeofday(&tv, NULL);
	if (prov_random(r, sizeof(r)))
		lutil_entropy(r, sizeof(r));
	prov_uuid7((uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000, r, out);
}

/*
 * Who the connection is bound as is freed and changed by a bind, which slapd runs beside
 * operations that it took before: so it is read under the connection's mutex. One that slapd
 * makes for itself is no other thread's, and has no mutex.
 */
static void look_at(Operation *op, bool lock)
{
	if (op->o_connid != (unsigned long)-1) {
		if (lock)
			ldap_pvt_thread_mutex_lock(&op->o_conn->c_mutex);
		else
			ldap_pvt_thread_mutex_unlock(&op->o_conn->c_mutex);
	}
}

/* Under the mutex. Is it the request that the client sent, and no copy of it? */
static bool is_request(Operation *op)
{
	Operation *o;

	LDAP_STAILQ_FOREACH(o, &op->o_conn->c_ops, o_next)
	{
		if (o == op)
			return true;
	}
	return false;
}

bool prov_actor_is_bound(Operation *op)
{
	look_at(op, true);
	bool is = dn_match(&op->o_conn->c_ndn, &op->o_ndn);
	look_at(op, false);
	return is;
}

bool prov_actor_is_other(Operation *op)
{
	look_at(op, true);
	/* a request was its client's, who may have become another meanwhile */
	bool is =
		!op->o_proxy_authz && !dn_match(&op->o_conn->c_ndn, &op->o_ndn) && !is_request(op);
	look_at(op, false);
	return is;
}

void prov_stamp_dispose(struct prov_stamp *s)
{
	ch_free(s->authc.bv_val);
	BER_BVZERO(&s->authc);
}

void prov_stamp_now(struct prov_stamp *s, Operation *op)
{
	Connection *c = op->o_conn;
	struct timeval tv;

	memset(s, 0, sizeof(*s));
	gettimeofday(&tv, NULL);
	s->secs = tv.tv_sec;
	s->usec = (unsigned)tv.tv_usec;
	prov_stamp_uuid(s->id);
	prov_time_rfc3339(s->secs, s->usec, s->time);
	prov_time_generalized(s->secs, s->gtime);
	s->actor.authz = prov_bv(op->o_dn);
	if (c) {
		look_at(op, true);
		const char *mech = c->c_authmech.bv_val ? c->c_authmech.bv_val
			: BER_BVISEMPTY(&c->c_ndn)      ? "none"
							: "simple";
		if (!BER_BVISEMPTY(&c->c_ndn) && !dn_match(&c->c_ndn, &op->o_ndn) &&
			(op->o_proxy_authz || !is_request(op)))
			ber_dupbv(&s->authc, &c->c_dn);
		snprintf(s->via, sizeof(s->via), "mech=%s tls=%s ssf=%u", mech,
			c->c_is_tls ? "yes" : "no", (unsigned)op->o_ssf);
		look_at(op, false);
		s->actor.authc = prov_bv(s->authc);
		s->actor.from = prov_bv(c->c_peer_name);
		s->actor.via = prov_val_str(s->via);
	}
	s->reason = prov_bv(prov_control_reason(op));
}

static int stamp_one(Operation *op, Modifications **list, bool create, Entry *before,
	AttributeDescription *ad, struct prov_val v, struct prov_error *err)
{
	bool had = before && attr_find(before->e_attrs, ad);

	if (v.len == 0) {
		if (create || !had)
			return LDAP_SUCCESS;
		return prov_mods_append(op, list, LDAP_MOD_REPLACE, ad, NULL, 0, err);
	}
	return prov_mods_append(op, list, create || !had ? LDAP_MOD_ADD : LDAP_MOD_REPLACE, ad, &v,
		1, err);
}

int prov_stamp_mods(const struct prov_stamp *s, Operation *op, Entry *before, Modifications **list,
	struct prov_error *err)
{
	const struct {
		AttributeDescription *change, *create;
		struct prov_val v;
	} row[] = {
		{ prov_ad.changeId, prov_ad.createId, prov_val_str(s->id) },
		{ prov_ad.changeTime, prov_ad.createTime, prov_val_str(s->gtime) },
		{ prov_ad.changeBy, prov_ad.createBy, s->actor.authz },
		{ prov_ad.changeAuth, prov_ad.createAuth, s->actor.authc },
		{ prov_ad.changeFrom, prov_ad.createFrom, s->actor.from },
		{ prov_ad.changeVia, prov_ad.createVia, s->actor.via },
		{ prov_ad.changeReason, prov_ad.createReason, s->reason },
	};
	int rc = LDAP_SUCCESS;

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]) && rc == LDAP_SUCCESS; i++) {
		rc = stamp_one(op, list, false, before, row[i].change, row[i].v, err);
		if (!before && rc == LDAP_SUCCESS)
			rc = stamp_one(op, list, true, NULL, row[i].create, row[i].v, err);
	}
	return rc;
}
