/* search.c - see search.h. */
#include "search.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "jsonout.h"

int ctl_search(struct ctl *c, const char *base, int scope, const char *filter,
	const char *const *attrs, ctl_see *see, void *ctx, struct prov_error *err)
{
	const struct prov_pages p = { base, filter, scope, attrs, 0 };
	return prov_pages_search(c->ld, &p, see, ctx, err);
}

int ctl_connectors(struct ctl *c, const char *filter, const char *const *attrs, ctl_see *see,
	void *ctx, struct prov_error *err)
{
	return ctl_search(c, c->policy ? c->policy : c->server.suffix, LDAP_SCOPE_SUBTREE,
		filter ? filter : "(objectClass=provConnector)", attrs, see, ctx, err);
}

int ctl_read(struct ctl *c, const char *dn, const char *filter, const char *const *attrs,
	LDAPMessage **out, struct prov_error *err)
{
	LDAPMessage *m = NULL;
	int ldrc =
		ldap_search_ext_s(c->ld, dn, LDAP_SCOPE_BASE, filter ? filter : "(objectClass=*)",
			(char **)attrs, 0, NULL, NULL, NULL, LDAP_NO_LIMIT, &m);
	*out = NULL;
	if (ldrc) {
		ldap_msgfree(m);
		return prov_ldap_error(c->ld, ldrc, err, "read %s", dn);
	}
	if (!ldap_first_entry(c->ld, m)) {
		ldap_msgfree(m);
		return prov_error_set(err, PROV_ENOENT, "read %s: nothing there that matches", dn);
	}
	*out = m;
	return 0;
}

char *ctl_filter_escape(const char *s, size_t len)
{
	struct berval in = { len, (char *)s }, out = { 0, NULL };
	if (!len)
		return strdup("");
	if (ldap_bv2escaped_filter_value(&in, &out))
		return NULL;
	char *text = strndup(out.bv_val, out.bv_len);
	ber_memfree(out.bv_val);
	return text;
}

char *ctl_filter_equal(const char *attr, const char *value)
{
	char *safe = ctl_filter_escape(value, strlen(value)), *text = NULL;
	if (safe && asprintf(&text, "(%s=%s)", attr, safe) < 0)
		text = NULL;
	free(safe);
	return text;
}

bool ctl_entry_has(LDAP *ld, LDAPMessage *entry, const char *attr, const char *value)
{
	struct berval **v = ldap_get_values_len(ld, entry, attr);
	bool found = false;
	size_t len = strlen(value);
	for (int i = 0; v && v[i] && !found; i++)
		found = v[i]->bv_len == len && !strncasecmp(v[i]->bv_val, value, len);
	ldap_value_free_len(v);
	return found;
}

json_t *ctl_values_json(LDAP *ld, LDAPMessage *entry, const char *attr)
{
	struct berval **v = ldap_get_values_len(ld, entry, attr);
	json_t *a = json_array();
	for (int i = 0; v && v[i]; i++)
		json_array_append_new(a, prov_json_text(v[i]->bv_val, v[i]->bv_len));
	ldap_value_free_len(v);
	return a;
}
