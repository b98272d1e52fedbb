/*
 * ldapdir_impl.h - what the files of the ldap connector share: the connector as it was opened,
 * and one attempt with it. ldapdir.c carries an event out, ldapdir_open.c reads the options,
 * ldapdir_find.c looks for the account, ldapdir_change.c writes it.
 *
 * Functions that return int: 0, or -1 and the attempt's result says why. After -1 there may
 * be no connection any more (call.ld NULL).
 */
#ifndef PROVD_LDAPDIR_IMPL_H
#define PROVD_LDAPDIR_IMPL_H

#include <jansson.h>
#include <stdbool.h>

#include "ldapdir_conn.h"
#include "ldapdir_groups.h"
#include "ldapdir_map.h"

#define LDAPDIR_CLASSES 8
#define LDAPDIR_ATTRS 80

struct ldapdir {
	struct prov_ldapdir *dir;
	struct prov_ldapdir_map *map;
	struct prov_ldapdir_groups groups;
	bool ad;                          /* there is Active Directory */
	bool no_password;                 /* a new account gets none */
	char *rdn;                        /* naming attribute there */
	char *login;                      /* attribute that an account's name is looked for in */
	char *class[LDAPDIR_CLASSES + 1]; /* of a new entry */
	char *key;                        /* attribute there that holds our entryUUID, or NULL */
	char *lock, *lock_value;          /* what locks an account there */
	bool remove;
};

struct attempt {
	struct prov_ldapdir_call call;
	struct ldapdir *s;
	json_t *event;
	const char *subject;
	char *name;               /* value of the naming attribute, malloc'ed, or NULL */
	char *login;              /* value of s->login, malloc'ed, or NULL */
	LDAPMessage *res, *entry; /* what is there, or NULL */
	char *dn;
};

int prov_ldapdir_open(const struct prov_connector *c, void **self, struct prov_error *err);
void prov_ldapdir_close(void *self);

/* The account there: by the id that was kept, by idAttribute, by name. a->entry NULL: none. */
int prov_ldapdir_find(struct attempt *a, const char *kept);
/* The entry of a DN. */
int prov_ldapdir_look(struct attempt *a, const char *dn);
/* Look at a->dn again. */
int prov_ldapdir_read_back(struct attempt *a);
void prov_ldapdir_forget(struct attempt *a);
/* The first value of what was found; free(). */
char *prov_ldapdir_first_value(struct attempt *a, const char *attr);
bool prov_ldapdir_locked(struct attempt *a);

int prov_ldapdir_create(struct attempt *a);
/* *changed: set when something was written. */
int prov_ldapdir_lock(struct attempt *a, bool *changed);
int prov_ldapdir_rename(struct attempt *a, bool *changed);
/* Attributes; an active account is unlocked. *waits: it has no password yet, and stays locked. */
int prov_ldapdir_change(struct attempt *a, bool active, bool *changed, bool *waits);
int prov_ldapdir_delete(struct attempt *a);

#endif
