/*
 * queue.c - order, backoff, parking and throttling for one connector. See queue.h.
 *
 * Items hang in one list by sequence and in one list per subject. A heap holds the
 * subjects whose first item may be tried at some time and that have none in flight,
 * the earliest due first.
 */
#include "queue.h"

#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "heap.h"

#define BUCKETS 1024
#define THROTTLE_AFTER 5 /* failures in a row */
#define THROTTLE_FIRST 5 /* seconds */
#define THROTTLE_LONGEST 300
#define AGAIN_FIRST 5 /* seconds: age below which "again" waits the shortest time */

struct item {
	struct prov_delivery d;       /* first member: the caller's handle */
	struct item *prev, *next;     /* by sequence */
	struct item *s_prev, *s_next; /* of one subject, by sequence */
	struct subject *subject;      /* NULL: ended, waits to be saved */
	int64_t due;
	bool in_flight;
	bool stored;  /* has a row */
	bool changed; /* its row is not what d says */
};

struct subject {
	struct heap_node node; /* first member: the heap's handle */
	char uuid[37];
	struct subject *hash_next;
	struct item *head, *tail;
	bool in_flight;
};

struct prov_queue {
	struct prov_queue_limits limits;
	size_t window, n, in_flight;
	struct item *head, *tail;
	struct subject *bucket[BUCKETS];
	struct heap heap;
	uint64_t cursor;     /* stored */
	uint64_t offered;    /* handed out by the last save */
	uint64_t passed;     /* looked at */
	uint64_t touched;    /* highest sequence that ever ended or was deferred */
	unsigned failures;   /* in a row */
	unsigned holds;      /* in a row: each is longer */
	int64_t held_until;  /* throttled */
	int64_t quiet_until; /* as the destination has asked: a success does not end it */
	bool dirty;
};

const char *prov_outcome_name(enum prov_outcome o)
{
	static const char *const name[] = { "done", "again", "failed", "park" };
	return (unsigned)o < sizeof(name) / sizeof(name[0]) ? name[o] : "unknown";
}

int prov_queue_new(uint64_t cursor, size_t window, struct prov_queue **out)
{
	struct prov_queue *q = calloc(1, sizeof(*q));
	*out = q;
	if (!q || heap_init(&q->heap, window)) {
		free(q);
		*out = NULL;
		return PROV_ENOMEM;
	}
	q->cursor = q->offered = q->passed = cursor;
	q->window = window;
	q->limits = (struct prov_queue_limits){ .concurrency = 1, .max_attempts = 1 };
	return 0;
}

void prov_queue_limit(struct prov_queue *q, const struct prov_queue_limits *limits)
{
	q->limits = *limits;
	if (!q->limits.concurrency)
		q->limits.concurrency = 1;
}

bool prov_queue_full(const struct prov_queue *q)
{
	return q->n >= q->window;
}

bool prov_queue_low(const struct prov_queue *q)
{
	return q->n <= q->window / 2;
}

void prov_queue_pass(struct prov_queue *q, uint64_t seq)
{
	if (seq > q->passed)
		q->passed = seq;
}

uint64_t prov_queue_passed(const struct prov_queue *q)
{
	return q->passed;
}

uint64_t prov_queue_cursor(const struct prov_queue *q)
{
	return q->cursor;
}

static struct subject **subject_slot(struct prov_queue *q, const char *uuid)
{
	uint32_t h = 2166136261u; /* FNV-1a */
	for (const char *p = uuid; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	struct subject **slot = &q->bucket[h % BUCKETS];
	while (*slot && strcmp((*slot)->uuid, uuid))
		slot = &(*slot)->hash_next;
	return slot;
}

/* Put the subject where its first item belongs: into the heap, out of it, or away. */
static void settle(struct prov_queue *q, struct subject *s)
{
	heap_remove(&q->heap, &s->node);
	if (s->in_flight)
		return;
	if (s->head) {
		s->node.due = s->head->due;
		s->node.seq = s->head->d.seq;
		heap_push(&q->heap, &s->node);
		return;
	}
	struct subject **slot = subject_slot(q, s->uuid);
	*slot = s->hash_next;
	free(s);
}

/* Into the list of all, by sequence; nearly always at its end. */
static int link_item(struct prov_queue *q, struct item *it)
{
	struct item *after = q->tail;
	while (after && after->d.seq > it->d.seq)
		after = after->prev;
	if (after && after->d.seq == it->d.seq)
		return PROV_EEXIST;
	it->prev = after;
	it->next = after ? after->next : q->head;
	*(it->next ? &it->next->prev : &q->tail) = it;
	*(after ? &after->next : &q->head) = it;
	q->n++;
	return 0;
}

static void unlink_item(struct prov_queue *q, struct item *it)
{
	*(it->prev ? &it->prev->next : &q->head) = it->next;
	*(it->next ? &it->next->prev : &q->tail) = it->prev;
	q->n--;
}

static int join_subject(struct prov_queue *q, struct item *it)
{
	struct subject **slot = subject_slot(q, it->d.subject);
	struct subject *s = *slot;
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return PROV_ENOMEM;
		memcpy(s->uuid, it->d.subject, sizeof(s->uuid));
		*slot = s;
	}
	struct item *after = s->tail;
	while (after && after->d.seq > it->d.seq)
		after = after->s_prev;
	it->s_prev = after;
	it->s_next = after ? after->s_next : s->head;
	*(it->s_next ? &it->s_next->s_prev : &s->tail) = it;
	*(after ? &after->s_next : &s->head) = it;
	it->subject = s;
	settle(q, s);
	return 0;
}

/* Ended: later items of the subject may go. The item stays until it is saved. */
static void leave_subject(struct prov_queue *q, struct item *it)
{
	struct subject *s = it->subject;
	*(it->s_prev ? &it->s_prev->s_next : &s->head) = it->s_next;
	*(it->s_next ? &it->s_next->s_prev : &s->tail) = it->s_prev;
	it->subject = NULL;
	settle(q, s);
}

static void touch(struct prov_queue *q, struct item *it)
{
	if (it->d.seq > q->touched)
		q->touched = it->d.seq;
	it->changed = true;
	q->dirty = true;
}

static void shift(int64_t *time, int64_t by)
{
	*time += *time ? by : 0;
}

static void shift_times(struct prov_delivery *d, int64_t by)
{
	shift(&d->first, by);
	shift(&d->last, by);
	shift(&d->next, by);
}

int prov_queue_add(struct prov_queue *q, const struct prov_delivery *d, bool stored, int64_t now)
{
	if (prov_queue_full(q))
		return PROV_EFULL;
	struct item *it = calloc(1, sizeof(*it));
	if (!it)
		return PROV_ENOMEM;
	it->d = *d;
	if (stored && d->last > now) /* written before the clock was set back */
		shift_times(&it->d, now - d->last);
	it->d.subject[sizeof(it->d.subject) - 1] = 0;
	it->stored = stored;
	it->due = d->state == PROV_D_DEFERRED ? it->d.next : now;
	int rc = link_item(q, it);
	if (!rc && d->state == PROV_D_PARKED) {
		touch(q, it);
		return 0;
	}
	if (!rc) {
		rc = join_subject(q, it);
		if (rc)
			unlink_item(q, it);
	}
	if (rc)
		free(it);
	return rc;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static unsigned allowed(const struct prov_queue *q)
{
	return q->failures >= THROTTLE_AFTER ? 1 : q->limits.concurrency;
}

int64_t prov_queue_due(const struct prov_queue *q)
{
	const struct heap_node *top = heap_top(&q->heap);
	if (!top || q->in_flight >= allowed(q))
		return INT64_MAX;
	return later(top->due, later(q->held_until, q->quiet_until));
}

const struct prov_delivery *prov_queue_next(struct prov_queue *q, int64_t now)
{
	if (prov_queue_due(q) > now)
		return NULL;
	struct subject *s = (struct subject *)heap_top(&q->heap);
	struct item *it = s->head;
	it->in_flight = s->in_flight = true;
	q->in_flight++;
	settle(q, s);
	return &it->d;
}

static struct item *landed(struct prov_queue *q, const struct prov_delivery *d)
{
	struct item *it =
		(struct item *)(uintptr_t)d; /* d is its first member, given out by next */
	it->in_flight = it->subject->in_flight = false;
	q->in_flight--;
	return it;
}

void prov_queue_put_back(struct prov_queue *q, const struct prov_delivery *d, int64_t now)
{
	struct item *it = landed(q, d);
	it->due = now;
	settle(q, it->subject);
}

static void note_success(struct prov_queue *q, bool success, int64_t now)
{
	if (success) {
		q->failures = q->holds = 0;
		q->held_until = 0;
		return;
	}
	if (q->failures < 1000)
		q->failures++;
	/* While it is held, those that end were under way before: they tell nothing new. */
	if (q->failures < THROTTLE_AFTER || (q->holds && now < q->held_until))
		return;
	int64_t wait = q->holds < 8 ? (int64_t)THROTTLE_FIRST << q->holds : THROTTLE_LONGEST;
	q->held_until = now + (wait < THROTTLE_LONGEST ? wait : THROTTLE_LONGEST);
	if (q->holds < 8)
		q->holds++;
}

/* "Again" is not counted, so its distance grows with the event's age: as many doublings
 * as failures would have needed to become that old. */
static unsigned doublings_for_age(int64_t age)
{
	unsigned n = 1;
	for (int64_t reach = AGAIN_FIRST; reach < age && n < 20; reach *= 2)
		n++;
	return n;
}

static enum prov_delivery_state judge(const struct prov_queue *q, struct prov_delivery *d,
	enum prov_outcome outcome, int64_t now)
{
	switch (outcome) {
	case PROV_OUTCOME_DONE:
		return PROV_D_DONE;
	case PROV_OUTCOME_PARK:
		d->attempts++;
		return PROV_D_PARKED;
	case PROV_OUTCOME_FAILED:
		d->attempts++;
		if (d->attempts >= q->limits.max_attempts)
			return PROV_D_PARKED;
		break;
	case PROV_OUTCOME_AGAIN:
		break;
	}
	return now - d->first >= q->limits.max_age ? PROV_D_PARKED : PROV_D_DEFERRED;
}

void prov_queue_finish(struct prov_queue *q, const struct prov_delivery *handle,
	enum prov_outcome outcome, const char *error, int64_t now, uint64_t seed)
{
	struct item *it = landed(q, handle);
	struct prov_delivery *d = &it->d;
	if (!d->first)
		d->first = now;
	d->last = now;
	d->state = judge(q, d, outcome, now);
	d->next = 0;
	size_t len = error ? strnlen(error, sizeof(d->error) - 1) : 0;
	if (len)
		memcpy(d->error, error, len);
	d->error[len] = 0;
	touch(q, it);
	/* An event that cannot be sent at all says nothing about the destination. */
	if (outcome != PROV_OUTCOME_PARK)
		note_success(q, outcome == PROV_OUTCOME_DONE, now);
	if (d->state != PROV_D_DEFERRED) {
		leave_subject(q, it);
		return;
	}
	unsigned doublings =
		outcome == PROV_OUTCOME_AGAIN ? doublings_for_age(now - d->first) : d->attempts;
	d->next = it->due = prov_backoff_next(now, doublings, seed);
	settle(q, it->subject);
}

void prov_queue_hold(struct prov_queue *q, int64_t until)
{
	q->quiet_until = later(q->quiet_until, until);
}

void prov_queue_clock_set(struct prov_queue *q, int64_t by)
{
	for (struct item *it = q->head; it; it = it->next) {
		shift_times(&it->d, by);
		it->due += by;
		if (it->subject && it->subject->head == it)
			settle(q, it->subject);
	}
	shift(&q->held_until, by);
	shift(&q->quiet_until, by);
}

int prov_queue_retry(struct prov_queue *q, uint64_t seq, int64_t now)
{
	struct item *it = q->head;
	while (it && it->d.seq < seq)
		it = it->next;
	if (!it || it->d.seq != seq || !it->subject)
		return PROV_ENOENT;
	q->held_until = q->quiet_until = 0;
	if (it->in_flight)
		return 0;
	it->due = it->d.next = now;
	touch(q, it);
	settle(q, it->subject);
	return 0;
}

struct prov_queue_counts prov_queue_count(const struct prov_queue *q)
{
	struct prov_queue_counts c = { .in_flight = q->in_flight,
		.failures = q->failures,
		.held_until = later(q->held_until, q->quiet_until) };
	for (const struct item *it = q->head; it; it = it->next) {
		if (it->subject && it->d.first &&
			(!c.failing_since || it->d.first < c.failing_since))
			c.failing_since = it->d.first;
		if (!it->subject || it->in_flight)
			continue;
		if (it->d.state == PROV_D_DEFERRED)
			c.deferred++;
		else
			c.ready++;
	}
	return c;
}

bool prov_queue_dirty(const struct prov_queue *q)
{
	return q->dirty;
}

int prov_queue_save(struct prov_queue *q,
	int (*row)(void *ctx, const struct prov_delivery *d, bool keep), void *ctx,
	uint64_t *cursor)
{
	uint64_t reach = q->passed;
	for (struct item *it = q->head; it; it = it->next) {
		if (it->d.seq > q->touched && !it->stored) { /* it and all after it: as they were */
			reach = it->d.seq - 1;
			break;
		}
		bool keep = it->d.state != PROV_D_DONE;
		if (keep ? it->stored && !it->changed : !it->stored)
			continue;
		int rc = row(ctx, &it->d, keep);
		if (rc)
			return rc;
	}
	*cursor = q->offered = reach > q->cursor ? reach : q->cursor;
	return 0;
}

void prov_queue_saved(struct prov_queue *q)
{
	struct item *next = NULL;
	for (struct item *it = q->head; it && (it->d.seq <= q->touched || it->stored); it = next) {
		next = it->next;
		it->changed = false;
		it->stored = true;
		if (it->subject)
			continue;
		unlink_item(q, it);
		free(it);
	}
	q->cursor = q->offered;
	q->dirty = false;
}

void prov_queue_free(struct prov_queue **qp)
{
	struct prov_queue *q = *qp;
	if (!q)
		return;
	for (struct item *it = q->head, *next = NULL; it; it = next) {
		next = it->next;
		free(it);
	}
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct subject *s = q->bucket[i], *next = NULL; s; s = next) {
			next = s->hash_next;
			free(s);
		}
	}
	heap_dispose(&q->heap);
	free(q);
	*qp = NULL;
}
