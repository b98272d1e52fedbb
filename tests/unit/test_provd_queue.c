/* Order, concurrency, backoff, parking, throttling and progress of one connector's queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue.h"

#define T0 1000000

static struct prov_queue *make(uint64_t cursor, unsigned concurrency, size_t window)
{
	struct prov_queue *q = NULL;
	const struct prov_queue_limits limits = { concurrency, 3, 3600 };
	assert_int_equal(prov_queue_new(cursor, window, &q), 0);
	prov_queue_limit(q, &limits);
	return q;
}

static int add(struct prov_queue *q, uint64_t seq, const char *subject)
{
	struct prov_delivery d = { .seq = seq, .state = PROV_D_READY };
	snprintf(d.subject, sizeof(d.subject), "%s", subject);
	int rc = prov_queue_add(q, &d, false, T0);
	if (!rc)
		prov_queue_pass(q, seq);
	return rc;
}

static const struct prov_delivery *next(struct prov_queue *q, int64_t now, uint64_t want)
{
	const struct prov_delivery *d = prov_queue_next(q, now);
	if (!want) {
		assert_null(d);
	} else {
		assert_non_null(d);
		assert_int_equal(d->seq, want);
	}
	return d;
}

/* What a save hands out, as text: "+5ready -3 cursor=5". */
struct written {
	char text[2000];
};

static int write_row(void *ctx, const struct prov_delivery *d, bool keep)
{
	static const char *const name[] = { "ready", "deferred", "parked", "dropped", "done" };
	struct written *w = ctx;
	size_t n = strlen(w->text);
	snprintf(w->text + n, sizeof(w->text) - n, keep ? "+%u%s " : "-%u ", (unsigned)d->seq,
		name[d->state]);
	return 0;
}

static void assert_saves(struct prov_queue *q, const char *want)
{
	struct written w = { "" };
	uint64_t cursor = 0;
	assert_int_equal(prov_queue_save(q, write_row, &w, &cursor), 0);
	size_t n = strlen(w.text);
	snprintf(w.text + n, sizeof(w.text) - n, "cursor=%u", (unsigned)cursor);
	assert_string_equal(w.text, want);
	prov_queue_saved(q);
	assert_int_equal(prov_queue_cursor(q), cursor);
	assert_false(prov_queue_dirty(q));
}

static void events_of_one_subject_go_one_by_one_in_order(void **state)
{
	(void)state;
	struct prov_queue *q = make(0, 4, 100);
	add(q, 1, "a");
	add(q, 2, "a");
	add(q, 3, "b");
	const struct prov_delivery *one = next(q, T0, 1);
	const struct prov_delivery *three = next(q, T0, 3);
	next(q, T0, 0);
	prov_queue_finish(q, one, PROV_OUTCOME_DONE, NULL, T0, 0);
	const struct prov_delivery *two = next(q, T0, 2);
	next(q, T0, 0);
	prov_queue_finish(q, two, PROV_OUTCOME_DONE, NULL, T0, 0);
	prov_queue_finish(q, three, PROV_OUTCOME_DONE, NULL, T0, 0);
	next(q, T0, 0);
	assert_int_equal(prov_queue_due(q), INT64_MAX);
	prov_queue_free(&q);
}

static void subjects_run_in_parallel_up_to_the_concurrency(void **state)
{
	(void)state;
	struct prov_queue *q = make(0, 2, 100);
	add(q, 1, "a");
	add(q, 2, "b");
	add(q, 3, "c");
	next(q, T0, 1);
	const struct prov_delivery *two = next(q, T0, 2);
	next(q, T0, 0);
	assert_int_equal(prov_queue_count(q).in_flight, 2);
	assert_int_equal(prov_queue_due(q), INT64_MAX);
	prov_queue_finish(q, two, PROV_OUTCOME_DONE, NULL, T0, 0);
	next(q, T0, 3);
	prov_queue_free(&q);
}

static void a_deferred_event_holds_back_its_subject_only(void **state)
{
	(void)state;
	struct prov_queue *q = make(0, 4, 100);
	add(q, 1, "a");
	add(q, 2, "a");
	add(q, 3, "b");
	const struct prov_delivery *one = next(q, T0, 1);
	prov_queue_finish(q, one, PROV_OUTCOME_FAILED, "no", T0, 0);
	assert_int_equal(one->state, PROV_D_DEFERRED);
	assert_int_equal(one->attempts, 1);
	assert_in_range(one->next, T0 + 4, T0 + 6);
	assert_string_equal(one->error, "no");
	next(q, T0, 3);
	next(q, T0, 0);
	assert_int_equal(prov_queue_due(q), one->next);
	next(q, one->next - 1, 0);
	next(q, one->next, 1);
	prov_queue_finish(q, one, PROV_OUTCOME_DONE, NULL, T0 + 10, 0);
	next(q, T0 + 10, 2);
	prov_queue_free(&q);
}

static void an_event_is_parked_after_its_attempts_and_lets_later_ones_go(void **state)
{
	(void)state;
	struct prov_queue *q = make(0, 4, 100);
	add(q, 1, "a");
	add(q, 2, "a");
	int64_t now = T0;
	for (int i = 0; i < 3; i++) {
		const struct prov_delivery *d = next(q, now, 1);
		prov_queue_finish(q, d, PROV_OUTCOME_FAILED, "bad", now, 0);
		now += 100;
		if (i == 2) {
			assert_int_equal(d->state, PROV_D_PARKED);
			assert_int_equal(d->attempts, 3);
			assert_int_equal(d->first, T0);
			assert_int_equal(d->last, T0 + 200);
		}
	}
	next(q, now, 2);
	assert_saves(q, "+1parked cursor=1");
	prov_queue_free(&q);
}

static void an_event_is_parked_when_it_is_too_old(void **state)
{
	(void)state;
	struct prov_queue *q = make(0, 4, 100);
	add(q, 1, "a");
	const struct prov_delivery *d = next(q, T0, 1);
	prov_queue_finish(q, d, PROV_OUTCOME_AGAIN, "busy", T0, 0);
	next(q, T0 + 3599, 1);
	prov_queue_finish(q, d, PROV_OUTCOME_AGAIN, "busy", T0 + 3599, 0);
	assert_int_equal(d->state, PROV_D_DEFERRED);
	next(q, T0 + 3599 + 7200, 1);
	prov_queue_finish(q, d, PROV_OUTCOME_AGAIN, "busy", T0 + 3600, 0);
	assert_int_equal(d->state, PROV_D_PARKED);
	prov_queue_free(&q);
}

static void again_is_not_a_failed_attempt_but_waits_longer_each_time(void **state)
{
	(void)state;
	struct prov_queue *q = make(0, 4, 100);
	add(q, 1, "a");
	int64_t now = T0, wait = 0;
	for (int i = 0; i < 8; i++) {
		const struct prov_delivery *d = next(q, now, 1);
		prov_queue_finish(q, d, PROV_OUTCOME_AGAIN, "busy", now, 7);
		assert_int_equal(d->state, PROV_D_DEFERRED);
		assert_int_equal(d->attempts, 0);
		assert_true(d->next - now >= wait * 9 / 10);
		wait = d->next - now;
		now = d->next;
	}
	assert_true(wait > 60);
	prov_queue_free(&q);
}

static void an_event_that_cannot_be_sent_is_parked_at_once(void **state)
{
	(void)state;
	struct prov_queue *q = make(0, 4, 100);
	add(q, 1, "a");
	const struct prov_delivery *d = next(q, T0, 1);
	prov_queue_finish(q, d, PROV_OUTCOME_PARK, "undecodable", T0, 0);
	assert_int_equal(d->state, PROV_D_PARKED);
	assert_int_equal(prov_queue_count(q).failures, 0);
	struct prov_delivery bad = { .seq = 2, .state = PROV_D_PARKED, .error = "garbage" };
	assert_int_equal(prov_queue_add(q, &bad, false, T0), 0);
	prov_queue_pass(q, 2);
	next(q, T0, 0);
	assert_true(prov_queue_dirty(q));
	assert_saves(q, "+1parked +2parked cursor=2");
	assert_saves(q, "cursor=2");
	prov_queue_free(&q);
}

static void a_dead_destination_is_tried_with_one_event_at_a_time(void **state)
{
	(void)state;
	struct prov_queue *q = make(0, 10, 100);
	const struct prov_delivery *d[10];
	for (unsigned i = 0; i < 10; i++) {
		char subject[8];
		snprintf(subject, sizeof(subject), "s%u", i);
		add(q, i + 1, subject);
	}
	for (unsigned i = 0; i < 5; i++)
		d[i] = next(q, T0, i + 1);
	for (unsigned i = 0; i < 5; i++)
		prov_queue_finish(q, d[i], PROV_OUTCOME_FAILED, "down", T0, i);
	next(q, T0, 0);
	assert_int_equal(prov_queue_due(q), T0 + 5);
	assert_int_equal(prov_queue_count(q).held_until, T0 + 5);
	const struct prov_delivery *probe = next(q, T0 + 5, 6); /* it waited longest */
	next(q, T0 + 5, 0);
	prov_queue_finish(q, probe, PROV_OUTCOME_FAILED, "down", T0 + 5, 0);
	assert_int_equal(prov_queue_due(q), T0 + 15);
	probe = prov_queue_next(q, T0 + 15);
	assert_non_null(probe);
	prov_queue_finish(q, probe, PROV_OUTCOME_DONE, NULL, T0 + 15, 0);
	assert_int_equal(prov_queue_count(q).failures, 0);
	for (unsigned i = 0; i < 9; i++) /* all that is left, at once */
		assert_non_null(prov_queue_next(q, T0 + 30));
	assert_null(prov_queue_next(q, T0 + 30));
	prov_queue_free(&q);
}

static void a_dead_destination_is_never_left_alone_for_long(void **state)
{
	(void)state;
	struct prov_queue *q = NULL;
	const struct prov_queue_limits limits = { 1, 1000, INT64_MAX };
	assert_int_equal(prov_queue_new(0, 2000, &q), 0);
	prov_queue_limit(q, &limits);
	int64_t now = T0;
	for (unsigned i = 0; i < 200; i++) {
		char subject[16];
		snprintf(subject, sizeof(subject), "s%u", i);
		add(q, i + 1, subject);
	}
	for (unsigned i = 0; i < 200; i++) {
		const struct prov_delivery *d = prov_queue_next(q, now);
		assert_non_null(d);
		prov_queue_finish(q, d, PROV_OUTCOME_FAILED, "down", now, i);
		assert_true(prov_queue_due(q) - now <= 300);
		now = prov_queue_due(q);
	}
	prov_queue_free(&q);
}

static void many_that_fail_at_once_are_one_failure_of_the_destination(void **state)
{
	(void)state;
	struct prov_queue *q = make(0, 64, 100);
	const struct prov_delivery *d[64];
	for (unsigned i = 0; i < 64; i++) {
		char subject[8];
		snprintf(subject, sizeof(subject), "s%u", i);
		add(q, i + 1, subject);
	}
	for (unsigned i = 0; i < 64; i++)
		d[i] = next(q, T0, i + 1);
	for (unsigned i = 0; i < 64; i++)
		prov_queue_finish(q, d[i], PROV_OUTCOME_FAILED, "reset", T0 + i / 32, i);
	assert_int_equal(prov_queue_count(q).failures, 64);
	assert_int_equal(prov_queue_count(q).held_until, T0 + 5);
	const struct prov_delivery *probe = prov_queue_next(q, T0 + 8);
	assert_non_null(probe);
	prov_queue_finish(q, probe, PROV_OUTCOME_FAILED, "reset", T0 + 8, 0);
	assert_int_equal(prov_queue_count(q).held_until, T0 + 18);
	prov_queue_free(&q);
}

static void a_retry_by_hand_ignores_backoff_and_throttling(void **state)
{
	(void)state;
	struct prov_queue *q = make(0, 4, 100);
	add(q, 1, "a");
	const struct prov_delivery *d = next(q, T0, 1);
	assert_int_equal(prov_queue_retry(q, 1, T0), 0); /* in flight: fine, nothing to do */
	prov_queue_finish(q, d, PROV_OUTCOME_FAILED, "no", T0, 0);
	next(q, T0 + 1, 0);
	assert_int_equal(prov_queue_retry(q, 2, T0 + 1), PROV_ENOENT);
	assert_int_equal(prov_queue_retry(q, 1, T0 + 1), 0);
	next(q, T0 + 1, 1);
	prov_queue_free(&q);
}

static void a_clock_that_is_set_changes_neither_waits_nor_ages(void **state)
{
	for (int back = 0; back < 2; back++) {
		int64_t by = back ? -86400 : 7 * 86400;
		struct prov_queue *q = make(0, 3, 10);
		(void)state;
		add(q, 1, "a");
		add(q, 2, "b");
		add(q, 3, "c");
		const struct prov_delivery *one = next(q, T0, 1), *two = next(q, T0, 2);
		prov_queue_finish(q, one, PROV_OUTCOME_FAILED, "no", T0, 1);
		prov_queue_hold(q, T0 + 3);
		int64_t due = prov_queue_due(q);
		prov_queue_clock_set(q, by);
		assert_int_equal(prov_queue_due(q), due + by);
		prov_queue_finish(q, two, PROV_OUTCOME_FAILED, "no", T0 + by, 1);
		assert_int_equal(two->state, PROV_D_DEFERRED);
		next(q, T0 + by + 2, 0);
		const struct prov_delivery *three = next(q, T0 + by + 3, 3);
		prov_queue_finish(q, three, PROV_OUTCOME_DONE, NULL, T0 + by + 3, 1);
		next(q, T0 + by + 3, 0);
		one = next(q, T0 + by + 10, 1);
		prov_queue_finish(q, one, PROV_OUTCOME_FAILED, "no", T0 + by + 10, 1);
		assert_int_equal(one->state, PROV_D_DEFERRED); /* not too old by a week */
		prov_queue_free(&q);
	}
}

static void rows_from_before_the_clock_was_set_back_wait_as_long_as_they_would_have(void **state)
{
	struct prov_queue *q = make(5, 2, 10);
	const struct prov_delivery d = { .seq = 3,
		.state = PROV_D_DEFERRED,
		.attempts = 1,
		.first = T0 - 50,
		.last = T0,
		.next = T0 + 100,
		.subject = "a" };
	(void)state;
	assert_int_equal(prov_queue_add(q, &d, true, T0 - 86400), 0);
	assert_int_equal(prov_queue_due(q), T0 - 86400 + 100);
	prov_queue_free(&q);
}

static void quiet_that_was_asked_for_is_kept_whatever_else_succeeds(void **state)
{
	(void)state;
	struct prov_queue *q = make(0, 4, 100);
	add(q, 1, "a");
	add(q, 2, "b");
	add(q, 3, "c");
	const struct prov_delivery *one = next(q, T0, 1), *two = next(q, T0, 2);
	prov_queue_finish(q, one, PROV_OUTCOME_AGAIN, "HTTP 429", T0, 0);
	prov_queue_hold(q, T0 + 60);
	prov_queue_finish(q, two, PROV_OUTCOME_DONE, NULL, T0, 0); /* was under way already */
	next(q, T0 + 59, 0);
	assert_int_equal(prov_queue_due(q), T0 + 60);
	assert_int_equal(prov_queue_count(q).held_until, T0 + 60);
	prov_queue_hold(q, T0 + 50); /* the longer one counts */
	next(q, T0 + 59, 0);
	assert_non_null(prov_queue_next(q, T0 + 60));
	assert_non_null(prov_queue_next(q, T0 + 60));
	prov_queue_free(&q);
}

static void a_put_back_event_is_ready_again_and_not_counted(void **state)
{
	(void)state;
	struct prov_queue *q = make(0, 4, 100);
	add(q, 1, "a");
	add(q, 2, "a");
	prov_queue_put_back(q, next(q, T0, 1), T0);
	const struct prov_delivery *d = next(q, T0, 1);
	assert_int_equal(d->attempts, 0);
	assert_false(prov_queue_dirty(q));
	prov_queue_free(&q);
}

static void events_in_order_cost_no_rows(void **state)
{
	(void)state;
	struct prov_queue *q = make(0, 1, 100);
	for (unsigned i = 1; i <= 50; i++)
		add(q, i, "a");
	for (unsigned i = 1; i <= 50; i++)
		prov_queue_finish(q, next(q, T0, i), PROV_OUTCOME_DONE, NULL, T0, 0);
	assert_saves(q, "cursor=50");
	prov_queue_pass(q, 99); /* of others */
	assert_saves(q, "cursor=99");
	prov_queue_free(&q);
}

static void the_cursor_passes_what_waits_by_giving_it_a_row(void **state)
{
	(void)state;
	struct prov_queue *q = make(10, 4, 100);
	add(q, 11, "a"); /* in flight for long */
	add(q, 12, "b"); /* fails */
	add(q, 13, "b"); /* waits behind it */
	add(q, 14, "c"); /* done */
	add(q, 15, "d"); /* not begun */
	const struct prov_delivery *slow = next(q, T0, 11);
	const struct prov_delivery *bad = next(q, T0, 12);
	const struct prov_delivery *good = next(q, T0, 14);
	assert_saves(q, "cursor=10");
	prov_queue_finish(q, bad, PROV_OUTCOME_FAILED, "no", T0, 0);
	prov_queue_finish(q, good, PROV_OUTCOME_DONE, NULL, T0, 0);
	assert_saves(q, "+11ready +12deferred +13ready cursor=14");
	assert_saves(q, "cursor=14");
	prov_queue_finish(q, slow, PROV_OUTCOME_DONE, NULL, T0, 0);
	assert_saves(q, "-11 cursor=14");
	next(q, T0, 15);
	prov_queue_free(&q);
}

static void a_save_that_failed_is_handed_out_again(void **state)
{
	(void)state;
	struct prov_queue *q = make(0, 4, 100);
	add(q, 1, "a");
	prov_queue_finish(q, next(q, T0, 1), PROV_OUTCOME_FAILED, "no", T0, 0);
	struct written w = { "" };
	uint64_t cursor = 0;
	assert_int_equal(prov_queue_save(q, write_row, &w, &cursor), 0);
	assert_true(prov_queue_dirty(q));
	assert_saves(q, "+1deferred cursor=1");
	prov_queue_free(&q);
}

static void stored_rows_are_taken_up_where_they_were(void **state)
{
	(void)state;
	struct prov_queue *q = make(20, 4, 100);
	struct prov_delivery a = { .seq = 5,
		.state = PROV_D_DEFERRED,
		.attempts = 2,
		.first = T0 - 50,
		.last = T0 - 10,
		.next = T0 + 30,
		.subject = "a" };
	struct prov_delivery b = { .seq = 7, .state = PROV_D_READY, .subject = "a" };
	assert_int_equal(prov_queue_add(q, &a, true, T0), 0);
	assert_int_equal(prov_queue_add(q, &b, true, T0), 0);
	assert_int_equal(prov_queue_add(q, &b, true, T0), PROV_EEXIST);
	add(q, 21, "a");
	next(q, T0 + 29, 0);
	const struct prov_delivery *d = next(q, T0 + 30, 5);
	prov_queue_finish(q, d, PROV_OUTCOME_FAILED, "third", T0 + 30, 0); /* its last attempt */
	assert_int_equal(d->state, PROV_D_PARKED);
	assert_saves(q, "+5parked cursor=20");
	d = next(q, T0 + 30, 7);
	prov_queue_finish(q, d, PROV_OUTCOME_DONE, NULL, T0 + 30, 0);
	assert_saves(q, "-7 cursor=20");
	next(q, T0 + 30, 21);
	prov_queue_free(&q);
}

static void the_window_bounds_what_is_in_memory(void **state)
{
	(void)state;
	struct prov_queue *q = make(0, 1, 4);
	for (unsigned i = 1; i <= 4; i++)
		assert_int_equal(add(q, i, "a"), 0);
	assert_true(prov_queue_full(q));
	assert_int_equal(add(q, 5, "a"), PROV_EFULL);
	assert_int_equal(prov_queue_passed(q), 4);
	for (unsigned i = 1; i <= 2; i++)
		prov_queue_finish(q, next(q, T0, i), PROV_OUTCOME_DONE, NULL, T0, 0);
	assert_true(prov_queue_full(q)); /* done, but not yet saved */
	assert_saves(q, "cursor=2");
	assert_false(prov_queue_full(q));
	assert_true(prov_queue_low(q));
	prov_queue_free(&q);
}

/* A model: 40 subjects, random outcomes, crashes; then: order per subject, nothing lost. */
struct disk {
	uint64_t cursor;
	struct prov_delivery row[401];
	bool has[401];
};

static int write_disk(void *ctx, const struct prov_delivery *d, bool keep)
{
	struct disk *disk = ctx;
	disk->has[d->seq] = keep;
	disk->row[d->seq] = *d;
	return 0;
}

static void subject_of(unsigned seq, char *out, size_t room)
{
	snprintf(out, room, "subject-%u", seq * 7919 % 40);
}

static struct prov_queue *restart(const struct disk *disk, int64_t now)
{
	struct prov_queue *q = NULL;
	const struct prov_queue_limits limits = { 8, 1000, INT64_MAX };
	assert_int_equal(prov_queue_new(disk->cursor, 64, &q), 0);
	prov_queue_limit(q, &limits);
	for (unsigned seq = 1; seq <= 400; seq++)
		if (disk->has[seq])
			assert_int_equal(prov_queue_add(q, &disk->row[seq], true, now), 0);
	return q;
}

static void order_holds_and_nothing_is_lost_whatever_happens(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 40; seed++) {
		struct disk disk = { 0 };
		unsigned last_done[40] = { 0 }, times[401] = { 0 };
		const struct prov_delivery *running[8];
		size_t nrunning = 0;
		int64_t now = T0;
		srand(seed);
		struct prov_queue *q = restart(&disk, now);
		for (unsigned step = 0; step < 20000; step++) {
			for (uint64_t s = prov_queue_passed(q) + 1; s <= 400 && prov_queue_low(q);
				s++) {
				char subject[37];
				subject_of((unsigned)s, subject, sizeof(subject));
				assert_int_equal(add(q, s, subject), 0);
			}
			const struct prov_delivery *d = prov_queue_next(q, now);
			if (d) {
				assert_true(nrunning < 8);
				running[nrunning++] = d;
			}
			if (nrunning && (!d || rand() % 2)) {
				size_t i = (size_t)rand() % nrunning;
				unsigned seq = (unsigned)running[i]->seq, who = seq * 7919 % 40;
				enum prov_outcome o = rand() % 4 ? PROV_OUTCOME_DONE
					: rand() % 2             ? PROV_OUTCOME_FAILED
								 : PROV_OUTCOME_AGAIN;
				if (o == PROV_OUTCOME_DONE) {
					/* never before an earlier one of the subject was done */
					for (unsigned e = 1; e < seq; e++)
						assert_true(e * 7919 % 40 != who || times[e]);
					times[seq]++;
					last_done[who] = seq;
				}
				prov_queue_finish(q, running[i], o, "x", now, step);
				running[i] = running[--nrunning];
			} else if (!d) {
				now++;
			}
			if (rand() % 3 == 0) {
				assert_int_equal(prov_queue_save(q, write_disk, &disk,
							 &disk.cursor),
					0);
				prov_queue_saved(q);
			}
			if (rand() % 100 == 0) { /* kill -9 */
				prov_queue_free(&q);
				nrunning = 0;
				q = restart(&disk, now);
			}
			now += rand() % 20 == 0;
		}
		for (unsigned s = 1; s <= 400; s++)
			assert_true(times[s] >= 1);
		assert_int_equal(prov_queue_save(q, write_disk, &disk, &disk.cursor), 0);
		prov_queue_saved(q);
		prov_queue_free(&q);
		(void)last_done;
	}
}

static void it_is_known_since_when_an_event_fails(void **state)
{
	(void)state;
	struct prov_queue *q = make(0, 4, 100);
	add(q, 1, "a");
	add(q, 2, "b");
	add(q, 3, "c");
	assert_int_equal(prov_queue_count(q).failing_since, 0);
	prov_queue_finish(q, next(q, T0, 1), PROV_OUTCOME_FAILED, "no", T0 + 7, 0);
	prov_queue_finish(q, next(q, T0, 2), PROV_OUTCOME_AGAIN, "later", T0 + 3, 0);
	prov_queue_finish(q, next(q, T0, 3), PROV_OUTCOME_DONE, NULL, T0 + 1, 0);
	assert_int_equal(prov_queue_count(q).failing_since, T0 + 3);
	const struct prov_delivery *two = next(q, T0 + 1000, 2);
	assert_int_equal(prov_queue_count(q).failing_since, T0 + 3); /* also while it is tried */
	prov_queue_finish(q, two, PROV_OUTCOME_DONE, NULL, T0 + 1000, 0);
	assert_int_equal(prov_queue_count(q).failing_since, T0 + 7);
	prov_queue_finish(q, next(q, T0 + 1000, 1), PROV_OUTCOME_PARK, "no", T0 + 1000, 0);
	assert_int_equal(prov_queue_count(q).failing_since, 0); /* an admin's business now */
	prov_queue_free(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_of_one_subject_go_one_by_one_in_order),
		cmocka_unit_test(subjects_run_in_parallel_up_to_the_concurrency),
		cmocka_unit_test(a_deferred_event_holds_back_its_subject_only),
		cmocka_unit_test(an_event_is_parked_after_its_attempts_and_lets_later_ones_go),
		cmocka_unit_test(an_event_is_parked_when_it_is_too_old),
		cmocka_unit_test(again_is_not_a_failed_attempt_but_waits_longer_each_time),
		cmocka_unit_test(an_event_that_cannot_be_sent_is_parked_at_once),
		cmocka_unit_test(a_dead_destination_is_tried_with_one_event_at_a_time),
		cmocka_unit_test(a_dead_destination_is_never_left_alone_for_long),
		cmocka_unit_test(many_that_fail_at_once_are_one_failure_of_the_destination),
		cmocka_unit_test(a_retry_by_hand_ignores_backoff_and_throttling),
		cmocka_unit_test(a_clock_that_is_set_changes_neither_waits_nor_ages),
		cmocka_unit_test(
			rows_from_before_the_clock_was_set_back_wait_as_long_as_they_would_have),
		cmocka_unit_test(quiet_that_was_asked_for_is_kept_whatever_else_succeeds),
		cmocka_unit_test(a_put_back_event_is_ready_again_and_not_counted),
		cmocka_unit_test(events_in_order_cost_no_rows),
		cmocka_unit_test(the_cursor_passes_what_waits_by_giving_it_a_row),
		cmocka_unit_test(a_save_that_failed_is_handed_out_again),
		cmocka_unit_test(stored_rows_are_taken_up_where_they_were),
		cmocka_unit_test(the_window_bounds_what_is_in_memory),
		cmocka_unit_test(order_holds_and_nothing_is_lost_whatever_happens),
		cmocka_unit_test(it_is_known_since_when_an_event_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
