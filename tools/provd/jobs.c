/*
 * jobs.c - attempts: started from the channels' queues, watched, and their outcome
 * reported back, with one log line each.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "body.h"
#include "daemon.h"
#include "failpoint.h"
#include "log.h"
#include "names.h"
#include "progress.h"
#include "reports.h"
#include "telling.h"
#include "timefmt.h"
#include "uuid.h"

#define PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char superseded[] = "not sent: a later event of this account was carried out";

/* What a worker works on. The main thread's, but for the time that the worker runs. */
struct parcel {
	const struct prov_kind_ops *ops;
	void *self;
	struct prov_message message;
};

/* FNV-1a over the event's id and the attempts: spreads the retries of many events. */
static uint64_t jitter_seed(const char *id, const struct prov_delivery *d)
{
	uint64_t h = 1469598103934665603u ^ d->attempts ^ d->seq << 16;
	for (const char *c = id; *c; c++)
		h = (h ^ (unsigned char)*c) * 1099511628211u;
	return h;
}

/* What the destination asked of us besides. */
static void obey(struct provd *p, struct channel *ch, const struct prov_result *r)
{
	if (r->after)
		prov_queue_hold(ch->q, provd_wall() + r->after);
	if (r->gone && !ch->refused) {
		provd_channel_refuse(p, ch, true);
		prov_log(LOG_ERR,
			"event=connector connector=%s state=refused text=\"the destination wants no more "
			"events (%s): none is sent until the entry is changed or an event is retried\"",
			ch->name, r->error);
	}
}

/* Report an outcome to the queue and to the log. */
static void finish(struct provd *p, struct channel *ch, const struct prov_delivery *d,
	const char *id, const char *type, const struct prov_result *r)
{
	char extra[400] = "", next[40] = "";
	unsigned attempt = d->attempts + 1;
	prov_queue_finish(ch->q, d, r->outcome, r->error, provd_wall(), jitter_seed(id, d));
	obey(p, ch, r);
	provd_report_end(p, ch, d, type, r, r->note == superseded);
	if (d->state == PROV_D_DONE) {
		ch->delivered++;
		prov_rate_count(&ch->rate, provd_monotonic() / 1000);
		ch->last_success = provd_wall();
		if (r->note)
			snprintf(extra, sizeof(extra), " note=\"%s\"", r->note);
	} else {
		ch->failed++;
		memcpy(ch->last_error, d->error, sizeof(ch->last_error));
		snprintf(extra, sizeof(extra), " error=\"%s\"", d->error);
	}
	if (d->state == PROV_D_DEFERRED)
		snprintf(next, sizeof(next), " next=%llds", (long long)(d->next - d->last));
	prov_log(d->state == PROV_D_DONE ? LOG_INFO : LOG_WARNING,
		"event=attempt connector=%s seq=%llu id=%s type=%s subject=%s outcome=%s attempt=%u ms=%lld%s%s",
		ch->name, (unsigned long long)d->seq, *id ? id : "-", *type ? type : "-",
		*d->subject ? d->subject : "-", prov_delivery_state_name(d->state), attempt,
		(long long)r->ms, next, extra);
}

static void park(struct provd *p, struct channel *ch, const struct prov_delivery *d,
	const char *why)
{
	struct prov_result r = { 0 };
	prov_result_fail(&r, "%s", why);
	r.outcome = PROV_OUTCOME_PARK;
	finish(p, ch, d, "", "", &r);
}

/* The event as this connector may see it; nothing of the outbox is kept. */
static int read_body(struct provd *p, const struct channel *ch, uint64_t seq,
	struct prov_body *body, struct prov_error *err)
{
	struct prov_kv_txn *t = NULL;
	struct prov_val json = { NULL, 0 };
	int rc = prov_kv_begin(prov_statedir_kv(p->state), false, &t, err);
	if (rc)
		return rc;
	rc = prov_outbox_get(t, seq, &json);
	if (rc == PROV_ENOENT)
		prov_error_set(err, rc, "the event is no longer in the outbox");
	else if (rc)
		prov_error_set(err, rc, "outbox: %s", prov_strerror(rc));
	else
		rc = prov_body_make(json.data, json.len, ch->conn->c, body, err);
	prov_kv_abort(&t);
	return rc;
}

static int start_program(const struct job *j, const struct prov_body *body, struct prov_exec **x,
	struct prov_error *err)
{
	char name[300], id[64], type[110], seq[40], attempt[40];
	const struct provd_connector *conn = j->conn;
	snprintf(name, sizeof(name), "PROV_CONNECTOR=%s", j->ch->name);
	snprintf(id, sizeof(id), "PROV_EVENT_ID=%s", j->id);
	snprintf(type, sizeof(type), "PROV_EVENT_TYPE=%s", j->type);
	snprintf(seq, sizeof(seq), "PROV_SEQUENCE=%llu", j->d ? (unsigned long long)j->d->seq : 0);
	snprintf(attempt, sizeof(attempt), "PROV_ATTEMPT=%u", j->d ? j->d->attempts + 1 : 1);
	char *const env[] = { "PATH=" PATH, "LANG=C.UTF-8", "HOME=/", name, id, type, seq, attempt,
		NULL };
	const struct prov_exec_spec spec = { .argv = conn->argv,
		.envp = env,
		.body = body->text,
		.len = body->len,
		.timeout = (int64_t)conn->c->timeout * 1000 };
	return prov_exec_start(&spec, provd_monotonic(), x, err);
}

static void work(void *arg, const atomic_bool *cancel, struct prov_result *out)
{
	struct parcel *q = arg;
	q->ops->deliver(q->self, &q->message, cancel, out);
}

static void parcel_free(struct parcel **q)
{
	if (*q)
		prov_body_dispose(&(*q)->message.body);
	free(*q);
	*q = NULL;
}

/* Under which id the destination knows the account (not known is no trouble: it is looked for),
 * and whether a later event was carried out there already. */
static bool read_remote(struct provd *p, const struct job *j, struct prov_message *m)
{
	struct prov_kv_txn *t = NULL;
	struct prov_remote r = { 0 };
	if (!j->d || !j->conn->ops->keeps_accounts ||
		prov_kv_begin(prov_delivery_kv(p->delivery), false, &t, NULL))
		return false;
	if (prov_remote_get(t, j->ch->name, m->body.subject, &r) == 0 &&
		r.id.len < sizeof(m->remote))
		memcpy(m->remote, r.id.data, r.id.len); /* zeroed before: terminated */
	prov_kv_abort(&t);
	/* the sequence of an imported event tells when it came here, not when it happened */
	return m->body.imported ? m->body.ms < r.ms : r.seq > j->d->seq;
}

/* What could not be written down counts as not done: trying again finds that nothing is to change. */
static void keep_remote(struct provd *p, const struct job *j, struct prov_result *r)
{
	const struct prov_message *m = &j->parcel->message;
	struct prov_error err = { 0 };
	bool done = r->outcome == PROV_OUTCOME_DONE;
	if (!j->d || !j->conn->ops->keeps_accounts || (!done && !r->remote_known))
		return;
	const struct prov_remote now = { done ? j->d->seq : 0, done ? m->body.ms : 0,
		prov_val_str(r->remote_known ? r->remote : m->remote) };
	int rc = prov_progress_remote(p->delivery, j->ch->name, m->body.subject, &now, &err);
	if (!rc)
		return;
	prov_log(LOG_WARNING, "event=save-failed connector=%s text=\"remote id: %s\"", j->ch->name,
		err.text);
	if (done && rc != PROV_EINVAL) {
		prov_result_fail(r, "carried out, but not written down: %.180s", err.text);
		r->outcome = PROV_OUTCOME_AGAIN;
	}
}

/* Takes over the body when it starts. PROV_EEXIST: a later event was carried out already. */
static int start_worker(struct provd *p, struct job *j, struct prov_body *body,
	struct prov_error *err)
{
	j->parcel = calloc(1, sizeof(*j->parcel));
	if (!j->parcel)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	j->parcel->ops = j->conn->ops;
	j->parcel->self = j->conn->self;
	j->parcel->message.body = *body;
	if (read_remote(p, j, &j->parcel->message)) {
		free(j->parcel);
		j->parcel = NULL;
		return PROV_EEXIST;
	}
	int rc = prov_worker_start(p->workers, work, j->parcel, &j->w, err);
	if (rc) {
		free(j->parcel);
		j->parcel = NULL;
		return rc;
	}
	memset(body, 0, sizeof(*body));
	return 0;
}

/* The next free job, filled but not begun. d may be NULL. */
static struct job *prepare(struct provd *p, struct channel *ch, const struct prov_delivery *d,
	const struct prov_body *body)
{
	struct job *j = &p->job[p->njob];
	size_t skip = strlen(PROV_EVENT_PREFIX);
	memset(j, 0, sizeof(*j));
	j->ch = ch;
	j->d = d;
	j->conn = ch->conn;
	memcpy(j->id, body->id, sizeof(j->id));
	snprintf(j->type, sizeof(j->type), "%.*s", (int)sizeof(j->type) - 1,
		strncmp(body->type, PROV_EVENT_PREFIX, skip) ? body->type : body->type + skip);
	return j;
}

static int begin(struct provd *p, struct job *j, struct prov_body *body, struct prov_error *err)
{
	int rc = j->conn->ops ? start_worker(p, j, body, err) : start_program(j, body, &j->x, err);
	if (rc)
		return rc;
	provd_connector_hold(j->conn);
	p->njob++;
	PROV_FAILPOINT("provd.started");
	return 0;
}

/* False: nothing can be started at present. */
static bool start(struct provd *p, struct channel *ch, const struct prov_delivery *d)
{
	struct prov_error err = { 0 };
	struct prov_body body = { 0 };
	struct job *j = NULL;
	int rc = read_body(p, ch, d->seq, &body, &err);
	if (rc == PROV_ENOENT || rc == PROV_ECORRUPT) {
		park(p, ch, d, err.text);
		return true;
	}
	if (!rc) {
		PROV_FAILPOINT("provd.taken");
		j = prepare(p, ch, d, &body);
		rc = begin(p, j, &body, &err);
	}
	prov_body_dispose(&body);
	if (!rc)
		return true;
	if (rc == PROV_EEXIST) {
		struct prov_result r = { .outcome = PROV_OUTCOME_DONE, .note = superseded };
		finish(p, ch, d, j->id, j->type, &r);
		return true;
	}
	if (rc == PROV_EINVAL && j) { /* this program cannot be run: a failed attempt like others */
		struct prov_result r = { 0 };
		prov_result_fail(&r, "%s", err.text);
		finish(p, ch, d, j->id, j->type, &r);
		return true;
	}
	prov_log(LOG_ERR, "event=start-failed connector=%s seq=%llu text=\"%s\"", ch->name,
		(unsigned long long)d->seq, err.text);
	prov_queue_put_back(ch->q, d, provd_wall());
	p->start_at = provd_monotonic() + 1000;
	return false;
}

void provd_jobs_start(struct provd *p)
{
	if (p->stopping || p->save_at || provd_monotonic() < p->start_at)
		return;
	bool any = true;
	while (any) { /* in turns, so that one busy connector does not take all the places */
		any = false;
		for (size_t i = 0; i < p->nchannel; i++) {
			struct channel *ch = p->channel[i];
			if (p->njob >= PROVD_JOBS || !provd_channel_usable(ch))
				continue;
			const struct prov_delivery *d = prov_queue_next(ch->q, provd_wall());
			if (!d)
				continue;
			if (!start(p, ch, d))
				return;
			any = true;
		}
	}
}

static bool ended(struct job *j, struct prov_result *r)
{
	if (j->w)
		return prov_worker_done(j->w, r);
	prov_exec_read(j->x);
	return prov_exec_poll(j->x, provd_monotonic(), r);
}

static void job_dispose(struct job *j)
{
	prov_exec_free(&j->x);
	prov_worker_free(&j->w); /* waits, if it still runs; then the parcel is ours again */
	parcel_free(&j->parcel);
	provd_connector_free(&j->conn);
}

static void take_result(struct provd *p, struct job *j, struct prov_result *r)
{
	for (size_t i = 0; i < PROVD_TESTS && !j->d; i++)
		if (!strcmp(p->test[i].id, j->id)) {
			p->test[i].result = *r;
			p->test[i].done = true;
		}
	PROV_FAILPOINT("provd.ended");
	if (j->w)
		keep_remote(p, j, r);
	PROV_FAILPOINT("provd.remote");
	if (!j->d)
		prov_log(LOG_INFO, "event=test connector=%s id=%s outcome=%s ms=%lld", j->ch->name,
			j->id, prov_outcome_name(r->outcome), (long long)r->ms);
	else if (j->cut && r->outcome != PROV_OUTCOME_DONE)
		prov_queue_put_back(j->ch->q, j->d, provd_wall());
	else
		finish(p, j->ch, j->d, j->id, j->type, r);
}

void provd_jobs_poll(struct provd *p)
{
	for (size_t i = 0; i < p->njob;) {
		struct job *j = &p->job[i];
		struct prov_result r = { 0 };
		if (!ended(j, &r)) {
			i++;
			continue;
		}
		take_result(p, j, &r);
		job_dispose(j);
		*j = p->job[--p->njob];
	}
}

void provd_jobs_cut(struct provd *p)
{
	for (size_t i = 0; i < p->njob; i++) {
		p->job[i].cut = true;
		if (p->job[i].w)
			prov_worker_cancel(p->job[i].w);
		else
			prov_exec_signal(p->job[i].x, SIGTERM);
	}
}

void provd_jobs_cut_waiting(struct provd *p, bool all)
{
	for (size_t i = 0; i < p->njob; i++) {
		struct job *j = &p->job[i];
		if (j->w && j->conn->ops->waits && (all || j->conn != j->ch->conn)) {
			j->cut = true;
			prov_worker_cancel(j->w);
		}
	}
}

void provd_jobs_free(struct provd *p)
{
	for (size_t i = 0; i < p->njob; i++)
		if (p->job[i].w)
			prov_worker_cancel(p->job[i].w); /* all of them, then wait for each */
	for (size_t i = 0; i < p->njob; i++) {
		if (p->job[i].d)
			prov_queue_put_back(p->job[i].ch->q, p->job[i].d, provd_wall());
		job_dispose(&p->job[i]);
	}
	p->njob = 0;
}

size_t provd_jobs_pollfds(const struct provd *p, struct pollfd *fd)
{
	size_t n = 0;
	for (size_t i = 0; i < p->njob; i++) {
		int out[2] = { -1, -1 };
		if (p->job[i].x)
			prov_exec_fds(p->job[i].x, out);
		for (int k = 0; k < 2; k++)
			if (out[k] >= 0)
				fd[n++] = (struct pollfd){ out[k], POLLIN, 0 };
	}
	return n;
}

/* An event like any other, but of no account. */
static int test_body(const struct provd *p, const struct channel *ch, struct prov_body *body,
	struct prov_error *err)
{
	char id[PROV_UUID_TEXT], now[PROV_TIME_TEXT];
	int64_t ms = provd_wall_ms();

	if (prov_report_new_id(ms, id))
		return prov_error_set(err, PROV_EIO, "no random bytes");
	prov_time_rfc3339(ms / 1000, (unsigned)(ms % 1000) * 1000, now);
	json_t *o = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:{s:s}}", "specversion", "1.0", "id", id,
		"type", PROV_EVENT_PREFIX "connector.test", "source", p->own_suffix, "time", now,
		"datacontenttype", "application/json", "data", "connector", ch->name);
	char *text = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	int rc = text ? prov_body_make(text, strlen(text), ch->conn->c, body, err)
		      : prov_error_set(err, PROV_ENOMEM, "no memory");
	free(text);
	json_decref(o);
	return rc;
}

const char *provd_jobs_test(struct provd *p, struct channel *ch, struct prov_error *err)
{
	struct prov_body body = { 0 };
	struct provd_test *t = &p->test[p->ntest % PROVD_TESTS];

	if (p->stopping || p->njob >= PROVD_JOBS) {
		prov_error_set(err, PROV_EBUSY, "provd has no place for it now");
		return NULL;
	}
	int rc = test_body(p, ch, &body, err);
	if (rc)
		return NULL;
	struct job *j = prepare(p, ch, NULL, &body);
	memset(t, 0, sizeof(*t));
	memcpy(t->id, j->id, sizeof(t->id));
	rc = begin(p, j, &body, err);
	prov_body_dispose(&body);
	if (rc == PROV_EINVAL) {
		prov_result_fail(&t->result, "%s", err->text);
		t->done = true;
	} else if (rc) {
		t->id[0] = '\0';
		return NULL;
	}
	p->ntest++;
	return t->id;
}

const struct provd_test *provd_jobs_tested(const struct provd *p, const char *id)
{
	for (size_t i = 0; i < PROVD_TESTS; i++)
		if (!strcmp(p->test[i].id, id))
			return &p->test[i];
	return NULL;
}

int64_t provd_jobs_deadline(const struct provd *p)
{
	int64_t first = INT64_MAX;
	for (size_t i = 0; i < p->njob; i++) {
		int64_t t = p->job[i].x ? prov_exec_deadline(p->job[i].x) : INT64_MAX;
		first = t < first ? t : first;
	}
	return first;
}
