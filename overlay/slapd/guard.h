/*
 * guard.h - SASL binds of accounts that may not bind, and searches in others' names.
 *
 * A SASL bind never reaches the database that holds the account. So the frontend's
 * bind function is wrapped, once, when the first instance opens; the wrapper only
 * looks at SASL binds: of those that succeed it asks the instance whose suffix holds the
 * authorization DN, from those that fail it takes the mechanism's text. A global overlay
 * would do the same but would show up in cn=config and shift the numbers of the admin's
 * own. The frontend's search is wrapped, too: one with proxied authorization is noted (acting.h),
 * whichever database it goes to. The list of instances changes only while slapd's pool is paused or not yet running.
 */
#ifndef PROV_SLAPD_GUARD_H
#define PROV_SLAPD_GUARD_H

#include "instance.h"

int prov_guard_add(struct prov_instance *pi); /* 0, or -1: no memory */
void prov_guard_remove(struct prov_instance *pi);

#endif
