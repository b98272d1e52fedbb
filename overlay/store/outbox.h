/*
 * outbox.h - events waiting for connectors, and how far each connector has come.
 *
 * Events live in the state environment (written by the relay): key be64 sequence,
 * value version byte 1 then the event JSON of record.h. Progress lives in the
 * delivery environment (<dir>/delivery.mdb, written by whoever holds the lock file
 * <dir>/delivery.lock, normally provd): per connector a cursor, everything at or
 * below it being done, plus exceptions.
 *
 *   ready -> in flight -> done | deferred | parked
 *   deferred -> ready ; parked -> ready | dropped (an admin only)
 *
 * in flight is only in provd's memory: after a crash such an event is ready again.
 * Undecodable rows are kept, listed as parked, and block nobody.
 */
#ifndef PROV_OUTBOX_H
#define PROV_OUTBOX_H

#include "kv.h"
#include "state.h"

enum prov_delivery_state {
	PROV_D_READY,
	PROV_D_DEFERRED,
	PROV_D_PARKED,
	PROV_D_DROPPED,
	PROV_D_DONE
};
const char *prov_delivery_state_name(enum prov_delivery_state s);

/* One event's state at one connector, when it is not simply "not yet reached" or done. */
struct prov_delivery {
	uint64_t seq;
	enum prov_delivery_state state;
	unsigned attempts;
	int64_t first, last, next; /* seconds; next attempt not before */
	char error[256];           /* of the last attempt */
	char subject[37];          /* entryUUID: later events of it wait behind this one */
};

struct prov_delivery_env;

/* Take the lock and open for writing; PROV_EBUSY when another process holds it. */
int prov_delivery_open(const char *dir, struct prov_delivery_env **out, struct prov_error *err);
/* For looking only. PROV_ENOENT when provd never ran. */
int prov_delivery_open_read(const char *dir, struct prov_delivery_env **out,
	struct prov_error *err);
void prov_delivery_close(struct prov_delivery_env **d);
struct prov_kv *prov_delivery_kv(struct prov_delivery_env *d);
/* 16 random bytes: what is saved through this d is a stretch of that id (history.h). */
const unsigned char *prov_delivery_stretch(const struct prov_delivery_env *d);

int prov_cursor_get(struct prov_kv_txn *t, const char *connector, uint64_t *seq); /* PROV_ENOENT */
int prov_cursor_put(struct prov_kv_txn *t, const char *connector, uint64_t seq);
int prov_cursor_delete(struct prov_kv_txn *t, const char *connector); /* none there: fine */
int prov_cursor_each(struct prov_kv_txn *t,
	int (*see)(void *ctx, const char *connector, uint64_t seq), void *ctx);
int prov_delivery_get(struct prov_kv_txn *t, const char *connector, uint64_t seq,
	struct prov_delivery *out);
int prov_delivery_put(struct prov_kv_txn *t, const char *connector, const struct prov_delivery *d);
int prov_delivery_delete(struct prov_kv_txn *t, const char *connector, uint64_t seq);
/* connector NULL: all. */
int prov_delivery_each(struct prov_kv_txn *t, const char *connector,
	int (*see)(void *ctx, const char *connector, const struct prov_delivery *d), void *ctx);
/* Those in these states (bits 1 << state), by sequence; *out: free(). PROV_ENOMEM. */
int prov_delivery_list(struct prov_kv_txn *t, const char *connector, unsigned states,
	struct prov_delivery **out, size_t *n);

/*
 * What a connector that keeps accounts elsewhere remembers of one (entryUUID): the newest event
 * that was carried out there, so that an older one, parked and tried again or brought here from a
 * lost server, cannot undo it; and the account's id there. PROV_ENOENT: nothing yet.
 * PROV_ECORRUPT.
 */
struct prov_remote {
	uint64_t seq;
	int64_t ms;         /* the event's own time, since the epoch; 0: not known */
	struct prov_val id; /* empty: not known; no zero byte in it */
};
int prov_remote_get(struct prov_kv_txn *t, const char *connector, const char *subject,
	struct prov_remote *out);
int prov_remote_put(struct prov_kv_txn *t, const char *connector, const char *subject,
	const struct prov_remote *r);
int prov_remote_forget(struct prov_kv_txn *t, const char *connector); /* of every account */
/* At every connector: what was done for events from seq (at least 1) on counts as done for the one
 * before, or it would keep what comes now under their numbers from the destination. */
int prov_remote_rewind(struct prov_kv_txn *t, uint64_t seq);

/* The destination wants no more (HTTP 410): mark is the CSN of the connector's entry that this
 * holds for. put: NULL takes it away. */
int prov_refused_get(struct prov_kv_txn *t, const char *connector, struct prov_val *mark);
int prov_refused_put(struct prov_kv_txn *t, const char *connector, const char *mark);

/* Events in the state environment. */
int prov_outbox_put(struct prov_kv_txn *t, uint64_t seq, const char *json, size_t len);
int prov_outbox_get(struct prov_kv_txn *t, uint64_t seq, struct prov_val *json); /* PROV_ECORRUPT */
int prov_outbox_first_after(struct prov_kv_txn *t, uint64_t seq, uint64_t *found,
	struct prov_val *json);
int prov_outbox_last(struct prov_kv_txn *t, uint64_t *seq); /* 0 when empty */
int prov_outbox_trim(struct prov_kv_txn *t, uint64_t upto, unsigned most, unsigned *trimmed);

/* Waking provd: a datagram to <dir>/provd.wake; never blocks, nobody there is fine. */
void prov_wake_send(const char *dir);
int prov_wake_listen(const char *dir, int *fd, struct prov_error *err);

#endif
