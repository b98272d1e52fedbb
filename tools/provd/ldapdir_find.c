/* ldapdir_find.c - the ldap connector: looking for the account. See ldapdir_impl.h. */
#include "ldapdir_impl.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ldapdir_ad.h"

static const char anything[] = "(objectClass=*)";

void prov_ldapdir_forget(struct attempt *a)
{
	ldap_msgfree(a->res);
	ldap_memfree(a->dn);
	a->res = a->entry = NULL;
	a->dn = NULL;
}

char *prov_ldapdir_first_value(struct attempt *a, const char *attr)
{
	struct berval **v = a->entry ? ldap_get_values_len(a->call.ld, a->entry, attr) : NULL;
	char *text = v && v[0] ? strndup(v[0]->bv_val, v[0]->bv_len) : NULL;

	ldap_value_free_len(v);
	return text;
}

static char *guid(struct attempt *a)
{
	struct berval **v = ldap_get_values_len(a->call.ld, a->entry, "objectGUID");
	char text[37];
	char *copy = v && v[0] && prov_ldapdir_ad_guid(v[0], text) == 0 ? strdup(text) : NULL;

	ldap_value_free_len(v);
	return copy;
}

/* The id that a server keeps through renames, as "attribute=value". */
static void keep_id(struct attempt *a)
{
	static const char *const ids[] = { "objectGUID", "entryUUID", "nsUniqueId" };
	struct prov_result *out = a->call.out;

	for (size_t i = a->s->ad ? 0 : 1; i < (a->s->ad ? 1 : 3); i++) {
		char *v = a->s->ad ? guid(a) : prov_ldapdir_first_value(a, ids[i]);
		if (v && strlen(v) < 100) {
			snprintf(out->remote, sizeof(out->remote), "%s=%s", ids[i], v);
			out->remote_known = true;
			free(v);
			return;
		}
		free(v);
	}
}

static void wanted(const struct ldapdir *s, char *attrs[LDAPDIR_ATTRS])
{
	static const char *const ids[] = { "entryUUID", "nsUniqueId", NULL },
				 *const ad[] = { "objectGUID", "userAccountControl", "pwdLastSet",
					 NULL };
	size_t n = 0;

	for (size_t i = 0; i < prov_ldapdir_map_size(s->map) && n < LDAPDIR_ATTRS - 8; i++)
		attrs[n++] = (char *)(uintptr_t)prov_ldapdir_map_name(s->map, i);
	for (const char *const *p = s->ad ? ad : ids; *p; p++)
		attrs[n++] = (char *)(uintptr_t)*p;
	attrs[n++] = s->rdn;
	attrs[n++] = s->login;
	if (s->lock)
		attrs[n++] = s->lock;
	if (s->key)
		attrs[n++] = s->key;
	attrs[n] = NULL;
}

static int search(struct attempt *a, const char *base, int scope, const char *filter)
{
	char *attrs[LDAPDIR_ATTRS];
	int id = 0;

	wanted(a->s, attrs);
	prov_ldapdir_forget(a);
	if (prov_ldapdir_wait(&a->call,
		    ldap_search_ext(a->call.ld, base, scope, filter, attrs, 0, NULL, NULL, NULL, 2,
			    &id),
		    &id, &a->res))
		return -1;
	if (a->call.code == LDAP_NO_SUCH_OBJECT && scope == LDAP_SCOPE_BASE)
		return 0;
	if (a->call.code != LDAP_SUCCESS && a->call.code != LDAP_SIZELIMIT_EXCEEDED)
		return prov_ldapdir_fail_code(&a->call, "search for the account");
	if (ldap_count_entries(a->call.ld, a->res) > 1)
		return prov_result_fail(a->call.out, "several entries there match %.150s", filter);
	a->entry = ldap_first_entry(a->call.ld, a->res);
	a->dn = a->entry ? ldap_get_dn(a->call.ld, a->entry) : NULL;
	if (a->entry)
		keep_id(a);
	return 0;
}

int prov_ldapdir_look(struct attempt *a, const char *dn)
{
	return search(a, dn, LDAP_SCOPE_BASE, anything);
}

int prov_ldapdir_read_back(struct attempt *a)
{
	char *dn = strdup(a->dn);
	int rc = dn ? prov_ldapdir_look(a, dn) : prov_result_fail(a->call.out, "no memory");

	free(dn);
	return rc;
}

static int search_value(struct attempt *a, const char *attr, const char *value)
{
	char *filter = prov_ldapdir_assertion(attr, value), *users = NULL;

	/* groups and computers there have a sAMAccountName, too */
	if (filter && a->s->ad &&
		asprintf(&users, "(&(objectClass=user)(!(objectClass=computer))%s)", filter) < 0)
		users = NULL;
	int rc = filter && (users || !a->s->ad)
		? search(a, prov_ldapdir_base(a->s->dir), LDAP_SCOPE_SUBTREE,
			  users ? users : filter)
		: prov_result_fail(a->call.out, "no memory");
	free(filter);
	free(users);
	return rc;
}

static int search_kept(struct attempt *a, const char *kept)
{
	static const char guid_is[] = "objectGUID=";
	char attr[PROV_REMOTE_ID], base[PROV_REMOTE_ID + 8];

	/* wherever in the domain it was moved to (MS-ADTS 3.1.1.3.1.2.4) */
	if (a->s->ad && strncmp(kept, guid_is, sizeof(guid_is) - 1) == 0) {
		snprintf(base, sizeof(base), "<GUID=%s>", kept + sizeof(guid_is) - 1);
		return prov_ldapdir_look(a, base);
	}
	snprintf(attr, sizeof(attr), "%s", kept);
	char *eq = strchr(attr, '=');
	if (!eq)
		return 0;
	*eq = '\0';
	return search_value(a, attr, eq + 1);
}

int prov_ldapdir_find(struct attempt *a, const char *kept)
{
	int rc = search_kept(a, kept);

	if (rc == 0 && !a->entry && a->s->key && a->subject)
		rc = search_value(a, a->s->key, a->subject);
	if (rc == 0 && !a->entry && a->login) {
		rc = search_value(a, a->s->login, a->login);
		char *theirs = rc == 0 && a->s->key ? prov_ldapdir_first_value(a, a->s->key) : NULL;
		if (theirs && a->subject && strcasecmp(theirs, a->subject) != 0)
			rc = prov_result_fail(a->call.out,
				"\"%.100s\" is another account there (%.40s: %.60s)", a->dn,
				a->s->key, theirs);
		free(theirs);
	}
	return rc;
}

bool prov_ldapdir_locked(struct attempt *a)
{
	char *v = prov_ldapdir_first_value(a, a->s->ad ? "userAccountControl" : a->s->lock);
	bool locked = v &&
		(a->s->ad ? (strtol(v, NULL, 10) & PROV_AD_ACCOUNT_DISABLE) != 0
			  : strcasecmp(v, a->s->lock_value) == 0);

	free(v);
	return locked;
}
