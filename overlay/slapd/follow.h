/*
 * follow.h - after a role has changed, the accounts that it concerns follow.
 *
 * A job is stored in the same commit as the role's change and deleted when every
 * account has been looked at; a restart begins a job again (accounts that are right
 * already cost a look, not a write). One task in slapd's pool at a time, in batches
 * of BATCH accounts a transaction; between batches it gives way to a pause of the
 * pool and to shutdown. Memory: the names of the accounts of one job.
 */
#ifndef PROV_SLAPD_FOLLOW_H
#define PROV_SLAPD_FOLLOW_H

#include "write.h"

struct prov_follow_figures {
	uint64_t jobs, done, total, failed; /* of the job at hand; jobs: stored */
	char role[256];
};

int prov_follow_open(struct prov_instance *pi); /* sets pi->follow, takes stored jobs up */
void prov_follow_close(struct prov_instance *pi);
/* In the transaction of a role's write. LDAP result code. */
int prov_follow_store(struct prov_write *w, struct berval role_ndn);
void prov_follow_kick(struct prov_instance *pi);
void prov_follow_read(struct prov_instance *pi, struct prov_follow_figures *out);

#endif
