/*
 * group.h - members of groups, and memberOf, inside the transaction of a write.
 *
 * Values are added and deleted, never replaced. Every function returns an LDAP
 * result code with a text in err that names the group.
 */
#ifndef PROV_SLAPD_GROUP_H
#define PROV_SLAPD_GROUP_H

#include "instance.h"

#include "entry.h"
#include "txn.h"

enum prov_group_kind { PROV_GROUP_NONE, PROV_GROUP_MEMBER, PROV_GROUP_UNIQUE, PROV_GROUP_UID };

enum prov_group_kind prov_group_kind_of(Entry *e);
AttributeDescription *prov_group_attr(enum prov_group_kind kind);
/* Does this attribute hold members of some kind of group? */
enum prov_group_kind prov_group_kind_of_attr(AttributeDescription *ad);

/* One group that holds an account. */
struct prov_membership {
	struct prov_val dn, ndn;
	enum prov_group_kind kind;
};

/* All groups across the suffix that hold this DN or uid (either may be empty); in the arena. */
int prov_group_memberships(struct prov_instance *pi, Operation *op, struct berval dn,
	struct berval uid, struct prov_arena *arena, struct prov_membership **out, size_t *n,
	struct prov_error *err);

/*
 * Put a member in (value NULL-safe: dn or uid by kind) or take it out. *had: it was
 * there before (add only, may be NULL). A group class that wants one member at least
 * keeps an empty DN when its last one goes. A member that is not there any more is fine.
 */
int prov_group_add(struct prov_txn *t, struct berval gdn, struct berval gndn,
	enum prov_group_kind kind, struct berval dn, struct berval uid, bool *had,
	struct prov_error *err);
int prov_group_remove(struct prov_txn *t, struct berval gdn, struct berval gndn,
	enum prov_group_kind kind, struct berval dn, struct berval uid, struct prov_error *err);
/* The account's DN or uid has changed: one modify that takes the old and puts the new. */
int prov_group_rename(struct prov_txn *t, const struct prov_membership *m, struct berval old_dn,
	struct berval new_dn, struct berval old_uid, struct berval new_uid, struct prov_error *err);

/* memberOf of an entry other than the one being written. Entries that are not there are passed over. */
int prov_memberof_change(struct prov_txn *t, struct berval dn, struct berval ndn, bool add,
	struct berval gdn, struct prov_error *err);

#endif
