/* clock.c - see clock.h. */
#include "clock.h"

#include <stdatomic.h>
#include <time.h>

#include "ldap_rq.h"

#include "again.h"
#include "failpoint.h"
#include "lookup.h"
#include "schema.h"
#include "timefmt.h"

#define EVERY 60            /* s */
#define EVERY_UNINDEXED 600 /* s */
#define APART 60            /* s between one provider and the next */
#define NEVER INT64_MAX

struct prov_clock {
	struct prov_instance *pi;
	struct re_s *task;      /* under slapd_rq.rq_mutex */
	int64_t opened;         /* of the background task, once it runs */
	_Atomic int64_t next;   /* when it rings */
	_Atomic int64_t behind; /* this provider's delay */
	atomic_bool rings, warned;
	bool closed; /* under slapd_rq.rq_mutex: pi is gone, and the ring that is due frees this */
};

/* Under slapd_rq.rq_mutex. */
static void set(struct prov_clock *c, int64_t at)
{
	int64_t now = time(NULL);

	atomic_store(&c->next, at);
	c->task->interval.tv_sec = at > now ? at - now : 1;
	ldap_pvt_runqueue_resched(&slapd_rq, c->task, 0);
}

static void set_from_outside(struct prov_clock *c, int64_t at)
{
	ldap_pvt_thread_mutex_lock(&slapd_rq.rq_mutex);
	bool running = ldap_pvt_runqueue_isrunning(&slapd_rq, c->task);
	if (running)
		atomic_store(&c->next, at); /* it sets itself when it ends */
	else
		set(c, at);
	ldap_pvt_thread_mutex_unlock(&slapd_rq.rq_mutex);
	slap_wake_listener();
}

/* Under slapd_rq.rq_mutex. */
static void away(struct prov_clock *c)
{
	ldap_pvt_runqueue_remove(&slapd_rq, c->task);
	ch_free(c);
}

static void *ring(void *ctx, void *arg)
{
	struct re_s *task = arg;
	struct prov_clock *c = task->arg;
	int64_t now = time(NULL), next;

	(void)ctx;
	ldap_pvt_thread_mutex_lock(&slapd_rq.rq_mutex);
	ldap_pvt_runqueue_stoptask(&slapd_rq, task);
	if (c->closed) {
		away(c);
	} else {
		atomic_store(&c->rings, true);
		prov_background_kick(c->pi);
		next = atomic_load(&c->next);
		set(c, next > now ? next : now + EVERY);
	}
	ldap_pvt_thread_mutex_unlock(&slapd_rq.rq_mutex);
	return NULL;
}

static bool indexed(struct prov_clock *c)
{
	return prov_lookup_indexed(c->pi, prov_ad.due);
}

/* Somebody uses it: then it ought to be fast. */
static void want_index(struct prov_clock *c)
{
	if (!indexed(c) && !atomic_exchange(&c->warned, true))
		Debug(LDAP_DEBUG_ANY,
			"provision: provDue has no index: accounts and roles that begin or end by themselves are "
			"looked for every %d seconds only; add: index provDue eq\n",
			EVERY_UNINDEXED);
}

void prov_clock_hint(struct prov_instance *pi, int64_t due)
{
	struct prov_clock *c = pi->clock;

	if (!c || SLAP_SINGLE_SHADOW(pi->be))
		return;
	want_index(c);
	int64_t at = due + atomic_load(&c->behind);
	if (at < atomic_load(&c->next))
		set_from_outside(c, at);
}

void prov_clock_was_set(struct prov_instance *pi)
{
	if (pi->clock)
		set_from_outside(pi->clock, time(NULL) + 1);
}

bool prov_clock_rings(struct prov_instance *pi)
{
	return pi->clock && atomic_exchange(&pi->clock->rings, false) &&
		!SLAP_SINGLE_SHADOW(pi->be);
}

struct others {
	int64_t before; /* how many providers come before this one */
	bool any;
};

static struct others others(struct prov_instance *pi, Operation *op)
{
	struct others o = { 0, false };
	Entry *e = NULL;
	bool seen[SLAP_SYNC_SID_MAX + 1] = { false };

	if (slap_serverID == 0 ||
		prov_lookup_entry(pi, op, &pi->be->be_nsuffix[0], &e) != LDAP_SUCCESS || !e)
		return o;
	Attribute *a = attr_find(e->e_attrs, slap_schema.si_ad_contextCSN);
	for (unsigned i = 0; a && i < a->a_numvals; i++) {
		int sid = slap_parse_csn_sid(&a->a_nvals[i]);
		if (sid <= 0 || sid == slap_serverID || seen[sid])
			continue;
		seen[sid] = o.any = true;
		o.before += sid < slap_serverID;
	}
	entry_free(e);
	return o;
}

/* provDue of that time span, both inclusive. */
static char *filter(struct prov_arena *arena, int64_t from, int64_t to)
{
	char f[PROV_TIME_TEXT], t[PROV_TIME_TEXT];

	prov_time_generalized(from, f);
	prov_time_generalized(to, t);
	return from ? prov_arena_printf(arena, "(&(provDue>=%s)(provDue<=%s))", f, t)
		    : prov_arena_printf(arena, "(provDue<=%s)", t);
}

struct first {
	int64_t due;
};

static int see_due(void *ctx, Entry *e)
{
	struct first *f = ctx;
	Attribute *a = attr_find(e->e_attrs, prov_ad.due);
	int64_t t;

	if (a &&
		prov_time_parse((struct prov_val){ a->a_vals[0].bv_val, a->a_vals[0].bv_len },
			&t) == 0 &&
		t < f->due)
		f->due = t;
	return 0;
}

/* The next one that comes before the clock would ring anyway. */
static int64_t next_due(const struct prov_job *job, int64_t now, int64_t latest)
{
	struct first f = { latest };
	char *span = filter(job->arena, now + 1, latest);

	if (span)
		prov_lookup_search(job->pi, job->op, &job->pi->be->be_nsuffix[0],
			LDAP_SCOPE_SUBTREE, span, see_due, &f);
	return f.due;
}

/* false: had to give way, or the database failed. */
static bool evaluate_due(const struct prov_job *job, int64_t from, int64_t upto)
{
	const struct prov_again again = { .job = job,
		.what = "clock",
		.reason = "a time that was set for the account has come" };
	struct prov_again_names names = { .arena = job->arena };
	char *due = filter(job->arena, from, upto);
	bool whole = due &&
		prov_lookup_search(job->pi, job->op, &job->pi->be->be_nsuffix[0],
			LDAP_SCOPE_SUBTREE, due, prov_again_note, &names) == LDAP_SUCCESS &&
		!names.oom;

	if (names.n)
		want_index(job->pi->clock);
	if (names.n)
		PROV_FAILPOINT("clock.found");
	for (size_t i = 0; whole && i < names.n; i += PROV_AGAIN_BATCH) {
		size_t n = names.n - i < PROV_AGAIN_BATCH ? names.n - i : PROV_AGAIN_BATCH;
		whole = prov_again_batch(&again, &names.dn[i], n);
	}
	if (names.n)
		PROV_FAILPOINT("clock.evaluated");
	prov_again_names_free(&names);
	return whole;
}

/*
 * When what came due before this server ran is its business: at once when it is alone; else not before
 * the others, one of which has had its turn and is heard of first.
 */
static int64_t settled(const struct prov_clock *c, const struct others *o)
{
	return o->any ? c->opened + APART + o->before * APART : 0;
}

bool prov_clock_run(const struct prov_job *job)
{
	struct prov_clock *c = job->pi->clock;
	struct others o = others(job->pi, job->op);
	int64_t now = time(NULL), behind = o.before * APART;
	if (now < c->opened)
		c->opened = now; /* it was set back: else nothing would be done until then */
	int64_t old = settled(c, &o);
	bool fast = indexed(c);

	atomic_store(&c->behind, behind);
	if (!evaluate_due(job, now < old ? c->opened : 0, now - behind)) {
		atomic_store(&c->rings, true); /* once more, when it may go on */
		set_from_outside(c, time(NULL) + EVERY);
		return false;
	}
	int64_t later = now < old ? old : NEVER;
	now = time(NULL);
	int64_t next = fast ? next_due(job, now - behind, now - behind + EVERY) + behind
			    : now + EVERY_UNINDEXED;
	set_from_outside(c, next < later ? next : later);
	return true;
}

int prov_clock_open(struct prov_instance *pi)
{
	struct prov_clock *c = ch_calloc(1, sizeof(*c));

	c->pi = pi;
	c->opened = time(NULL);
	atomic_store(&c->rings, true); /* what came due while slapd was down */
	atomic_store(&c->next, time(NULL) + EVERY);
	ldap_pvt_thread_mutex_lock(&slapd_rq.rq_mutex);
	c->task = ldap_pvt_runqueue_insert(&slapd_rq, EVERY, ring, c, "prov_clock",
		pi->be->be_suffix[0].bv_val);
	ldap_pvt_thread_mutex_unlock(&slapd_rq.rq_mutex);
	pi->clock = c;
	return 0;
}

void prov_clock_close(struct prov_instance *pi)
{
	struct prov_clock *c = pi->clock;

	if (!c)
		return;
	pi->clock = NULL;
	ldap_pvt_thread_mutex_lock(&slapd_rq.rq_mutex);
	if (ldap_pvt_runqueue_isrunning(&slapd_rq, c->task))
		c->closed = true; /* it may still wait in the pool */
	else
		away(c);
	ldap_pvt_thread_mutex_unlock(&slapd_rq.rq_mutex);
}
