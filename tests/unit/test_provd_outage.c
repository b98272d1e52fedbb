/* Outages of minutes and hours on a clock of our own: what is tried when, and that nothing is parked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "queue.h"

#define T0 1000000
#define ACCOUNTS 40
#define EVENTS 200 /* five for each account */
#define HOUR 3600

/* The limits that a connector has when its entry sets none (connector.h). */
static const struct prov_queue_limits usual = { 4, 20, (int64_t)3 * 86400 };

struct world {
	struct prov_queue *q;
	int64_t now;
	unsigned delivered, parked, attempts, most; /* most: attempts of one event */
	unsigned char done[EVENTS + 1];
	uint64_t cursor;
	struct prov_delivery row[EVENTS + 1];
	bool has[EVENTS + 1];
};

static int write_row(void *ctx, const struct prov_delivery *d, bool keep)
{
	struct world *w = ctx;
	w->has[d->seq] = keep;
	w->row[d->seq] = *d;
	return 0;
}

static void save(struct world *w)
{
	assert_int_equal(prov_queue_save(w->q, write_row, w, &w->cursor), 0);
	prov_queue_saved(w->q);
}

static void begin(struct world *w)
{
	prov_queue_free(&w->q);
	assert_int_equal(prov_queue_new(w->cursor, 1000, &w->q), 0);
	prov_queue_limit(w->q, &usual);
	for (uint64_t s = 1; s <= EVENTS; s++) {
		struct prov_delivery d = w->row[s];
		if (w->has[s] && d.state != PROV_D_PARKED)
			assert_int_equal(prov_queue_add(w->q, &d, true, w->now), 0);
	}
	for (uint64_t s = w->cursor + 1; s <= EVENTS; s++) {
		struct prov_delivery d = { .seq = s, .state = PROV_D_READY };
		snprintf(d.subject, sizeof(d.subject), "account-%u", (unsigned)(s % ACCOUNTS));
		assert_int_equal(prov_queue_add(w->q, &d, false, w->now), 0);
		prov_queue_pass(w->q, s);
	}
}

/* One after the other as the queue gives them out, each answered like this, until then. */
static void run(struct world *w, int64_t until, enum prov_outcome answer, unsigned hold)
{
	while (w->now < until) {
		const struct prov_delivery *d = prov_queue_next(w->q, w->now);
		if (!d) {
			int64_t due = prov_queue_due(w->q);
			w->now = due < until ? due : until;
			continue;
		}
		uint64_t seq = d->seq;
		if (seq > ACCOUNTS) /* the one before it of the same account */
			assert_true(w->done[seq - ACCOUNTS]);
		w->attempts++;
		prov_queue_finish(w->q, d, answer, "HTTP 503", w->now, seq * 7919 + w->attempts);
		if (hold)
			prov_queue_hold(w->q, w->now + hold);
		w->most = d->attempts > w->most ? d->attempts : w->most;
		w->parked += d->state == PROV_D_PARKED;
		w->delivered += d->state == PROV_D_DONE;
		w->done[seq] = d->state == PROV_D_DONE;
		save(w);
	}
}

static void an_hour_of_503_parks_nothing_and_keeps_the_order(void **state)
{
	(void)state;
	struct world w = { .now = T0 };
	begin(&w);
	run(&w, T0 + HOUR, PROV_OUTCOME_FAILED, 0);
	assert_int_equal(w.parked, 0);
	assert_true(w.most < 5);
	assert_in_range(w.attempts, 12,
		30); /* it is asked at least every five minutes, and no storm */
	run(&w, T0 + HOUR + 300, PROV_OUTCOME_DONE, 0);
	assert_int_equal(w.delivered, EVENTS); /* five minutes after it is well again all is done */
	assert_int_equal(w.parked, 0);
	prov_queue_free(&w.q);
}

static void provd_that_is_started_anew_every_minute_does_not_use_up_the_attempts(void **state)
{
	(void)state;
	struct world w = { .now = T0 };
	for (int minute = 0; minute < 60; minute++) {
		begin(&w);
		run(&w, T0 + (minute + 1) * 60, PROV_OUTCOME_FAILED, 0);
	}
	assert_int_equal(w.parked, 0);
	assert_in_range(w.most, 2, 12); /* the distances of an event are stored with it */
	begin(&w);
	run(&w, w.now + 2 * HOUR, PROV_OUTCOME_DONE, 0);
	assert_int_equal(w.delivered, EVENTS);
	prov_queue_free(&w.q);
}

static void a_retry_after_is_kept_and_is_no_failed_attempt(void **state)
{
	(void)state;
	struct world w = { .now = T0 };
	begin(&w);
	run(&w, T0 + HOUR, PROV_OUTCOME_AGAIN, 120);
	assert_int_equal(w.most, 0);
	assert_int_equal(w.parked, 0);
	assert_in_range(w.attempts, 10, HOUR / 120 + 1);
	run(&w, T0 + 2 * HOUR, PROV_OUTCOME_DONE, 0);
	assert_int_equal(w.delivered, EVENTS);
	prov_queue_free(&w.q);
}

static void one_event_alone_is_tried_for_eight_hours_before_it_is_parked(void **state)
{
	(void)state;
	struct prov_queue *q = NULL;
	struct prov_delivery one = { .seq = 1, .state = PROV_D_READY, .subject = "a" };
	const struct prov_delivery *d = NULL;
	assert_int_equal(prov_queue_new(0, 10, &q), 0);
	prov_queue_limit(q, &usual);
	assert_int_equal(prov_queue_add(q, &one, false, T0), 0);
	int64_t now = T0;
	while ((d = prov_queue_next(q, now))) {
		prov_queue_finish(q, d, PROV_OUTCOME_FAILED, "HTTP 503", now, d->attempts);
		if (d->state == PROV_D_PARKED)
			break;
		now = prov_queue_due(q);
	}
	assert_non_null(d);
	assert_int_equal(d->attempts, 20);
	assert_in_range(now - T0, 8 * HOUR, 14 * HOUR);
	prov_queue_free(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_hour_of_503_parks_nothing_and_keeps_the_order),
		cmocka_unit_test(
			provd_that_is_started_anew_every_minute_does_not_use_up_the_attempts),
		cmocka_unit_test(a_retry_after_is_kept_and_is_no_failed_attempt),
		cmocka_unit_test(one_event_alone_is_tried_for_eight_hours_before_it_is_parked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
