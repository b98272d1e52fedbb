/*
 * follow.c - the job that carries a role's change to its accounts.
 */
#include "follow.h"

#include <stdlib.h>

#include "account.h"
#include "capture.h"
#include "convert.h"
#include "journal.h"
#include "lookup.h"
#include "relay.h"
#include "schema.h"
#include "session.h"

#define BATCH 32

struct job {
	struct berval role;
	const char *reason;
};

struct names {
	struct prov_arena *arena;
	struct berval *dn;
	size_t n, room;
	bool oom;
};

int prov_follow_store(struct prov_write *w, struct berval role_ndn)
{
	struct prov_val v;
	char *name = prov_arena_printf(&w->arena, PROV_FOLLOW_PREFIX "%s", w->stamp.id);
	char *text = prov_arena_printf(&w->arena, "%s\n%s\n%s", role_ndn.bv_val, w->stamp.id,
		w->op->o_dn.bv_val ? w->op->o_dn.bv_val : "");

	if (!name || !text)
		return LDAP_OTHER;
	v = prov_val_str(text);
	return prov_named_put(w->pi->capture, prov_txn_mdb(w->txn), name, v, &w->err)
		? LDAP_OTHER
		: LDAP_SUCCESS;
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
	job->role.bv_val = text;
	job->role.bv_len = strlen(text);
	job->reason = prov_arena_printf(stored->arena, "role %s changed by %s (change %s)", text,
		*actor ? actor : "anonymous", change);
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

/* Whoever holds the role or one that contains it, or would by a filter. */
static char *candidates_filter(struct prov_snapshot *snap, struct prov_arena *arena,
	struct berval role)
{
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
		for (size_t j = 0; f && j < r->nfilter; j++)
			f = prov_arena_printf(arena, "%s%.*s", f, (int)r->filter_text[j].len,
				r->filter_text[j].data);
	}
	return f ? prov_arena_printf(arena, "(|%s)", f) : NULL;
}

static int see_name(void *ctx, Entry *e)
{
	struct names *n = ctx;

	if (n->n == n->room) {
		size_t room = n->room ? n->room * 2 : 256;
		struct berval *dn = realloc(n->dn, room * sizeof(*dn));
		if (!dn) {
			n->oom = true;
			return 1;
		}
		n->dn = dn;
		n->room = room;
	}
	n->dn[n->n].bv_val = prov_arena_strndup(n->arena, e->e_nname.bv_val, e->e_nname.bv_len);
	n->dn[n->n].bv_len = e->e_nname.bv_len;
	n->oom = !n->dn[n->n].bv_val;
	n->n++;
	return n->oom;
}

/* One account in the batch's transaction. 1: written, 0: nothing to do, -1: left alone
 * (nothing was written), -2: failed half way, the transaction must go. */
static int follow_one(struct prov_instance *pi, Operation *op, struct prov_txn *txn,
	const struct job *job, struct berval ndn)
{
	struct prov_write w;
	SlapReply rs = { REP_RESULT };
	Modifications *mods = NULL;
	int result = 0;

	op->o_req_dn = op->o_req_ndn = ndn;
	prov_write_open(&w, pi, op, &rs, "follow");
	w.txn = txn;
	w.service_ctx.txn = txn;
	w.stamp.reason = prov_val_str(job->reason);
	w.snap = prov_snapshot_get(pi);
	w.policy = prov_snapshot_policy(w.snap);
	if (!w.policy || prov_lookup_entry(pi, op, &ndn, &w.before) != LDAP_SUCCESS || !w.before)
		goto out;
	op->o_req_dn = w.dn = w.before->e_name;
	w.was = w.is = prov_account_is(pi, op, w.before, &ndn);
	if (!w.was)
		goto out;
	w.after = entry_dup(w.before);
	if (prov_write_evaluate(&w, PROV_OP_FOLLOW) != LDAP_SUCCESS) {
		Debug(LDAP_DEBUG_ANY, "provision: follow dn=\"%s\" refused reason=\"%s\"\n",
			ndn.bv_val, w.err.text);
		result = -1;
		goto out;
	}
	if (w.plan.nmod == 0 && w.plan.nmember == 0)
		goto out;
	result = -2;
	if (prov_write_account_mods(&w, &mods) != LDAP_SUCCESS) {
		slap_mods_free(mods, 1);
	} else if (prov_txn_modify(txn, w.before->e_name, w.before->e_nname, mods, &w.err) ==
			LDAP_SUCCESS &&
		prov_write_members(&w, w.before->e_name, w.before->e_nname) == LDAP_SUCCESS &&
		prov_journal_capture(&w, w.before) == 0) {
		result = 1;
	}
	if (result < 0)
		Debug(LDAP_DEBUG_ANY, "provision: follow dn=\"%s\" failed reason=\"%s\"\n",
			ndn.bv_val, w.err.text);
out:
	prov_write_close(&w);
	op->o_req_dn = op->o_req_ndn = ndn;
	return result;
}

/* n accounts in one commit. -2: one of them spoilt it and nothing is written. */
static int follow_batch(struct prov_instance *pi, Operation *op, const struct job *job,
	const struct berval *dn, size_t n, unsigned *failed)
{
	struct prov_error err = { 0, "" };
	struct prov_txn txn;
	int written = 0, rc = 0;

	if (prov_txn_begin(&txn, pi, op, &err))
		return -1;
	for (size_t i = 0; i < n && rc != -2; i++) {
		rc = follow_one(pi, op, &txn, job, dn[i]);
		written += rc == 1;
		*failed += rc == -1;
	}
	if (rc == -2 || !written) {
		prov_txn_abort(&txn);
	} else if (prov_txn_commit(&txn, &err)) {
		rc = -2;
	} else {
		rc = 0;
		prov_relay_kick(pi);
		prov_txn_publish(&txn);
	}
	if (err.text[0])
		Debug(LDAP_DEBUG_ANY, "provision: follow: %s\n", err.text);
	prov_txn_done(&txn);
	return rc == -2 ? -2 : 0;
}

/* One batch; when one account spoils it, each by itself. false: had to stop in the middle. */
static bool run_batch(const struct prov_job *stored, const struct job *job, const struct berval *dn,
	size_t n, unsigned *failed)
{
	int rc = follow_batch(stored->pi, stored->op, job, dn, n, failed);

	if (rc != -2)
		return rc == 0;
	*failed = 0;
	for (size_t i = 0; i < n; i++) {
		if (prov_background_must_yield(stored))
			return false;
		rc = follow_batch(stored->pi, stored->op, job, &dn[i], 1, failed);
		if (rc == -1)
			return false;
		*failed += rc == -2;
	}
	return true;
}

enum prov_job_end prov_follow_run(const struct prov_job *stored)
{
	struct prov_instance *pi = stored->pi;
	Operation *op = stored->op;
	struct prov_snapshot *snap = prov_snapshot_get(pi);
	struct names names = { .arena = stored->arena };
	struct job job;
	int rc = read_job(stored, &job);
	char *filter = snap && rc == 0 ? candidates_filter(snap, stored->arena, job.role) : NULL;
	bool whole = filter != NULL;

	prov_snapshot_put(&snap);
	if (rc == PROV_ECORRUPT)
		return PROV_JOB_DONE;
	if (whole)
		whole = prov_lookup_search(pi, op, &op->o_bd->be_nsuffix[0], LDAP_SCOPE_SUBTREE,
				filter, see_name, &names) == LDAP_SUCCESS &&
			!names.oom && !slapd_shutdown;
	if (whole)
		prov_background_progress(stored, 0, names.n, 0,
			prov_arena_printf(stored->arena, "following %s", job.role.bv_val));
	for (size_t i = 0; whole && i < names.n; i += BATCH) {
		size_t n = names.n - i < BATCH ? names.n - i : BATCH;
		unsigned failed = 0;
		whole = !prov_background_must_yield(stored) &&
			run_batch(stored, &job, &names.dn[i], n, &failed);
		if (whole)
			prov_background_progress(stored, i + n, names.n, failed, NULL);
	}
	free(names.dn);
	return whole ? PROV_JOB_DONE : PROV_JOB_LATER;
}
