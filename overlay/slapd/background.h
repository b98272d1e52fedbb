/*
 * background.h - what slapd does by itself after a write: stored jobs, one after another.
 *
 * A job is a named value (capture.h), stored in the commit that causes it and deleted when
 * it is done; a restart takes it up again. One task in slapd's pool at a time; between
 * small transactions a job gives way to a pause of the pool and to shutdown. Kinds of jobs:
 * follow.h (a role has changed), sync.h (a connector wants all accounts).
 */
#ifndef PROV_SLAPD_BACKGROUND_H
#define PROV_SLAPD_BACKGROUND_H

#include "instance.h"

#include "entry.h"
#include "error.h"

struct prov_background; /* under its own mutex */

/* One stored job at hand. name and value live in the arena. */
struct prov_job {
	struct prov_background *task;
	struct prov_instance *pi;
	Operation *op; /* as rootdn, of no connection */
	const char *name;
	struct prov_val value;
	struct prov_arena *arena;
};

enum prov_job_end {
	PROV_JOB_DONE,  /* or good for nothing: it is deleted */
	PROV_JOB_GONE,  /* the job has deleted itself */
	PROV_JOB_LATER, /* had to give way, or the database failed: it stays */
};

struct prov_background_figures {
	uint64_t done, total; /* of the job at hand */
	bool stored; /* there is a job; it may not have begun, and done and total are the last one's */
	char what[256];
	uint64_t refused; /* accounts, since slapd started: one as often as it was looked at */
	struct prov_error refusal; /* the last one and why */
};

/* Sets pi->background, and takes jobs up; while slapd still starts the clock's first ring does
 * that (clock.h), when the other databases are open, too (accesslog's). */
int prov_background_open(struct prov_instance *pi);
void prov_background_close(struct prov_instance *pi);
void prov_background_kick(struct prov_instance *pi); /* a job was committed */
/* A write was committed: what failed before, for lack of room say, is tried again. */
void prov_background_nudge(struct prov_instance *pi);
/* So it is when 10 s have passed without one. */
void prov_background_retry(struct prov_instance *pi);
/* Not inside an operation of the database. */
void prov_background_read(struct prov_instance *pi, struct prov_background_figures *out);

/* For the kinds. Must it end here, and go on later? */
bool prov_background_must_yield(const struct prov_job *job);
/*
 * A transaction of the job is over: txn is its number in the database's environment, began when it
 * was begun (prov_monotonic_ns). LMDB's writer lock goes to whoever is quickest, and that is the
 * job: when somebody else has written since its last one, it leaves them as long as this one took,
 * 50 ms at most.
 */
void prov_background_give_way(const struct prov_job *job, size_t txn, int64_t began);
/* what: NULL leaves it. */
void prov_background_progress(const struct prov_job *job, uint64_t done, uint64_t total,
	const char *what);
/* An account did not get what it was due. */
void prov_background_refused(const struct prov_job *job, const char *dn, const char *why);

#endif
