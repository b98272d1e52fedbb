/*
 * snapshot.c - loading the policy subtree into a compiled policy, and the swap.
 */
#include "snapshot.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "convert.h"
#include "lookup.h"
#include "relay.h"
#include "types.h"

struct known_group {
	struct prov_val ndn;
	enum prov_group_kind kind;
};

struct prov_snapshot {
	atomic_uint refs;
	uint64_t generation;
	uint64_t as_of; /* policy_changes when it was loaded */
	struct prov_policy *policy;
	struct prov_arena arena; /* of the groups */
	size_t ngroup, room;
	struct known_group *group; /* sorted by ndn once loaded */
	char error[512];
	bool lacking;
};

static pthread_mutex_t swap_mutex = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t generations;

struct load {
	struct prov_instance *pi;
	Operation *op;
	struct prov_snapshot *snap;
	struct prov_snapshot *old; /* groups known there need not be read again */
	struct prov_error *err;
	int rc;
};

static struct prov_snapshot *snapshot_new(struct prov_instance *pi)
{
	struct prov_snapshot *s = calloc(1, sizeof(*s));

	if (s) {
		atomic_init(&s->refs, 1);
		s->generation = atomic_fetch_add(&generations, 1) + 1;
		s->as_of = atomic_load(&pi->policy_changes);
	}
	return s;
}

static int by_ndn(const void *a, const void *b)
{
	const struct known_group *x = a, *y = b;
	size_t n = x->ndn.len < y->ndn.len ? x->ndn.len : y->ndn.len;
	int d = memcmp(x->ndn.data, y->ndn.data, n);

	return d ? d : (x->ndn.len > y->ndn.len) - (x->ndn.len < y->ndn.len);
}

static int remember(struct prov_snapshot *s, struct prov_val ndn, enum prov_group_kind kind)
{
	if (s->ngroup == s->room) {
		size_t room = s->room ? s->room * 2 : 64;
		struct known_group *g = realloc(s->group, room * sizeof(*g));
		if (!g)
			return PROV_ENOMEM;
		s->group = g;
		s->room = room;
	}
	struct known_group *g = &s->group[s->ngroup];
	g->ndn.data = prov_arena_strndup(&s->arena, ndn.data, ndn.len);
	g->ndn.len = ndn.len;
	g->kind = kind;
	if (!g->ndn.data)
		return PROV_ENOMEM;
	s->ngroup++;
	return 0;
}

static int env_group(void *ctx, struct prov_val ndn)
{
	struct load *l = ctx;
	struct berval bv = prov_val_bv(ndn);
	enum prov_group_kind kind = l->old ? prov_snapshot_group(l->old, ndn) : PROV_GROUP_NONE;

	if (kind == PROV_GROUP_NONE) {
		Entry *e = NULL;
		if (prov_lookup_entry(l->pi, l->op, &bv, &e) != LDAP_SUCCESS)
			return PROV_EIO;
		if (!e)
			return PROV_ENOENT;
		kind = prov_group_kind_of(e);
		entry_free(e);
		if (kind == PROV_GROUP_NONE)
			return PROV_EINVAL;
	}
	return remember(l->snap, ndn, kind);
}

static int add_entry(void *ctx, Entry *e)
{
	struct load *l = ctx;
	struct prov_arena arena = PROV_ARENA_INIT;
	struct prov_entry pe;

	l->rc = prov_convert_entry(e, &arena, &pe);
	if (l->rc == 0)
		l->rc = prov_policy_add(l->snap->policy, &pe, l->err);
	prov_arena_dispose(&arena);
	return l->rc;
}

int prov_snapshot_load(struct prov_instance *pi, Operation *op, struct prov_snapshot **out,
	struct prov_error *err)
{
	struct load l = { pi, op, snapshot_new(pi), prov_snapshot_get(pi), err, 0 };
	struct prov_policy_env env = { &l, env_group };

	if (!l.snap) {
		l.rc = PROV_ENOMEM;
		goto out;
	}
	l.rc = prov_policy_new(&prov_slap_schema, &env, &l.snap->policy, err);
	if (l.rc == 0 && !BER_BVISNULL(&pi->policy_ndn)) {
		int rc = prov_lookup_search(pi, op, &pi->policy_ndn, LDAP_SCOPE_SUBTREE,
			"(objectClass=*)", add_entry, &l);
		if (rc != LDAP_SUCCESS && l.rc == 0)
			l.rc = prov_error_set(err, PROV_EIO,
				"cannot read the policy below \"%s\": %s", pi->policy_dn.bv_val,
				ldap_err2string(rc));
	}
	if (l.rc == 0)
		l.rc = prov_policy_seal(l.snap->policy, err);
	if (l.rc == 0 && l.snap->ngroup)
		qsort(l.snap->group, l.snap->ngroup, sizeof(*l.snap->group), by_ndn);
out:
	prov_snapshot_put(&l.old);
	if (l.rc == PROV_ENOMEM)
		prov_error_set(err, l.rc, "out of memory");
	if (l.rc)
		prov_snapshot_put(&l.snap);
	*out = l.snap;
	return l.rc;
}

struct prov_snapshot *prov_snapshot_broken(struct prov_instance *pi, int rc, const char *why)
{
	/* for when there is no memory even for that; the first reference is its own */
	static struct prov_snapshot none = { .refs = 1, .error = "out of memory", .lacking = true };
	struct prov_snapshot *s = snapshot_new(pi);

	if (!s) {
		atomic_fetch_add(&none.refs, 1);
		return &none;
	}
	snprintf(s->error, sizeof(s->error), "%s", why);
	s->lacking = rc == PROV_ENOMEM || rc == PROV_EIO;
	return s;
}

bool prov_snapshot_lacking(const struct prov_snapshot *s)
{
	return s->lacking;
}

struct prov_snapshot *prov_snapshot_get(struct prov_instance *pi)
{
	pthread_mutex_lock(&swap_mutex);
	struct prov_snapshot *s = pi->snapshot;
	if (s)
		atomic_fetch_add(&s->refs, 1);
	pthread_mutex_unlock(&swap_mutex);
	return s;
}

void prov_snapshot_put(struct prov_snapshot **sp)
{
	struct prov_snapshot *s = *sp;

	*sp = NULL;
	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	prov_policy_free(&s->policy);
	prov_arena_dispose(&s->arena);
	free(s->group);
	free(s);
}

struct prov_snapshot *prov_snapshot_swap(struct prov_instance *pi, struct prov_snapshot *s)
{
	pthread_mutex_lock(&swap_mutex);
	struct prov_snapshot *old = pi->snapshot;
	pi->snapshot = s;
	pthread_mutex_unlock(&swap_mutex);
	return old;
}

bool prov_snapshot_is_broken(struct prov_instance *pi)
{
	struct prov_snapshot *s = prov_snapshot_get(pi);
	bool broken = s && s->error[0];

	prov_snapshot_put(&s);
	return broken;
}

void prov_snapshot_outdate(struct prov_instance *pi)
{
	atomic_fetch_add(&pi->policy_changes, 1);
}

/* lacked: it could not be read at all. */
static bool outdated(struct prov_instance *pi, bool *lacked)
{
	struct prov_snapshot *s = prov_snapshot_get(pi);

	*lacked = s && s->lacking;
	bool old = s && (s->lacking || s->as_of != atomic_load(&pi->policy_changes));
	prov_snapshot_put(&s);
	return old;
}

bool prov_snapshot_outdated(struct prov_instance *pi)
{
	bool lacked;

	return outdated(pi, &lacked);
}

void prov_snapshot_refresh(struct prov_instance *pi, Operation *op)
{
	struct prov_error err = { 0, "" };
	struct prov_snapshot *s = NULL;

	bool lacked;

	if (!outdated(pi, &lacked))
		return;
	int rc = prov_snapshot_load(pi, op, &s, &err);
	if (rc && slapd_shutdown)
		return;
	if (rc && !lacked)
		Debug(LDAP_DEBUG_ANY, "provision: the replicated policy does not compile: %s\n",
			err.text);
	else if (!rc && lacked)
		Debug(LDAP_DEBUG_ANY, "provision: the policy is in force again\n");
	if (rc)
		s = prov_snapshot_broken(pi, rc, err.text);
	s = prov_snapshot_swap(pi, s);
	prov_snapshot_put(&s);
	prov_relay_kick(pi); /* provd has connectors from there */
}

const struct prov_policy *prov_snapshot_policy(const struct prov_snapshot *s)
{
	return s->error[0] ? NULL : s->policy;
}

const char *prov_snapshot_error(const struct prov_snapshot *s)
{
	return s->error[0] ? s->error : NULL;
}

uint64_t prov_snapshot_generation(const struct prov_snapshot *s)
{
	return s->generation;
}

enum prov_group_kind prov_snapshot_group(const struct prov_snapshot *s, struct prov_val ndn)
{
	struct known_group want = { ndn, PROV_GROUP_NONE };
	const struct known_group *g =
		s->ngroup ? bsearch(&want, s->group, s->ngroup, sizeof(want), by_ndn) : NULL;

	return g ? g->kind : PROV_GROUP_NONE;
}
