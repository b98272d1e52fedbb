/* A trail that was tampered with is found, and located. On the memory back end and on LMDB. */
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

#include "state.h"
#include "trail.h"

static const char *const tables[] = { "meta", "trail", "checkpoint", "outbox", NULL };

struct fixture {
	char dir[64];
	struct prov_kv *kv;
	struct prov_key *key, *other;
};

static void make_key(const char *path, struct prov_key **out)
{
	char command[256];
	struct prov_error err = { 0, "" };

	snprintf(command, sizeof(command),
		"openssl genpkey -algorithm ed25519 -out %s 2>/dev/null && chmod 600 %s", path,
		path);
	assert_int_equal(system(command), 0);
	assert_int_equal(prov_key_load(path, true, out, &err), 0);
}

static int setup(void **state, bool disk)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[128];
	struct prov_kv_txn *t = NULL;

	strcpy(f->dir, "/tmp/prov-trail-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(path, sizeof(path), "%s/a.pem", f->dir);
	make_key(path, &f->key);
	snprintf(path, sizeof(path), "%s/b.pem", f->dir);
	make_key(path, &f->other);
	snprintf(path, sizeof(path), "%s/x.mdb", f->dir);
	if (disk)
		assert_int_equal(prov_kv_open(path, tables, 1 << 20, PROV_KV_CREATE, &f->kv, NULL),
			0);
	else
		assert_int_equal(prov_kv_open_memory(tables, &f->kv, NULL), 0);
	assert_int_equal(prov_kv_begin(f->kv, true, &t, NULL), 0);
	for (int i = 1; i <= 10; i++) {
		char record[64];
		uint64_t seq;
		snprintf(record, sizeof(record), "{\"n\":%d}", i);
		assert_int_equal(prov_trail_append(t, prov_val_str(record), &seq, NULL), 0);
		assert_int_equal(seq, i);
		if (i == 4 || i == 10)
			assert_int_equal(prov_trail_checkpoint(t, f->key, 1700000000 + i, NULL), 0);
	}
	assert_int_equal(prov_kv_commit(&t, NULL), 0);
	*state = f;
	return 0;
}

static int setup_memory(void **state)
{
	return setup(state, false);
}

static int setup_disk(void **state)
{
	return setup(state, true);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	prov_kv_close(&f->kv);
	prov_key_free(&f->key);
	prov_key_free(&f->other);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static struct prov_val key_of(unsigned char b[8], uint64_t n)
{
	prov_be64_put(b, n);
	return (struct prov_val){ (char *)b, 8 };
}

static int verify(struct fixture *f, const struct prov_key *key, struct prov_trail_report *r,
	char *text)
{
	struct prov_error err = { 0, "" };
	struct prov_kv_txn *t = NULL;

	assert_int_equal(prov_kv_begin(f->kv, false, &t, NULL), 0);
	int rc = prov_trail_verify(t, key, NULL, NULL, r, &err);
	prov_kv_abort(&t);
	strcpy(text, err.text);
	return rc;
}

/* Copy a row of the table, change or move it, store it. */
static void tamper(struct fixture *f, unsigned table, uint64_t from, uint64_t to, const char *was,
	const char *is)
{
	struct prov_kv_txn *t = NULL;
	unsigned char k[8];
	struct prov_val v;
	char row[1024];

	assert_int_equal(prov_kv_begin(f->kv, true, &t, NULL), 0);
	assert_int_equal(prov_kv_get(t, table, key_of(k, from), &v), 0);
	assert_true(v.len < sizeof(row));
	memcpy(row, v.data, v.len);
	size_t len = v.len;
	if (was) {
		char *hit = memmem(row, len, was, strlen(was));
		assert_non_null(hit);
		memcpy(hit, is, strlen(is));
	}
	assert_int_equal(prov_kv_put(t, table, key_of(k, to), (struct prov_val){ row, len }), 0);
	assert_int_equal(prov_kv_commit(&t, NULL), 0);
}

static void cut(struct fixture *f, unsigned table, uint64_t n)
{
	struct prov_kv_txn *t = NULL;
	unsigned char k[8];

	assert_int_equal(prov_kv_begin(f->kv, true, &t, NULL), 0);
	assert_int_equal(prov_kv_delete(t, table, key_of(k, n)), 0);
	assert_int_equal(prov_kv_commit(&t, NULL), 0);
}

static void broken_at(struct fixture *f, uint64_t where, const char *why)
{
	struct prov_trail_report r;
	char text[512];

	assert_int_equal(verify(f, f->key, &r, text), PROV_ECORRUPT);
	assert_int_equal(r.bad_seq, where);
	if (!strstr(text, why))
		fail_msg("\"%s\" does not say \"%s\"", text, why);
}

static void a_whole_trail_verifies(void **state)
{
	struct prov_trail_report r;
	char text[512];

	assert_int_equal(verify(*state, ((struct fixture *)*state)->key, &r, text), 0);
	assert_int_equal(r.records, 10);
	assert_int_equal(r.checkpoints, 2);
	assert_int_equal(r.signed_checkpoints, 2);
	assert_int_equal(r.last_signed, 10);
}

static void an_edited_record_is_found(void **state)
{
	tamper(*state, PROV_T_TRAIL, 6, 6, "\"n\":6", "\"n\":7");
	broken_at(*state, 6, "chain breaks");
}

static void a_reordered_record_is_found(void **state)
{
	tamper(*state, PROV_T_TRAIL, 8, 7, NULL, NULL);
	broken_at(*state, 7, "chain breaks");
}

static void a_record_missing_in_the_middle_is_found(void **state)
{
	cut(*state, PROV_T_TRAIL, 5);
	broken_at(*state, 5, "missing");
}

static void a_trail_cut_behind_a_checkpoint_is_found(void **state)
{
	cut(*state, PROV_T_TRAIL, 10);
	broken_at(*state, 10, "checkpoint stands after the end");
}

static void a_wrong_signature_is_found(void **state)
{
	tamper(*state, PROV_T_CHECKPOINT, 4, 4, "2023-11-14T22:13:24", "2023-11-14T22:13:25");
	broken_at(*state, 4, "signature");
}

static void another_key_is_found(void **state)
{
	struct fixture *f = *state;
	struct prov_trail_report r;
	char text[512];

	assert_int_equal(verify(f, f->other, &r, text), PROV_ECORRUPT);
	assert_non_null(strstr(text, "another key"));
}

static void without_a_key_signatures_are_not_vouched_for(void **state)
{
	struct prov_trail_report r;
	char text[512];

	tamper(*state, PROV_T_CHECKPOINT, 4, 4, "2023-11-14T22:13:24", "2023-11-14T22:13:25");
	assert_int_equal(verify(*state, NULL, &r, text), 0);
	assert_int_equal(r.last_signed, 10);
}

static void a_key_that_others_can_read_is_refused(void **state)
{
	struct fixture *f = *state;
	struct prov_error err = { 0, "" };
	struct prov_key *k = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/a.pem", f->dir);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(prov_key_load(path, true, &k, &err), PROV_EINVAL);
	assert_non_null(strstr(err.text, "644"));
	assert_null(k);
}

#define BOTH(test) \
	cmocka_unit_test_setup_teardown(test, setup_memory, teardown), \
		cmocka_unit_test_setup_teardown(test, setup_disk, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(a_whole_trail_verifies),
		BOTH(an_edited_record_is_found),
		BOTH(a_reordered_record_is_found),
		BOTH(a_record_missing_in_the_middle_is_found),
		BOTH(a_trail_cut_behind_a_checkpoint_is_found),
		BOTH(a_wrong_signature_is_found),
		BOTH(another_key_is_found),
		BOTH(without_a_key_signatures_are_not_vouched_for),
		BOTH(a_key_that_others_can_read_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
