/* Queues, the outbox and the delivery environment together, on disk, with crashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "delivery_admin.h"
#include "history.h"
#include "progress.h"
#include "reports.h"
#include "state.h"

#define T0 1000000
#define HR "hr"

struct place {
	char dir[64];
	struct prov_statedir *state;
	struct prov_delivery_env *delivery;
	struct prov_queue *q;
};

static int make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	assert_non_null(p);
	strcpy(p->dir, "/tmp/prov-progress-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	assert_int_equal(prov_statedir_open(p->dir, true, &p->state, NULL), 0);
	assert_int_equal(prov_delivery_open(p->dir, &p->delivery, NULL), 0);
	*state = p;
	return 0;
}

static int remove_place(void **state)
{
	static const char *const name[] = { "state.mdb", "state.mdb-lock", "delivery.mdb",
		"delivery.mdb-lock", "delivery.lock" };
	struct place *p = *state;
	char path[128];
	prov_queue_free(&p->q);
	prov_delivery_close(&p->delivery);
	prov_statedir_close(&p->state);
	for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", p->dir, name[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(p->dir), 0);
	free(p);
	return 0;
}

/* Events from..to of four subjects; every third is for another connector. */
static void put_events(struct place *p, uint64_t from, uint64_t to)
{
	struct prov_kv_txn *t = NULL;
	char json[300];
	assert_int_equal(prov_kv_begin(prov_statedir_kv(p->state), true, &t, NULL), 0);
	for (uint64_t s = from; s <= to; s++) {
		int n = snprintf(json, sizeof(json),
			"{\"id\":\"e%u\",\"route\":[\"%s\"],\"subject\":\"s%u\",\"type\":\"t\"}",
			(unsigned)s, s % 3 ? HR : "other", (unsigned)s % 4);
		assert_int_equal(prov_outbox_put(t, s, json, (size_t)n), 0);
	}
	assert_int_equal(prov_kv_commit(&t, NULL), 0);
}

/* What provd does when it starts; also after a crash. */
static void begin(struct place *p, size_t window)
{
	const struct prov_queue_limits limits = { 4, 2, 100000 };
	uint64_t cursor = 0;
	bool all = false;
	prov_queue_free(&p->q);
	assert_int_equal(prov_progress_cursor(p->delivery, HR, &cursor, NULL), 0);
	assert_int_equal(prov_queue_new(cursor, window, &p->q), 0);
	prov_queue_limit(p->q, &limits);
	assert_int_equal(prov_progress_load(p->delivery, HR, p->q, T0, &all, NULL), 0);
	assert_true(all);
}

static bool scan(struct place *p, unsigned most)
{
	bool end = false;
	assert_int_equal(prov_progress_scan(prov_statedir_kv(p->state), HR, NULL, p->q, most, T0,
				 &end, NULL),
		0);
	return end;
}

static int save(struct place *p)
{
	const struct prov_progress_item item = { HR, p->q };
	return prov_progress_save(p->delivery, &item, 1, NULL, NULL);
}

static const struct prov_delivery *start(struct place *p, uint64_t want)
{
	const struct prov_delivery *d = prov_queue_next(p->q, T0);
	assert_non_null(d);
	assert_int_equal(d->seq, want);
	return d;
}

static void end(struct place *p, const struct prov_delivery *d, enum prov_outcome o)
{
	prov_queue_finish(p->q, d, o, "why", T0, 1);
}

static struct prov_progress_counts counts(struct place *p)
{
	struct prov_progress_counts c;
	assert_int_equal(prov_progress_count(p->delivery, HR, &c, NULL), 0);
	return c;
}

static void a_new_connector_gets_all_that_was_routed_to_it(void **state)
{
	struct place *p = *state;
	struct prov_kv_txn *t = NULL;
	uint64_t cursor = 77;
	put_events(p, 1, 7);
	begin(p, 100);
	/* its cursor is there at once, so that nothing is trimmed before it */
	assert_int_equal(prov_kv_begin(prov_delivery_kv(p->delivery), false, &t, NULL), 0);
	assert_int_equal(prov_cursor_get(t, HR, &cursor), 0);
	assert_int_equal(cursor, 0);
	prov_kv_abort(&t);
	assert_false(scan(p, 3));
	assert_int_equal(prov_queue_passed(p->q), 3);
	assert_true(scan(p, 100));
	static const uint64_t want[] = { 1, 2, 4, 7 }; /* 5 is behind 1 */
	for (size_t i = 0; i < 4; i++)
		start(p, want[i]);
	assert_int_equal(prov_queue_count(p->q).ready, 1);
}

static void a_window_full_of_events_is_filled_again_as_it_empties(void **state)
{
	struct place *p = *state;
	unsigned done = 0;
	put_events(p, 1, 3000);
	begin(p, 16);
	while (done < 2000) {
		if (prov_queue_low(p->q))
			scan(p, 100);
		const struct prov_delivery *d = prov_queue_next(p->q, T0);
		assert_non_null(d);
		assert_int_equal(d->seq, done / 2 * 3 + done % 2 + 1);
		end(p, d, PROV_OUTCOME_DONE);
		done++;
		assert_int_equal(save(p), 0);
	}
	assert_true(scan(p, 100));
	assert_null(prov_queue_next(p->q, T0));
	assert_int_equal(save(p), 0);
	assert_int_equal(prov_queue_cursor(p->q), 3000);
	assert_int_equal(counts(p).ready, 0);
}

static void a_crash_loses_and_repeats_nothing_that_was_saved(void **state)
{
	struct place *p = *state;
	put_events(p, 1, 8); /* ours: 1 2 4 5 7 8; subjects 1 2 0 1 3 0 */
	begin(p, 100);
	scan(p, 100);
	start(p, 1);
	const struct prov_delivery *two = start(p, 2), *four = start(p, 4);
	start(p, 7);
	end(p, two, PROV_OUTCOME_DONE);
	end(p, four, PROV_OUTCOME_FAILED);
	assert_int_equal(save(p), 0);
	begin(p, 100); /* 1 and 7 were in flight, 4 is deferred and holds back 8 */
	assert_int_equal(prov_queue_cursor(p->q), 4);
	scan(p, 100);
	start(p, 1);
	start(p, 7);
	assert_null(prov_queue_next(p->q, T0));
	four = prov_queue_next(p->q, T0 + 10);
	assert_int_equal(four->seq, 4);
	assert_int_equal(four->attempts, 1);
	assert_string_equal(four->error, "why");
}

static void an_undecodable_row_is_parked_and_blocks_nobody(void **state)
{
	struct place *p = *state;
	struct prov_kv_txn *t = NULL;
	put_events(p, 1, 1);
	assert_int_equal(prov_kv_begin(prov_statedir_kv(p->state), true, &t, NULL), 0);
	assert_int_equal(prov_outbox_put(t, 2, "{\"id\":\"hr", 9), 0);
	assert_int_equal(prov_kv_put(t, PROV_T_OUTBOX, (struct prov_val){ "\0\0\0\0\0\0\0\3", 8 },
				 (struct prov_val){ "\x09garbage", 8 }),
		0);
	assert_int_equal(prov_kv_commit(&t, NULL), 0);
	put_events(p, 4, 4);
	begin(p, 100);
	assert_true(scan(p, 100));
	end(p, start(p, 1), PROV_OUTCOME_DONE);
	end(p, start(p, 4), PROV_OUTCOME_DONE);
	assert_int_equal(save(p), 0);
	assert_int_equal(prov_queue_cursor(p->q), 4);
	assert_int_equal(counts(p).parked, 2);
	begin(p, 100);
	assert_true(scan(p, 100));
	assert_null(prov_queue_next(p->q, T0));
}

/* As provd and provctl do it: with what the trail shall say, in one transaction. */
static int drop(struct place *p, uint64_t seq, unsigned *n, struct prov_error *err)
{
	struct prov_kv_txn *t = NULL, *events = NULL;
	memset(err, 0, sizeof(*err));
	assert_int_equal(prov_kv_begin(prov_delivery_kv(p->delivery), true, &t, NULL), 0);
	assert_int_equal(prov_kv_begin(prov_statedir_kv(p->state), false, &events, NULL), 0);
	const struct prov_admin_act a = { .t = t,
		.state = events,
		.connector = HR,
		.reason = "ticket 7",
		.actor = "cn=me",
		.ms = T0 * 1000 };
	int rc = prov_admin_drop(&a, seq, n, err);
	if (!rc)
		assert_int_equal(prov_kv_commit(&t, NULL), 0);
	prov_kv_abort(&t);
	prov_kv_abort(&events);
	return rc;
}

static int see_one_report(void *ctx, uint64_t number, struct prov_val record)
{
	assert_int_equal(number, 1);
	snprintf(ctx, 1000, "%.*s", (int)record.len, record.data);
	return 0;
}

static void an_admin_retries_and_drops(void **state)
{
	struct place *p = *state;
	struct prov_error err = { 0 };
	unsigned n = 9;
	bool all = false;
	put_events(p, 1, 4);
	begin(p, 100);
	scan(p, 100);
	const struct prov_delivery *one = start(p, 1), *two = start(p, 2), *four = start(p, 4);
	end(p, one, PROV_OUTCOME_PARK);
	end(p, two, PROV_OUTCOME_PARK);
	end(p, four, PROV_OUTCOME_FAILED);
	assert_int_equal(save(p), 0);
	assert_int_equal(drop(p, 4, &n, &err), PROV_EINVAL);
	assert_non_null(strstr(err.text, "event 4 is deferred, not parked"));
	assert_int_equal(drop(p, 9, &n, &err), PROV_ENOENT);
	assert_int_equal(drop(p, 1, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(counts(p).dropped, 1);
	struct prov_kv_txn *t = NULL;
	char told[1000] = "";
	assert_int_equal(prov_kv_begin(prov_delivery_kv(p->delivery), false, &t, NULL), 0);
	assert_int_equal(prov_reports_each(t, 0, see_one_report, told), 0);
	prov_kv_abort(&t);
	assert_non_null(strstr(told, "\"outcome\":\"dropped\""));
	assert_non_null(strstr(told, "\"reason\":\"ticket 7\""));
	assert_non_null(strstr(told, "\"authz\":\"cn=me\""));
	assert_int_equal(prov_progress_retry(p->delivery, HR, p->q, 0, T0, &n, &err), 0);
	assert_int_equal(n, 2); /* the parked one and the deferred one */
	assert_int_equal(prov_progress_load(p->delivery, HR, p->q, T0, &all, NULL), 0);
	assert_true(all);
	two = start(p, 2);
	assert_int_equal(two->attempts, 0);
	four = start(p, 4);
	assert_int_equal(four->attempts, 1);
	end(p, two, PROV_OUTCOME_DONE);
	end(p, four, PROV_OUTCOME_DONE);
	assert_int_equal(save(p), 0);
	struct prov_progress_counts c = counts(p);
	assert_int_equal(c.ready + c.deferred + c.parked, 0);
}

static void a_failed_save_changes_nothing_and_works_later(void **state)
{
	struct place *p = *state;
	put_events(p, 1, 2);
	begin(p, 100);
	scan(p, 100);
	end(p, start(p, 1), PROV_OUTCOME_DONE);
	end(p, start(p, 2), PROV_OUTCOME_FAILED);
	prov_kv_fail_after(prov_delivery_kv(p->delivery), 1, PROV_EIO);
	assert_int_equal(save(p), PROV_EIO);
	prov_kv_fail_after(prov_delivery_kv(p->delivery), 0, 0);
	assert_true(prov_queue_dirty(p->q));
	assert_int_equal(counts(p).deferred, 0);
	assert_int_equal(save(p), 0);
	assert_false(prov_queue_dirty(p->q));
	assert_int_equal(counts(p).deferred, 1);
	begin(p, 100);
	assert_int_equal(prov_queue_cursor(p->q), 2);
}

static struct prov_history_rewound meet(struct place *p, const struct prov_lineage *l)
{
	struct prov_history_rewound r = { 0 };
	struct prov_kv_txn *t = NULL;
	assert_int_equal(prov_kv_begin(prov_delivery_kv(p->delivery), true, &t, NULL), 0);
	assert_int_equal(prov_history_meet_outbox(t, l, &r), 0);
	assert_int_equal(prov_kv_commit(&t, NULL), 0);
	return r;
}

static void told(struct place *p, const char *subject, uint64_t seq)
{
	const struct prov_remote r = { seq, 7, prov_val_str("there") };
	assert_int_equal(prov_progress_remote(p->delivery, HR, subject, &r, NULL), 0);
}

static uint64_t told_last(struct place *p, const char *subject)
{
	struct prov_remote r = { 0 };
	struct prov_kv_txn *t = NULL;
	assert_int_equal(prov_kv_begin(prov_delivery_kv(p->delivery), false, &t, NULL), 0);
	assert_int_equal(prov_remote_get(t, HR, subject, &r), 0);
	assert_true(r.ms == 7 && prov_val_equal(r.id, prov_val_str("there")));
	prov_kv_abort(&t);
	return r.seq;
}

static void progress_of_another_outbox_is_forgotten(void **state)
{
	struct place *p = *state;
	put_events(p, 1, 700);
	begin(p, 1000);
	scan(p, 1000);
	for (int i = 0; i < 4; i++)
		end(p, prov_queue_next(p->q, T0), PROV_OUTCOME_FAILED);
	end(p, prov_queue_next(p->q, T0 + 20), PROV_OUTCOME_PARK);
	assert_int_equal(save(p), 0);
	assert_true(counts(p).deferred == 3 && counts(p).parked == 1);
	told(p, "s1", 5);
	struct prov_lineage one = { 1, { { 1, { 1 } } } }, other = { 1, { { 1, { 2 } } } };
	assert_int_equal(meet(p, &one).fork, 0); /* the first one that it hears of */
	assert_int_equal(meet(p, &one).fork, 0);
	assert_int_equal(counts(p).deferred, 3);
	struct prov_history_rewound r = meet(p, &other);
	assert_int_equal(r.fork, 1);
	assert_int_equal(r.cursors, 1);
	assert_int_equal(r.exceptions, 5); /* and one that was passed by while it was ready */
	assert_true(counts(p).deferred == 0 && counts(p).parked == 0);
	assert_int_equal(told_last(p, "s1"), 0);
	begin(p, 1000);
	assert_int_equal(prov_queue_cursor(p->q), 0);
}

static void progress_of_an_outbox_that_was_put_back_is_kept_as_far_as_it_is_the_same(void **state)
{
	struct place *p = *state;
	put_events(p, 1, 700);
	begin(p, 1000);
	scan(p, 1000);
	uint64_t early = 0;
	for (int i = 0; i < 4; i++) {
		struct prov_delivery *d = (struct prov_delivery *)prov_queue_next(p->q, T0);
		early += d->seq < 3;
		end(p, d, PROV_OUTCOME_FAILED);
	}
	assert_int_equal(save(p), 0);
	told(p, "s1", 2);
	told(p, "s2", 3);
	told(p, "s3", 500);
	struct prov_lineage l = { 1, { { 1, { 1 } } } };
	meet(p, &l);
	l = (struct prov_lineage){ 2, { { 1, { 1 } }, { 3, { 2 } } } };
	struct prov_history_rewound r = meet(p, &l);
	assert_true(r.fork == 3 && r.cursors == 1);
	assert_true(early > 0 && counts(p).deferred == early);
	assert_int_equal(told_last(p, "s1"), 2);
	assert_int_equal(told_last(p, "s2"), 2);
	assert_int_equal(told_last(p, "s3"), 2);
	begin(p, 1000);
	assert_int_equal(prov_queue_cursor(p->q), 2);
	/* and an outbox that only went on takes nothing back */
	l = (struct prov_lineage){ 3, { { 1, { 1 } }, { 3, { 2 } }, { 900, { 3 } } } };
	assert_int_equal(meet(p, &l).fork, 0);
}

static void what_a_destination_knows_is_kept(void **state)
{
	struct place *p = *state;
	struct prov_kv_txn *t = NULL;
	struct prov_remote r = { 0 };
	const struct prov_remote one = { 5, 1700000000123, prov_val_str("id-1") };
	const struct prov_remote none = { 6, 0, prov_val_str("") };
	assert_int_equal(prov_kv_begin(prov_delivery_kv(p->delivery), true, &t, NULL), 0);
	assert_int_equal(prov_remote_get(t, HR, "s1", &r), PROV_ENOENT);
	assert_int_equal(prov_remote_put(t, HR, "s1", &one), 0);
	assert_int_equal(prov_remote_put(t, HR, "s2", &none), 0);
	assert_int_equal(prov_remote_put(t, HR "x", "s1", &one), 0);
	assert_int_equal(prov_remote_put(t, "", "s2", &none), PROV_EINVAL);
	assert_int_equal(prov_kv_commit(&t, NULL), 0);
	assert_int_equal(prov_kv_begin(prov_delivery_kv(p->delivery), true, &t, NULL), 0);
	assert_int_equal(prov_remote_get(t, HR, "s1", &r), 0);
	assert_int_equal(r.seq, 5);
	assert_int_equal(r.ms, 1700000000123);
	assert_true(prov_val_equal(r.id, prov_val_str("id-1")));
	assert_int_equal(prov_remote_get(t, HR, "s2", &r), 0);
	assert_int_equal(r.seq, 6);
	assert_int_equal(r.id.len, 0);
	assert_int_equal(prov_remote_get(t, "other", "s1", &r), PROV_ENOENT);
	assert_int_equal(prov_remote_forget(t, HR), 0);
	assert_int_equal(prov_remote_get(t, HR, "s1", &r), PROV_ENOENT);
	assert_int_equal(prov_remote_get(t, HR, "s2", &r), PROV_ENOENT);
	assert_int_equal(prov_remote_get(t, HR "x", "s1", &r), 0);
	prov_kv_abort(&t);
}

static void a_destination_that_wants_no_more_is_remembered(void **state)
{
	struct place *p = *state;
	struct prov_kv_txn *t = NULL;
	struct prov_val mark;
	assert_int_equal(prov_kv_begin(prov_delivery_kv(p->delivery), true, &t, NULL), 0);
	assert_int_equal(prov_refused_get(t, HR, &mark), PROV_ENOENT);
	assert_int_equal(prov_refused_put(t, HR, "csn"), 0);
	assert_int_equal(prov_refused_get(t, HR, &mark), 0);
	assert_true(prov_val_equal(mark, prov_val_str("csn")));
	assert_int_equal(prov_refused_put(t, HR, NULL), 0);
	assert_int_equal(prov_refused_put(t, HR, NULL), 0);
	assert_int_equal(prov_refused_get(t, HR, &mark), PROV_ENOENT);
	prov_kv_abort(&t);
}

static int know(struct place *p, const char *subject, uint64_t seq, const char *id,
	struct prov_error *err)
{
	const struct prov_remote r = { seq, (int64_t)seq * 1000, prov_val_str(id) };
	return prov_progress_remote(p->delivery, HR, subject, &r, err);
}

static void what_a_destination_knows_needs_room_that_is_made(void **state)
{
	struct place *p = *state;
	struct prov_kv *kv = prov_delivery_kv(p->delivery);
	struct prov_kv_txn *t = NULL;
	struct prov_error err = { 0 };
	struct prov_remote r = { 0 };
	prov_kv_fail_after(kv, 1, PROV_EFULL); /* the map: it is made larger */
	assert_int_equal(know(p, "s1", 5, "id-1", &err), 0);
	prov_kv_fail_after(kv, 1, PROV_EIO);
	assert_int_equal(know(p, "s1", 6, "id-2", &err), PROV_EIO);
	assert_true(*err.text);
	prov_kv_fail_after(kv, 0, 0);
	assert_int_equal(know(p, "", 6, "id-2", &err), PROV_EINVAL);
	assert_int_equal(know(p, "s1", 0, "id-3", &err), 0);
	assert_int_equal(know(p, "s1", 4, "id-4", &err), 0);
	assert_int_equal(prov_kv_begin(kv, false, &t, NULL), 0);
	assert_int_equal(prov_remote_get(t, HR, "s1", &r), 0);
	assert_int_equal(r.seq, 5); /* the newest that was carried out */
	assert_int_equal(r.ms, 5000);
	assert_true(prov_val_equal(r.id, prov_val_str("id-4")));
	prov_kv_abort(&t);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)
	const struct CMUnitTest tests[] = {
		TEST(a_new_connector_gets_all_that_was_routed_to_it),
		TEST(what_a_destination_knows_is_kept),
		TEST(a_destination_that_wants_no_more_is_remembered),
		TEST(what_a_destination_knows_needs_room_that_is_made),
		TEST(a_window_full_of_events_is_filled_again_as_it_empties),
		TEST(a_crash_loses_and_repeats_nothing_that_was_saved),
		TEST(an_undecodable_row_is_parked_and_blocks_nobody),
		TEST(an_admin_retries_and_drops),
		TEST(a_failed_save_changes_nothing_and_works_later),
		TEST(progress_of_another_outbox_is_forgotten),
		TEST(progress_of_an_outbox_that_was_put_back_is_kept_as_far_as_it_is_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
