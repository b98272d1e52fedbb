/*
 * follow.h - after a role (or a set that limits it) has changed, the accounts that it concerns
 * follow.
 *
 * The job (background.h) is stored in the same commit as the role's change. A restart begins
 * it again: accounts that are right already cost a look, not a write. It works in batches of
 * some accounts a transaction. Memory: the names of the accounts of one job.
 */
#ifndef PROV_SLAPD_FOLLOW_H
#define PROV_SLAPD_FOLLOW_H

#include "background.h"
#include "write.h"

#define PROV_FOLLOW_PREFIX "follow:"

/* In the transaction of a role's write. LDAP result code. */
int prov_follow_store(struct prov_write *w, struct berval role_ndn);
/* The same for the roles of a provSodSet as it was: what it withheld it may allow now. */
int prov_follow_store_set(struct prov_write *w, Entry *set);
/* For background.c; see there. */
enum prov_job_end prov_follow_run(const struct prov_job *job);

#endif
