/*
 * explain.h - one account, its roles and everything it has, with the reasons.
 *
 * Filled by explain_read.c and explain_role.c (directory) and explain_trail.c (who and
 * when); shown by cmd_explain.c. Owned by the command; all of it goes with explain_dispose(). Keys are folded
 * texts (fold.h), for comparing; the others are as the server wrote them.
 */
#ifndef PROV_CTL_EXPLAIN_H
#define PROV_CTL_EXPLAIN_H

#include "ctl.h"
#include "grant.h"

struct explain_line {      /* a template line of a role */
	char *text, *attr; /* attr: folded */
	char tag[16];
};

struct explain_role {
	char *dn, *key, *cn, *status, *risk; /* risk: NULL when it has none */
	size_t nfilter, ninclude, nline, ngroup, nent, napprover;
	char **filter, **include /* keys */, **group /* keys */, **ent, **approver;
	struct explain_line *line;
	bool in_force, assigned;
};

struct explain_change { /* what the trail says; id "" when it was not looked up */
	char id[40];
	char *by, *when, *reason, *op;
	uint64_t seq;
};

struct explain_thing {
	const char *kind; /* group, entitlement, value */
	char *what;       /* DN, entitlement, "attribute: value" */
	char *key;
	bool present;
	const struct explain_role *role; /* NULL: not below the policy, or unexplained */
	/* of the grant; all "" or NULL when nothing explains it */
	bool granted, had;
	const char *mode; /* group, entitlement, default, add, enforce */
	char *role_dn, *since, *line;
	struct explain_change change;
};

struct explain_hold { /* an exception */
	char *kind, *what, *key, *since, *by;
};

struct explain {
	struct ctl *ctl;
	char *dn, *key, *uuid, *state, *state_since;
	char *change_id, *change_by, *create_id, *create_by;
	LDAPMessage *entry_msg;
	LDAPMessage *entry;
	size_t nrole, nthing, nhold, room_role, room_thing, room_hold;
	struct explain_role *role;
	struct explain_thing *thing; /* groups it is in and everything a grant names */
	struct explain_hold *hold;
};

/* Read the account (a DN, or a uid that only one account has) and all that belongs to it. */
int explain_read(struct ctl *c, const char *who, struct explain *x, struct prov_error *err);
void explain_dispose(struct explain *x);

/* explain_role.c */
int explain_roles_read(struct explain *x, struct prov_error *err);
void explain_role_dispose(struct explain_role *r);
/* list, with room for one more than n; new members are zero. NULL: no memory, list unchanged. */
void *explain_grow(void *list, size_t n, size_t *room, size_t size);
const struct explain_role *explain_role_by_key(const struct explain *x, const char *key);
/* By DN or cn. PROV_ENOENT says that there is none. */
int explain_role_find(const struct explain *x, const char *name, const struct explain_role **out,
	struct prov_error *err);
/* Values of an attribute, folded as DNs when asked; explain_values_free() in any case. PROV_ENOMEM. */
int explain_values(LDAP *ld, LDAPMessage *e, const char *attr, bool dn, char ***out, size_t *n);
void explain_values_free(char **list, size_t n);
/* Does the filter match the account? 1, 0, or -1 when the server cannot tell. */
int explain_filter(struct explain *x, const char *filter);
/* A value of provTimedRole. PROV_EINVAL, PROV_ENOMEM. */
struct explain_time {
	char *role_key;      /* folded; the caller's */
	int64_t from, until; /* seconds, INT64_MIN and INT64_MAX for "-" */
};
int explain_time_parse(const struct berval *v, struct explain_time *out);
/* Has the entry the role for a time that `now` is in (provTimedRole)? role_key: folded DN. */
bool explain_timed(LDAP *ld, LDAPMessage *e, const char *role_key, int64_t now);
/* Why the role is in force: "filter (...) matches; given by hand; included by ..."; malloc'ed. */
char *explain_role_why(struct explain *x, const struct explain_role *r);
/* Why it is not: "draft", "no filter matches: ...", "the account is suspended"; malloc'ed. */
char *explain_role_why_not(struct explain *x, const struct explain_role *r);

/* explain_read.c. Has the account this attribute value? Compared folded. */
bool explain_has_value(const struct explain *x, const char *attr, const char *value);

/* Fill in the changes from the trail in dir (NULL: from the account's stamps only). A
 * trail that cannot be read is said in *note (malloc'ed or NULL) and is no failure. */
int explain_trail(struct explain *x, const char *dir, char **note, struct prov_error *err);

#endif
