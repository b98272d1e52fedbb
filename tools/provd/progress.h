/*
 * progress.h - a connector's queue and the delivery environment, kept in step.
 *
 * Owns: loading rows into a queue, scanning the outbox into it, saving what became of
 * events, and an admin's retry. Never delivers. No transaction outlives a
 * call. A failed save leaves the queue as it is: save again later.
 */
#ifndef PROVD_PROGRESS_H
#define PROVD_PROGRESS_H

#include "connector.h"
#include "outbox.h"
#include "queue.h"

/* The stored cursor of a connector. One that has none begins at 0, and that is stored, so
 * that no event is trimmed before it: only events that were routed to it name it, so from
 * the beginning of the outbox is from when the connector began to exist. */
int prov_progress_cursor(struct prov_delivery_env *d, const char *connector, uint64_t *cursor,
	struct prov_error *err);

/* Add rows that wait and are not in the queue, in order. *all: every one is in now. */
int prov_progress_load(struct prov_delivery_env *d, const char *connector, struct prov_queue *q,
	int64_t now, bool *all, struct prov_error *err);

/* Look at up to `most` events behind what was passed and add those for the connector; c as in
 * body.h. *end: the end of the outbox was reached. An undecodable event is parked. */
int prov_progress_scan(struct prov_kv *state, const char *connector, const struct prov_connector *c,
	struct prov_queue *q, unsigned most, int64_t now, bool *end, struct prov_error *err);

/* Write down what became of the events of several queues, in one transaction, with what the
 * trail shall say of it. */
struct prov_progress_item {
	const char *connector;
	struct prov_queue *q;
};
struct prov_progress_reports {
	size_t n;
	char *const *record;
	uint64_t noted; /* rows that the trail has; they go */
};
int prov_progress_save(struct prov_delivery_env *d, const struct prov_progress_item *item, size_t n,
	const struct prov_progress_reports *reports, struct prov_error *err);

/* Keep what is known of an account elsewhere: its id there, and that this event was carried out
 * (seq and ms; 0: none was). The newest event counts, in whatever order they are told.
 * PROV_EINVAL: nothing that could be kept. */
int prov_progress_remote(struct prov_delivery_env *d, const char *connector, const char *subject,
	const struct prov_remote *now, struct prov_error *err);

/* An admin wants parked events (load them afterwards) and deferred ones tried now; seq 0: all of
 * them. *n: how many. */
int prov_progress_retry(struct prov_delivery_env *d, const char *connector, struct prov_queue *q,
	uint64_t seq, int64_t now, unsigned *n, struct prov_error *err);

/* Run work() in a write transaction; once more after the map was grown, when that was what
 * failed: so work() may run twice. A text that it left in err is kept. */
int prov_progress_write(struct prov_delivery_env *d, int (*work)(struct prov_kv_txn *t, void *ctx),
	void *ctx, struct prov_error *err);

struct prov_progress_counts {
	uint64_t ready, deferred, parked, dropped;
};
int prov_progress_count(struct prov_delivery_env *d, const char *connector,
	struct prov_progress_counts *out, struct prov_error *err);

#endif
