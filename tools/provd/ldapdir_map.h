/*
 * ldapdir_map.h - which attributes an account has in the other directory. Pure.
 *
 * "map=THERE=HERE" options over defaults that keep the name; "map=THERE=" takes a default away.
 * All values count. What may leave is as for every connector: uid, and what provAttribute
 * lists; a mapped and listed attribute without a value is taken away there.
 */
#ifndef PROVD_LDAPDIR_MAP_H
#define PROVD_LDAPDIR_MAP_H

#include <jansson.h>
#include <ldap.h>

#include "connector.h"
#include "error.h"

struct prov_ldapdir_map;

/* domain: NULL, or there is Active Directory: sAMAccountName is made from uid, userPrincipalName
 * too when the domain is not empty (uid@domain), and attributes that take one value there get
 * the first one. */
int prov_ldapdir_map_new(const struct prov_connector *c, const char *domain,
	struct prov_ldapdir_map **out, struct prov_error *err);
void prov_ldapdir_map_free(struct prov_ldapdir_map **m);
size_t prov_ldapdir_map_size(const struct prov_ldapdir_map *m);
const char *prov_ldapdir_map_name(const struct prov_ldapdir_map *m, size_t n);
/* What the attribute there is made from, or NULL. */
const char *prov_ldapdir_map_from(const struct prov_ldapdir_map *m, const char *there);
/* The n-th attribute there; *values: a NULL-terminated list, NULL when it has none;
 * prov_ldapdir_values_free(). PROV_ENOENT: it may not leave, so it is none of our business. */
int prov_ldapdir_map_get(const struct prov_ldapdir_map *m, size_t n, const json_t *event,
	const char **there, struct berval ***values);
/* The first value of an attribute there; free(). NULL: none, or it may not leave. */
char *prov_ldapdir_map_first(const struct prov_ldapdir_map *m, const char *there,
	const json_t *event);
void prov_ldapdir_values_free(struct berval **v);
/* The same values, in whatever order? Either may be NULL. */
bool prov_ldapdir_values_equal(struct berval **a, struct berval **b);

#endif
