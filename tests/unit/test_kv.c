/* kv.h: the same promises on LMDB and in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "kv.h"

static const char *const tables[] = { "one", "two", NULL };

struct place {
	char dir[64], path[96];
	struct prov_kv *kv;
};

static int make(void **state, bool disk)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	strcpy(p->dir, "/tmp/prov-kv-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/x.mdb", p->dir);
	assert_int_equal(disk ? prov_kv_open(p->path, tables, 1 << 20, PROV_KV_CREATE, &p->kv, NULL)
			      : prov_kv_open_memory(tables, &p->kv, NULL),
		0);
	*state = p;
	return 0;
}

static int on_disk(void **state)
{
	return make(state, true);
}

static int in_memory(void **state)
{
	return make(state, false);
}

static int teardown(void **state)
{
	struct place *p = *state;
	char lock[128];

	prov_kv_close(&p->kv);
	snprintf(lock, sizeof(lock), "%s-lock", p->path);
	unlink(lock);
	unlink(p->path);
	assert_int_equal(rmdir(p->dir), 0);
	free(p);
	return 0;
}

static struct prov_kv_txn *begin(struct place *p, bool write)
{
	struct prov_kv_txn *t = NULL;

	assert_int_equal(prov_kv_begin(p->kv, write, &t, NULL), 0);
	return t;
}

static void put(struct prov_kv_txn *t, unsigned table, const char *k, const char *v)
{
	assert_int_equal(prov_kv_put(t, table, prov_val_str(k), prov_val_str(v)), 0);
}

static void has(struct prov_kv_txn *t, unsigned table, const char *k, const char *want)
{
	struct prov_val v;
	int rc = prov_kv_get(t, table, prov_val_str(k), &v);

	assert_int_equal(rc, want ? 0 : PROV_ENOENT);
	if (want)
		assert_true(prov_val_equal(v, prov_val_str(want)));
}

static void what_is_put_is_there_after_the_commit_and_not_after_an_abort(void **state)
{
	struct place *p = *state;
	struct prov_kv_txn *t = begin(p, true);

	put(t, 0, "a", "1");
	put(t, 0, "a", "2"); /* replaces */
	put(t, 1, "a", "other table");
	has(t, 0, "a", "2"); /* its own writes are seen */
	assert_int_equal(prov_kv_commit(&t, NULL), 0);
	assert_null(t);
	t = begin(p, true);
	put(t, 0, "a", "3");
	put(t, 0, "b", "4");
	assert_int_equal(prov_kv_delete(t, 1, prov_val_str("a")), 0);
	prov_kv_abort(&t);
	assert_null(t);
	prov_kv_abort(&t);
	t = begin(p, false);
	has(t, 0, "a", "2");
	has(t, 0, "b", NULL);
	has(t, 1, "a", "other table");
	prov_kv_abort(&t);
}

static void a_missing_key_is_no_failure(void **state)
{
	struct place *p = *state;
	struct prov_kv_txn *t = begin(p, true);
	uint64_t n = 99;

	has(t, 0, "nobody", NULL);
	assert_int_equal(prov_kv_delete(t, 0, prov_val_str("nobody")), PROV_ENOENT);
	put(t, 0, "a", "1"); /* not sticky */
	assert_int_equal(prov_kv_count(t, 0, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(prov_kv_commit(&t, NULL), 0);
}

static void cursors_walk_in_the_order_of_bytes(void **state)
{
	struct place *p = *state;
	struct prov_kv_txn *t = begin(p, true);
	struct prov_kv_cursor *c = NULL;
	struct prov_val k, v;
	static const uint64_t seq[] = { 300, 1, 256, 255, 2 }, sorted[] = { 1, 2, 255, 256, 300 };
	unsigned char b[8];
	uint64_t n;

	assert_int_equal(prov_kv_cursor_open(t, 0, &c), 0);
	assert_int_equal(prov_kv_cursor_seek(c, prov_val_str(""), &k, &v), PROV_ENOENT);
	assert_int_equal(prov_kv_cursor_last(c, &k, &v), PROV_ENOENT);
	prov_kv_cursor_close(&c);
	for (size_t i = 0; i < 5; i++) {
		prov_be64_put(b, seq[i]);
		assert_int_equal(prov_kv_put(t, 0, (struct prov_val){ (char *)b, 8 },
					 prov_val_str("v")),
			0);
	}
	assert_int_equal(prov_kv_commit(&t, NULL), 0);
	t = begin(p, false);
	assert_int_equal(prov_kv_cursor_open(t, 0, &c), 0);
	int rc = prov_kv_cursor_seek(c, prov_val_str(""), &k, &v);
	for (size_t i = 0; i < 5; i++, rc = prov_kv_cursor_next(c, &k, &v)) {
		assert_int_equal(rc, 0);
		assert_int_equal(prov_be64_get(k, &n), 0);
		assert_int_equal(n, sorted[i]);
	}
	assert_int_equal(rc, PROV_ENOENT);
	prov_be64_put(b, 3);
	assert_int_equal(prov_kv_cursor_seek(c, (struct prov_val){ (char *)b, 8 }, &k, &v), 0);
	assert_int_equal(prov_be64_get(k, &n), 0);
	assert_int_equal(n, 255);
	assert_int_equal(prov_kv_cursor_last(c, &k, &v), 0);
	assert_int_equal(prov_be64_get(k, &n), 0);
	assert_int_equal(n, 300);
	prov_kv_cursor_close(&c);
	assert_int_equal(prov_be64_get((struct prov_val){ "1234567", 7 }, &n), PROV_ECORRUPT);
	prov_kv_abort(&t);
}

static void the_first_failure_sticks(void **state)
{
	struct place *p = *state;
	struct prov_kv_txn *t = begin(p, true);
	struct prov_val v;

	put(t, 0, "a", "1");
	prov_kv_fail_after(p->kv, 2, PROV_EIO);
	put(t, 0, "b", "1");
	assert_int_equal(prov_kv_put(t, 0, prov_val_str("c"), prov_val_str("1")), PROV_EIO);
	assert_int_equal(prov_kv_put(t, 0, prov_val_str("d"), prov_val_str("1")), PROV_EIO);
	assert_int_equal(prov_kv_get(t, 0, prov_val_str("a"), &v), PROV_EIO);
	assert_int_equal(prov_kv_commit(&t, NULL), PROV_EIO);
	assert_null(t);
	t = begin(p, false);
	has(t, 0, "a", NULL); /* nothing of it */
	prov_kv_abort(&t);
	t = begin(p, true);
	put(t, 0, "a", "1"); /* and the environment goes on */
	assert_int_equal(prov_kv_commit(&t, NULL), 0);
}

static void a_failing_commit_leaves_nothing(void **state)
{
	struct place *p = *state;
	struct prov_kv_txn *t = begin(p, true);

	put(t, 0, "a", "1");
	prov_kv_fail_after(p->kv, 1, PROV_EFULL);
	assert_int_equal(prov_kv_commit(&t, NULL), PROV_EFULL);
	t = begin(p, false);
	has(t, 0, "a", NULL);
	prov_kv_abort(&t);
}

static void what_is_committed_is_there_after_opening_again(void **state)
{
	struct place *p = *state;
	struct prov_kv_txn *t = begin(p, true);
	struct prov_error err = { 0, "" };
	struct stat st;

	put(t, 1, "k", "v");
	assert_int_equal(prov_kv_commit(&t, NULL), 0);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	prov_kv_close(&p->kv);
	assert_int_equal(prov_kv_open(p->path, tables, 1 << 20, PROV_KV_RDONLY, &p->kv, &err), 0);
	t = begin(p, false);
	has(t, 1, "k", "v");
	prov_kv_abort(&t);
}

static void a_full_map_is_told_and_grows(void **state)
{
	struct place *p = *state;
	char *big = calloc(1, 65536);
	struct prov_kv_txn *t = NULL;
	struct prov_val v = { big, 65536 };
	unsigned char b[8];
	uint64_t i = 0, n = 0, kept = 0;
	int rc = 0;

	assert_non_null(big);
	while (rc == 0 && i < 200) {
		t = begin(p, true);
		prov_be64_put(b, i++);
		rc = prov_kv_put(t, 0, (struct prov_val){ (char *)b, 8 }, v);
		if (rc)
			prov_kv_abort(&t);
		else
			rc = prov_kv_commit(&t, NULL);
		kept += rc == 0;
	}
	assert_int_equal(rc, PROV_EFULL);
	assert_true(kept > 3);
	t = begin(p, false);
	assert_int_equal(prov_kv_count(t, 0, &n), 0);
	assert_int_equal(n, kept); /* what was committed is all there */
	prov_kv_abort(&t);
	assert_int_equal(prov_kv_grow(p->kv, NULL), 0);
	t = begin(p, true);
	assert_int_equal(prov_kv_put(t, 0, (struct prov_val){ (char *)b, 8 }, v), 0);
	assert_int_equal(prov_kv_commit(&t, NULL), 0);
	free(big);
}

static void bad_files_are_named(void **state)
{
	struct place *p = *state;
	struct prov_kv *kv = NULL;
	struct prov_error err = { 0, "" };
	char path[128];

	snprintf(path, sizeof(path), "%s/none.mdb", p->dir);
	assert_int_equal(prov_kv_open(path, tables, 1 << 20, PROV_KV_RDONLY, &kv, &err),
		PROV_ENOENT);
	assert_null(kv);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(access(path, F_OK), -1); /* looking makes nothing */
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	for (int i = 0; i < 3000; i++)
		fputs("no LMDB", f);
	fclose(f);
	int rc = prov_kv_open(path, tables, 1 << 20, PROV_KV_CREATE, &kv, &err);
	assert_true(rc == PROV_ECORRUPT || rc == PROV_EVERSION || rc == PROV_EIO);
	assert_null(kv);
	assert_non_null(strstr(err.text, path));
	unlink(path);
	strcat(path, "-lock");
	unlink(path);
}

static size_t file_pages_kb(void)
{
	char line[256];
	size_t kb = 0;
	FILE *f = fopen("/proc/self/status", "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "RssFile: %zu", &kb);
	fclose(f);
	return kb;
}

static size_t read_through(struct prov_kv_txn *t, struct prov_val *any)
{
	struct prov_kv_cursor *c = NULL;
	struct prov_val k, v;
	size_t sum = 0;

	assert_int_equal(prov_kv_cursor_open(t, 0, &c), 0);
	for (int rc = prov_kv_cursor_seek(c, prov_val_str(""), &k, &v); rc == 0;
		rc = prov_kv_cursor_next(c, &k, &v)) {
		for (size_t i = 0; i < v.len; i += 64)
			sum += (unsigned char)v.data[i];
		*any = v;
	}
	prov_kv_cursor_close(&c);
	return sum;
}

static void what_was_read_is_no_memory_of_ours_once_released(void **state)
{
	static char text[3000];
	struct place *p = *state;
	struct prov_kv_txn *t = NULL;
	struct prov_val any = { NULL, 0 };
	unsigned char key[8];

	memset(text, 'x', sizeof(text));
	while (prov_kv_grow(p->kv, NULL) == 0)
		;
	assert_int_equal(prov_kv_begin(p->kv, true, &t, NULL), 0);
	for (uint64_t i = 0; i < 5000; i++) {
		prov_be64_put(key, i);
		assert_int_equal(prov_kv_put(t, 0, (struct prov_val){ (char *)key, 8 },
					 (struct prov_val){ text, sizeof(text) }),
			0);
	}
	assert_int_equal(prov_kv_commit(&t, NULL), 0);
	prov_kv_close(&p->kv);
	assert_int_equal(prov_kv_open(p->path, tables, 1 << 20, PROV_KV_RDONLY, &p->kv, NULL), 0);
	assert_int_equal(prov_kv_begin(p->kv, false, &t, NULL), 0);
	size_t before = file_pages_kb(), sum = read_through(t, &any), read = file_pages_kb();
	assert_true(read > before + 10000);
	prov_kv_release(p->kv);
	assert_true(file_pages_kb() < before + 2000);
	assert_int_equal(any.data[0], 'x'); /* a value that is held stays good */
	assert_int_equal(read_through(t, &any), sum);
	prov_kv_abort(&t);
}

#define BOTH(f) \
	cmocka_unit_test_setup_teardown(f, on_disk, teardown), \
		cmocka_unit_test_setup_teardown(f, in_memory, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(what_is_put_is_there_after_the_commit_and_not_after_an_abort),
		BOTH(a_missing_key_is_no_failure),
		BOTH(cursors_walk_in_the_order_of_bytes),
		BOTH(the_first_failure_sticks),
		BOTH(a_failing_commit_leaves_nothing),
		cmocka_unit_test_setup_teardown(what_is_committed_is_there_after_opening_again,
			on_disk, teardown),
		cmocka_unit_test_setup_teardown(a_full_map_is_told_and_grows, on_disk, teardown),
		cmocka_unit_test_setup_teardown(what_was_read_is_no_memory_of_ours_once_released,
			on_disk, teardown),
		cmocka_unit_test_setup_teardown(bad_files_are_named, on_disk, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
