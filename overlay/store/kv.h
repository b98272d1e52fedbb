/*
 * kv.h - ordered key-value tables: LMDB on disk, or a table in memory for tests.
 *
 * kv.c is the only file that includes lmdb.h for our own environments. Inside one
 * process an environment is opened once (LMDB's rule); the caller keeps it. Any
 * number of readers, one writer at a time (a second writer thread waits).
 *
 * A transaction has a sticky error: after the first failure every further call
 * fails with it and commit fails; so callers may check at the end. Values that get
 * and cursors return point into the transaction and die with its next write or end.
 *
 * Errors: PROV_ENOENT (no such key, or no such environment when opened read-only),
 * PROV_EFULL (map or disk full), PROV_EBUSY (reader table full), PROV_EIO,
 * PROV_ECORRUPT, PROV_EVERSION, PROV_ENOMEM; texts name the file.
 */
#ifndef PROV_KV_H
#define PROV_KV_H

#include <stdbool.h>
#include <stdint.h>

#include "be64.h"  /* keys that are numbers */
#include "entry.h" /* struct prov_val */
#include "error.h"

struct prov_kv;
struct prov_kv_txn;
struct prov_kv_cursor;

enum prov_kv_flags { PROV_KV_RDONLY = 1, PROV_KV_CREATE = 2 };

/* path: a file (MDB_NOSUBDIR; its mode: place.h). tables: NULL-terminated names; `table`
 * arguments below are positions in it. map_bytes grows as needed up to 64 times the
 * given size (a write that meets MDB_MAP_FULL returns PROV_EFULL; call
 * prov_kv_grow() outside of transactions and try again). */
int prov_kv_open(const char *path, const char *const *tables, size_t map_bytes, unsigned flags,
	struct prov_kv **out, struct prov_error *err);
/* The same interface in memory. */
int prov_kv_open_memory(const char *const *tables, struct prov_kv **out, struct prov_error *err);
int prov_kv_grow(struct prov_kv *kv, struct prov_error *err);
/* A file that is read through counts as this process's memory, page by page, until this is
 * called; then it is the kernel's cache alone. Cheap to read again. Only of an environment that
 * is open for reading; of another, nothing happens. */
void prov_kv_release(struct prov_kv *kv);
void prov_kv_close(struct prov_kv **kv);

int prov_kv_begin(struct prov_kv *kv, bool write, struct prov_kv_txn **out, struct prov_error *err);
int prov_kv_commit(struct prov_kv_txn **txn, struct prov_error *err); /* always ends it */
void prov_kv_abort(struct prov_kv_txn **txn);                         /* NULL is fine */

int prov_kv_get(struct prov_kv_txn *txn, unsigned table, struct prov_val key, struct prov_val *out);
int prov_kv_put(struct prov_kv_txn *txn, unsigned table, struct prov_val key, struct prov_val val);
int prov_kv_delete(struct prov_kv_txn *txn, unsigned table, struct prov_val key);
int prov_kv_count(struct prov_kv_txn *txn, unsigned table, uint64_t *n);

int prov_kv_cursor_open(struct prov_kv_txn *txn, unsigned table, struct prov_kv_cursor **out);
/* First key >= key (an empty key: the first of all). PROV_ENOENT when none. */
int prov_kv_cursor_seek(struct prov_kv_cursor *c, struct prov_val key, struct prov_val *k,
	struct prov_val *v);
int prov_kv_cursor_next(struct prov_kv_cursor *c, struct prov_val *k, struct prov_val *v);
int prov_kv_cursor_last(struct prov_kv_cursor *c, struct prov_val *k, struct prov_val *v);
void prov_kv_cursor_close(struct prov_kv_cursor **c);

/* Fault injection for tests: the n-th following write call fails with code. 0 turns it off. */
void prov_kv_fail_after(struct prov_kv *kv, unsigned n, int code);

#endif
