/*
 * background.c - the task in slapd's pool that works through stored jobs.
 */
#include "background.h"

#include "capture.h"
#include "clock.h"
#include "failpoint.h"
#include "follow.h"
#include "monotonic.h"
#include "snapshot.h"
#include "sync.h"
#include "txn.h"

#define RETRY_NS 10000000000L

struct prov_background {
	struct prov_instance *pi;
	ldap_pvt_thread_mutex_t mutex; /* of everything below */
	void *cookie;                  /* of the task in the pool */
	bool active, again, stop;
	struct prov_background_figures fig;
	atomic_bool stalled; /* a job failed: again with the next write, or after RETRY_NS */
	_Atomic int64_t stalled_at;
	size_t last_txn; /* the task's own */
};

/* What becomes of a job. */
static const struct kind {
	const char *prefix;
	enum prov_job_end (*run)(const struct prov_job *job);
} kinds[] = {
	{ PROV_FOLLOW_PREFIX, prov_follow_run },
	{ PROV_SYNC_PREFIX, prov_sync_run },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void *background_task(void *ctx, void *arg);

static bool must_yield(struct prov_background *b)
{
	int pausing = 0;

	ldap_pvt_thread_mutex_lock(&b->mutex);
	bool stop = b->stop;
	ldap_pvt_thread_mutex_unlock(&b->mutex);
	if (stop || slapd_shutdown || !prov_instance_listed(b->pi))
		return true;
	ldap_pvt_thread_pool_query(&connection_pool, LDAP_PVT_THREAD_POOL_PARAM_PAUSING, &pausing);
	return pausing != 0;
}

bool prov_background_must_yield(const struct prov_job *job)
{
	return must_yield(job->task);
}

void prov_background_give_way(const struct prov_job *job, size_t txn, int64_t began)
{
	enum { MOST = 50000000 };
	size_t last = job->task->last_txn;
	int64_t took = prov_monotonic_ns() - began;

	job->task->last_txn = txn;
	if (!last || txn <= last + 1) /* one that was aborted has used no number */
		return;
	const struct timespec t = { 0, took < MOST ? took : MOST };
	nanosleep(&t, NULL);
}

void prov_background_progress(const struct prov_job *job, uint64_t done, uint64_t total,
	const char *what)
{
	struct prov_background *b = job->task;

	ldap_pvt_thread_mutex_lock(&b->mutex);
	b->fig.done = done;
	b->fig.total = total;
	if (what)
		snprintf(b->fig.what, sizeof(b->fig.what), "%s", what);
	ldap_pvt_thread_mutex_unlock(&b->mutex);
}

void prov_background_refused(const struct prov_job *job, const char *dn, const char *why)
{
	struct prov_background *b = job->task;

	ldap_pvt_thread_mutex_lock(&b->mutex);
	b->fig.refused++;
	prov_error_set(&b->fig.refusal, PROV_EREFUSED, "\"%.120s\": %s", dn, why);
	ldap_pvt_thread_mutex_unlock(&b->mutex);
}

/* The first stored job, of any kind. */
static int first_job(struct prov_instance *pi, struct prov_arena *arena, const struct kind **kind,
	struct prov_job *job)
{
	int rc = PROV_ENOENT;

	for (size_t i = 0; i < KINDS && rc == PROV_ENOENT; i++) {
		*kind = &kinds[i];
		rc = prov_named_first(pi->capture, NULL, kinds[i].prefix, arena, &job->name,
			&job->value);
	}
	return rc;
}

/*
 * What replication has changed of the policy comes into force without a writer, too: provd and cn=Monitor
 * ask. It takes the writer lock, so after it the others have that for much longer.
 */
static void refresh_policy(struct prov_background *b, Operation *op)
{
	enum { SLICE = 20000000, MOST = 1000000000 };
	struct prov_error err = { 0, "" };
	struct prov_txn txn;

	if (!prov_snapshot_outdated(b->pi) || prov_txn_begin(&txn, b->pi, op, &err))
		return;
	const int64_t began = prov_monotonic_ns();
	prov_snapshot_refresh(b->pi, op);
	prov_txn_abort(&txn);
	prov_txn_done(&txn);
	int64_t now = prov_monotonic_ns(), rest = 4 * (now - began);
	for (int64_t end = now + (rest < MOST ? rest : MOST); now < end && !must_yield(b);
		now = prov_monotonic_ns()) {
		const struct timespec t = { 0, end - now < SLICE ? end - now : SLICE };
		nanosleep(&t, NULL);
	}
}

static void run_jobs(struct prov_background *b, void *ctx)
{
	struct prov_instance *pi = b->pi;
	Connection conn = { 0 };
	OperationBuffer opbuf;
	BackendDB db = prov_instance_database(pi);
	bool go = true;

	connection_fake_init2(&conn, &opbuf, ctx, 1);
	Operation *op = &opbuf.ob_op;
	db.bd_info = (BackendInfo *)pi->on->on_info;
	op->o_bd = &db;
	op->o_dn = db.be_rootdn;
	op->o_ndn = db.be_rootndn;
	op->o_tag = LDAP_REQ_MODIFY;
	while (go && !must_yield(b)) {
		refresh_policy(b, op);
		struct prov_arena arena = PROV_ARENA_INIT;
		struct prov_job job = { .task = b, .pi = pi, .op = op, .arena = &arena };
		const struct kind *kind;
		if (prov_clock_rings(pi) && !prov_clock_run(&job)) {
			prov_arena_dispose(&arena);
			break;
		}
		int rc = first_job(pi, &arena, &kind, &job);
		enum prov_job_end end = rc == 0 ? kind->run(&job) : PROV_JOB_LATER;
		go = end != PROV_JOB_LATER;
		if (!go && rc != PROV_ENOENT && !must_yield(b)) {
			atomic_store(&b->stalled_at, prov_monotonic_ns());
			atomic_store(&b->stalled, true);
		}
		if (end == PROV_JOB_DONE)
			PROV_FAILPOINT("job.done");
		if (end == PROV_JOB_DONE)
			prov_named_delete(pi->capture, NULL, job.name);
		prov_arena_dispose(&arena);
	}
}

static void submit(struct prov_background *b)
{
	b->active = true;
	b->again = false;
	ldap_pvt_thread_pool_submit2(&connection_pool, background_task, b, &b->cookie);
}

static void *background_task(void *ctx, void *arg)
{
	struct prov_background *b = arg;

	run_jobs(b, ctx);
	bool yielded = must_yield(b);
	ldap_pvt_thread_mutex_lock(&b->mutex);
	if (!b->stop && !slapd_shutdown && prov_instance_listed(b->pi) && (yielded || b->again))
		submit(b); /* behind the pause, or for a job that came meanwhile */
	else
		b->active = false;
	ldap_pvt_thread_mutex_unlock(&b->mutex);
	return NULL;
}

void prov_background_kick(struct prov_instance *pi)
{
	struct prov_background *b = pi->background;

	if (!b)
		return;
	ldap_pvt_thread_mutex_lock(&b->mutex);
	b->again = true;
	if (!b->active)
		submit(b);
	ldap_pvt_thread_mutex_unlock(&b->mutex);
}

void prov_background_nudge(struct prov_instance *pi)
{
	if (pi->background && atomic_exchange(&pi->background->stalled, false))
		prov_background_kick(pi);
}

void prov_background_retry(struct prov_instance *pi)
{
	struct prov_background *b = pi->background;

	if (b && atomic_load(&b->stalled) &&
		prov_monotonic_ns() - atomic_load(&b->stalled_at) >= RETRY_NS)
		prov_background_nudge(pi);
}

int prov_background_open(struct prov_instance *pi)
{
	struct prov_background *b = ch_calloc(1, sizeof(*b));

	b->pi = pi;
	ldap_pvt_thread_mutex_init(&b->mutex);
	pi->background = b;
	if (slapMode & SLAP_SERVER_RUNNING)
		prov_background_kick(pi);
	return 0;
}

void prov_background_close(struct prov_instance *pi)
{
	struct prov_background *b = pi->background;

	if (!b)
		return;
	ldap_pvt_thread_mutex_lock(&b->mutex);
	b->stop = true;
	/* The pool is paused or closed (prov_db_close): the task is not running, at most waiting. */
	if (b->active)
		ldap_pvt_thread_pool_retract(b->cookie);
	ldap_pvt_thread_mutex_unlock(&b->mutex);
	ldap_pvt_thread_mutex_destroy(&b->mutex);
	ch_free(b);
	pi->background = NULL;
}

void prov_background_read(struct prov_instance *pi, struct prov_background_figures *out)
{
	struct prov_background *b = pi->background;

	memset(out, 0, sizeof(*out));
	if (!b)
		return;
	ldap_pvt_thread_mutex_lock(&b->mutex);
	*out = b->fig;
	ldap_pvt_thread_mutex_unlock(&b->mutex);
	struct prov_arena arena = PROV_ARENA_INIT;
	struct prov_job job = { .arena = &arena };
	const struct kind *kind;
	out->stored = first_job(pi, &arena, &kind, &job) == 0;
	prov_arena_dispose(&arena);
}
