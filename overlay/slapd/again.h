/*
 * again.h - accounts evaluated again without a client's write, some in one commit: because a
 * role has changed (follow.h), or because time has passed (clock.h).
 */
#ifndef PROV_SLAPD_AGAIN_H
#define PROV_SLAPD_AGAIN_H

#include "background.h"
#include "write.h"

#define PROV_AGAIN_BATCH 32 /* accounts in a transaction */

struct prov_again {
	const struct prov_job *job;
	const char *what;   /* of the record */
	const char *reason; /* told in each record */
};

/*
 * n accounts (normalized names) in one commit; when one spoils it, each by itself. Those that
 * are right already cost a look. Sessions of accounts that end are cut. Accounts that the policy
 * refuses or that cannot be written are logged and counted (prov_background_refused), once for each
 * change of the account, the policy or the reason, and left.
 * Roles that segregation of duties forbids are withheld, which is logged and counted, too; what
 * goes away goes all the same. false: had to stop in the middle.
 */
bool prov_again_batch(const struct prov_again *a, const struct berval *dn, size_t n);

/* Names that a search finds (prov_lookup_search): in the arena. */
struct prov_again_names {
	struct prov_arena *arena;
	struct berval *dn;
	size_t n, room;
	bool oom;
};
int prov_again_note(void *names, Entry *e);
void prov_again_names_free(struct prov_again_names *n);

#endif
