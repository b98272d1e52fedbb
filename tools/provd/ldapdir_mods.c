/* ldapdir_mods.c - a list of modifications for libldap. See ldapdir_mods.h. */
#include "ldapdir_mods.h"

#include <openssl/crypto.h>
#include <stdint.h>
#include <stdlib.h>

#include "ldapdir_map.h" /* prov_ldapdir_values_free() */

void prov_ldapdir_mods_put(struct prov_ldapdir_mods *m, int op, const char *attr,
	struct berval **values, bool take)
{
	if (m->n == PROV_LDAPDIR_MODS) { /* more than a map has rows: cannot be */
		if (take)
			prov_ldapdir_values_free(values);
		return;
	}
	m->mod[m->n] = (LDAPMod){ op | LDAP_MOD_BVALUES, (char *)(uintptr_t)attr,
		{ .modv_bvals = values } };
	m->own[m->n] = take;
	m->list[m->n] = &m->mod[m->n];
	m->list[++m->n] = NULL;
}

void prov_ldapdir_mods_text(struct prov_ldapdir_mods *m, int op, const char *attr,
	const char *value)
{
	struct berval **v = calloc(2, sizeof(struct berval *));

	if (v)
		v[0] = ber_bvstrdup(value);
	prov_ldapdir_mods_put(m, op, attr, v, true);
}

void prov_ldapdir_mods_dispose(struct prov_ldapdir_mods *m)
{
	for (size_t i = 0; i < m->n; i++) {
		struct berval **v = m->mod[i].mod_vals.modv_bvals;
		if (!m->own[i])
			continue;
		for (size_t k = 0; v && v[k]; k++)
			OPENSSL_cleanse(v[k]->bv_val, v[k]->bv_len);
		prov_ldapdir_values_free(v);
	}
	m->n = 0;
}
