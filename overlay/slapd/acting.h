/*
 * acting.h - searches in somebody else's name (proxied authorization), which may last as long as
 * their connection does.
 *
 * In whose name an operation runs is written in it without a lock, and slapd changes that while
 * it runs, so only its own thread may read it. So that thread notes it here, under a mutex of
 * ours; what is noted counts as long as the connection has an operation of that number. (A search that
 * syncprov goes on with is a copy, with the same number.)
 *
 * All three in any thread; the connection's mutex is taken before ours.
 */
#ifndef PROV_SLAPD_ACTING_H
#define PROV_SLAPD_ACTING_H

#include "slapd.h"

#include <stdbool.h>

/* In op's thread, which does not hold its connection's mutex. */
void prov_acting_note(Operation *op);
/* With c's mutex held. Does something run on it in the name of ndn that was noted? */
bool prov_acting_as(Connection *c, struct berval *ndn);
/* With c's mutex held: it ends. A hook of the overlay. */
int prov_acting_forget(BackendDB *be, Connection *c);

#endif
