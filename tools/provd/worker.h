/*
 * worker.h - one attempt that blocks, in a thread of its own.
 *
 * For connectors that speak over a network through a library. The work bounds its own
 * time; `cancel` tells it to come to an end at once. The thread touches nothing but its
 * argument, which stays the caller's and must live until prov_worker_done() said true.
 * A byte is added to `wake` (an eventfd) when it has ended.
 */
#ifndef PROVD_WORKER_H
#define PROVD_WORKER_H

#include <stdatomic.h>

#include "error.h"
#include "result.h"

struct prov_worker;

typedef void prov_work(void *arg, const atomic_bool *cancel, struct prov_result *out);

/* PROV_EIO: no thread to be had; try later. */
int prov_worker_start(prov_work *work, void *arg, int wake, struct prov_worker **out,
	struct prov_error *err);
/* Ended? Then *out is filled. */
bool prov_worker_done(struct prov_worker *w, struct prov_result *out);
void prov_worker_cancel(struct prov_worker *w);
void prov_worker_free(struct prov_worker **w); /* one that runs is cancelled and waited for */

#endif
