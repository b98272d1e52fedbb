/*
 * clock.h - what begins and ends by itself: accounts whose provDue has come are evaluated
 * again (again.h), at the second while slapd runs, else as soon as it runs again.
 *
 * Several providers: the one with the lowest server id that contextCSN names does it at once,
 * each other one a minute later than the one before it, if it is still to be done; so
 * normally exactly one acts, and another takes over when that is gone. What came due while
 * a provider was down waits a minute longer there, since another one may have done it and
 * replication says so first. A read-only consumer never does. Looking needs an equality index
 * on provDue; without it the search is only done every ten minutes, and the log says so once.
 *
 * A task in slapd's run queue sets the time; the work is done in the background task. It rings for
 * the first time when slapd has started.
 */
#ifndef PROV_SLAPD_CLOCK_H
#define PROV_SLAPD_CLOCK_H

#include "background.h"

int prov_clock_open(struct prov_instance *pi); /* sets pi->clock */
void prov_clock_close(struct prov_instance *pi);
/* An account with this provDue (seconds) was committed. */
void prov_clock_hint(struct prov_instance *pi, int64_t due);

/* The system's clock was set, forward or back: look now, and reckon anew. From any thread. */
void prov_clock_was_set(struct prov_instance *pi);

/* For background.c. Is it time to look? */
bool prov_clock_rings(struct prov_instance *pi);
/* false: had to give way. */
bool prov_clock_run(const struct prov_job *job);

#endif
