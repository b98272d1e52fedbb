/*
 * replica.h - what a replicated write means here: nothing is decided again, but the
 * policy is read anew, and an account that has ended is out at once.
 */
#ifndef PROV_SLAPD_REPLICA_H
#define PROV_SLAPD_REPLICA_H

#include "instance.h"

/* Does this write come from replication (or from another updater of a shadow)? */
bool prov_replica_is(Operation *op);
/* Watch it; it goes on untouched. */
void prov_replica_watch(struct prov_instance *pi, Operation *op);

#endif
