/*
 * worker.c - a pool of threads for attempts that block. See worker.h.
 *
 * The mutex guards the lists, and which attempt a thread has; it is held for moments only.
 * Idle threads are a stack, so that under a small load the same few work, and the others
 * come to their end. Those that have ended are joined by the main thread.
 */
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "daemon.h" /* provd_monotonic() */

#define STACK (512 * 1024)

struct thread {
	struct thread *next; /* in one of the pool's lists */
	struct prov_workers *pool;
	struct prov_worker *has; /* NULL: idle */
	pthread_cond_t given;
	pthread_t id;
};

struct prov_workers {
	int wake;
	int64_t idle_ms;
	pthread_mutex_t mutex;
	pthread_cond_t ended; /* of the main thread, for an attempt or for a thread */
	struct thread *idle, *over;
	size_t threads; /* not yet joined */
	bool stop;
};

struct prov_worker {
	struct prov_workers *pool;
	prov_work *work;
	void *arg;
	int64_t began;
	atomic_bool cancel, done;
	bool awaited;              /* under the mutex */
	struct prov_result result; /* the thread's until done */
};

int prov_workers_new(int wake, int64_t idle, struct prov_workers **out, struct prov_error *err)
{
	struct prov_workers *p = calloc(1, sizeof(*p));

	*out = p;
	if (!p)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	p->wake = wake;
	p->idle_ms = idle;
	pthread_mutex_init(&p->mutex, NULL);
	pthread_cond_init(&p->ended, NULL);
	return 0;
}

/* Under the mutex: out of the idle ones, into those that have ended. */
static void retire(struct thread *t)
{
	struct prov_workers *p = t->pool;

	for (struct thread **at = &p->idle; *at; at = &(*at)->next)
		if (*at == t) {
			*at = t->next;
			break;
		}
	t->next = p->over;
	p->over = t;
	pthread_cond_signal(&p->ended);
}

/* Under the mutex: the next attempt, or NULL: end. */
static struct prov_worker *await(struct thread *t)
{
	int64_t end = provd_monotonic() + t->pool->idle_ms;
	const struct timespec until = { end / 1000, end % 1000 * 1000000 };
	int rc = 0;

	while (!t->has && !t->pool->stop && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&t->given, &t->pool->mutex, &until);
	if (!t->has)
		retire(t);
	return t->has;
}

static void *run(void *arg)
{
	struct thread *t = arg;
	struct prov_workers *p = t->pool;
	struct prov_worker *w = t->has;

	while (w) {
		w->work(w->arg, &w->cancel, &w->result);
		w->result.ms = provd_monotonic() - w->began;
		pthread_mutex_lock(&p->mutex);
		if (w->awaited)
			pthread_cond_signal(&p->ended);
		t->has = NULL;
		t->next = p->idle;
		p->idle = t;
		atomic_store(&w->done, true);
		pthread_mutex_unlock(&p->mutex);
		/* from here on w may be gone. Cannot fail: the counter is never near its end */
		(void)eventfd_write(p->wake, 1);
		pthread_mutex_lock(&p->mutex);
		w = await(t);
		pthread_mutex_unlock(&p->mutex);
	}
	return NULL;
}

static void bury(struct prov_workers *p)
{
	pthread_mutex_lock(&p->mutex);
	struct thread *t = p->over, *next = NULL;
	p->over = NULL;
	pthread_mutex_unlock(&p->mutex);
	for (; t; t = next) {
		next = t->next;
		pthread_join(t->id, NULL);
		pthread_cond_destroy(&t->given);
		free(t);
		p->threads--;
	}
}

static int new_thread(struct prov_workers *p, struct prov_worker *w, struct prov_error *err)
{
	struct thread *t = calloc(1, sizeof(*t));
	pthread_condattr_t clock;
	pthread_attr_t attr;

	if (!t || pthread_attr_init(&attr)) {
		free(t);
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	t->pool = p;
	t->has = w;
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&t->given, &clock);
	pthread_condattr_destroy(&clock);
	pthread_attr_setstacksize(&attr, STACK);
	int rc = pthread_create(&t->id, &attr, run, t);
	pthread_attr_destroy(&attr);
	if (rc) {
		pthread_cond_destroy(&t->given);
		free(t);
		return prov_error_set(err, PROV_EIO, "thread: %s", strerror(rc));
	}
	p->threads++;
	return 0;
}

int prov_worker_start(struct prov_workers *p, prov_work *work, void *arg, struct prov_worker **out,
	struct prov_error *err)
{
	struct prov_worker *w = calloc(1, sizeof(*w));

	*out = NULL;
	if (!w)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	*w = (struct prov_worker){ .pool = p,
		.work = work,
		.arg = arg,
		.began = provd_monotonic() };
	pthread_mutex_lock(&p->mutex);
	bool over = p->over;
	struct thread *t = p->idle;
	if (t) {
		p->idle = t->next;
		t->has = w;
		pthread_cond_signal(&t->given);
	}
	pthread_mutex_unlock(&p->mutex);
	if (over)
		bury(p);
	int rc = t ? 0 : new_thread(p, w, err);
	if (rc)
		free(w);
	else
		*out = w;
	return rc;
}

bool prov_worker_done(struct prov_worker *w, struct prov_result *out)
{
	if (!atomic_load(&w->done))
		return false;
	*out = w->result;
	return true;
}

void prov_worker_cancel(struct prov_worker *w)
{
	atomic_store(&w->cancel, true);
}

void prov_worker_free(struct prov_worker **wp)
{
	struct prov_worker *w = *wp;

	if (!w)
		return;
	prov_worker_cancel(w);
	pthread_mutex_lock(&w->pool->mutex);
	w->awaited = true;
	while (!atomic_load(&w->done))
		pthread_cond_wait(&w->pool->ended, &w->pool->mutex);
	pthread_mutex_unlock(&w->pool->mutex);
	free(w);
	*wp = NULL;
}

size_t prov_workers_threads(struct prov_workers *p)
{
	bury(p);
	return p->threads;
}

void prov_workers_free(struct prov_workers **pp)
{
	struct prov_workers *p = *pp;

	if (!p)
		return;
	pthread_mutex_lock(&p->mutex);
	p->stop = true;
	for (struct thread *t = p->idle; t; t = t->next)
		pthread_cond_signal(&t->given);
	pthread_mutex_unlock(&p->mutex);
	while (p->threads) {
		pthread_mutex_lock(&p->mutex);
		while (!p->over)
			pthread_cond_wait(&p->ended, &p->mutex);
		pthread_mutex_unlock(&p->mutex);
		bury(p);
	}
	pthread_mutex_destroy(&p->mutex);
	pthread_cond_destroy(&p->ended);
	free(p);
	*pp = NULL;
}
