/*
 * queue.h - which event goes to one connector next. Pure: no I/O, no clock.
 *
 * Owns: the events of one connector that are known and not finished (the window),
 * their order per subject (the account), backoff, parking and throttling. Never
 * reads the outbox and never delivers: the caller adds events in sequence order,
 * starts what prov_queue_next() gives out, reports the outcome, and writes what
 * prov_queue_save() hands it into the delivery environment.
 *
 *   ready -> in flight -> done | deferred | parked ;  deferred -> in flight
 *
 * Per subject one event is in flight at a time, the oldest first; a deferred event
 * holds back the later ones of its subject. A parked event holds back nothing: it
 * is out of the order until an admin retries it. When the destination as a whole
 * seems dead (THROTTLE_AFTER failures in a row) only one event at a time is tried,
 * at growing distances, until one succeeds.
 *
 * What is stored: a cursor, at or below which every event is done or has a row.
 * The cursor moves past events that wait or are in flight by giving them a row, so
 * that one slow event neither holds it back nor makes finished ones come again.
 *
 * Memory is bounded by the window; when it is full the caller stops adding.
 */
#ifndef PROVD_QUEUE_H
#define PROVD_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outbox.h" /* struct prov_delivery */

struct prov_queue;

struct prov_queue_limits {
	unsigned concurrency;  /* subjects at a time, 1 or more */
	unsigned max_attempts; /* failed attempts, then parked */
	int64_t max_age;       /* seconds since the first attempt, then parked */
};

enum prov_outcome {
	PROV_OUTCOME_DONE,
	PROV_OUTCOME_AGAIN, /* the destination asks for later: not counted as a failed attempt */
	PROV_OUTCOME_FAILED,
	PROV_OUTCOME_PARK, /* trying again cannot help */
};
const char *prov_outcome_name(enum prov_outcome o);

struct prov_queue_counts {
	size_t ready, deferred, in_flight;
	unsigned failures;     /* in a row */
	int64_t held_until;    /* throttled until then; 0: not */
	int64_t failing_since; /* the first failure of the event that fails longest; 0: none does */
};

/* window: most events in memory. cursor: as stored. */
int prov_queue_new(uint64_t cursor, size_t window, struct prov_queue **out);
void prov_queue_free(struct prov_queue **q);
void prov_queue_limit(struct prov_queue *q, const struct prov_queue_limits *limits);

/*
 * Add an event that waits (state ready or deferred) or that is to be parked at once
 * (state parked: it only waits to be stored). stored: d came from a row of the
 * delivery environment. PROV_EEXIST when it is there, PROV_EFULL, PROV_ENOMEM.
 */
int prov_queue_add(struct prov_queue *q, const struct prov_delivery *d, bool stored, int64_t now);
bool prov_queue_full(const struct prov_queue *q);
bool prov_queue_low(const struct prov_queue *q); /* half empty: worth adding more */
/* Every event up to seq has been added or is not for this connector. */
void prov_queue_pass(struct prov_queue *q, uint64_t seq);
uint64_t prov_queue_passed(const struct prov_queue *q);

/* The event to start now, marked in flight, or NULL. Borrowed until it is finished and saved. */
const struct prov_delivery *prov_queue_next(struct prov_queue *q, int64_t now);
/* It was not begun after all, or was cut off by our own stop. */
void prov_queue_put_back(struct prov_queue *q, const struct prov_delivery *d, int64_t now);
/* It ended. error: text for people, may be NULL. seed: for the jitter. d tells the new state. */
void prov_queue_finish(struct prov_queue *q, const struct prov_delivery *d,
	enum prov_outcome outcome, const char *error, int64_t now, uint64_t seed);
/* The clock was set by so many seconds: what was to be waited stays what it was. */
void prov_queue_clock_set(struct prov_queue *q, int64_t by);
/* The destination asks for quiet: nothing is given out before `until`. */
void prov_queue_hold(struct prov_queue *q, int64_t until);
/* An admin wants it tried now; also ends throttling. PROV_ENOENT when it does not wait here. */
int prov_queue_retry(struct prov_queue *q, uint64_t seq, int64_t now);

/* When prov_queue_next() may have something, as far as time decides; INT64_MAX: never. */
int64_t prov_queue_due(const struct prov_queue *q);
struct prov_queue_counts prov_queue_count(const struct prov_queue *q);

/* Is there something that a crash must not lose? How far could the cursor move? */
bool prov_queue_dirty(const struct prov_queue *q);
uint64_t prov_queue_cursor(const struct prov_queue *q); /* as stored */
/*
 * Hand out the rows to write (keep) or to delete, and the cursor. A nonzero return of
 * row() stops and is returned. When all is committed call prov_queue_saved(); when it
 * failed, call nothing and save again later. Nothing may change in between.
 */
int prov_queue_save(struct prov_queue *q,
	int (*row)(void *ctx, const struct prov_delivery *d, bool keep), void *ctx,
	uint64_t *cursor);
void prov_queue_saved(struct prov_queue *q);

#endif
