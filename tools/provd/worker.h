/*
 * worker.h - attempts that block, each in a thread of a pool.
 *
 * For connectors that speak over a network through a library. The work bounds its own
 * time; `cancel` tells it to come to an end at once. It touches nothing but its argument,
 * which stays the caller's and must live until prov_worker_done() said true or
 * prov_worker_free() has returned. A number is added to `wake` (an eventfd) when one has ended.
 *
 * There are as many threads as attempts at a time; the pool sets no bound of its own. One that
 * has ended its attempt takes the next; one that found none for as long as the pool was told ends.
 * All functions here are for one thread, the main one. prov_workers_free() when every worker
 * has been freed: it waits for the threads to end.
 */
#ifndef PROVD_WORKER_H
#define PROVD_WORKER_H

#include <stdatomic.h>
#include <stddef.h>

#include "error.h"
#include "result.h"

struct prov_workers; /* the pool */
struct prov_worker;  /* one attempt */

typedef void prov_work(void *arg, const atomic_bool *cancel, struct prov_result *out);

int prov_workers_new(int wake, int64_t idle, struct prov_workers **out, struct prov_error *err);
void prov_workers_free(struct prov_workers **p);
size_t prov_workers_threads(struct prov_workers *p); /* that there are now */

/* PROV_EIO: no thread to be had; try later. */
int prov_worker_start(struct prov_workers *p, prov_work *work, void *arg, struct prov_worker **out,
	struct prov_error *err);
/* Ended? Then *out is filled. */
bool prov_worker_done(struct prov_worker *w, struct prov_result *out);
void prov_worker_cancel(struct prov_worker *w);
void prov_worker_free(struct prov_worker **w); /* one that runs is cancelled and waited for */

#endif
