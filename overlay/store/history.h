/*
 * history.h - what each environment knows of the others' past, so that a restore from a backup is
 * noticed by whoever was not restored (core/lineage.h).
 *
 *   lineage of      counts             is known to
 *   the database    capture rows       state.mdb      (meta "rows"; slapd/restored.c)
 *   state.mdb       events             delivery.mdb   (meta "outbox")
 *   delivery.mdb    saves              state.mdb      (meta "saves": the count, then the lineage)
 *
 * t is a transaction of the environment named; err as in kv.h.
 */
#ifndef PROV_HISTORY_H
#define PROV_HISTORY_H

#include "kv.h"
#include "lineage.h"
#include "outbox.h"

/* A stored lineage; nothing there: an empty one. table: PROV_T_META or PROV_T_DELIVERY_META. */
int prov_history_get(struct prov_kv_txn *t, unsigned table, const char *name,
	struct prov_lineage *out);
int prov_history_put(struct prov_kv_txn *t, unsigned table, const char *name,
	const struct prov_lineage *l);

/* state.mdb, as it is opened for writing: events from here on are a new stretch. */
int prov_history_begin_outbox(struct prov_kv_txn *t);

/* delivery.mdb: counts a save, in its transaction; the first since d was opened begins a stretch. */
int prov_history_count_save(struct prov_delivery_env *d, struct prov_kv_txn *t);

/*
 * state: what of delivery (both transactions) it knows is brought up to date; *news: there was
 * something. *older: delivery.mdb is another one than was known, or an older copy.
 */
int prov_history_see_delivery(struct prov_kv_txn *state, struct prov_kv_txn *delivery, bool *news,
	bool *older);

/*
 * delivery.mdb: the outbox has this lineage now. What it knows of numbers that mean something
 * else there by now is taken back: cursors, exceptions, what a destination was told last.
 */
struct prov_history_rewound {
	uint64_t fork;                /* the first such number; 0: nothing was taken back */
	unsigned cursors, exceptions; /* how many were */
};
int prov_history_meet_outbox(struct prov_kv_txn *t, const struct prov_lineage *outbox,
	struct prov_history_rewound *r);

/* Tells a file from a copy of it: inode and time of birth. "" when it cannot be read. */
void prov_history_file(const char *path, char *out, size_t room);

#endif
