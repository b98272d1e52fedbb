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
#include "log.h"

#define TYPE_PREFIX "org.slapo-provision."
#define PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* FNV-1a over the event's id and the attempts: spreads the retries of many events. */
static uint64_t jitter_seed(const char *id, const struct prov_delivery *d)
{
	uint64_t h = 1469598103934665603u ^ d->attempts ^ d->seq << 16;
	for (const char *c = id; *c; c++)
		h = (h ^ (unsigned char)*c) * 1099511628211u;
	return h;
}

/* Report an outcome to the queue and to the log. */
static void finish(struct channel *ch, const struct prov_delivery *d, const char *id,
	const char *type, const struct prov_exec_result *r)
{
	char extra[400] = "", next[40] = "";
	unsigned attempt = d->attempts + 1;
	prov_queue_finish(ch->q, d, r->outcome, r->error, provd_wall(), jitter_seed(id, d));
	if (d->state == PROV_D_DONE) {
		ch->delivered++;
		ch->last_success = provd_wall();
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

static void park(struct channel *ch, const struct prov_delivery *d, const char *why)
{
	struct prov_exec_result r = { .outcome = PROV_OUTCOME_PARK };
	snprintf(r.error, sizeof(r.error), "%.*s", (int)sizeof(r.error) - 1, why);
	prov_log_clean(r.error);
	finish(ch, d, "", "", &r);
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

static int start_program(const struct channel *ch, const struct prov_delivery *d,
	const struct prov_body *body, struct job *j, struct prov_error *err)
{
	char name[300], id[64], type[110], seq[40], attempt[40];
	snprintf(name, sizeof(name), "PROV_CONNECTOR=%s", ch->name);
	snprintf(id, sizeof(id), "PROV_EVENT_ID=%s", j->id);
	snprintf(type, sizeof(type), "PROV_EVENT_TYPE=%s", j->type);
	snprintf(seq, sizeof(seq), "PROV_SEQUENCE=%llu", (unsigned long long)d->seq);
	snprintf(attempt, sizeof(attempt), "PROV_ATTEMPT=%u", d->attempts + 1);
	char *const env[] = { "PATH=" PATH, "LANG=C.UTF-8", "HOME=/", name, id, type, seq, attempt,
		NULL };
	const struct prov_exec_spec spec = { .argv = ch->conn->argv,
		.envp = env,
		.body = body->text,
		.len = body->len,
		.timeout = (int64_t)ch->conn->c->timeout * 1000 };
	return prov_exec_start(&spec, provd_monotonic(), &j->x, err);
}

/* False: nothing can be started at present. */
static bool start(struct provd *p, struct channel *ch, const struct prov_delivery *d)
{
	struct prov_error err = { 0 };
	struct prov_body body = { 0 };
	struct job *j = &p->job[p->njob];
	memset(j, 0, sizeof(*j));
	j->ch = ch;
	j->d = d;
	int rc = read_body(p, ch, d->seq, &body, &err);
	if (rc == PROV_ENOENT || rc == PROV_ECORRUPT) {
		park(ch, d, err.text);
		return true;
	}
	if (!rc) {
		size_t skip = strlen(TYPE_PREFIX);
		memcpy(j->id, body.id, sizeof(j->id));
		snprintf(j->type, sizeof(j->type), "%.*s", (int)sizeof(j->type) - 1,
			strncmp(body.type, TYPE_PREFIX, skip) ? body.type : body.type + skip);
		rc = start_program(ch, d, &body, j, &err);
	}
	prov_body_dispose(&body);
	if (!rc) {
		p->njob++;
		return true;
	}
	if (rc == PROV_EINVAL) { /* this program cannot be run: a failed attempt like others */
		struct prov_exec_result r = { .outcome = PROV_OUTCOME_FAILED };
		snprintf(r.error, sizeof(r.error), "%.*s", (int)sizeof(r.error) - 1, err.text);
		prov_log_clean(r.error);
		finish(ch, d, j->id, j->type, &r);
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

void provd_jobs_poll(struct provd *p)
{
	for (size_t i = 0; i < p->njob;) {
		struct job *j = &p->job[i];
		struct prov_exec_result r = { 0 };
		prov_exec_read(j->x);
		if (!prov_exec_poll(j->x, provd_monotonic(), &r)) {
			i++;
			continue;
		}
		if (j->cut && r.outcome != PROV_OUTCOME_DONE)
			prov_queue_put_back(j->ch->q, j->d, provd_wall());
		else
			finish(j->ch, j->d, j->id, j->type, &r);
		prov_exec_free(&j->x);
		*j = p->job[--p->njob];
	}
}

void provd_jobs_cut(struct provd *p)
{
	for (size_t i = 0; i < p->njob; i++) {
		p->job[i].cut = true;
		prov_exec_signal(p->job[i].x, SIGTERM);
	}
}

void provd_jobs_free(struct provd *p)
{
	for (size_t i = 0; i < p->njob; i++) {
		prov_queue_put_back(p->job[i].ch->q, p->job[i].d, provd_wall());
		prov_exec_free(&p->job[i].x);
	}
	p->njob = 0;
}

int64_t provd_jobs_deadline(const struct provd *p)
{
	int64_t first = INT64_MAX;
	for (size_t i = 0; i < p->njob; i++) {
		int64_t t = prov_exec_deadline(p->job[i].x);
		first = t < first ? t : first;
	}
	return first;
}
