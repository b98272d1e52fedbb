/*
 * scim.h - the scim connector: keeps the accounts of a SCIM 2.0 server (RFC 7643, RFC 7644) as
 * the directory says. Blocks: for a worker (worker.h).
 *
 * Each event is taken as what the account shall be now, not as a step: the remote account is
 * found (by its kept id, then externalId, then userName), compared, and changed only where
 * it differs. So an event may come twice. Taking access away is read back: the server's
 * word alone is no proof.
 */
#ifndef PROVD_SCIM_H
#define PROVD_SCIM_H

#include "kind.h"

extern const struct prov_kind_ops prov_scim_ops;

#endif
