/*
 * relay.c - capture rows to trail and outbox, in batches, one fsync each.
 */
#include "relay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "background.h"
#include "capture.h"
#include "clock.h"
#include "failpoint.h"
#include "monotonic.h"
#include "outbox.h"
#include "reports.h"
#include "restored.h"
#include "snapshot.h"
#include "state.h"
#include "trail.h"

#define BATCH 512
#define KEEP_EVENTS 100000
#define TRIM_EVERY 1000
#define TRIM_MOST 4096
#define REPORTS_EVERY 2 /* s: how often deliveries are asked for what the trail shall say */
#define REPORTS_MOST 1024
#define SECOND 1000000000L
#define JUMP_NS (2 * SECOND) /* what adjusting a clock slowly does not come to between two looks */
/* Under load batches keep apart, so that their fsync does not compete with every commit of the
 * database: 2 ms for each row the last one had, and as long as it took. So a few hundred
 * writes a second are taken as they come, and more than APART_ROW_NS allows for soon come
 * together. */
#define APART_NS 50000000L
#define APART_ROW_NS 2000000L

struct prov_relay {
	struct prov_instance *pi;
	pthread_t thread;
	pthread_mutex_t mutex; /* of the members below */
	pthread_cond_t cond;
	bool stop, kicked;
	char error[512];
	/* the thread's own: pi's settings go and come while cn=config changes, and what changes these
	 * starts another thread (prov_runtime_state_changed) */
	char *state_dir, *key_file;
	unsigned checkpoint_records, checkpoint_seconds;
	struct prov_statedir *state;
	struct prov_key *key;
	uint64_t policy_seen;
	uint64_t since_checkpoint, since_trim;
	int64_t last_checkpoint, last_reports; /* monotonic s */
	int64_t wall_ahead;               /* ns that the wall clock is ahead of the monotonic one */
	int64_t batch_began, batch_ended; /* monotonic ns */
	int64_t batch_rows;
	unsigned pause;
};

static atomic_uint running; /* threads */

/* ns that the wall clock is ahead of the monotonic one */
static int64_t wall_ahead(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * SECOND + t.tv_nsec - prov_monotonic_ns();
}

static void note_error(struct prov_relay *r, const char *text)
{
	pthread_mutex_lock(&r->mutex);
	bool news = strcmp(r->error, text) != 0;
	snprintf(r->error, sizeof(r->error), "%s", text);
	pthread_mutex_unlock(&r->mutex);
	if (news && text[0])
		Debug(LDAP_DEBUG_ANY, "provision: relay: state=\"%s\" error=\"%s\"\n", r->state_dir,
			text);
	else if (news)
		Debug(LDAP_DEBUG_ANY, "provision: relay: state=\"%s\" writable again\n",
			r->state_dir);
}

static int put_text(struct prov_kv_txn *t, const char *name, const char *text)
{
	return prov_meta_put(t, name, prov_val_str(text));
}

static int greet(struct prov_relay *r, struct prov_error *err)
{
	struct prov_kv *kv = prov_statedir_kv(r->state);
	uint64_t noted = 0;
	struct prov_kv_txn *t = NULL;
	char source[512], host[256] = "localhost";

	int rc = prov_kv_begin(kv, true, &t, err);
	if (rc)
		return rc;
	rc = prov_restored_database(r->pi, r->state_dir, t, &noted, err);
	put_text(t, "instance", prov_capture_instance(r->pi->capture));
	gethostname(host, sizeof(host) - 1);
	snprintf(source, sizeof(source), "ldap://%s/%s", host, r->pi->be->be_suffix[0].bv_val);
	put_text(t, "source", source);
	put_text(t, "suffix", r->pi->be->be_suffix[0].bv_val);
	if (rc == 0)
		rc = prov_kv_commit(&t, err);
	else
		prov_kv_abort(&t);
	if (rc == 0)
		prov_capture_set_relayed(r->pi->capture, noted);
	return rc;
}

static int open_state(struct prov_relay *r, struct prov_error *err)
{
	int rc = prov_statedir_open(r->state_dir, true, &r->state, err);

	if (rc == 0 && r->key_file && !r->key)
		rc = prov_key_load(r->key_file, true, &r->key, err);
	if (rc == 0)
		rc = greet(r, err);
	if (rc) {
		prov_statedir_close(&r->state);
		return rc;
	}
	r->policy_seen = 0;
	r->since_checkpoint++; /* a record of a restore, perhaps */
	r->last_checkpoint = prov_monotonic_ns() / SECOND;
	return 0;
}

struct batch {
	struct prov_kv_txn *t;
	struct prov_error *err;
	uint64_t last;
	unsigned n;
	int rc;
};

static int take_row(void *ctx, uint64_t seq, struct prov_val row)
{
	struct batch *b = ctx;
	bool fresh;

	b->rc = prov_state_take(b->t, seq, row, &fresh, b->err);
	if (b->rc == 0) {
		b->last = seq;
		b->n++;
		b->rc = PROV_FAILPOINT_RC("relay.taken");
	}
	return b->rc;
}

static int note_policy(struct prov_relay *r, struct prov_kv_txn *t, bool *dirty)
{
	struct prov_snapshot *s = prov_snapshot_get(r->pi);
	uint64_t now = s ? prov_snapshot_generation(s) : 0, stored = 0;

	prov_snapshot_put(&s);
	if (now == r->policy_seen)
		return 0;
	r->policy_seen = now;
	*dirty = true;
	prov_meta_get64(t, "policy", &stored);
	return prov_meta_put64(t, "policy", stored + 1);
}

static int see_cursor(void *ctx, const char *connector, uint64_t seq)
{
	uint64_t *min = ctx;

	(void)connector;
	if (seq < *min)
		*min = seq;
	return 0;
}

static int see_exception(void *ctx, const char *connector, const struct prov_delivery *d)
{
	uint64_t *min = ctx;

	(void)connector;
	if (d->state == PROV_D_DROPPED || d->state == PROV_D_DONE)
		return 0; /* nobody will ask for the event again */
	if (d->seq <= *min)
		*min = d->seq - 1;
	return 0;
}

/* Events that every connector is done with go, but the newest KEEP_EVENTS stay. */
static int trim_outbox(struct prov_relay *r, struct prov_kv_txn *t)
{
	struct prov_delivery_env *d = NULL;
	struct prov_kv_txn *dt = NULL;
	uint64_t last = 0, min;
	unsigned trimmed;

	prov_outbox_last(t, &last);
	if (last <= KEEP_EVENTS || prov_delivery_open_read(r->state_dir, &d, NULL))
		return 0;
	min = last - KEEP_EVENTS;
	int rc = prov_kv_begin(prov_delivery_kv(d), false, &dt, NULL);
	if (rc == 0) {
		prov_cursor_each(dt, see_cursor, &min);
		prov_delivery_each(dt, NULL, see_exception, &min);
		prov_kv_abort(&dt);
		rc = prov_outbox_trim(t, min, TRIM_MOST, &trimmed);
	}
	prov_delivery_close(&d);
	return rc;
}

struct reports {
	struct prov_kv_txn *t; /* of the state environment */
	unsigned n, taken;
	struct prov_error *err;
};

static int take_report(void *ctx, uint64_t number, struct prov_val record)
{
	struct reports *s = ctx;
	struct prov_error why = { 0, "" };
	bool fresh;
	int rc = prov_state_take_report(s->t, number, record, &fresh, &why);

	if (rc == 0 && why.code)
		Debug(LDAP_DEBUG_ANY, "provision: relay: report %" PRIu64 " left out: %s\n", number,
			why.text);
	else if (rc)
		prov_error_set(s->err, rc, "report: %s",
			why.text[0] ? why.text : prov_strerror(rc));
	s->taken += rc == 0;
	PROV_FAILPOINT("relay.report");
	return rc ? rc : ++s->n >= REPORTS_MOST;
}

/* What deliveries have to say, into the trail. Nobody there to say something is fine. */
static int take_reports(struct prov_relay *r, struct prov_kv_txn *t, bool *dirty,
	struct prov_error *err)
{
	struct prov_delivery_env *d = NULL;
	struct prov_kv_txn *dt = NULL;
	struct reports s = { .t = t, .err = err };
	uint64_t noted = 0;
	int64_t now = prov_monotonic_ns() / SECOND;

	if (r->last_reports && now - r->last_reports < REPORTS_EVERY)
		return 0;
	r->last_reports = now;
	if (prov_delivery_open_read(r->state_dir, &d, NULL))
		return 0;
	int rc = prov_reports_noted(t, &noted);
	if (rc == 0 && prov_kv_begin(prov_delivery_kv(d), false, &dt, NULL) == 0) {
		rc = prov_restored_delivery(t, dt, dirty, err);
		if (rc == 0)
			rc = prov_reports_each(dt, noted, take_report, &s);
	}
	prov_kv_abort(&dt);
	prov_delivery_close(&d);
	if (s.n >= REPORTS_MOST)
		r->last_reports = 0; /* there may be more */
	r->since_checkpoint += s.taken;
	*dirty = *dirty || s.taken;
	return rc < 0 ? rc : 0;
}

static int checkpoint(struct prov_relay *r, struct prov_kv_txn *t, bool *dirty,
	struct prov_error *err)
{
	int64_t now = prov_monotonic_ns() / SECOND;

	if (r->since_checkpoint == 0 ||
		(r->since_checkpoint < r->checkpoint_records &&
			now - r->last_checkpoint < (int64_t)r->checkpoint_seconds))
		return 0;
	*dirty = true;
	r->since_checkpoint = 0;
	r->last_checkpoint = now;
	PROV_FAILPOINT("checkpoint.begin");
	int rc = prov_trail_checkpoint(t, r->key, time(NULL), err);
	PROV_FAILPOINT("checkpoint.signed");
	return rc;
}

/* One batch. *more: the batch was full. */
static int relay_batch(struct prov_relay *r, bool *more, struct prov_error *err)
{
	struct prov_capture *c = r->pi->capture;
	struct batch b = { NULL, err, prov_capture_relayed(c), 0, 0 };
	bool dirty = false;

	*more = false;
	int rc = prov_kv_begin(prov_statedir_kv(r->state), true, &b.t, err);
	if (rc)
		return rc;
	PROV_FAILPOINT("relay.read");
	rc = prov_capture_read(c, b.last, BATCH, take_row, &b, err);
	r->since_checkpoint += b.n;
	r->since_trim += b.n;
	if (rc == 0)
		rc = note_policy(r, b.t, &dirty);
	if (rc == 0)
		rc = take_reports(r, b.t, &dirty, err);
	if (rc == 0)
		rc = checkpoint(r, b.t, &dirty, err);
	if (rc == 0 && r->since_trim >= TRIM_EVERY) {
		r->since_trim = 0;
		rc = trim_outbox(r, b.t);
	}
	if (rc || (b.n == 0 && !dirty)) {
		prov_kv_abort(&b.t);
		return rc;
	}
	rc = PROV_FAILPOINT_RC("relay.commit");
	if (rc == 0)
		rc = prov_kv_commit(&b.t, err);
	if (rc) {
		prov_kv_abort(&b.t);
		return rc;
	}
	PROV_FAILPOINT("relay.committed");
	prov_capture_set_relayed(c, b.last);
	PROV_FAILPOINT("relay.noted");
	prov_wake_send(r->state_dir);
	r->batch_rows += b.n;
	*more = b.n == BATCH;
	return 0;
}

/* Everything there is now. 0, or the failure that the caller waits out. */
static int relay_all(struct prov_relay *r)
{
	struct prov_error err = { 0, "" };
	bool more = true;
	int rc = 0;

	r->batch_began = prov_monotonic_ns();
	r->batch_rows = 0;
	if (!r->state)
		rc = open_state(r, &err);
	while (rc == 0 && more) {
		rc = relay_batch(r, &more, &err);
		if (rc == PROV_EFULL && prov_kv_grow(prov_statedir_kv(r->state), NULL) == 0) {
			rc = 0;
			more = true;
		}
	}
	if (rc) {
		note_error(r, err.text[0] ? err.text : prov_strerror(rc));
		prov_statedir_close(
			&r->state); /* opened anew: the directory may have been replaced */
		return rc;
	}
	note_error(r, "");
	return 0;
}

static void wait_for_work(struct prov_relay *r, unsigned seconds)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&r->mutex);
	while (!r->stop && !r->kicked)
		if (pthread_cond_clockwait(&r->cond, &r->mutex, CLOCK_MONOTONIC, &until) ==
			ETIMEDOUT)
			break;
	r->kicked = false;
	pthread_mutex_unlock(&r->mutex);
}

static void keep_apart(struct prov_relay *r)
{
	int64_t took = r->batch_ended - r->batch_began;
	int64_t apart = r->batch_rows * APART_ROW_NS;

	apart = took > apart ? took : apart;
	apart = apart < APART_NS ? apart : APART_NS;
	int64_t left = apart - (prov_monotonic_ns() - r->batch_ended);
	if (left > 0) {
		const struct timespec rest = { 0, (long)left };
		nanosleep(&rest, NULL);
	}
}

/* Somebody has set the clock. slapd's run queue would go by the old one, for as long as it was
 * set back. */
static void watch_clock(struct prov_relay *r)
{
	int64_t ahead = wall_ahead(), by = ahead - r->wall_ahead;

	r->wall_ahead = ahead;
	if (by > -JUMP_NS && by < JUMP_NS)
		return;
	Debug(LDAP_DEBUG_ANY, "provision: the clock was set by %ld s\n", (long)(by / SECOND));
	prov_clock_was_set(r->pi);
}

static bool stopping(struct prov_relay *r)
{
	pthread_mutex_lock(&r->mutex);
	bool stop = r->stop;
	pthread_mutex_unlock(&r->mutex);
	return stop;
}

static void *relay_main(void *arg)
{
	struct prov_relay *r = arg;

	while (!stopping(r)) {
		keep_apart(r);
		watch_clock(r);
		int rc = relay_all(r);
		r->batch_ended = prov_monotonic_ns();
		if (rc == 0) {
			r->pause = 0;
			prov_background_retry(r->pi);
			/* woken by writes; reports and checkpoints come without one */
			wait_for_work(r, REPORTS_EVERY);
			continue;
		}
		r->pause = r->pause ? (r->pause < 15 ? r->pause * 2 : 30) : 1;
		for (unsigned s = 0; s < r->pause && !stopping(r); s++) {
			struct timespec second = { 1, 0 };
			nanosleep(&second, NULL);
		}
	}
	if (r->state)
		relay_all(r); /* what was committed before the stop */
	prov_statedir_close(&r->state);
	prov_key_free(&r->key);
	return NULL;
}

static void relay_free(struct prov_relay *r)
{
	pthread_mutex_destroy(&r->mutex);
	pthread_cond_destroy(&r->cond);
	ch_free(r->state_dir);
	ch_free(r->key_file);
	ch_free(r);
}

int prov_relay_start(struct prov_instance *pi, struct prov_error *err)
{
	struct prov_relay *r = ch_calloc(1, sizeof(*r));

	r->pi = pi;
	r->state_dir = ch_strdup(pi->state_dir);
	r->key_file = pi->key_file ? ch_strdup(pi->key_file) : NULL;
	r->checkpoint_records = pi->checkpoint_records;
	r->checkpoint_seconds = pi->checkpoint_seconds;
	r->kicked = true;
	r->wall_ahead = wall_ahead();
	pthread_mutex_init(&r->mutex, NULL);
	pthread_cond_init(&r->cond, NULL);
	pi->relay = r;
	if (pthread_create(&r->thread, NULL, relay_main, r)) {
		pi->relay = NULL;
		relay_free(r);
		return prov_error_set(err, PROV_EIO, "cannot start the relay thread");
	}
	atomic_fetch_add(&running, 1);
	return 0;
}

void prov_relay_stop(struct prov_instance *pi)
{
	struct prov_relay *r = pi->relay;

	if (!r)
		return;
	pthread_mutex_lock(&r->mutex);
	r->stop = true;
	pthread_cond_signal(&r->cond);
	pthread_mutex_unlock(&r->mutex);
	pthread_join(r->thread, NULL);
	atomic_fetch_sub(&running, 1);
	relay_free(r);
	pi->relay = NULL;
}

unsigned prov_relays(void)
{
	return atomic_load(&running);
}

void prov_relay_kick(struct prov_instance *pi)
{
	struct prov_relay *r = pi->relay;

	if (!r)
		return;
	pthread_mutex_lock(&r->mutex);
	r->kicked = true;
	pthread_cond_signal(&r->cond);
	pthread_mutex_unlock(&r->mutex);
}

void prov_relay_error(struct prov_instance *pi, char *out, size_t len)
{
	struct prov_relay *r = pi->relay;

	out[0] = '\0';
	if (!r)
		return;
	pthread_mutex_lock(&r->mutex);
	snprintf(out, len, "%s", r->error);
	pthread_mutex_unlock(&r->mutex);
}
