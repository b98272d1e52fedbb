/*
 * kv_memory.c - the same tables in memory: for tests, and as the measure of kv.h.
 *
 * A write transaction works on a copy that replaces the tables when it commits; a
 * read transaction sees the tables as they are now (one thread only).
 */
#include <stdlib.h>
#include <string.h>

#include "kv_backend.h"

struct row {
	struct prov_val k, v;
};

struct mem_table {
	struct row *row; /* sorted by key */
	size_t n, room;
};

struct mem_env {
	unsigned tables;
	struct mem_table *table;
};

struct mem_txn {
	struct mem_table *table; /* the environment's own, or the writer's copy */
	bool write;
};

struct mem_cursor {
	struct mem_table *t;
	size_t at;
};

static int order(struct prov_val a, struct prov_val b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int d = n ? memcmp(a.data, b.data, n) : 0;

	return d ? d : (a.len > b.len) - (a.len < b.len);
}

static size_t lower(const struct mem_table *t, struct prov_val key)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (order(t->row[mid].k, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int dup(struct prov_val v, struct prov_val *out)
{
	char *p = malloc(v.len + 1);

	if (!p)
		return PROV_ENOMEM;
	if (v.len)
		memcpy(p, v.data, v.len);
	out->data = p;
	out->len = v.len;
	return 0;
}

static void row_free(struct row *r)
{
	free((char *)r->k.data);
	free((char *)r->v.data);
}

static void tables_free(struct mem_table *t, unsigned n)
{
	for (unsigned i = 0; t && i < n; i++) {
		for (size_t r = 0; r < t[i].n; r++)
			row_free(&t[i].row[r]);
		free(t[i].row);
	}
	free(t);
}

static int insert(struct mem_table *t, size_t at, struct prov_val key, struct prov_val val)
{
	struct row fresh = { { NULL, 0 }, { NULL, 0 } };

	if (t->n == t->room) {
		size_t room = t->room ? t->room * 2 : 16;
		struct row *r = realloc(t->row, room * sizeof(*r));
		if (!r)
			return PROV_ENOMEM;
		t->row = r;
		t->room = room;
	}
	if (dup(key, &fresh.k) || dup(val, &fresh.v)) {
		row_free(&fresh);
		return PROV_ENOMEM;
	}
	memmove(&t->row[at + 1], &t->row[at], (t->n - at) * sizeof(*t->row));
	t->row[at] = fresh;
	t->n++;
	return 0;
}

static struct mem_table *copy(const struct mem_env *e)
{
	struct mem_table *t = calloc(e->tables, sizeof(*t));

	for (unsigned i = 0; t && i < e->tables; i++)
		for (size_t r = 0; r < e->table[i].n; r++)
			if (insert(&t[i], r, e->table[i].row[r].k, e->table[i].row[r].v)) {
				tables_free(t, e->tables);
				return NULL;
			}
	return t;
}

static int m_begin(void *env, bool write, void **txn, struct prov_error *err)
{
	struct mem_env *e = env;
	struct mem_txn *t = calloc(1, sizeof(*t));

	if (t) {
		t->write = write;
		t->table = write ? copy(e) : e->table;
	}
	if (!t || !t->table) {
		free(t);
		return prov_error_set(err, PROV_ENOMEM, "out of memory");
	}
	*txn = t;
	return 0;
}

static void m_abort(void *env, void *txn)
{
	struct mem_env *e = env;
	struct mem_txn *t = txn;

	if (t->write)
		tables_free(t->table, e->tables);
	free(t);
}

static int m_commit(void *env, void *txn, struct prov_error *err)
{
	struct mem_env *e = env;
	struct mem_txn *t = txn;

	(void)err;
	if (t->write) {
		tables_free(e->table, e->tables);
		e->table = t->table;
	}
	free(t);
	return 0;
}

static bool found(const struct mem_table *t, size_t at, struct prov_val key)
{
	return at < t->n && order(t->row[at].k, key) == 0;
}

static int m_get(void *env, void *txn, unsigned table, struct prov_val key, struct prov_val *out)
{
	struct mem_table *t = &((struct mem_txn *)txn)->table[table];
	size_t at = lower(t, key);

	(void)env;
	if (!found(t, at, key))
		return PROV_ENOENT;
	*out = t->row[at].v;
	return 0;
}

static int m_put(void *env, void *txn, unsigned table, struct prov_val key, struct prov_val val)
{
	struct mem_table *t = &((struct mem_txn *)txn)->table[table];
	size_t at = lower(t, key);
	struct prov_val v;

	(void)env;
	if (!found(t, at, key))
		return insert(t, at, key, val);
	if (dup(val, &v))
		return PROV_ENOMEM;
	free((char *)t->row[at].v.data);
	t->row[at].v = v;
	return 0;
}

static int m_del(void *env, void *txn, unsigned table, struct prov_val key)
{
	struct mem_table *t = &((struct mem_txn *)txn)->table[table];
	size_t at = lower(t, key);

	(void)env;
	if (!found(t, at, key))
		return PROV_ENOENT;
	row_free(&t->row[at]);
	t->n--;
	memmove(&t->row[at], &t->row[at + 1], (t->n - at) * sizeof(*t->row));
	return 0;
}

static int m_count(void *env, void *txn, unsigned table, uint64_t *n)
{
	(void)env;
	*n = ((struct mem_txn *)txn)->table[table].n;
	return 0;
}

static int m_cursor_open(void *env, void *txn, unsigned table, void **cur)
{
	struct mem_cursor *c = calloc(1, sizeof(*c));

	(void)env;
	if (!c)
		return PROV_ENOMEM;
	c->t = &((struct mem_txn *)txn)->table[table];
	*cur = c;
	return 0;
}

static int give(struct mem_cursor *c, struct prov_val *k, struct prov_val *v)
{
	if (c->at >= c->t->n)
		return PROV_ENOENT;
	*k = c->t->row[c->at].k;
	*v = c->t->row[c->at].v;
	return 0;
}

static int m_cursor_seek(void *cur, const struct prov_val *key, struct prov_val *k,
	struct prov_val *v)
{
	struct mem_cursor *c = cur;

	c->at = key ? lower(c->t, *key) : c->t->n - (c->t->n > 0);
	return give(c, k, v);
}

static int m_cursor_next(void *cur, struct prov_val *k, struct prov_val *v)
{
	struct mem_cursor *c = cur;

	if (c->at < c->t->n)
		c->at++;
	return give(c, k, v);
}

static void m_cursor_close(void *cur)
{
	free(cur);
}

static int m_grow(void *env, struct prov_error *err)
{
	(void)env;
	(void)err;
	return 0;
}

static void m_close(void *env)
{
	struct mem_env *e = env;

	tables_free(e->table, e->tables);
	free(e);
}

static const struct prov_kv_ops memory_ops = { m_begin, m_commit, m_abort, m_get, m_put, m_del,
	m_count, m_cursor_open, m_cursor_seek, m_cursor_next, m_cursor_close, m_grow, NULL,
	m_close };

int prov_kv_open_memory(const char *const *tables, struct prov_kv **out, struct prov_error *err)
{
	struct mem_env *e = calloc(1, sizeof(*e));
	unsigned n = 0;

	*out = NULL;
	while (tables[n])
		n++;
	if (!e || !(e->table = calloc(n ? n : 1, sizeof(*e->table)))) {
		free(e);
		return prov_error_set(err, PROV_ENOMEM, "out of memory");
	}
	e->tables = n;
	int rc = prov_kv_wrap(&memory_ops, e, n, out);
	return rc ? prov_error_set(err, rc, "out of memory") : 0;
}
