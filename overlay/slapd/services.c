/*
 * services.c - uniqueness, id pools, randomness and memberships for the evaluator.
 *
 * A pool hands out from the range of this server (provPoolRange "<serverID> <first>
 * <last>"; the range shrinks from its front) or, when the pool names no ranges, from
 * provPoolNext up to provPoolMax. The ranges may be in entries of their own, of the same name.
 */
#include "services.h"

#include <inttypes.h>
#include <stdlib.h>

#include "account.h"
#include "capture.h"
#include "convert.h"
#include "kv.h"
#include "lookup.h"
#include "random.h"
#include "schema.h"
#include "types.h"

struct taken {
	struct prov_service_ctx *c;
	bool found;
};

static int see_taken(void *ctx, Entry *e)
{
	struct taken *t = ctx;

	if (!dn_match(&e->e_nname, &t->c->self_ndn) &&
		prov_account_is(t->c->txn->pi, t->c->txn->op, e, &e->e_nname))
		t->found = true;
	return t->found;
}

static int service_taken(void *ctx, const struct prov_type *type, struct prov_val value,
	bool *taken, struct prov_error *err)
{
	struct taken t = { ctx, false };
	struct prov_arena arena = PROV_ARENA_INIT;
	struct prov_txn *txn = t.c->txn;
	const char *v = prov_lookup_escape(&arena, value);
	char *filter = v ? prov_arena_printf(&arena, "(%s=%s)", type->name, v) : NULL;
	int rc = PROV_ENOMEM;

	if (filter) {
		rc = prov_lookup_search(txn->pi, txn->op, &txn->op->o_bd->be_nsuffix[0],
			LDAP_SCOPE_SUBTREE, filter, see_taken, &t);
		if (rc != LDAP_SUCCESS)
			rc = prov_error_set(err, PROV_EIO,
				"cannot search for other holders of %s: %s", type->name,
				ldap_err2string(rc));
	}
	prov_arena_dispose(&arena);
	*taken = t.found;
	return rc;
}

/* "<serverID> <first> <last>": three numbers and nothing else. */
static bool parse_range(const char *text, uint64_t out[3])
{
	for (int i = 0; i < 3; i++) {
		char *end;
		if (*text < '0' || *text > '9')
			return false;
		out[i] = strtoull(text, &end, 10);
		if (*end != (i < 2 ? ' ' : '\0'))
			return false;
		text = end + 1;
	}
	return true;
}

/* This server's range in a pool with ranges: 1 found, 0 none for this server, -1 pool has none. */
static int pool_range(Entry *e, struct berval *text, uint64_t *next, uint64_t *last)
{
	Attribute *a = attr_find(e->e_attrs, prov_ad.poolRange);
	uint64_t n[3];

	if (!a)
		return -1;
	for (unsigned i = 0; i < a->a_numvals; i++) {
		if (!parse_range(a->a_vals[i].bv_val, n) || n[0] != (uint64_t)slap_serverID)
			continue;
		*text = a->a_vals[i];
		*next = n[1];
		*last = n[2];
		return 1;
	}
	return 0;
}

/* Several pools may have one name: the one that has a range for this server is ours. */
static int keep_pool(void *ctx, Entry *e)
{
	Entry **out = ctx;
	struct berval text;
	uint64_t next, last;
	bool ours = pool_range(e, &text, &next, &last) > 0;

	if (*out && !ours)
		return 0;
	if (*out)
		entry_free(*out);
	*out = entry_dup(e);
	return ours;
}

static int advance(struct prov_service_ctx *c, Entry *e, AttributeDescription *ad,
	struct berval old, const char *fresh, struct prov_error *err)
{
	Modifications *mods = NULL;
	struct prov_val o = prov_bv(old), n = prov_val_str(fresh);
	int rc = LDAP_SUCCESS;

	if (o.len)
		rc = prov_mods_append(c->txn->op, &mods, LDAP_MOD_DELETE, ad, &o, 1, err);
	if (rc == LDAP_SUCCESS && fresh)
		rc = prov_mods_append(c->txn->op, &mods, LDAP_MOD_ADD, ad, &n, 1, err);
	if (rc == LDAP_SUCCESS)
		return prov_txn_modify(c->txn, e->e_name, e->e_nname, mods, err) ? PROV_EIO : 0;
	slap_mods_free(mods, 1);
	return PROV_EIO;
}

/*
 * Replication brings another server's copy of the pool, whole, with this server's range as it was
 * known there: what was handed out already must not come again. So how far a range is used is kept
 * beside the entries, too, where nobody else writes.
 */
static char *mark_name(struct prov_arena *arena, Entry *e, uint64_t last)
{
	struct berval id = prov_entry_value(e, slap_schema.si_ad_entryUUID);

	return prov_arena_printf(arena, "pool %s %" PRIu64, BER_BVISNULL(&id) ? "" : id.bv_val,
		last);
}

static int past_mark(struct prov_service_ctx *c, Entry *e, uint64_t last, uint64_t *next)
{
	struct prov_arena arena = PROV_ARENA_INIT;
	char *name = mark_name(&arena, e, last);
	struct prov_val v;
	int rc = name ? prov_named_get(c->txn->pi->capture, prov_txn_mdb(c->txn), name, &v)
		      : PROV_ENOMEM;

	if (rc == 0 && v.len == sizeof(uint64_t)) {
		uint64_t mark;
		prov_be64_get(v, &mark);
		if (mark > *next)
			*next = mark;
	}
	prov_arena_dispose(&arena);
	return rc == PROV_ENOENT ? 0 : rc;
}

static int set_mark(struct prov_service_ctx *c, Entry *e, uint64_t last, uint64_t next,
	struct prov_error *err)
{
	struct prov_arena arena = PROV_ARENA_INIT;
	unsigned char bytes[sizeof(next)];
	char *name = mark_name(&arena, e, last);
	int rc = PROV_ENOMEM;

	prov_be64_put(bytes, next);
	if (name)
		rc = prov_named_put(c->txn->pi->capture, prov_txn_mdb(c->txn), name,
			(struct prov_val){ (const char *)bytes, sizeof(bytes) }, err);
	prov_arena_dispose(&arena);
	return rc;
}

static int take_number(struct prov_service_ctx *c, Entry *e, uint64_t *number,
	struct prov_error *err)
{
	struct berval text = BER_BVNULL, max = prov_entry_value(e, prov_ad.poolMax);
	uint64_t next = 0, last = UINT64_MAX;
	char buf[80];
	int found = pool_range(e, &text, &next, &last);

	if (found == 0)
		return prov_error_set(err, PROV_EFULL, "pool \"%s\" has no range for server %d",
			e->e_name.bv_val, slap_serverID);
	if (found < 0) {
		text = prov_entry_value(e, prov_ad.poolNext);
		if (BER_BVISEMPTY(&text))
			return prov_error_set(err, PROV_EINVAL, "pool \"%s\" has no provPoolNext",
				e->e_name.bv_val);
		next = strtoull(text.bv_val, NULL, 10);
	}
	uint64_t range = last;
	int rc = found > 0 ? past_mark(c, e, range, &next) : 0;
	if (rc)
		return prov_error_set(err, rc, "cannot read how far pool \"%s\" is used",
			e->e_name.bv_val);
	if (!BER_BVISEMPTY(&max) && strtoull(max.bv_val, NULL, 10) < last)
		last = strtoull(max.bv_val, NULL, 10);
	if (next > last)
		return prov_error_set(err, PROV_EFULL,
			"pool \"%s\" is used up (last is %" PRIu64 ")", e->e_name.bv_val, last);
	*number = next;
	if (found > 0) {
		rc = set_mark(c, e, range, next + 1, err);
		if (rc)
			return rc;
		snprintf(buf, sizeof(buf), "%d %" PRIu64 " %" PRIu64, slap_serverID, next + 1,
			range);
		return advance(c, e, prov_ad.poolRange, text, buf, err);
	}
	snprintf(buf, sizeof(buf), "%" PRIu64, next + 1);
	return advance(c, e, prov_ad.poolNext, text, buf, err);
}

static int service_next(void *ctx, struct prov_val pool, uint64_t *number, struct prov_error *err)
{
	struct prov_service_ctx *c = ctx;
	struct prov_instance *pi = c->txn->pi;
	struct prov_arena arena = PROV_ARENA_INIT;
	const char *v = prov_lookup_escape(&arena, pool);
	char *filter = v ? prov_arena_printf(&arena, "(&(objectClass=provPool)(cn=%s))", v) : NULL;
	Entry *e = NULL;
	int rc = filter ? PROV_ENOENT : PROV_ENOMEM;

	if (filter && !BER_BVISNULL(&pi->policy_ndn))
		prov_lookup_search(pi, c->txn->op, &pi->policy_ndn, LDAP_SCOPE_SUBTREE, filter,
			keep_pool, &e);
	if (e) {
		rc = take_number(c, e, number, err);
		entry_free(e);
	} else {
		prov_error_set(err, rc, "no pool \"%.*s\"", (int)pool.len, pool.data);
	}
	prov_arena_dispose(&arena);
	return rc;
}

static int service_random(void *ctx, unsigned char *out, size_t len)
{
	(void)ctx;
	return prov_random(out, len);
}

static int service_memberships(void *ctx, struct prov_arena *arena, struct prov_val **dn,
	struct prov_val **ndn, size_t *n, struct prov_error *err)
{
	struct prov_service_ctx *c = ctx;

	if (!c->membership &&
		prov_group_memberships(c->txn->pi, c->txn->op, c->self_ndn, c->uid, arena,
			&c->membership, &c->nmembership, err))
		return PROV_EIO;
	*n = c->nmembership;
	*dn = prov_arena_array(arena, *n ? *n : 1, sizeof(**dn));
	*ndn = prov_arena_array(arena, *n ? *n : 1, sizeof(**ndn));
	if (!*dn || !*ndn)
		return PROV_ENOMEM;
	for (size_t i = 0; i < *n; i++) {
		(*dn)[i] = c->membership[i].dn;
		(*ndn)[i] = c->membership[i].ndn;
	}
	return 0;
}

struct prov_services prov_services_for(struct prov_service_ctx *ctx)
{
	return (struct prov_services){ ctx, service_taken, service_next, service_random,
		service_memberships };
}
