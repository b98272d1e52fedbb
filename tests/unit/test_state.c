/* The state environment: capture rows become trail and outbox, once; then the outbox itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>

#include "outbox.h"
#include "state.h"
#include "trail.h"

struct place {
	char dir[64];
	struct prov_statedir *state;
};

static int make(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	strcpy(p->dir, "/tmp/prov-state-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	assert_int_equal(prov_statedir_open(p->dir, true, &p->state, NULL), 0);
	*state = p;
	return 0;
}

static int drop(void **state)
{
	struct place *p = *state;
	char command[128];

	prov_statedir_close(&p->state);
	snprintf(command, sizeof(command), "rm -rf %s", p->dir);
	assert_int_equal(system(command), 0);
	free(p);
	return 0;
}

static struct prov_kv_txn *begin(struct place *p, bool write)
{
	struct prov_kv_txn *t = NULL;

	assert_int_equal(prov_kv_begin(prov_statedir_kv(p->state), write, &t, NULL), 0);
	return t;
}

static bool take(struct prov_kv_txn *t, uint64_t seq, const char *record)
{
	char row[512];
	bool fresh = false;

	prov_capture_encode(record, strlen(record), row);
	assert_int_equal(prov_state_take(t, seq,
				 (struct prov_val){ row, PROV_CAPTURE_HEAD + strlen(record) },
				 &fresh, NULL),
		0);
	return fresh;
}

#define TWO \
	"{\"entryUUID\":\"u\",\"events\":[{\"id\":\"a\",\"route\":[\"hr\"],\"type\":\"x\"}," \
	"{\"id\":\"b\",\"route\":[],\"type\":\"y\"}],\"v\":1}"

static uint64_t trail_length(struct prov_kv_txn *t)
{
	unsigned char hash[32];
	uint64_t n = 0;

	assert_int_equal(prov_trail_last(t, &n, hash), 0);
	return n;
}

static void a_row_is_taken_in_once(void **state)
{
	struct place *p = *state;
	struct prov_kv_txn *t = begin(p, true);
	struct prov_val json;
	uint64_t n;

	assert_int_equal(prov_meta_put(t, "source", prov_val_str("ldap://h")), 0);
	assert_true(take(t, 5, TWO));
	assert_false(take(t, 5, TWO));
	assert_false(take(t, 4, TWO));
	assert_true(take(t, 9, "{\"v\":1}")); /* no events */
	assert_int_equal(trail_length(t), 2);
	assert_int_equal(prov_outbox_last(t, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(prov_outbox_get(t, 2, &json), 0);
	assert_non_null(memmem(json.data, json.len, "\"id\":\"b\"", 8));
	assert_non_null(memmem(json.data, json.len, "ldap://h", 8));
	assert_int_equal(prov_meta_get64(t, "capture", &n), 0);
	assert_int_equal(n, 9);
	assert_int_equal(prov_kv_commit(&t, NULL), 0);
}

static void a_row_that_does_not_decode_is_chained_all_the_same(void **state)
{
	static const char *const rows[] = { "", "\1", "\2{}", "\1{\"v\":1", "\1[]",
		"\1{\"events\":[{\"id\":\"a\"}]}" };
	struct place *p = *state;
	struct prov_kv_txn *t = begin(p, true);
	uint64_t n = 9;
	bool fresh;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(prov_state_take(t, i + 1, prov_val_str(rows[i]), &fresh, NULL), 0);
		assert_true(fresh);
		assert_int_equal(trail_length(t), i + 1);
	}
	assert_int_equal(prov_outbox_last(t, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(prov_kv_commit(&t, NULL), 0);
}

static int find_undecodable(void *ctx, uint64_t seq, struct prov_val record)
{
	(void)seq;
	*(bool *)ctx = memmem(record.data, record.len, "\"bytes\":\"02ff\"", 14) != NULL;
	return 0;
}

static void an_undecodable_row_is_kept_in_hexadecimal(void **state)
{
	struct place *p = *state;
	struct prov_kv_txn *t = begin(p, true);
	bool fresh, found = false;

	assert_int_equal(prov_state_take(t, 1, (struct prov_val){ "\x02\xff", 2 }, &fresh, NULL),
		0);
	assert_int_equal(prov_trail_walk(t, 1, find_undecodable, &found, NULL), 0);
	assert_true(found);
	prov_kv_abort(&t);
}

static void a_failure_on_the_way_leaves_the_row_for_the_next_time(void **state)
{
	struct place *p = *state;
	bool done = false;

	/* every write call of taking the row fails in turn */
	for (unsigned n = 1; !done; n++) {
		struct prov_kv_txn *t = begin(p, true);
		char row[512];
		bool fresh;
		prov_capture_encode(TWO, strlen(TWO), row);
		prov_kv_fail_after(prov_statedir_kv(p->state), n, PROV_EIO);
		int rc = prov_state_take(t, 1,
			(struct prov_val){ row, PROV_CAPTURE_HEAD + strlen(TWO) }, &fresh, NULL);
		int end = prov_kv_commit(&t, NULL);
		done = end == 0;
		assert_true(done ? rc == 0 : end == PROV_EIO);
		assert_true(n < 20);
		t = begin(p, false);
		uint64_t last = 9;
		assert_int_equal(trail_length(t), done ? 1 : 0);
		assert_int_equal(prov_outbox_last(t, &last), 0);
		assert_int_equal(last, done ? 2 : 0);
		prov_kv_abort(&t);
	}
	prov_kv_fail_after(prov_statedir_kv(p->state), 0, 0);
}

static void another_format_is_refused(void **state)
{
	struct place *p = *state;
	struct prov_statedir *s = NULL;
	struct prov_error err = { 0, "" };
	struct prov_kv_txn *t = begin(p, true);

	assert_int_equal(prov_meta_put64(t, "format", 2), 0);
	assert_int_equal(prov_kv_commit(&t, NULL), 0);
	prov_statedir_close(&p->state);
	assert_int_equal(prov_statedir_open(p->dir, true, &s, &err), PROV_EVERSION);
	assert_null(s);
	assert_non_null(strstr(err.text, p->dir));
}

static void nothing_is_made_by_looking(void **state)
{
	struct place *p = *state;
	struct prov_statedir *s = NULL;
	struct prov_error err = { 0, "" };

	assert_int_equal(prov_statedir_open("/nonexistent/x", true, &s, &err), PROV_ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/x"));
	assert_int_equal(prov_statedir_open("/nonexistent/x", false, &s, &err), PROV_ENOENT);
	prov_statedir_close(&p->state);
	assert_int_equal(prov_statedir_open(p->dir, false, &p->state, &err), 0);
}

static void the_outbox_is_walked_and_trimmed_from_the_front(void **state)
{
	struct place *p = *state;
	struct prov_kv_txn *t = begin(p, true);
	struct prov_val json;
	uint64_t found = 0;
	unsigned trimmed = 0;

	for (uint64_t s = 10; s <= 50; s += 10)
		assert_int_equal(prov_outbox_put(t, s, "{}", 2), 0);
	assert_int_equal(prov_outbox_first_after(t, 0, &found, &json), 0);
	assert_int_equal(found, 10);
	assert_int_equal(prov_outbox_first_after(t, 10, &found, &json), 0);
	assert_int_equal(found, 20);
	assert_int_equal(prov_outbox_first_after(t, 50, &found, &json), PROV_ENOENT);
	assert_int_equal(prov_outbox_get(t, 15, &json), PROV_ENOENT);
	assert_int_equal(prov_outbox_trim(t, 30, 2, &trimmed), 0);
	assert_int_equal(trimmed, 2);
	assert_int_equal(prov_outbox_first_after(t, 0, &found, &json), 0);
	assert_int_equal(found, 30);
	assert_int_equal(prov_outbox_trim(t, 30, 100, &trimmed), 0);
	assert_int_equal(trimmed, 1);
	assert_int_equal(prov_outbox_trim(t, 30, 100, &trimmed), 0);
	assert_int_equal(trimmed, 0);
	assert_int_equal(prov_outbox_last(t, &found), 0);
	assert_int_equal(found, 50);
	prov_kv_abort(&t);
}

static void a_row_of_another_version_is_told(void **state)
{
	struct place *p = *state;
	struct prov_kv_txn *t = begin(p, true);
	unsigned char key[8];
	struct prov_val json;

	prov_be64_put(key, 7);
	assert_int_equal(prov_kv_put(t, PROV_T_OUTBOX, (struct prov_val){ (char *)key, 8 },
				 prov_val_str("\x07{}")),
		0);
	assert_int_equal(prov_outbox_get(t, 7, &json), PROV_ECORRUPT);
	prov_kv_abort(&t);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_row_is_taken_in_once),
		TEST(a_row_that_does_not_decode_is_chained_all_the_same),
		TEST(an_undecodable_row_is_kept_in_hexadecimal),
		TEST(a_failure_on_the_way_leaves_the_row_for_the_next_time),
		TEST(another_format_is_refused),
		TEST(nothing_is_made_by_looking),
		TEST(the_outbox_is_walked_and_trimmed_from_the_front),
		TEST(a_row_of_another_version_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
