/*
 * delivery.c - the delivery environment: cursors and exceptions per connector.
 *
 * Keys: "<connector>" in the table of cursors, "<connector>\0<be64 sequence>" in the
 * table of exceptions, "<connector>\0<entryUUID>" in that of remote ids. Values of exceptions:
 * version byte 1 then canonical JSON; of remote ids: the newest sequence, the id, and behind
 * a zero byte the newest event's time. Owned by whoever holds the lock file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "delivery_tables.h"
#include "history.h"
#include "json.h"
#include "outbox.h"
#include "place.h"
#include "random.h"

#define VERSION 1
#define MAP_BYTES ((size_t)256 << 20)

#define KEY_MOST PROV_DELIVERY_KEY_MOST
#define REMOTE_MOST (8 + KEY_MOST + 1 + 8) /* of a row: sequence, id, NUL, ms */

static const char *const tables[] = { PROV_DELIVERY_TABLES, NULL };
static const char *const state_names[] = { "ready", "deferred", "parked", "dropped", "done" };

struct prov_delivery_env {
	struct prov_kv *kv;
	int lock; /* -1: opened for reading */
	unsigned char stretch[PROV_LINEAGE_ID];
};

const char *prov_delivery_state_name(enum prov_delivery_state s)
{
	return s <= PROV_D_DONE ? state_names[s] : "unknown";
}

static int take_lock(const char *dir, int *fd, struct prov_error *err)
{
	char path[4096];

	int rc = prov_place_find(dir, "provd", "delivery.lock", path, sizeof(path), err);
	if (rc)
		return rc;
	prov_place_make(path, PROV_PLACE_OWN);
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0)
		return prov_error_set(err, errno == ENOENT ? PROV_ENOENT : PROV_EIO, "%s: %s", path,
			strerror(errno));
	if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	rc = errno == EWOULDBLOCK ? PROV_EBUSY : PROV_EIO;
	prov_error_set(err, rc,
		rc == PROV_EBUSY ? "%s: another process is delivering" : "%s: cannot lock", path);
	close(*fd);
	*fd = -1;
	return rc;
}

static int open_kv(const char *dir, unsigned flags, struct prov_delivery_env *d,
	struct prov_error *err)
{
	char path[4096];

	int rc = prov_place_find(dir, "provd", "delivery.mdb", path, sizeof(path), err);
	return rc ? rc : prov_kv_open(path, tables, MAP_BYTES, flags, &d->kv, err);
}

static int open_delivery(const char *dir, bool write, struct prov_delivery_env **out,
	struct prov_error *err)
{
	struct prov_delivery_env *d = calloc(1, sizeof(*d));
	int rc;

	*out = NULL;
	if (!d)
		return prov_error_set(err, PROV_ENOMEM, "out of memory");
	d->lock = -1;
	rc = write ? take_lock(dir, &d->lock, err) : 0;
	if (rc == 0 && write && prov_random(d->stretch, sizeof(d->stretch)))
		rc = prov_error_set(err, PROV_EIO, "no random bytes");
	if (rc == 0)
		rc = open_kv(dir, write ? PROV_KV_CREATE : PROV_KV_RDONLY, d, err);
	if (rc)
		prov_delivery_close(&d);
	*out = d;
	return rc;
}

int prov_delivery_open(const char *dir, struct prov_delivery_env **out, struct prov_error *err)
{
	return open_delivery(dir, true, out, err);
}

int prov_delivery_open_read(const char *dir, struct prov_delivery_env **out, struct prov_error *err)
{
	return open_delivery(dir, false, out, err);
}

void prov_delivery_close(struct prov_delivery_env **d)
{
	if (!*d)
		return;
	prov_kv_close(&(*d)->kv);
	if ((*d)->lock >= 0)
		close((*d)->lock); /* the kernel lets the lock go */
	free(*d);
	*d = NULL;
}

struct prov_kv *prov_delivery_kv(struct prov_delivery_env *d)
{
	return d->kv;
}

const unsigned char *prov_delivery_stretch(const struct prov_delivery_env *d)
{
	return d->stretch;
}

int prov_cursor_get(struct prov_kv_txn *t, const char *connector, uint64_t *seq)
{
	struct prov_val v;
	int rc = prov_kv_get(t, PROV_T_CURSOR, prov_val_str(connector), &v);

	*seq = 0;
	return rc ? rc : prov_be64_get(v, seq);
}

int prov_cursor_put(struct prov_kv_txn *t, const char *connector, uint64_t seq)
{
	unsigned char b[8];

	if (!*connector || strlen(connector) > KEY_MOST)
		return PROV_EINVAL;
	prov_be64_put(b, seq);
	return prov_kv_put(t, PROV_T_CURSOR, prov_val_str(connector),
		(struct prov_val){ (char *)b, 8 });
}

int prov_cursor_delete(struct prov_kv_txn *t, const char *connector)
{
	int rc = prov_kv_delete(t, PROV_T_CURSOR, prov_val_str(connector));

	return rc == PROV_ENOENT ? 0 : rc;
}

int prov_cursor_each(struct prov_kv_txn *t,
	int (*see)(void *ctx, const char *connector, uint64_t seq), void *ctx)
{
	struct prov_kv_cursor *c = NULL;
	struct prov_val k, v;
	char name[KEY_MOST + 1];
	uint64_t seq;
	int rc = prov_kv_cursor_open(t, PROV_T_CURSOR, &c);

	for (rc = rc ? rc : prov_kv_cursor_seek(c, prov_val_str(""), &k, &v); rc == 0;
		rc = prov_kv_cursor_next(c, &k, &v)) {
		if (k.len > KEY_MOST || prov_be64_get(v, &seq)) {
			rc = PROV_ECORRUPT;
			break;
		}
		memcpy(name, k.data, k.len);
		name[k.len] = '\0';
		rc = see(ctx, name, seq);
		if (rc)
			break;
	}
	prov_kv_cursor_close(&c);
	return rc == PROV_ENOENT ? 0 : rc;
}

static int exception_key(const char *connector, uint64_t seq, char *buf, struct prov_val *key)
{
	size_t n = strlen(connector);

	if (!n || n > KEY_MOST)
		return PROV_EINVAL;
	memcpy(buf, connector, n + 1);
	prov_be64_put((unsigned char *)buf + n + 1, seq);
	*key = (struct prov_val){ buf, n + 9 };
	return 0;
}

static int encode(const struct prov_delivery *d, char **out)
{
	json_t *o = json_pack("{s:s,s:i,s:I,s:I,s:I,s:s,s:s}", "state",
		prov_delivery_state_name(d->state), "attempts", (int)d->attempts, "first",
		(json_int_t)d->first, "last", (json_int_t)d->last, "next", (json_int_t)d->next,
		"error", d->error, "subject", d->subject);
	struct prov_json b = PROV_JSON_INIT;

	if (!o) /* an error text that is not UTF-8 */
		o = json_pack("{s:s,s:i,s:I,s:I,s:I,s:s,s:s}", "state",
			prov_delivery_state_name(d->state), "attempts", (int)d->attempts, "first",
			(json_int_t)d->first, "last", (json_int_t)d->last, "next",
			(json_int_t)d->next, "error", "(unreadable)", "subject", "");
	return prov_json_take(&b, o, out, NULL);
}

static int decode(struct prov_val v, uint64_t seq, struct prov_delivery *d)
{
	json_t *o = NULL;

	if (v.len > 1 && v.data[0] == VERSION &&
		prov_json_load(v.data + 1, v.len - 1, &o, NULL) == PROV_ENOMEM)
		return PROV_ENOMEM;
	const char *s = json_string_value(json_object_get(o, "state")), *text;

	memset(d, 0, sizeof(*d));
	d->seq = seq;
	d->state = PROV_D_PARKED; /* what cannot be read is kept and shown */
	snprintf(d->error, sizeof(d->error), "the row does not decode");
	if (!s) {
		json_decref(o);
		return 0;
	}
	for (int i = 0; i <= PROV_D_DONE; i++)
		if (strcmp(s, state_names[i]) == 0)
			d->state = (enum prov_delivery_state)i;
	d->attempts = (unsigned)json_integer_value(json_object_get(o, "attempts"));
	d->first = json_integer_value(json_object_get(o, "first"));
	d->last = json_integer_value(json_object_get(o, "last"));
	d->next = json_integer_value(json_object_get(o, "next"));
	text = json_string_value(json_object_get(o, "error"));
	snprintf(d->error, sizeof(d->error), "%s", text ? text : "");
	text = json_string_value(json_object_get(o, "subject"));
	snprintf(d->subject, sizeof(d->subject), "%s", text ? text : "");
	json_decref(o);
	return 0;
}

int prov_delivery_get(struct prov_kv_txn *t, const char *connector, uint64_t seq,
	struct prov_delivery *out)
{
	char buf[KEY_MOST + 16];
	struct prov_val key, v;
	int rc = exception_key(connector, seq, buf, &key);

	if (rc == 0)
		rc = prov_kv_get(t, PROV_T_EXCEPTION, key, &v);
	return rc ? rc : decode(v, seq, out);
}

int prov_delivery_put(struct prov_kv_txn *t, const char *connector, const struct prov_delivery *d)
{
	char buf[KEY_MOST + 16], *text = NULL, *row;
	struct prov_val key;
	int rc = exception_key(connector, d->seq, buf, &key);

	if (rc == 0)
		rc = encode(d, &text);
	if (rc)
		return rc;
	size_t n = strlen(text);
	row = malloc(n + 1);
	if (!row) {
		free(text);
		return PROV_ENOMEM;
	}
	row[0] = VERSION;
	memcpy(row + 1, text, n);
	rc = prov_kv_put(t, PROV_T_EXCEPTION, key, (struct prov_val){ row, n + 1 });
	free(row);
	free(text);
	return rc;
}

int prov_delivery_delete(struct prov_kv_txn *t, const char *connector, uint64_t seq)
{
	char buf[KEY_MOST + 16];
	struct prov_val key;
	int rc = exception_key(connector, seq, buf, &key);

	return rc ? rc : prov_kv_delete(t, PROV_T_EXCEPTION, key);
}

int prov_delivery_each(struct prov_kv_txn *t, const char *connector,
	int (*see)(void *ctx, const char *connector, const struct prov_delivery *d), void *ctx)
{
	struct prov_kv_cursor *c = NULL;
	struct prov_val k, v, from = prov_val_str("");
	struct prov_delivery d;
	char name[KEY_MOST + 1];
	uint64_t seq;
	int rc = prov_kv_cursor_open(t, PROV_T_EXCEPTION, &c);

	if (connector)
		from = (struct prov_val){ connector, strlen(connector) + 1 };
	for (rc = rc ? rc : prov_kv_cursor_seek(c, from, &k, &v); rc == 0;
		rc = prov_kv_cursor_next(c, &k, &v)) {
		if (k.len < 10 || k.len - 9 > KEY_MOST) {
			rc = PROV_ECORRUPT;
			break;
		}
		memcpy(name, k.data, k.len - 9);
		name[k.len - 9] = '\0';
		if (connector && strcmp(name, connector) != 0)
			break;
		prov_be64_get((struct prov_val){ k.data + k.len - 8, 8 }, &seq);
		rc = decode(v, seq, &d);
		if (rc == 0)
			rc = see(ctx, name, &d);
		if (rc)
			break;
	}
	prov_kv_cursor_close(&c);
	return rc == PROV_ENOENT ? 0 : rc;
}

struct listing {
	unsigned states;
	size_t n, room;
	struct prov_delivery *row;
};

static int list_row(void *ctx, const char *connector, const struct prov_delivery *d)
{
	struct listing *l = ctx;

	(void)connector;
	if (!(l->states & 1u << d->state))
		return 0;
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 16;
		struct prov_delivery *grown = realloc(l->row, room * sizeof(*grown));
		if (!grown)
			return PROV_ENOMEM;
		l->row = grown;
		l->room = room;
	}
	l->row[l->n++] = *d;
	return 0;
}

int prov_delivery_list(struct prov_kv_txn *t, const char *connector, unsigned states,
	struct prov_delivery **out, size_t *n)
{
	struct listing l = { .states = states };
	int rc = prov_delivery_each(t, connector, list_row, &l);

	if (rc) {
		free(l.row);
		l.row = NULL;
		l.n = 0;
	}
	*out = l.row;
	*n = l.n;
	return rc;
}

static int remote_key(const char *connector, const char *subject, char *buf, struct prov_val *key)
{
	size_t n = strlen(connector), m = strlen(subject);

	if (!n || !m || n + 1 + m > KEY_MOST)
		return PROV_EINVAL;
	memcpy(buf, connector, n + 1);
	memcpy(buf + n + 1, subject, m);
	*key = (struct prov_val){ buf, n + 1 + m };
	return 0;
}

int prov_remote_get(struct prov_kv_txn *t, const char *connector, const char *subject,
	struct prov_remote *out)
{
	char buf[KEY_MOST];
	struct prov_val key, row;
	const char *end;
	uint64_t ms = 0;
	int rc = remote_key(connector, subject, buf, &key);

	memset(out, 0, sizeof(*out));
	if (rc == 0)
		rc = prov_kv_get(t, PROV_T_REMOTE, key, &row);
	if (rc)
		return rc;
	if (row.len < 8 || prov_be64_get((struct prov_val){ row.data, 8 }, &out->seq))
		return PROV_ECORRUPT;
	out->id = (struct prov_val){ row.data + 8, row.len - 8 };
	end = memchr(out->id.data, '\0', out->id.len);
	if (!end)
		return 0;
	out->id.len = (size_t)(end - out->id.data);
	if (prov_be64_get((struct prov_val){ end + 1, row.len - 9 - out->id.len }, &ms))
		return PROV_ECORRUPT;
	out->ms = (int64_t)ms;
	return 0;
}

int prov_remote_put(struct prov_kv_txn *t, const char *connector, const char *subject,
	const struct prov_remote *r)
{
	char buf[KEY_MOST], row[REMOTE_MOST];
	struct prov_val key;
	int rc = remote_key(connector, subject, buf, &key);

	if (rc || r->id.len > KEY_MOST)
		return rc ? rc : PROV_EINVAL;
	prov_be64_put((unsigned char *)row, r->seq);
	if (r->id.len)
		memcpy(row + 8, r->id.data, r->id.len);
	row[8 + r->id.len] = '\0';
	prov_be64_put((unsigned char *)row + 8 + r->id.len + 1, (uint64_t)r->ms);
	return prov_kv_put(t, PROV_T_REMOTE, key, (struct prov_val){ row, 8 + r->id.len + 9 });
}

/* A copy: no row can be written or deleted while a cursor is on it. */
struct remote_row {
	char key[KEY_MOST], value[REMOTE_MOST];
	struct prov_val k, v;
};

/* The first row from `from` on whose event is at least `seq`; 0: the first one. PROV_ENOENT. */
static int find_remote(struct prov_kv_txn *t, struct prov_val from, uint64_t seq,
	struct remote_row *out)
{
	struct prov_kv_cursor *c = NULL;
	struct prov_val k, v;
	uint64_t is = 0;
	int rc = prov_kv_cursor_open(t, PROV_T_REMOTE, &c);

	if (rc == 0)
		rc = prov_kv_cursor_seek(c, from, &k, &v);
	while (rc == 0 && seq &&
		(v.len < 8 || prov_be64_get((struct prov_val){ v.data, 8 }, &is) || is < seq))
		rc = prov_kv_cursor_next(c, &k, &v);
	if (rc == 0 && (k.len > sizeof(out->key) || v.len > sizeof(out->value)))
		rc = PROV_ECORRUPT;
	if (rc == 0) {
		memcpy(out->key, k.data, k.len);
		memcpy(out->value, v.data, v.len);
		out->k = (struct prov_val){ out->key, k.len };
		out->v = (struct prov_val){ out->value, v.len };
	}
	prov_kv_cursor_close(&c);
	return rc;
}

int prov_remote_forget(struct prov_kv_txn *t, const char *connector)
{
	const struct prov_val from = { connector, strlen(connector) + 1 };
	struct remote_row row;
	int rc = 0;

	while (rc == 0) {
		rc = find_remote(t, from, 0, &row);
		if (rc == 0 && (row.k.len < from.len || memcmp(row.key, from.data, from.len) != 0))
			return 0;
		if (rc == 0)
			rc = prov_kv_delete(t, PROV_T_REMOTE, row.k);
	}
	return rc == PROV_ENOENT ? 0 : rc;
}

int prov_remote_rewind(struct prov_kv_txn *t, uint64_t seq)
{
	struct remote_row row = { .k = { "", 0 } };
	int rc = 0;

	while (rc == 0) {
		rc = find_remote(t, row.k, seq, &row);
		if (rc == 0) {
			prov_be64_put((unsigned char *)row.value, seq - 1);
			rc = prov_kv_put(t, PROV_T_REMOTE, row.k, row.v);
		}
	}
	return rc == PROV_ENOENT ? 0 : rc;
}

int prov_refused_get(struct prov_kv_txn *t, const char *connector, struct prov_val *mark)
{
	return prov_kv_get(t, PROV_T_REFUSED, prov_val_str(connector), mark);
}

int prov_refused_put(struct prov_kv_txn *t, const char *connector, const char *mark)
{
	if (mark)
		return prov_kv_put(t, PROV_T_REFUSED, prov_val_str(connector), prov_val_str(mark));
	int rc = prov_kv_delete(t, PROV_T_REFUSED, prov_val_str(connector));
	return rc == PROV_ENOENT ? 0 : rc;
}
