/*
 * ldapdir_groups.h - memberships in the other directory, as an event says they changed.
 *
 * A group is known by its cn, the value of the first RDN of the group's DN here, below the
 * base that the connector names. One that is not there is made when somebody joins it
 * (not a posixGroup: that needs a number). Single values are added and deleted, never the
 * list replaced.
 *
 * Active Directory keeps the names of members itself, has no group that must have a member,
 * and its groups have a sAMAccountName, by which they are known as well as by their cn.
 */
#ifndef PROVD_LDAPDIR_GROUPS_H
#define PROVD_LDAPDIR_GROUPS_H

#include <jansson.h>

#include "ldapdir_conn.h"

struct prov_ldapdir_groups {
	bool ad;      /* there is Active Directory */
	char *base;   /* NULL: none are kept */
	char *member; /* member, uniqueMember or memberUid */
};

/* The groups that the event says are lost; those that are gained. dn: the account's there at
 * that time. uid: its user name there. 0, or -1 with a result. */
int prov_ldapdir_groups_leave(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call,
	const json_t *event, const char *dn, const char *uid);
int prov_ldapdir_groups_join(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call,
	const json_t *event, const char *dn, const char *uid);

/*
 * Groups below the base that name the account as `was` name it as `is` from now on (NULL: not at
 * all), where the server has not seen to that itself. The names as DN and as user name, like
 * above.
 */
int prov_ldapdir_groups_rename(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call,
	const char *was_dn, const char *was_uid, const char *is_dn, const char *is_uid);

#endif
