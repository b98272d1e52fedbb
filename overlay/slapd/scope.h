/*
 * scope.h - provision-accounts URLs: which entries are accounts.
 *
 * ldap:///<base>??<scope>?<filter>: no host, no attributes, no extensions, and the scope
 * must be said (RFC 4516 would take a missing one as base, which nobody means).
 */
#ifndef PROV_SLAPD_SCOPE_H
#define PROV_SLAPD_SCOPE_H

#include "instance.h"

/* Is dn at or below a suffix of the database? */
bool prov_scope_inside(BackendDB *be, struct berval *ndn);

/* Parse url for this database. 0 with *out filled, or nonzero with the reason in msg and
 * nothing to free. */
int prov_scope_parse(BackendDB *be, const char *url, struct prov_accounts *out, char *msg,
	size_t len);
void prov_scope_dispose(struct prov_accounts *a);

#endif
