/*
 * kv_backend.h - what a back end of kv.h provides. Private to kv*.c.
 *
 * A back end keeps the rules of kv.h; the sticky error, growing and fault injection
 * are in kv.c for all of them.
 */
#ifndef PROV_KV_BACKEND_H
#define PROV_KV_BACKEND_H

#include "kv.h"

struct prov_kv_ops {
	int (*begin)(void *env, bool write, void **txn, struct prov_error *err);
	int (*commit)(void *env, void *txn, struct prov_error *err);
	void (*abort)(void *env, void *txn);
	int (*get)(void *env, void *txn, unsigned table, struct prov_val key, struct prov_val *out);
	int (*put)(void *env, void *txn, unsigned table, struct prov_val key, struct prov_val val);
	int (*del)(void *env, void *txn, unsigned table, struct prov_val key);
	int (*count)(void *env, void *txn, unsigned table, uint64_t *n);
	int (*cursor_open)(void *env, void *txn, unsigned table, void **cur);
	/* key NULL: the last; else the first at or after it */
	int (*cursor_seek)(void *cur, const struct prov_val *key, struct prov_val *k,
		struct prov_val *v);
	int (*cursor_next)(void *cur, struct prov_val *k, struct prov_val *v);
	void (*cursor_close)(void *cur);
	int (*grow)(void *env, struct prov_error *err);
	void (*release)(void *env); /* NULL: nothing to release */
	void (*close)(void *env);
};

int prov_kv_wrap(const struct prov_kv_ops *ops, void *env, unsigned tables, struct prov_kv **out);

#endif
