/* worker.h: a pool of threads for attempts that block (run under TSan). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon.h" /* provd_monotonic() */
#include "worker.h"

#define PATIENCE 10000 /* ms */
#define LONG 600000

struct pool {
	struct prov_workers *workers;
	int wake;
};

/* What an attempt does: it ends when `go` says so, or when it is cancelled. */
struct task {
	atomic_bool go, running, cancelled;
	pthread_t thread;
	unsigned *sum; /* the main thread's before and after */
};

static int setup(void **state)
{
	struct pool *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->wake = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(prov_workers_new(p->wake, LONG, &p->workers, NULL), 0);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pool *p = *state;

	prov_workers_free(&p->workers);
	assert_null(p->workers);
	close(p->wake);
	free(p);
	return 0;
}

static void moment(void)
{
	const struct timespec t = { 0, 1000000 };

	nanosleep(&t, NULL);
}

static void work(void *arg, const atomic_bool *cancel, struct prov_result *out)
{
	struct task *t = arg;

	t->thread = pthread_self();
	if (t->sum)
		++*t->sum;
	atomic_store(&t->running, true);
	while (!atomic_load(&t->go) && !atomic_load(cancel))
		moment();
	atomic_store(&t->cancelled, atomic_load(cancel));
	prov_result_done(out, "noted");
}

static void until(const atomic_bool *what)
{
	int64_t end = provd_monotonic() + PATIENCE;

	while (!atomic_load(what) && provd_monotonic() < end)
		moment();
	assert_true(atomic_load(what));
}

/* As the main loop does: wait for the eventfd, then look. */
static void until_done(const struct pool *p, struct prov_worker *w)
{
	struct prov_result r = { 0 };
	eventfd_t n = 0;

	while (!prov_worker_done(w, &r)) {
		struct pollfd fd = { p->wake, POLLIN, 0 };
		assert_int_equal(poll(&fd, 1, PATIENCE), 1);
		assert_int_equal(eventfd_read(p->wake, &n), 0);
	}
	assert_int_equal(r.outcome, PROV_OUTCOME_DONE);
	assert_string_equal(r.note, "noted");
	assert_true(r.ms >= 0);
}

static struct prov_worker *start(const struct pool *p, struct task *t)
{
	struct prov_worker *w = NULL;

	assert_int_equal(prov_worker_start(p->workers, work, t, &w, NULL), 0);
	return w;
}

static void one_after_the_other_need_one_thread(void **state)
{
	struct pool *p = *state;
	unsigned sum = 0;

	for (unsigned i = 0; i < 200; i++) {
		struct task t = { .sum = &sum };
		struct prov_worker *w = start(p, &t);
		atomic_store(&t.go, true);
		until_done(p, w);
		assert_int_equal(sum, i + 1);
		prov_worker_free(&w);
		assert_null(w);
	}
	assert_int_equal(prov_workers_threads(p->workers), 1);
}

static void as_many_threads_as_attempts_at_a_time(void **state)
{
	struct task t[8] = { 0 };
	struct prov_worker *w[8];
	struct pool *p = *state;

	for (int round = 0; round < 3; round++) {
		memset(t, 0, sizeof(t));
		for (int i = 0; i < 8; i++)
			w[i] = start(p, &t[i]);
		for (int i = 0; i < 8; i++)
			until(&t[i].running); /* none waits for another */
		for (int i = 0; i < 8; i++)
			for (int k = 0; k < i; k++)
				assert_false(pthread_equal(t[i].thread, t[k].thread));
		for (int i = 0; i < 8; i++)
			atomic_store(&t[i].go, true);
		for (int i = 0; i < 8; i++) {
			until_done(p, w[i]);
			prov_worker_free(&w[i]);
		}
		assert_int_equal(prov_workers_threads(p->workers), 8);
	}
}

static void freeing_one_that_runs_cancels_it_and_waits(void **state)
{
	struct pool *p = *state;
	struct task t = { 0 }, other = { 0 };
	struct prov_worker *w = start(p, &t), *o = start(p, &other);

	until(&t.running);
	prov_worker_free(&w);
	assert_true(atomic_load(&t.cancelled));
	assert_false(atomic_load(&other.cancelled));
	atomic_store(&other.go, true);
	until_done(p, o);
	assert_false(atomic_load(&other.cancelled));
	prov_worker_free(&o);
}

static void a_thread_without_work_ends(void **state)
{
	struct pool *p = *state;
	struct prov_workers *few = NULL;
	struct task t[4] = { 0 };
	struct prov_worker *w[4];

	assert_int_equal(prov_workers_new(p->wake, 50, &few, NULL), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(prov_worker_start(few, work, &t[i], &w[i], NULL), 0);
	assert_int_equal(prov_workers_threads(few), 4);
	for (int i = 0; i < 4; i++) {
		atomic_store(&t[i].go, true);
		until_done(p, w[i]);
		prov_worker_free(&w[i]);
	}
	int64_t end = provd_monotonic() + PATIENCE;
	while (prov_workers_threads(few) && provd_monotonic() < end)
		moment();
	assert_int_equal(prov_workers_threads(few), 0);
	memset(&t[0], 0, sizeof(t[0])); /* and the pool is as good as new */
	assert_int_equal(prov_worker_start(few, work, &t[0], &w[0], NULL), 0);
	atomic_store(&t[0].go, true);
	until_done(p, w[0]);
	prov_worker_free(&w[0]);
	prov_workers_free(&few);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_after_the_other_need_one_thread, setup,
			teardown),
		cmocka_unit_test_setup_teardown(as_many_threads_as_attempts_at_a_time, setup,
			teardown),
		cmocka_unit_test_setup_teardown(freeing_one_that_runs_cancels_it_and_waits, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_thread_without_work_ends, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
