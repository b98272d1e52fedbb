/* account.h - which entries are accounts, and what slapd-side code reads from them. */
#ifndef PROV_SLAPD_ACCOUNT_H
#define PROV_SLAPD_ACCOUNT_H

#include "instance.h"

#include "evaluate.h"

/* Is this DN below the base of some provision-accounts URL? Cheap: no entry needed. */
bool prov_account_scope(struct prov_instance *pi, struct berval *ndn);
/* Is this entry (under this normalized DN) an account? */
bool prov_account_is(struct prov_instance *pi, Operation *op, Entry *e, struct berval *ndn);
/* Does some provision-accounts filter look at this attribute? */
bool prov_account_filter_looks_at(struct prov_instance *pi, AttributeDescription *ad);

/* First value of the attribute, or an empty one. Borrowed from e. */
struct berval prov_entry_value(Entry *e, AttributeDescription *ad);
struct berval prov_account_uid(Entry *e);
enum prov_state prov_account_state(Entry *e);

#endif
