/*
 * state.h - the state environment (<dir>/state.mdb): trail, checkpoints, outbox, meta.
 *
 * Written by one process only, the relay in slapd; read by anybody. All
 * tables are in one environment so that a batch of records is one commit.
 */
#ifndef PROV_STATE_H
#define PROV_STATE_H

#include "kv.h"

enum prov_state_table { PROV_T_META, PROV_T_TRAIL, PROV_T_CHECKPOINT, PROV_T_OUTBOX };

struct prov_statedir; /* opaque: the open environment and its path */

int prov_statedir_open(const char *dir, bool write, struct prov_statedir **out,
	struct prov_error *err);
void prov_statedir_close(struct prov_statedir **s);
struct prov_kv *prov_statedir_kv(struct prov_statedir *s);

/* meta: small named values. Names in use: "format", "capture" (be64, last capture row
 * relayed), "instance" (UUID of the database whose rows these are), "source" (LDAP URL),
 * "suffix", "policy" (be64 generation: grows at each policy swap), "outbox" (be64, last
 * sequence given out), "lineage", "rows", "saves" (history.h), "files" (slapd/restored.h). */
int prov_meta_get(struct prov_kv_txn *t, const char *name, struct prov_val *out);
int prov_meta_put(struct prov_kv_txn *t, const char *name, struct prov_val v);
int prov_meta_get64(struct prov_kv_txn *t, const char *name, uint64_t *out); /* 0 when missing */
int prov_meta_put64(struct prov_kv_txn *t, const char *name, uint64_t v);

/*
 * Take one capture row in: append the record to the trail, put its events into the
 * outbox, note the row as relayed. Rows at or below the noted one are passed over
 * (idempotent). Returns 0; *fresh tells whether it was new. A row that does not
 * decode is chained as it is (op "undecodable") and makes no events.
 */
int prov_state_take(struct prov_kv_txn *t, uint64_t capture_seq, struct prov_val row, bool *fresh,
	struct prov_error *err);

/* A capture row: one version byte (1), then the canonical JSON record of len bytes; the row
 * is PROV_CAPTURE_HEAD bytes longer than that. */
#define PROV_CAPTURE_HEAD 1
void prov_capture_encode(const char *record, size_t len, char *row);
int prov_capture_decode(struct prov_val row, struct prov_val *record);

#endif
