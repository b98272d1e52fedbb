/*
 * reach.h - what accounts can bring about by writing their own entries.
 *
 * Roles look at attributes. When the access rules let an account write such an attribute of
 * itself, it gives itself the role. That may be meant, so nothing is refused; but who writes
 * the role is told.
 */
#ifndef PROV_SLAPD_REACH_H
#define PROV_SLAPD_REACH_H

#include "instance.h"

/*
 * Ask slapd's access rules about the accounts that are there (the first 100 of each URL;
 * without any, about one that could be), each as itself over a connection as op's, encrypted.
 * Within op's transaction. out: one line, empty when there is nothing to say. What rules say of
 * single values is not seen.
 */
void prov_reach_role(struct prov_instance *pi, Operation *op, const struct prov_role *r, char *out,
	size_t room);

#endif
