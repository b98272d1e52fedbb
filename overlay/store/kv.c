/*
 * kv.c - tables in LMDB: the only file that knows lmdb.h of our own environments.
 *
 * Reads of another thread never block a write. LMDB forbids opening one file twice in
 * a process: a list of open files refuses the second (PROV_EBUSY).
 */
#include <errno.h>
#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "kv_backend.h"
#include "place.h"

#define MOST_TABLES 16
#define GROW_MOST 64
#define FULL_BELOW (4u << 20) /* bytes: about as much as one commit may need */

struct lmdb_env {
	struct lmdb_env *next;
	MDB_env *env;
	MDB_dbi dbi[MOST_TABLES];
	unsigned tables;
	size_t map, most;
	bool readonly;
	dev_t dev;
	ino_t ino;
	char *path;
};

static pthread_mutex_t open_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct lmdb_env *open_envs; /* under open_mutex */

static int code_of(int rc)
{
	switch (rc) {
	case 0:
		return 0;
	case MDB_NOTFOUND:
	case ENOENT:
		return PROV_ENOENT;
	case MDB_MAP_FULL:
	case ENOSPC:
	case EDQUOT:
		return PROV_EFULL;
	case MDB_READERS_FULL:
	case EBUSY:
	case EAGAIN:
		return PROV_EBUSY;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
		return PROV_ECORRUPT;
	case MDB_VERSION_MISMATCH:
		return PROV_EVERSION;
	case ENOMEM:
		return PROV_ENOMEM;
	case MDB_BAD_VALSIZE:
	case EINVAL:
		return PROV_EINVAL;
	default:
		return PROV_EIO;
	}
}

static int fail(const struct lmdb_env *e, struct prov_error *err, int rc, const char *doing)
{
	return prov_error_set(err, code_of(rc), "%s: %s: %s", e->path, doing, mdb_strerror(rc));
}

static MDB_val in(struct prov_val v)
{
	return (MDB_val){ v.len, (void *)v.data };
}

static struct prov_val out_of(MDB_val v)
{
	return (struct prov_val){ v.mv_data, v.mv_size };
}

static int l_begin(void *env, bool write, void **txn, struct prov_error *err)
{
	struct lmdb_env *e = env;
	MDB_txn *t = NULL;
	int rc, dead;

	if (write && e->readonly)
		return prov_error_set(err, PROV_EINVAL, "%s: opened for reading only", e->path);
	rc = mdb_txn_begin(e->env, NULL, write ? 0 : MDB_RDONLY, &t);
	if (rc == MDB_MAP_RESIZED && mdb_env_set_mapsize(e->env, 0) == 0)
		rc = mdb_txn_begin(e->env, NULL, write ? 0 : MDB_RDONLY, &t);
	if (rc == MDB_READERS_FULL && mdb_reader_check(e->env, &dead) == 0 && dead)
		rc = mdb_txn_begin(e->env, NULL, write ? 0 : MDB_RDONLY, &t);
	*txn = t;
	return rc ? fail(e, err, rc, "cannot begin a transaction") : 0;
}

/* LMDB says EIO when a part of what it wanted to write found room. */
static bool no_room(const struct lmdb_env *e)
{
	struct statvfs fs;

	return statvfs(e->path, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < FULL_BELOW;
}

static int l_commit(void *env, void *txn, struct prov_error *err)
{
	int rc = mdb_txn_commit(txn);

	if (rc == EIO && no_room(env))
		rc = ENOSPC;
	return rc ? fail(env, err, rc, "cannot commit") : 0;
}

static void l_abort(void *env, void *txn)
{
	(void)env;
	mdb_txn_abort(txn);
}

static int l_get(void *env, void *txn, unsigned table, struct prov_val key, struct prov_val *out)
{
	struct lmdb_env *e = env;
	MDB_val k = in(key), v = { 0, NULL };
	int rc = mdb_get(txn, e->dbi[table], &k, &v);

	*out = out_of(v);
	return code_of(rc);
}

static int l_put(void *env, void *txn, unsigned table, struct prov_val key, struct prov_val val)
{
	struct lmdb_env *e = env;
	MDB_val k = in(key), v = in(val);

	return code_of(mdb_put(txn, e->dbi[table], &k, &v, 0));
}

static int l_del(void *env, void *txn, unsigned table, struct prov_val key)
{
	struct lmdb_env *e = env;
	MDB_val k = in(key);

	return code_of(mdb_del(txn, e->dbi[table], &k, NULL));
}

static int l_count(void *env, void *txn, unsigned table, uint64_t *n)
{
	struct lmdb_env *e = env;
	MDB_stat st = { 0 };
	int rc = mdb_stat(txn, e->dbi[table], &st);

	*n = st.ms_entries;
	return code_of(rc);
}

static int l_cursor_open(void *env, void *txn, unsigned table, void **cur)
{
	struct lmdb_env *e = env;
	MDB_cursor *c = NULL;
	int rc = mdb_cursor_open(txn, e->dbi[table], &c);

	*cur = c;
	return code_of(rc);
}

static int l_cursor_seek(void *cur, const struct prov_val *key, struct prov_val *k,
	struct prov_val *v)
{
	MDB_val mk = { 0, NULL }, mv = { 0, NULL };
	MDB_cursor_op op = MDB_LAST;

	if (key) {
		mk = in(*key);
		op = key->len ? MDB_SET_RANGE : MDB_FIRST;
	}
	int rc = mdb_cursor_get(cur, &mk, &mv, op);
	*k = out_of(mk);
	*v = out_of(mv);
	return code_of(rc);
}

static int l_cursor_next(void *cur, struct prov_val *k, struct prov_val *v)
{
	MDB_val mk = { 0, NULL }, mv = { 0, NULL };
	int rc = mdb_cursor_get(cur, &mk, &mv, MDB_NEXT);

	*k = out_of(mk);
	*v = out_of(mv);
	return code_of(rc);
}

static void l_cursor_close(void *cur)
{
	mdb_cursor_close(cur);
}

static int l_grow(void *env, struct prov_error *err)
{
	struct lmdb_env *e = env;
	size_t map = e->map * 2 <= e->most ? e->map * 2 : e->most;

	if (map == e->map)
		return prov_error_set(err, PROV_EFULL,
			"%s: the map has reached its limit of %zu bytes", e->path, e->most);
	int rc = mdb_env_set_mapsize(e->env, map);
	if (rc)
		return fail(e, err, rc, "cannot grow the map");
	e->map = map;
	return 0;
}

/* A line of proc(5), /proc/PID/maps: "from-to perms offset device inode  path". Which device the
 * kernel names there depends on the file system: by the inode and the end of the path. */
static bool is_map(const struct lmdb_env *e, const char *line, void **from, size_t *len)
{
	const char *slash = strrchr(e->path, '/'), *end = strrchr(line, '/');
	char *p = NULL;

	if (!end || strcmp(end + 1, slash ? slash + 1 : e->path) != 0)
		return false;
	uintptr_t first = strtoul(line, &p, 16);
	*from = (void *)first;
	*len = *p == '-' ? strtoul(p + 1, &p, 16) - first : 0;
	for (int field = 0; field < 3; field++) {
		p += strspn(p, " ");
		p += strcspn(p, " ");
	}
	return *len && strtoul(p, NULL, 10) == e->ino;
}

/* LMDB does not tell where its map is. */
static void l_release(void *env)
{
	struct lmdb_env *e = env;
	char line[4352];
	void *from = NULL;
	size_t len = 0;
	FILE *f = e->readonly ? fopen("/proc/self/maps", "re") : NULL;

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (is_map(e, line, &from, &len))
			(void)madvise(from, len, MADV_DONTNEED);
	}
	if (f)
		fclose(f);
}

static void forget(struct lmdb_env *e)
{
	pthread_mutex_lock(&open_mutex);
	for (struct lmdb_env **p = &open_envs; *p; p = &(*p)->next)
		if (*p == e) {
			*p = e->next;
			break;
		}
	pthread_mutex_unlock(&open_mutex);
}

static void l_close(void *env)
{
	struct lmdb_env *e = env;

	forget(e);
	if (e->env)
		mdb_env_close(e->env);
	free(e->path);
	free(e);
}

static const struct prov_kv_ops lmdb_ops = { l_begin, l_commit, l_abort, l_get, l_put, l_del,
	l_count, l_cursor_open, l_cursor_seek, l_cursor_next, l_cursor_close, l_grow, l_release,
	l_close };

static bool already_open(struct lmdb_env *e)
{
	struct stat st;
	bool found = false;

	if (stat(e->path, &st))
		return false; /* not there yet: cannot be open */
	pthread_mutex_lock(&open_mutex);
	for (struct lmdb_env *o = open_envs; o && !found; o = o->next)
		found = o->dev == st.st_dev && o->ino == st.st_ino;
	pthread_mutex_unlock(&open_mutex);
	return found;
}

static void remember(struct lmdb_env *e)
{
	struct stat st;

	if (stat(e->path, &st) == 0) {
		e->dev = st.st_dev;
		e->ino = st.st_ino;
	}
	pthread_mutex_lock(&open_mutex);
	e->next = open_envs;
	open_envs = e;
	pthread_mutex_unlock(&open_mutex);
}

static int open_tables(struct lmdb_env *e, const char *const *tables, unsigned flags,
	struct prov_error *err)
{
	MDB_txn *t = NULL;
	int rc = mdb_txn_begin(e->env, NULL, flags & PROV_KV_RDONLY ? MDB_RDONLY : 0, &t);

	if (rc)
		return fail(e, err, rc, "cannot begin a transaction");
	for (; rc == 0 && tables[e->tables] && e->tables < MOST_TABLES; e->tables++)
		rc = mdb_dbi_open(t, tables[e->tables], flags & PROV_KV_CREATE ? MDB_CREATE : 0,
			&e->dbi[e->tables]);
	if (rc) {
		mdb_txn_abort(t);
		return fail(e, err, rc, "cannot open the tables");
	}
	rc = mdb_txn_commit(t);
	return rc ? fail(e, err, rc, "cannot open the tables") : 0;
}

/* LMDB takes it empty, and leaves its mode alone. Readers write it, too. */
static void make_lock(const struct lmdb_env *e)
{
	char lock[PATH_MAX];

	if ((size_t)snprintf(lock, sizeof(lock), "%s-lock", e->path) < sizeof(lock))
		prov_place_make(lock, PROV_PLACE_LOCK);
}

/* An environment with nothing but its tables, on disk when this returns. LMDB's code or errno's. */
static int make_env(const char *path, const char *const *tables)
{
	MDB_env *env = NULL;
	MDB_txn *t = NULL;
	MDB_dbi dbi;
	int rc = mdb_env_create(&env);

	if (rc == 0)
		rc = mdb_env_set_maxdbs(env, MOST_TABLES);
	if (rc == 0)
		rc = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK, PROV_PLACE_OWN);
	if (rc == 0)
		rc = mdb_txn_begin(env, NULL, 0, &t);
	for (unsigned i = 0; rc == 0 && i < MOST_TABLES && tables[i]; i++)
		rc = mdb_dbi_open(t, tables[i], MDB_CREATE, &dbi);
	if (rc == 0)
		rc = mdb_txn_commit(t);
	else if (t)
		mdb_txn_abort(t);
	if (env)
		mdb_env_close(env);
	return rc;
}

/* A new file gets its name when it is whole: LMDB would not open half a one, ever. */
static int make_whole(const struct lmdb_env *e, const char *const *tables, struct prov_error *err)
{
	char path[PATH_MAX];
	struct stat st;

	if (stat(e->path, &st) == 0)
		return 0;
	if ((size_t)snprintf(path, sizeof(path), "%s.new", e->path) >= sizeof(path))
		return fail(e, err, ENAMETOOLONG, "cannot make");
	if (unlink(path) && errno != ENOENT) /* left by one that died */
		return fail(e, err, errno, "cannot make");
	prov_place_make(path, PROV_PLACE_DATA);
	make_lock(e); /* who finds the one finds the other, and need not be able to make it */
	int rc = make_env(path, tables);
	if (rc == 0 && (rename(path, e->path) || prov_place_sync(e->path)))
		rc = errno;
	if (rc)
		(void)unlink(path);
	return rc ? fail(e, err, rc, "cannot make") : 0;
}

static int open_env(struct lmdb_env *e, unsigned flags, struct prov_error *err)
{
	unsigned mdb_flags = MDB_NOSUBDIR | MDB_NOTLS;
	int dead;
	int rc = mdb_env_create(&e->env);

	if (rc == 0)
		rc = mdb_env_set_maxdbs(e->env, MOST_TABLES);
	if (rc == 0 && !(flags & PROV_KV_RDONLY))
		rc = mdb_env_set_mapsize(e->env, e->map);
	if (rc)
		return fail(e, err, rc, "cannot open");
	if (flags & PROV_KV_RDONLY)
		mdb_flags |= MDB_RDONLY;
	struct stat st;
	if (!(flags & PROV_KV_CREATE) && stat(e->path, &st))
		return prov_error_set(err, errno == ENOENT ? PROV_ENOENT : PROV_EIO, "%s: %s",
			e->path, strerror(errno));
	if (flags & PROV_KV_CREATE) {
		prov_place_make(e->path, PROV_PLACE_DATA);
		make_lock(e);
	}
	rc = mdb_env_open(e->env, e->path, mdb_flags, PROV_PLACE_OWN);
	if (rc)
		return fail(e, err, rc, "cannot open");
	mdb_reader_check(e->env, &dead); /* slots of readers that were killed */
	MDB_envinfo info;
	if (mdb_env_info(e->env, &info) == 0 && info.me_mapsize > e->map)
		e->map = info.me_mapsize; /* grown in an earlier life */
	return 0;
}

int prov_kv_open(const char *path, const char *const *tables, size_t map_bytes, unsigned flags,
	struct prov_kv **out, struct prov_error *err)
{
	struct lmdb_env *e = calloc(1, sizeof(*e));
	int rc;

	*out = NULL;
	if (!e || !(e->path = strdup(path))) {
		free(e);
		return prov_error_set(err, PROV_ENOMEM, "out of memory");
	}
	e->map = map_bytes;
	e->most = map_bytes * GROW_MOST;
	e->readonly = flags & PROV_KV_RDONLY;
	if (already_open(e)) {
		rc = prov_error_set(err, PROV_EBUSY, "%s: is open in this process already", path);
		goto fail;
	}
	rc = flags & PROV_KV_CREATE ? make_whole(e, tables, err) : 0;
	if (rc == 0)
		rc = open_env(e, flags, err);
	if (rc == 0)
		rc = open_tables(e, tables, flags, err);
	if (rc)
		goto fail;
	remember(e);
	rc = prov_kv_wrap(&lmdb_ops, e, e->tables, out);
	return rc ? prov_error_set(err, rc, "out of memory") : 0;
fail:
	l_close(e);
	return rc;
}
