/*
 * ldapdir_groups.h - memberships in the other directory, as an event says they changed.
 *
 * A group is known by its cn, the value of the first RDN of the group's DN here, below the
 * base that the connector names. One that is not there is made when somebody joins it
 * (not a posixGroup: that needs a number). Single values are added and deleted, never the
 * list replaced.
 */
#ifndef PROVD_LDAPDIR_GROUPS_H
#define PROVD_LDAPDIR_GROUPS_H

#include <jansson.h>

#include "ldapdir_conn.h"

struct prov_ldapdir_groups {
	char *base;   /* NULL: none are kept */
	char *member; /* member, uniqueMember or memberUid */
};

/* The groups that the event says are lost; those that are gained. dn: the account's there at
 * that time. uid: its user name there. 0, or -1 with a result. */
int prov_ldapdir_groups_leave(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call,
	const json_t *event, const char *dn, const char *uid);
int prov_ldapdir_groups_join(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call,
	const json_t *event, const char *dn, const char *uid);

#endif
