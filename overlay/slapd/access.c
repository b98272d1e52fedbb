/*
 * access.c - access control, asked early.
 */
#include "access.h"

bool prov_access_parent(Operation *op, struct berval *ndn, slap_access_t access, bool none)
{
	Entry *parent = NULL;
	struct berval pndn;

	dnParent(ndn, &pndn);
	if (be_entry_get_rw(op, &pndn, NULL, NULL, 0, &parent) != LDAP_SUCCESS || !parent)
		return none;
	bool ok = access_allowed(op, parent, slap_schema.si_ad_children, NULL, access, NULL);
	be_entry_release_r(op, parent);
	return ok;
}

bool prov_access_entry(Operation *op, Entry *e, slap_access_t entry, slap_access_t children)
{
	return access_allowed(op, e, slap_schema.si_ad_entry, NULL, entry, NULL) &&
		prov_access_parent(op, &e->e_nname, children, true);
}
