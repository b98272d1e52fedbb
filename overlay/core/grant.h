/*
 * grant.h - provGrant and provException values: what was given and by what.
 *
 * Text form, fields joined by '$'; within a field '$' is \24 and '\' is \5C (as
 * in RFC 4517, 3.3.28):
 *
 *   provGrant:     kind$origin$since$changeId$roleDN$tag$what
 *   provException: kind$$since$changeId$byDN$tag$what
 *
 * kind: group, entitlement, default, add, enforce. origin: new (the overlay put
 * it there) or had (it was there before, so it is never taken away). since:
 * generalized time. tag: of the template line, empty for groups and entitlements.
 * what: the group's DN, the entitlement, or "attribute: value".
 */
#ifndef PROV_GRANT_H
#define PROV_GRANT_H

#include "entry.h"
#include "error.h"

enum prov_kind {
	PROV_KIND_GROUP,
	PROV_KIND_ENTITLEMENT,
	PROV_KIND_DEFAULT,
	PROV_KIND_ADD,
	PROV_KIND_ENFORCE,
};

struct prov_grant {
	enum prov_kind kind;
	bool had; /* origin; false for an exception */
	struct prov_val since, change, role /* or byDN */, tag, what;
};

/* Fields point into the arena (unescaped copies). PROV_EINVAL names the field. */
int prov_grant_parse(struct prov_val text, struct prov_arena *arena, struct prov_grant *out,
	struct prov_error *err);
int prov_grant_print(const struct prov_grant *g, bool exception, struct prov_arena *arena,
	struct prov_val *out);
/* Split the "attribute: value" form of what. */
bool prov_grant_split(struct prov_val what, struct prov_val *attr, struct prov_val *value);
const char *prov_kind_name(enum prov_kind k);

#endif
