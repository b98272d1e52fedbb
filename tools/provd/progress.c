/*
 * progress.c - queues and the delivery environment, kept in step. See progress.h.
 *
 * A row exists only at or below the cursor (queue.h), so scanning behind what was
 * passed never meets an event that has one.
 */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "body.h"
#include "failpoint.h"
#include "history.h"
#include "log.h"
#include "reports.h"

struct load {
	struct prov_queue *q;
	int64_t now;
	bool full;
};

static int load_row(void *ctx, const char *connector, const struct prov_delivery *d)
{
	struct load *l = ctx;
	(void)connector;
	if (d->state != PROV_D_READY && d->state != PROV_D_DEFERRED)
		return 0;
	int rc = prov_queue_add(l->q, d, true, l->now);
	l->full = rc == PROV_EFULL;
	return rc == PROV_EEXIST ? 0 : rc;
}

int prov_progress_load(struct prov_delivery_env *d, const char *connector, struct prov_queue *q,
	int64_t now, bool *all, struct prov_error *err)
{
	struct prov_kv_txn *t = NULL;
	struct load l = { .q = q, .now = now };
	int rc = prov_kv_begin(prov_delivery_kv(d), false, &t, err);
	if (rc)
		return rc;
	rc = prov_delivery_each(t, connector, load_row, &l);
	prov_kv_abort(&t);
	*all = !l.full;
	if (l.full)
		return 0;
	return rc ? prov_error_set(err, rc, "rows of %s: %s", connector, prov_strerror(rc)) : 0;
}

/* Take one event of the outbox in. 0, PROV_EFULL or PROV_ENOMEM. */
static int take(struct prov_queue *q, const char *connector, const struct prov_connector *c,
	uint64_t seq, int read_rc, struct prov_val json, int64_t now)
{
	struct prov_delivery d = { .seq = seq, .state = PROV_D_READY };
	struct prov_error why = { 0 };
	bool wanted = false;
	int rc = read_rc;
	if (rc)
		prov_error_set(&why, rc, "undecodable row in the outbox");
	else
		rc = prov_body_route(json.data, json.len, connector, c, &wanted, d.subject, &why);
	if (rc == PROV_ENOMEM)
		return rc;
	if (rc) {
		d.state = PROV_D_PARKED;
		d.first = d.last = now;
		snprintf(d.error, sizeof(d.error), "%.*s", (int)sizeof(d.error) - 1, why.text);
		prov_log_clean(d.error);
		prov_log(LOG_ERR, "event=parked connector=%s seq=%llu error=\"%s\"", connector,
			(unsigned long long)seq, d.error);
	} else if (!wanted) {
		return 0;
	}
	rc = prov_queue_add(q, &d, false, now);
	return rc == PROV_EEXIST ? 0 : rc;
}

int prov_progress_scan(struct prov_kv *state, const char *connector, const struct prov_connector *c,
	struct prov_queue *q, unsigned most, int64_t now, bool *end, struct prov_error *err)
{
	struct prov_kv_txn *t = NULL;
	*end = false;
	int rc = prov_kv_begin(state, false, &t, err);
	if (rc)
		return rc;
	for (unsigned i = 0; i < most; i++) {
		uint64_t seq = 0;
		struct prov_val json = { NULL, 0 };
		rc = prov_outbox_first_after(t, prov_queue_passed(q), &seq, &json);
		if (rc == PROV_ENOENT) {
			*end = true;
			rc = 0;
			break;
		}
		if (rc && (rc != PROV_ECORRUPT || seq <= prov_queue_passed(q)))
			break;
		rc = take(q, connector, c, seq, rc, json, now);
		if (rc)
			break;
		prov_queue_pass(q, seq);
	}
	prov_kv_abort(&t);
	if (rc == PROV_EFULL) /* the window: the rest when there is room */
		return 0;
	return rc ? prov_error_set(err, rc, "outbox: %s", prov_strerror(rc)) : 0;
}

struct save {
	struct prov_kv_txn *t;
	const char *connector;
};

static int save_row(void *ctx, const struct prov_delivery *d, bool keep)
{
	const struct save *s = ctx;
	if (keep)
		return prov_delivery_put(s->t, s->connector, d);
	int rc = prov_delivery_delete(s->t, s->connector, d->seq);
	return rc == PROV_ENOENT ? 0 : rc;
}

static int save_all(struct prov_kv_txn *t, const struct prov_progress_item *item, size_t n)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < n; i++) {
		struct save s = { t, item[i].connector };
		uint64_t cursor = 0;
		rc = prov_queue_save(item[i].q, save_row, &s, &cursor);
		if (!rc)
			rc = prov_cursor_put(t, item[i].connector, cursor);
	}
	return rc;
}

int prov_progress_write(struct prov_delivery_env *d, int (*work)(struct prov_kv_txn *t, void *ctx),
	void *ctx, struct prov_error *err)
{
	struct prov_kv *kv = prov_delivery_kv(d);
	int rc = 0;
	for (int round = 0; round < 2; round++) {
		struct prov_kv_txn *t = NULL;
		rc = prov_kv_begin(kv, true, &t, err);
		if (rc)
			return rc;
		rc = work(t, ctx);
		if (!rc)
			rc = prov_history_count_save(d, t);
		if (!rc)
			rc = prov_kv_commit(&t, err);
		else if (!err || !*err->text)
			prov_error_set(err, rc, "delivery environment: %s", prov_strerror(rc));
		prov_kv_abort(&t);
		if (rc != PROV_EFULL || round || prov_kv_grow(kv, err))
			break;
		if (err)
			memset(err, 0, sizeof(*err));
	}
	return rc;
}

struct save_items {
	const struct prov_progress_item *item;
	size_t n;
	const struct prov_progress_reports *reports; /* or NULL */
};

static int save_items(struct prov_kv_txn *t, void *ctx)
{
	const struct save_items *s = ctx;
	const struct prov_progress_reports *r = s->reports;
	int rc = save_all(t, s->item, s->n);
	for (size_t i = 0; !rc && r && i < r->n; i++)
		rc = prov_reports_put(t, r->noted, r->record[i]);
	if (r && r->n)
		PROV_FAILPOINT("provd.report");
	if (!rc)
		rc = PROV_FAILPOINT_RC("provd.save");
	return rc || !r ? rc : prov_reports_trim(t, r->noted);
}

int prov_progress_save(struct prov_delivery_env *d, const struct prov_progress_item *item, size_t n,
	const struct prov_progress_reports *reports, struct prov_error *err)
{
	struct save_items s = { item, n, reports };
	int rc = n || (reports && reports->n) ? prov_progress_write(d, save_items, &s, err) : 0;
	PROV_FAILPOINT("provd.saved");
	for (size_t i = 0; !rc && i < n; i++)
		prov_queue_saved(item[i].q);
	return rc;
}

static int begin_at_zero(struct prov_kv_txn *t, void *ctx)
{
	return prov_cursor_put(t, ctx, 0);
}

int prov_progress_cursor(struct prov_delivery_env *d, const char *connector, uint64_t *cursor,
	struct prov_error *err)
{
	struct prov_kv_txn *t = NULL;
	char name[256];
	*cursor = 0;
	int rc = prov_kv_begin(prov_delivery_kv(d), false, &t, err);
	if (rc)
		return rc;
	rc = prov_cursor_get(t, connector, cursor);
	prov_kv_abort(&t);
	if (rc && rc != PROV_ENOENT)
		return prov_error_set(err, rc, "cursor of %s: %s", connector, prov_strerror(rc));
	snprintf(name, sizeof(name), "%s", connector);
	return rc ? prov_progress_write(d, begin_at_zero, name, err) : 0;
}

struct remote {
	const char *connector, *subject;
	struct prov_remote now;
};

static int put_remote(struct prov_kv_txn *t, void *ctx)
{
	const struct remote *r = ctx;
	struct prov_remote new = r->now, old;
	if (prov_remote_get(t, r->connector, r->subject, &old) == 0) {
		new.seq = old.seq > new.seq ? old.seq : new.seq;
		new.ms = old.ms > new.ms ? old.ms : new.ms;
	}
	return prov_remote_put(t, r->connector, r->subject, &new);
}

int prov_progress_remote(struct prov_delivery_env *d, const char *connector, const char *subject,
	const struct prov_remote *now, struct prov_error *err)
{
	struct remote r = { connector, subject, *now };
	return prov_progress_write(d, put_remote, &r, err);
}

/* What an admin asks for, and what it came to. */
struct retry {
	const char *connector;
	struct prov_queue *q;
	uint64_t seq; /* 0: all */
	int64_t now;
	unsigned n;
	struct prov_error *err;
};

static int retry_row(struct prov_kv_txn *t, struct retry *c, struct prov_delivery *d)
{
	c->n++;
	if (d->state == PROV_D_DEFERRED && !prov_queue_retry(c->q, d->seq, c->now))
		return 0; /* the queue writes it */
	d->attempts = d->state == PROV_D_PARKED ? 0 : d->attempts;
	d->first = d->state == PROV_D_PARKED ? 0 : d->first;
	d->next = 0;
	d->state = PROV_D_READY;
	return prov_delivery_put(t, c->connector, d);
}

static int retry_number(struct prov_kv_txn *t, struct retry *c)
{
	struct prov_delivery d;
	int rc = prov_delivery_get(t, c->connector, c->seq, &d);
	if (rc == PROV_ENOENT)
		return prov_error_set(c->err, rc, "%s: event %llu is neither parked nor deferred",
			c->connector, (unsigned long long)c->seq);
	if (!rc && d.state != PROV_D_PARKED && d.state != PROV_D_DEFERRED)
		return prov_error_set(c->err, PROV_EINVAL, "%s: event %llu is %s, not parked",
			c->connector, (unsigned long long)c->seq,
			prov_delivery_state_name(d.state));
	return rc ? rc : retry_row(t, c, &d);
}

static int retry_rows(struct prov_kv_txn *t, void *ctx)
{
	struct retry *c = ctx;
	struct prov_delivery *row = NULL;
	size_t n = 0;
	c->n = 0;
	if (c->seq)
		return retry_number(t, c);
	int rc = prov_delivery_list(t, c->connector, 1u << PROV_D_PARKED | 1u << PROV_D_DEFERRED,
		&row, &n);
	for (size_t i = 0; !rc && i < n; i++)
		rc = retry_row(t, c, &row[i]);
	free(row);
	return rc;
}

int prov_progress_retry(struct prov_delivery_env *d, const char *connector, struct prov_queue *q,
	uint64_t seq, int64_t now, unsigned *n, struct prov_error *err)
{
	struct prov_error why = { 0 };
	struct retry c = { connector, q, seq, now, 0, err ? err : &why };
	int rc = prov_progress_write(d, retry_rows, &c, c.err);
	*n = rc ? 0 : c.n;
	return rc;
}

static int count_row(void *ctx, const char *connector, const struct prov_delivery *d)
{
	struct prov_progress_counts *c = ctx;
	(void)connector;
	c->ready += d->state == PROV_D_READY;
	c->deferred += d->state == PROV_D_DEFERRED;
	c->parked += d->state == PROV_D_PARKED;
	c->dropped += d->state == PROV_D_DROPPED;
	return 0;
}

int prov_progress_count(struct prov_delivery_env *d, const char *connector,
	struct prov_progress_counts *out, struct prov_error *err)
{
	struct prov_kv_txn *t = NULL;
	memset(out, 0, sizeof(*out));
	int rc = prov_kv_begin(prov_delivery_kv(d), false, &t, err);
	if (rc)
		return rc;
	rc = prov_delivery_each(t, connector, count_row, out);
	prov_kv_abort(&t);
	return rc ? prov_error_set(err, rc, "rows of %s: %s", connector, prov_strerror(rc)) : 0;
}
