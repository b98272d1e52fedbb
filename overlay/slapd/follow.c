/*
 * follow.c - the job that carries a role's change to its accounts.
 */
#include "follow.h"

#include <stdlib.h>

#include "again.h"
#include "capture.h"
#include "convert.h"
#include "lookup.h"
#include "schema.h"

struct job {
	struct berval role;
	const char *reason;
};

/* nth job of this write; set: whose limit is why, or NULL */
static int store(struct prov_write *w, struct berval role_ndn, unsigned nth, Entry *set)
{
	struct prov_val v;
	char *name = prov_arena_printf(&w->arena,
		nth ? PROV_FOLLOW_PREFIX "%s.%u" : PROV_FOLLOW_PREFIX "%s", w->stamp.id, nth);
	char *text = prov_arena_printf(&w->arena, "%s\n%s\n%s%s%s", role_ndn.bv_val, w->stamp.id,
		w->op->o_dn.bv_val ? w->op->o_dn.bv_val : "", set ? "\n" : "",
		set ? set->e_nname.bv_val : "");

	if (!name || !text)
		return LDAP_OTHER;
	v = prov_val_str(text);
	return prov_named_put(w->pi->capture, prov_txn_mdb(w->txn), name, v, &w->err)
		? LDAP_OTHER
		: LDAP_SUCCESS;
}

int prov_follow_store(struct prov_write *w, struct berval role_ndn)
{
	return store(w, role_ndn, 0, NULL);
}

int prov_follow_store_set(struct prov_write *w, Entry *set)
{
	Attribute *a = attr_find(set->e_attrs, prov_ad.sodRole);
	int rc = LDAP_SUCCESS;

	for (unsigned i = 0; rc == LDAP_SUCCESS && a && i < a->a_numvals; i++)
		rc = store(w, a->a_nvals[i], i, set);
	return rc;
}

static int read_job(const struct prov_job *stored, struct job *job)
{
	char *text = prov_arena_strndup(stored->arena, stored->value.data, stored->value.len);
	char *change = text ? strchr(text, '\n') : NULL;
	char *actor = change ? strchr(change + 1, '\n') : NULL;

	if (!actor)
		return text ? PROV_ECORRUPT : PROV_ENOMEM;
	*change++ = '\0';
	*actor++ = '\0';
	char *set = strchr(actor, '\n');
	if (set)
		*set++ = '\0';
	job->role.bv_val = text;
	job->role.bv_len = strlen(text);
	job->reason = prov_arena_printf(stored->arena, "%s %s changed by %s (change %s)",
		set ? "set" : "role", set ? set : text, *actor ? actor : "anonymous", change);
	return job->reason ? 0 : PROV_ENOMEM;
}

static bool contains(const struct prov_role *r, struct prov_val ndn)
{
	if (prov_val_equal(r->ndn, ndn))
		return true;
	for (size_t i = 0; i < r->nclosure; i++)
		if (prov_val_equal(r->closure[i]->ndn, ndn))
			return true;
	return false;
}

/* Who has it for a time, and waits for the end. */
#define TIMED "(&(provDue>=19000101000000Z)(provTimedRole=* %s))"

/* Whoever holds the role or one that contains it, or would by a filter. */
static char *candidates_filter(struct prov_instance *pi, struct prov_snapshot *snap,
	struct prov_arena *arena, struct berval role)
{
	/* else all entries would be read for the few that have times */
	bool dues = prov_lookup_indexed(pi, prov_ad.due);
	const struct prov_policy *p = prov_snapshot_policy(snap);
	const char *v = prov_lookup_escape(arena, prov_bv(role));
	char *f = v ? prov_arena_printf(arena, "(provEffectiveRole=%s)(provAssignedRole=%s)", v, v)
		    : NULL;
	size_t n = 0;
	const struct prov_role *const *roles = p ? prov_policy_roles(p, &n) : NULL;

	for (size_t i = 0; f && i < n; i++) {
		const struct prov_role *r = roles[i];
		if (!contains(r, prov_bv(role)))
			continue;
		v = prov_lookup_escape(arena, r->ndn);
		f = v ? prov_arena_printf(arena, "%s(provAssignedRole=%s)", f, v) : NULL;
		if (f && dues)
			f = prov_arena_printf(arena, "%s" TIMED, f, v);
		for (size_t j = 0; f && j < r->nfilter; j++)
			f = prov_arena_printf(arena, "%s%.*s", f, (int)r->filter_text[j].len,
				r->filter_text[j].data);
	}
	return f ? prov_arena_printf(arena, "(|%s)", f) : NULL;
}

enum prov_job_end prov_follow_run(const struct prov_job *stored)
{
	struct prov_instance *pi = stored->pi;
	Operation *op = stored->op;
	struct prov_snapshot *snap = prov_snapshot_get(pi);
	struct prov_again_names names = { .arena = stored->arena };
	struct job job = { .reason = NULL };
	int rc = read_job(stored, &job);
	char *filter =
		snap && rc == 0 ? candidates_filter(pi, snap, stored->arena, job.role) : NULL;
	/* as long as there is no policy nobody can follow */
	bool whole = filter && prov_snapshot_policy(snap);

	prov_snapshot_put(&snap);
	if (rc == PROV_ECORRUPT)
		return PROV_JOB_DONE;
	if (whole)
		whole = prov_lookup_search(pi, op, &op->o_bd->be_nsuffix[0], LDAP_SCOPE_SUBTREE,
				filter, prov_again_note, &names) == LDAP_SUCCESS &&
			!names.oom && !slapd_shutdown;
	if (whole)
		prov_background_progress(stored, 0, names.n,
			prov_arena_printf(stored->arena, "following %s", job.role.bv_val));
	const struct prov_again again = { .job = stored, .what = "follow", .reason = job.reason };
	for (size_t i = 0; whole && i < names.n; i += PROV_AGAIN_BATCH) {
		size_t n = names.n - i < PROV_AGAIN_BATCH ? names.n - i : PROV_AGAIN_BATCH;
		whole = prov_again_batch(&again, &names.dn[i], n);
		if (whole)
			prov_background_progress(stored, i + n, names.n, NULL);
	}
	prov_again_names_free(&names);
	return whole ? PROV_JOB_DONE : PROV_JOB_LATER;
}
