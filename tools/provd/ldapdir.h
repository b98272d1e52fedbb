/*
 * ldapdir.h - the ldap connector: keeps the accounts of another directory (RFC 4511) as this
 * one says. Blocks: for a worker (worker.h).
 *
 * Each event is taken as what the account shall be now: the entry there is found (by its kept
 * id, else by its naming attribute), compared, and changed only where it differs; so an event
 * may come twice. Taking access away is read back.
 */
#ifndef PROVD_LDAPDIR_H
#define PROVD_LDAPDIR_H

#include "kind.h"

extern const struct prov_kind_ops prov_ldapdir_ops;

#endif
