/* worker.c - one attempt that blocks, in a thread of its own. See worker.h. */
#include "worker.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "daemon.h" /* provd_monotonic() */

#define STACK (512 * 1024)

struct prov_worker {
	prov_work *work;
	void *arg;
	int wake;
	int64_t began;
	pthread_t thread;
	atomic_bool cancel, done;
	struct prov_result result; /* the thread's until done */
};

static void *run(void *arg)
{
	struct prov_worker *w = arg;
	int wake = w->wake;

	w->work(w->arg, &w->cancel, &w->result);
	w->result.ms = provd_monotonic() - w->began;
	atomic_store(&w->done, true); /* from here on w may be freed, once joined */
	(void)eventfd_write(wake, 1); /* cannot fail: the counter is never near its end */
	return NULL;
}

int prov_worker_start(prov_work *work, void *arg, int wake, struct prov_worker **out,
	struct prov_error *err)
{
	struct prov_worker *w = calloc(1, sizeof(*w));
	pthread_attr_t attr;

	*out = NULL;
	if (!w || pthread_attr_init(&attr)) {
		free(w);
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	w->work = work;
	w->arg = arg;
	w->wake = wake;
	w->began = provd_monotonic();
	pthread_attr_setstacksize(&attr, STACK);
	int rc = pthread_create(&w->thread, &attr, run, w);
	pthread_attr_destroy(&attr);
	if (rc) {
		free(w);
		return prov_error_set(err, PROV_EIO, "thread: %s", strerror(rc));
	}
	*out = w;
	return 0;
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
	if (!*wp)
		return;
	prov_worker_cancel(*wp);
	pthread_join((*wp)->thread, NULL);
	free(*wp);
	*wp = NULL;
}
