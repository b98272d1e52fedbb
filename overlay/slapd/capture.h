/*
 * capture.h - rows in the database's own environment: what each commit did, until
 * the relay has taken it; and small named values that must be in the same commit.
 *
 * Uses back-mdb's environment and LMDB. Rows: be64 sequence -> capture row
 * (store/state.h). Trimming rides on later writes: a put deletes a few relayed rows;
 * the newest row always stays, so that the sequence survives.
 */
#ifndef PROV_SLAPD_CAPTURE_H
#define PROV_SLAPD_CAPTURE_H

#include "instance.h"

#include "entry.h"
#include "error.h"
#include "lineage.h"

/* More rows than this not yet relayed: writes are refused. */
#define PROV_CAPTURE_BACKLOG 8192

int prov_capture_open(struct prov_instance *pi, struct prov_error *err); /* sets pi->capture */
void prov_capture_close(struct prov_instance *pi);

/* In the transaction txn (prov_txn_mdb). Takes the canonical record; makes the row.
 * PROV_EFULL: the backlog or the database is full. */
int prov_capture_put(struct prov_capture *c, void *txn, const char *record, size_t len,
	struct prov_error *err);

uint64_t prov_capture_last(struct prov_capture
		*c); /* newest committed sequence; not inside an operation of the database */
uint64_t prov_capture_relayed(struct prov_capture *c); /* taken by the relay */
void prov_capture_set_relayed(struct prov_capture *c, uint64_t seq);
const char *prov_capture_instance(struct prov_capture *c); /* UUID of this database's rows */
uint64_t prov_capture_first(struct prov_capture *c);       /* oldest row that is there; 0: none */
/* Of the rows' numbers; a new stretch since each opening (core/lineage.h). */
const struct prov_lineage *prov_capture_lineage(struct prov_capture *c);

/* Rows after `after`, at most `most`, in a read transaction of the calling thread; none when another
 * instance has opened the database since: they are its own. */
int prov_capture_read(struct prov_capture *c, uint64_t after, unsigned most,
	int (*see)(void *ctx, uint64_t seq, struct prov_val row), void *ctx,
	struct prov_error *err);

/* Named values. get copies into the arena; PROV_ENOENT. txn NULL: in a transaction of its own. */
int prov_named_put(struct prov_capture *c, void *txn, const char *name, struct prov_val v,
	struct prov_error *err);
int prov_named_delete(struct prov_capture *c, void *txn, const char *name);
/* Borrowed until the transaction's next write or end. */
int prov_named_get(struct prov_capture *c, void *txn, const char *name, struct prov_val *v);
/* Before prov_capture_open: a copy of a value of at most `most` bytes; 0: there is none. */
size_t prov_named_peek(void *mdb, const char *name, char *out, size_t most);
/* First name that begins with prefix; the name and value in the arena. */
int prov_named_first(struct prov_capture *c, void *txn, const char *prefix,
	struct prov_arena *arena, const char **name, struct prov_val *v);

#endif
