/*
 * capture.c - capture rows and named values inside back-mdb's environment.
 *
 * Every mdb_ function here is back-mdb's own copy of LMDB (resolved against
 * back_mdb.so), never the one our environments use.
 */
#include "capture.h"

#include <errno.h>
#include <stdatomic.h>

#include "back-mdb/back-mdb.h"

#include "actor.h"
#include "failpoint.h"
#include "kv.h"
#include "random.h"
#include "state.h"

/* Rows go many at a time: every write that trims has one more page to write. */
#define TRIM_AT 64
#define TRIM_MOST 128

struct prov_capture {
	MDB_env *env;
	MDB_dbi rows, named;
	_Atomic uint64_t last, relayed;
	char instance[PROV_UUID_TEXT];
	struct prov_lineage lineage; /* does not change while it is open */
	char lineage_stored[PROV_LINEAGE_BYTES];
	size_t lineage_len;
};

static int mdb_err(struct prov_error *err, int rc, const char *doing)
{
	return prov_error_set(err, rc == MDB_MAP_FULL || rc == ENOSPC ? PROV_EFULL : PROV_EIO,
		"%s: %s", doing, mdb_strerror(rc));
}

/* MDB_LAST or MDB_FIRST; 0: there is none. */
static int read_end(struct prov_capture *c, MDB_txn *txn, MDB_cursor_op end, uint64_t *seq)
{
	MDB_cursor *cur;
	MDB_val k, v;
	int rc = mdb_cursor_open(txn, c->rows, &cur);

	*seq = 0;
	if (rc)
		return rc;
	rc = mdb_cursor_get(cur, &k, &v, end);
	if (rc == 0)
		prov_be64_get((struct prov_val){ k.mv_data, k.mv_size }, seq);
	mdb_cursor_close(cur);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int open_instance(struct prov_capture *c, MDB_txn *txn)
{
	static char name[] = "instance";
	MDB_val k = { sizeof(name) - 1, name }, v;
	int rc = mdb_get(txn, c->named, &k, &v);

	if (rc == 0 && v.mv_size == PROV_UUID_TEXT) {
		memcpy(c->instance, v.mv_data, PROV_UUID_TEXT);
		return 0;
	}
	prov_stamp_uuid(c->instance);
	v = (MDB_val){ PROV_UUID_TEXT, c->instance };
	return mdb_put(txn, c->named, &k, &v, 0);
}

static const MDB_val lineage_key = { sizeof("lineage") - 1, (void *)"lineage" };

static int open_lineage(struct prov_capture *c, MDB_txn *txn, uint64_t last)
{
	unsigned char id[PROV_LINEAGE_ID];
	MDB_val k = lineage_key, v = { 0, NULL };
	int rc = mdb_get(txn, c->named, &k, &v);

	if (rc && rc != MDB_NOTFOUND)
		return rc;
	if (prov_lineage_decode((struct prov_val){ v.mv_data, v.mv_size }, &c->lineage))
		c->lineage.n =
			0; /* then it is another database to who reads it, and that is noted */
	if (prov_random(id, sizeof(id)))
		return EIO;
	prov_lineage_begin(&c->lineage, last + 1, id);
	c->lineage_len = prov_lineage_encode(&c->lineage, c->lineage_stored);
	v = (MDB_val){ c->lineage_len, c->lineage_stored };
	return mdb_put(txn, c->named, &k, &v, 0);
}

/* Has another instance opened the database since? An overlay that was deleted in cn=config is
 * closed later than one that is added then is opened; the rows are that one's. */
static bool superseded(const struct prov_capture *c, MDB_txn *txn)
{
	MDB_val k = lineage_key, v;

	return mdb_get(txn, c->named, &k, &v) || v.mv_size != c->lineage_len ||
		memcmp(v.mv_data, c->lineage_stored, c->lineage_len) != 0;
}

static int open_tables(struct prov_capture *c, MDB_txn *txn)
{
	uint64_t last, first = 0;
	int rc = mdb_dbi_open(txn, "provCapture", MDB_CREATE, &c->rows);

	if (rc == 0)
		rc = mdb_dbi_open(txn, "provNamed", MDB_CREATE, &c->named);
	if (rc == 0)
		rc = read_end(c, txn, MDB_LAST, &last);
	if (rc == 0)
		rc = read_end(c, txn, MDB_FIRST, &first);
	if (rc)
		return rc;
	atomic_store(&c->last, last);
	/* what is gone was relayed; of the rest the relay tells when it has opened the state */
	atomic_store(&c->relayed, first ? first - 1 : 0);
	rc = open_instance(c, txn);
	return rc ? rc : open_lineage(c, txn, last);
}

int prov_capture_open(struct prov_instance *pi, struct prov_error *err)
{
	struct mdb_info *mdb = pi->be->be_private;
	struct prov_capture *c = ch_calloc(1, sizeof(*c));
	MDB_txn *txn = NULL;

	c->env = mdb->mi_dbenv;
	int rc = mdb_txn_begin(c->env, NULL, 0, &txn);
	if (rc == 0) {
		rc = open_tables(c, txn);
		if (rc == 0)
			rc = mdb_txn_commit(txn);
		else
			mdb_txn_abort(txn);
	}
	if (rc) {
		ch_free(c);
		return mdb_err(err, rc, "cannot open the capture tables");
	}
	pi->capture = c;
	return 0;
}

void prov_capture_close(struct prov_instance *pi)
{
	ch_free(pi->capture); /* the tables close with the environment */
	pi->capture = NULL;
}

/* Rows that the relay has taken go with a later write, once there are enough of them. */
static int trim(struct prov_capture *c, MDB_txn *txn)
{
	uint64_t upto = atomic_load(&c->relayed), last = atomic_load(&c->last);
	uint64_t seq = 0;
	MDB_cursor *cur;
	MDB_val k, v;
	int rc = mdb_cursor_open(txn, c->rows, &cur);

	if (rc)
		return rc;
	rc = mdb_cursor_get(cur, &k, &v, MDB_FIRST);
	if (rc == 0)
		prov_be64_get((struct prov_val){ k.mv_data, k.mv_size }, &seq);
	if (seq + TRIM_AT > upto)
		rc = MDB_NOTFOUND;
	for (int i = 0; rc == 0 && i < TRIM_MOST; i++) {
		prov_be64_get((struct prov_val){ k.mv_data, k.mv_size }, &seq);
		if (seq > upto || seq >= last)
			break;
		rc = mdb_cursor_del(cur, 0);
		PROV_FAILPOINT("capture.trim");
		if (rc == 0)
			rc = mdb_cursor_get(cur, &k, &v, MDB_NEXT);
	}
	mdb_cursor_close(cur);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int prov_capture_put(struct prov_capture *c, void *txn, const char *record, size_t len,
	struct prov_error *err)
{
	unsigned char key[8];
	uint64_t seq;
	int rc = read_end(c, txn, MDB_LAST, &seq);

	if (rc)
		return mdb_err(err, rc, "cannot read the capture rows");
	if (seq >= atomic_load(&c->relayed) + PROV_CAPTURE_BACKLOG)
		return prov_error_set(err, PROV_EFULL,
			"the state directory has not taken the last %d changes: see the log and free or mend it",
			PROV_CAPTURE_BACKLOG);
	prov_be64_put(key, seq + 1);
	MDB_val k = { sizeof(key), key }, v = { len + PROV_CAPTURE_HEAD, NULL };
	rc = mdb_put(txn, c->rows, &k, &v, MDB_APPEND | MDB_RESERVE);
	if (rc == 0) {
		prov_capture_encode(record, len, v.mv_data);
		atomic_store(&c->last, seq + 1);
		rc = PROV_FAILPOINT_RC("capture.put");
	}
	if (rc == 0)
		rc = trim(c, txn);
	return rc ? mdb_err(err, rc, "cannot write the capture row") : 0;
}

/* As it is committed; otherwise: what is said when that cannot be read. */
static uint64_t committed_end(struct prov_capture *c, MDB_cursor_op end, uint64_t otherwise)
{
	MDB_txn *txn = NULL;
	uint64_t seq = 0;

	if (mdb_txn_begin(c->env, NULL, MDB_RDONLY, &txn))
		return otherwise;
	int rc = read_end(c, txn, end, &seq);
	mdb_txn_abort(txn);
	return rc ? otherwise : seq;
}

uint64_t prov_capture_last(struct prov_capture *c)
{
	return committed_end(c, MDB_LAST, atomic_load(&c->last));
}

uint64_t prov_capture_first(struct prov_capture *c)
{
	return committed_end(c, MDB_FIRST, 0);
}

const struct prov_lineage *prov_capture_lineage(struct prov_capture *c)
{
	return &c->lineage;
}

uint64_t prov_capture_relayed(struct prov_capture *c)
{
	return atomic_load(&c->relayed);
}

void prov_capture_set_relayed(struct prov_capture *c, uint64_t seq)
{
	atomic_store(&c->relayed, seq);
}

const char *prov_capture_instance(struct prov_capture *c)
{
	return c->instance;
}

int prov_capture_read(struct prov_capture *c, uint64_t after, unsigned most,
	int (*see)(void *ctx, uint64_t seq, struct prov_val row), void *ctx, struct prov_error *err)
{
	unsigned char key[8];
	MDB_txn *txn = NULL;
	MDB_cursor *cur = NULL;
	MDB_val k = { sizeof(key), key }, v;
	int rc = mdb_txn_begin(c->env, NULL, MDB_RDONLY, &txn), stop = 0;

	if (rc)
		return mdb_err(err, rc, "cannot read the capture rows");
	prov_be64_put(key, after + 1);
	rc = superseded(c, txn) ? MDB_NOTFOUND : mdb_cursor_open(txn, c->rows, &cur);
	if (rc == 0)
		rc = mdb_cursor_get(cur, &k, &v, MDB_SET_RANGE);
	for (unsigned i = 0; rc == 0 && i < most && stop == 0; i++) {
		uint64_t seq = 0;
		prov_be64_get((struct prov_val){ k.mv_data, k.mv_size }, &seq);
		stop = see(ctx, seq, (struct prov_val){ v.mv_data, v.mv_size });
		if (stop == 0)
			rc = mdb_cursor_get(cur, &k, &v, MDB_NEXT);
	}
	if (cur)
		mdb_cursor_close(cur);
	mdb_txn_abort(txn);
	if (rc && rc != MDB_NOTFOUND)
		return mdb_err(err, rc, "cannot read the capture rows");
	return stop;
}

int prov_named_put(struct prov_capture *c, void *txn, const char *name, struct prov_val v,
	struct prov_error *err)
{
	MDB_val mk = { strlen(name), (char *)name }, mv = { v.len, (char *)v.data };
	MDB_txn *own = NULL;
	int rc = txn ? 0 : mdb_txn_begin(c->env, NULL, 0, &own);

	if (rc == 0)
		rc = mdb_put(txn ? txn : own, c->named, &mk, &mv, 0);
	if (own && rc == 0)
		rc = mdb_txn_commit(own);
	else if (own)
		mdb_txn_abort(own);
	return rc ? mdb_err(err, rc, "cannot store a named value") : 0;
}

int prov_named_delete(struct prov_capture *c, void *txn, const char *name)
{
	MDB_val mk = { strlen(name), (char *)name };
	MDB_txn *own = NULL;
	int rc = txn ? 0 : mdb_txn_begin(c->env, NULL, 0, &own);

	if (rc == 0)
		rc = mdb_del(txn ? txn : own, c->named, &mk, NULL);
	if (own && rc == 0)
		rc = mdb_txn_commit(own);
	else if (own)
		mdb_txn_abort(own);
	return rc && rc != MDB_NOTFOUND ? PROV_EIO : 0;
}

int prov_named_get(struct prov_capture *c, void *txn, const char *name, struct prov_val *val)
{
	MDB_val k = { strlen(name), (char *)name }, v;
	int rc = mdb_get(txn, c->named, &k, &v);

	if (rc)
		return rc == MDB_NOTFOUND ? PROV_ENOENT : PROV_EIO;
	*val = (struct prov_val){ v.mv_data, v.mv_size };
	return 0;
}

size_t prov_named_peek(void *mdb, const char *name, char *out, size_t most)
{
	MDB_val k = { strlen(name), (char *)name }, v;
	MDB_txn *txn = NULL;
	MDB_dbi named;
	size_t len = 0;

	/* of a writer: a reader's place may be this thread's already */
	if (mdb_txn_begin(((struct mdb_info *)mdb)->mi_dbenv, NULL, 0, &txn))
		return 0;
	if (mdb_dbi_open(txn, "provNamed", 0, &named) == 0 && mdb_get(txn, named, &k, &v) == 0 &&
		v.mv_size <= most) {
		memcpy(out, v.mv_data, v.mv_size);
		len = v.mv_size;
	}
	mdb_txn_abort(txn);
	return len;
}

int prov_named_first(struct prov_capture *c, void *txn, const char *prefix,
	struct prov_arena *arena, const char **name, struct prov_val *val)
{
	size_t n = strlen(prefix);
	MDB_val k = { n, (char *)prefix }, v;
	MDB_txn *own = NULL;
	MDB_cursor *cur = NULL;
	int rc = txn ? 0 : mdb_txn_begin(c->env, NULL, MDB_RDONLY, &own), found = PROV_ENOENT;

	if (rc)
		return PROV_EIO;
	rc = mdb_cursor_open(txn ? txn : own, c->named, &cur);
	if (rc == 0)
		rc = mdb_cursor_get(cur, &k, &v, MDB_SET_RANGE);
	if (rc == 0 && k.mv_size >= n && memcmp(k.mv_data, prefix, n) == 0) {
		*name = prov_arena_strndup(arena, k.mv_data, k.mv_size);
		val->data = prov_arena_strndup(arena, v.mv_data, v.mv_size);
		val->len = v.mv_size;
		found = *name && val->data ? 0 : PROV_ENOMEM;
	} else if (rc && rc != MDB_NOTFOUND) {
		found = PROV_EIO;
	}
	if (cur)
		mdb_cursor_close(cur);
	if (own)
		mdb_txn_abort(own);
	return found;
}
