/*
 * access.h - what slapd's access control lets this client do, asked before the policy
 * is: who may not write is refused by the backend and learns nothing of the policy.
 */
#ifndef PROV_SLAPD_ACCESS_H
#define PROV_SLAPD_ACCESS_H

#include "instance.h"

/* Is this access to "children" of the parent of ndn granted? none: the answer when there is no parent. */
bool prov_access_parent(Operation *op, struct berval *ndn, slap_access_t access, bool none);

/* This access to "entry" of e, and to "children" of its parent, if it has one. */
bool prov_access_entry(Operation *op, Entry *e, slap_access_t entry, slap_access_t children);

#endif
