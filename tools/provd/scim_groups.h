/*
 * scim_groups.h - memberships at a SCIM server, as an event says they changed.
 *
 * A group is known by its displayName: the value of the first RDN of the group's DN here.
 * One that is not there is made when somebody joins it. Only the one member is added or
 * taken out (RFC 7644, 3.5.2), so that two writers lose nothing of each other's; leaving is
 * read back.
 */
#ifndef PROVD_SCIM_GROUPS_H
#define PROVD_SCIM_GROUPS_H

#include <pthread.h>

#include "scim_client.h"

/* user: the account's id there. making: one for each connector, held (over the network, so by
 * workers only) while a group is made. 0, or -1 and the call's result says why. */
int prov_scim_groups(struct prov_scim_call *call, pthread_mutex_t *making, const json_t *event,
	const char *user);

#endif
