/*
 * pages.h - one LDAP search, in pages, its entries handed on as they come.
 *
 * Nothing is kept. A search that the server cuts short (size or time limit) is an error and never
 * passes for whole. No other paged search may run on the connection inside `see`.
 */
#ifndef PROV_PAGES_H
#define PROV_PAGES_H

#include <ldap.h>

#include "error.h"

/* Return 0 to go on; a PROV_ code stops the search, which returns it. */
typedef int prov_pages_see(void *ctx, LDAP *ld, LDAPMessage *entry, struct prov_error *err);

struct prov_pages {
	const char *base, *filter; /* filter NULL: any */
	int scope;
	const char *const *attrs; /* NULL-terminated */
	int page;                 /* entries; 0: 500 */
};

/* PROV_ENOENT: the base is not there. */
int prov_pages_search(LDAP *ld, const struct prov_pages *p, prov_pages_see *see, void *ctx,
	struct prov_error *err);

#endif
