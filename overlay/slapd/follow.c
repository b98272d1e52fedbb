/*
 * follow.c - the background task that carries a role's change to its accounts.
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
#define PREFIX "follow:"

struct prov_follow {
	struct prov_instance *pi;
	ldap_pvt_thread_mutex_t mutex; /* of everything below */
	void *cookie;                  /* of the task in the pool */
	bool active, again, stop;
	struct prov_follow_figures fig;
};

struct job {
	const char *name; /* as stored */
	struct berval role;
	const char *reason;
};

struct names {
	struct prov_arena *arena;
	struct berval *dn;
	size_t n, room;
	bool oom;
};

static void *follow_task(void *ctx, void *arg);

int prov_follow_store(struct prov_write *w, struct berval role_ndn)
{
	struct prov_val v;
	char *name = prov_arena_printf(&w->arena, PREFIX "%s", w->stamp.id);
	char *text = prov_arena_printf(&w->arena, "%s\n%s\n%s", role_ndn.bv_val, w->stamp.id,
		w->op->o_dn.bv_val ? w->op->o_dn.bv_val : "");

	if (!name || !text)
		return LDAP_OTHER;
	v = prov_val_str(text);
	return prov_named_put(w->pi->capture, prov_txn_mdb(w->txn), name, v, &w->err)
		? LDAP_OTHER
		: LDAP_SUCCESS;
}

static int read_job(struct prov_instance *pi, struct prov_arena *arena, struct job *job)
{
	struct prov_val v;
	int rc = prov_named_first(pi->capture, PREFIX, arena, &job->name, &v);

	if (rc)
		return rc;
	char *text = prov_arena_strndup(arena, v.data, v.len);
	char *change = text ? strchr(text, '\n') : NULL;
	char *actor = change ? strchr(change + 1, '\n') : NULL;
	if (!actor)
		return PROV_ECORRUPT;
	*change++ = '\0';
	*actor++ = '\0';
	job->role.bv_val = text;
	job->role.bv_len = strlen(text);
	job->reason = prov_arena_printf(arena, "role %s changed by %s (change %s)", text,
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

static bool must_yield(struct prov_follow *f)
{
	int pausing = 0;

	ldap_pvt_thread_mutex_lock(&f->mutex);
	bool stop = f->stop;
	ldap_pvt_thread_mutex_unlock(&f->mutex);
	if (stop || slapd_shutdown)
		return true;
	ldap_pvt_thread_pool_query(&connection_pool, LDAP_PVT_THREAD_POOL_PARAM_PAUSING, &pausing);
	return pausing != 0;
}

static void progress(struct prov_follow *f, uint64_t done, uint64_t total, unsigned failed,
	const char *role)
{
	ldap_pvt_thread_mutex_lock(&f->mutex);
	f->fig.done = done;
	f->fig.total = total;
	f->fig.failed += failed;
	if (role)
		snprintf(f->fig.role, sizeof(f->fig.role), "%s", role);
	ldap_pvt_thread_mutex_unlock(&f->mutex);
}

/* One batch; when one account spoils it, each by itself. false: had to stop in the middle. */
static bool run_batch(struct prov_follow *f, Operation *op, const struct job *job,
	const struct berval *dn, size_t n, unsigned *failed)
{
	int rc = follow_batch(f->pi, op, job, dn, n, failed);

	if (rc != -2)
		return rc == 0;
	*failed = 0;
	for (size_t i = 0; i < n; i++) {
		if (must_yield(f))
			return false;
		rc = follow_batch(f->pi, op, job, &dn[i], 1, failed);
		if (rc == -1)
			return false;
		*failed += rc == -2;
	}
	return true;
}

/* All accounts of a job. false: had to give way, or the database failed; the job stays stored. */
static bool run_job(struct prov_follow *f, Operation *op, const struct job *job,
	struct prov_arena *arena)
{
	struct prov_instance *pi = f->pi;
	struct prov_snapshot *snap = prov_snapshot_get(pi);
	struct names names = { .arena = arena };
	char *filter = snap ? candidates_filter(snap, arena, job->role) : NULL;
	bool whole = filter != NULL;

	prov_snapshot_put(&snap);
	if (whole)
		whole = prov_lookup_search(pi, op, &op->o_bd->be_nsuffix[0], LDAP_SCOPE_SUBTREE,
				filter, see_name, &names) == LDAP_SUCCESS &&
			!names.oom && !slapd_shutdown;
	progress(f, 0, names.n, 0, job->role.bv_val);
	for (size_t i = 0; whole && i < names.n; i += BATCH) {
		size_t n = names.n - i < BATCH ? names.n - i : BATCH;
		unsigned failed = 0;
		whole = !must_yield(f) && run_batch(f, op, job, &names.dn[i], n, &failed);
		if (whole)
			progress(f, i + n, names.n, failed, NULL);
	}
	free(names.dn);
	return whole;
}

static void run_jobs(struct prov_follow *f, void *ctx)
{
	struct prov_instance *pi = f->pi;
	Connection conn = { 0 };
	OperationBuffer opbuf;
	BackendDB db = *pi->be;
	bool go = true;

	connection_fake_init2(&conn, &opbuf, ctx, 1);
	Operation *op = &opbuf.ob_op;
	db.bd_info = (BackendInfo *)pi->on->on_info;
	op->o_bd = &db;
	op->o_dn = db.be_rootdn;
	op->o_ndn = db.be_rootndn;
	op->o_tag = LDAP_REQ_MODIFY;
	while (go && !must_yield(f)) {
		struct prov_arena arena = PROV_ARENA_INIT;
		struct job job = { NULL, BER_BVNULL, NULL };
		int rc = read_job(pi, &arena, &job);
		if (rc == PROV_ECORRUPT)
			prov_named_delete(pi->capture, NULL, job.name);
		else if (rc)
			go = false;
		else if ((go = run_job(f, op, &job, &arena)))
			prov_named_delete(pi->capture, NULL, job.name);
		prov_arena_dispose(&arena);
	}
}

static void submit(struct prov_follow *f)
{
	f->active = true;
	f->again = false;
	ldap_pvt_thread_pool_submit2(&connection_pool, follow_task, f, &f->cookie);
}

static void *follow_task(void *ctx, void *arg)
{
	struct prov_follow *f = arg;

	run_jobs(f, ctx);
	bool yielded = must_yield(f);
	ldap_pvt_thread_mutex_lock(&f->mutex);
	if (!f->stop && !slapd_shutdown && (yielded || f->again))
		submit(f); /* behind the pause, or for a job that came meanwhile */
	else
		f->active = false;
	ldap_pvt_thread_mutex_unlock(&f->mutex);
	return NULL;
}

void prov_follow_kick(struct prov_instance *pi)
{
	struct prov_follow *f = pi->follow;

	if (!f)
		return;
	ldap_pvt_thread_mutex_lock(&f->mutex);
	f->again = true;
	if (!f->active)
		submit(f);
	ldap_pvt_thread_mutex_unlock(&f->mutex);
}

int prov_follow_open(struct prov_instance *pi)
{
	struct prov_follow *f = ch_calloc(1, sizeof(*f));

	f->pi = pi;
	ldap_pvt_thread_mutex_init(&f->mutex);
	pi->follow = f;
	prov_follow_kick(pi);
	return 0;
}

void prov_follow_close(struct prov_instance *pi)
{
	struct prov_follow *f = pi->follow;

	if (!f)
		return;
	ldap_pvt_thread_mutex_lock(&f->mutex);
	f->stop = true;
	/* The pool is paused or closed: the task is not running, at most waiting. */
	if (f->active)
		ldap_pvt_thread_pool_retract(f->cookie);
	ldap_pvt_thread_mutex_unlock(&f->mutex);
	ldap_pvt_thread_mutex_destroy(&f->mutex);
	ch_free(f);
	pi->follow = NULL;
}

static int count_job(struct prov_instance *pi)
{
	struct prov_arena arena = PROV_ARENA_INIT;
	struct job job;
	int n = read_job(pi, &arena, &job) == 0;

	prov_arena_dispose(&arena);
	return n;
}

void prov_follow_read(struct prov_instance *pi, struct prov_follow_figures *out)
{
	struct prov_follow *f = pi->follow;

	memset(out, 0, sizeof(*out));
	if (!f)
		return;
	ldap_pvt_thread_mutex_lock(&f->mutex);
	*out = f->fig;
	ldap_pvt_thread_mutex_unlock(&f->mutex);
	out->jobs = (uint64_t)count_job(pi);
}
