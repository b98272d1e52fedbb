/*
 * search.h - reading the directory: paged, streamed, one entry at a time.
 *
 * Nothing is kept: an entry lives during the call that sees it. A search that the
 * server cuts short (size or time limit) is an error and never passes for whole. No
 * second paged search may run inside `see`.
 */
#ifndef PROV_CTL_SEARCH_H
#define PROV_CTL_SEARCH_H

#include <jansson.h>

#include "ctl.h"
#include "pages.h"

typedef prov_pages_see ctl_see; /* pages.h */

/* attrs ends with NULL. PROV_ENOENT: the base is not there. */
int ctl_search(struct ctl *c, const char *base, int scope, const char *filter,
	const char *const *attrs, ctl_see *see, void *ctx, struct prov_error *err);

/* The same for connectors, wherever the policy is. filter: NULL for all. */
int ctl_connectors(struct ctl *c, const char *filter, const char *const *attrs, ctl_see *see,
	void *ctx, struct prov_error *err);

/* One entry by DN, when the filter (NULL: any) matches. *out: ldap_msgfree(); the
 * entry is ldap_first_entry(). PROV_ENOENT when not there or no match. */
int ctl_read(struct ctl *c, const char *dn, const char *filter, const char *const *attrs,
	LDAPMessage **out, struct prov_error *err);

/* Escape for a filter (RFC 4515, 3); malloc'ed or NULL. */
char *ctl_filter_escape(const char *s, size_t len);
/* "(attr=value)", the value escaped; malloc'ed or NULL. */
char *ctl_filter_equal(const char *attr, const char *value);

/* Is value there (compared as texts, any case)? */
bool ctl_entry_has(LDAP *ld, LDAPMessage *entry, const char *attr, const char *value);

/* All values as a JSON array; new. */
json_t *ctl_values_json(LDAP *ld, LDAPMessage *entry, const char *attr);

#endif
