/*
 * review_held.h - which roles an account has, and through what. Nothing is asked of the server
 * for an account: what its entry and the policy say is enough, but for filters.
 */
#ifndef PROV_CTL_REVIEW_HELD_H
#define PROV_CTL_REVIEW_HELD_H

#include "explain.h"
#include "strmap.h"

/* The roles of the policy, as far as the caller may see them. */
struct review_roles {
	struct explain x;          /* of it only the roles */
	struct prov_strmap *index; /* folded DN to place in x.role */
	struct review_includers {
		size_t n, room, *role; /* places in x.role */
	} * by;                        /* of each role: those that include it */
};

int review_roles_read(struct ctl *c, struct review_roles *p, struct prov_error *err);
void review_roles_dispose(struct review_roles *p);
/* PROV_STRMAP_NONE: no role that may be seen. */
size_t review_role_at(const struct review_roles *p, const char *key);

/* One entry. Borrows ld and entry. */
struct review_account {
	LDAP *ld;
	LDAPMessage *entry;
	char *dn, *key;
	size_t n, nkey, nassigned, nassigned_key;
	char **role, **role_key;         /* in force: as written, folded */
	char **assigned, **assigned_key; /* provAssignedRole, the same */
};

/* Attributes that it needs, for a search. */
#define REVIEW_ACCOUNT_ATTRS "provEffectiveRole", "provAssignedRole", "provTimedRole"
/* review_account_dispose() in any case. PROV_ENOMEM. */
int review_account_read(LDAP *ld, LDAPMessage *entry, struct review_account *a);
void review_account_dispose(struct review_account *a);
/* The place in a->role, or in a->assigned; PROV_STRMAP_NONE. */
size_t review_account_has(const struct review_account *a, const char *role_key);
size_t review_account_assigned(const struct review_account *a, const char *role_key);

struct review_held {
	bool given;  /* by hand or for a time: can be taken away from the account */
	bool policy; /* by a filter or a role that includes it: cannot */
	char *text;  /* "assigned; filter (title=x)"; malloc'ed */
};

/* How the account has a role that is in force. filter: 1 a filter of the role matches, 0 none does,
 * -1 nobody asked: then it is a filter when it is nothing else. PROV_ENOMEM. */
int review_held(const struct review_roles *p, const struct review_account *a, const char *role_key,
	int filter, int64_t now, struct review_held *out);

#endif
