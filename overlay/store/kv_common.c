/*
 * kv_common.c - what every back end shares: the sticky error and injected faults.
 */
#include <stdlib.h>

#include "kv_backend.h"

struct prov_kv {
	const struct prov_kv_ops *ops;
	void *env;
	unsigned tables;
	unsigned fail_in; /* 0: off */
	int fail_code;
};

struct prov_kv_txn {
	struct prov_kv *kv;
	void *txn;
	bool write;
	int error; /* the first failure; everything after it fails the same way */
};

struct prov_kv_cursor {
	struct prov_kv_txn *txn;
	void *cur;
};

int prov_kv_wrap(const struct prov_kv_ops *ops, void *env, unsigned tables, struct prov_kv **out)
{
	struct prov_kv *kv = calloc(1, sizeof(*kv));

	if (!kv) {
		ops->close(env);
		return PROV_ENOMEM;
	}
	kv->ops = ops;
	kv->env = env;
	kv->tables = tables;
	*out = kv;
	return 0;
}

void prov_kv_close(struct prov_kv **kv)
{
	if (!*kv)
		return;
	(*kv)->ops->close((*kv)->env);
	free(*kv);
	*kv = NULL;
}

int prov_kv_grow(struct prov_kv *kv, struct prov_error *err)
{
	return kv->ops->grow(kv->env, err);
}

void prov_kv_release(struct prov_kv *kv)
{
	if (kv->ops->release)
		kv->ops->release(kv->env);
}

void prov_kv_fail_after(struct prov_kv *kv, unsigned n, int code)
{
	kv->fail_in = n;
	kv->fail_code = code;
}

static int injected(struct prov_kv *kv)
{
	return kv->fail_in && --kv->fail_in == 0 ? kv->fail_code : 0;
}

int prov_kv_begin(struct prov_kv *kv, bool write, struct prov_kv_txn **out, struct prov_error *err)
{
	struct prov_kv_txn *t = calloc(1, sizeof(*t));

	*out = NULL;
	if (!t)
		return prov_error_set(err, PROV_ENOMEM, "out of memory");
	int rc = kv->ops->begin(kv->env, write, &t->txn, err);
	if (rc) {
		free(t);
		return rc;
	}
	t->kv = kv;
	t->write = write;
	*out = t;
	return 0;
}

int prov_kv_commit(struct prov_kv_txn **tp, struct prov_error *err)
{
	struct prov_kv_txn *t = *tp;
	int rc = t->error;

	if (rc == 0 && t->write)
		rc = injected(t->kv);
	if (rc) {
		t->kv->ops->abort(t->kv->env, t->txn);
		prov_error_set(err, rc, "cannot commit: %s", prov_strerror(rc));
	} else {
		rc = t->kv->ops->commit(t->kv->env, t->txn, err);
	}
	free(t);
	*tp = NULL;
	return rc;
}

void prov_kv_abort(struct prov_kv_txn **tp)
{
	if (!*tp)
		return;
	(*tp)->kv->ops->abort((*tp)->kv->env, (*tp)->txn);
	free(*tp);
	*tp = NULL;
}

static int stick(struct prov_kv_txn *t, int rc)
{
	if (rc && rc != PROV_ENOENT && !t->error)
		t->error = rc;
	return rc;
}

int prov_kv_get(struct prov_kv_txn *t, unsigned table, struct prov_val key, struct prov_val *out)
{
	*out = (struct prov_val){ NULL, 0 };
	return t->error ? t->error : stick(t, t->kv->ops->get(t->kv->env, t->txn, table, key, out));
}

static int may_write(struct prov_kv_txn *t, unsigned table)
{
	if (t->error)
		return t->error;
	if (!t->write || table >= t->kv->tables)
		return stick(t, PROV_EINVAL);
	return stick(t, injected(t->kv));
}

int prov_kv_put(struct prov_kv_txn *t, unsigned table, struct prov_val key, struct prov_val val)
{
	int rc = may_write(t, table);

	return rc ? rc : stick(t, t->kv->ops->put(t->kv->env, t->txn, table, key, val));
}

int prov_kv_delete(struct prov_kv_txn *t, unsigned table, struct prov_val key)
{
	int rc = may_write(t, table);

	return rc ? rc : stick(t, t->kv->ops->del(t->kv->env, t->txn, table, key));
}

int prov_kv_count(struct prov_kv_txn *t, unsigned table, uint64_t *n)
{
	*n = 0;
	return t->error ? t->error : stick(t, t->kv->ops->count(t->kv->env, t->txn, table, n));
}

int prov_kv_cursor_open(struct prov_kv_txn *t, unsigned table, struct prov_kv_cursor **out)
{
	struct prov_kv_cursor *c = calloc(1, sizeof(*c));
	int rc = c ? t->error : PROV_ENOMEM;

	*out = NULL;
	if (rc == 0)
		rc = t->kv->ops->cursor_open(t->kv->env, t->txn, table, &c->cur);
	if (rc) {
		free(c);
		return stick(t, rc);
	}
	c->txn = t;
	*out = c;
	return 0;
}

int prov_kv_cursor_seek(struct prov_kv_cursor *c, struct prov_val key, struct prov_val *k,
	struct prov_val *v)
{
	return c->txn->error ? c->txn->error
			     : stick(c->txn, c->txn->kv->ops->cursor_seek(c->cur, &key, k, v));
}

int prov_kv_cursor_next(struct prov_kv_cursor *c, struct prov_val *k, struct prov_val *v)
{
	return c->txn->error ? c->txn->error
			     : stick(c->txn, c->txn->kv->ops->cursor_next(c->cur, k, v));
}

int prov_kv_cursor_last(struct prov_kv_cursor *c, struct prov_val *k, struct prov_val *v)
{
	return c->txn->error ? c->txn->error
			     : stick(c->txn, c->txn->kv->ops->cursor_seek(c->cur, NULL, k, v));
}

void prov_kv_cursor_close(struct prov_kv_cursor **c)
{
	if (!*c)
		return;
	(*c)->txn->kv->ops->cursor_close((*c)->cur);
	free(*c);
	*c = NULL;
}
