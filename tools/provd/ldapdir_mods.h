/*
 * ldapdir_mods.h - a list of modifications for libldap, and the values that belong to it.
 *
 * Begins as { .n = 0 }; disposed once. Values may be secret: they are wiped before they are freed.
 */
#ifndef PROVD_LDAPDIR_MODS_H
#define PROVD_LDAPDIR_MODS_H

#include <ldap.h>
#include <stdbool.h>
#include <stddef.h>

#define PROV_LDAPDIR_MODS 80

struct prov_ldapdir_mods {
	LDAPMod mod[PROV_LDAPDIR_MODS], *list[PROV_LDAPDIR_MODS + 1];
	size_t n;
	bool own[PROV_LDAPDIR_MODS]; /* values that are ours to free */
};

/* attr is borrowed. take: so are the values, unless it is true. values NULL: none. */
void prov_ldapdir_mods_put(struct prov_ldapdir_mods *m, int op, const char *attr,
	struct berval **values, bool take);
/* One value, copied. */
void prov_ldapdir_mods_text(struct prov_ldapdir_mods *m, int op, const char *attr,
	const char *value);
void prov_ldapdir_mods_dispose(struct prov_ldapdir_mods *m);

#endif
