/* search.c - see search.h. */
#include "search.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "jsonout.h"

enum { PAGE = 500 };

/* Take the results of one page as they come; the page's cookie into *cookie. */
static int take_page(struct ctl *c, int msgid, const char *base, ctl_see *see, void *ctx,
	struct berval *cookie, struct prov_error *err)
{
	int rc = 0, code, ldrc;
	for (;;) {
		LDAPMessage *m = NULL;
		int type = ldap_result(c->ld, msgid, LDAP_MSG_ONE, NULL, &m);
		if (type <= 0) {
			ldap_get_option(c->ld, LDAP_OPT_RESULT_CODE, &ldrc);
			ldap_msgfree(m);
			if (type == 0 || ldrc == LDAP_SUCCESS)
				ldrc = LDAP_TIMEOUT;
			return rc ? rc : prov_ldap_error(c->ld, ldrc, err, "search %s", base);
		}
		if (type == LDAP_RES_SEARCH_ENTRY && !rc) {
			rc = see(ctx, c->ld, m, err);
			if (rc)
				ldap_abandon_ext(c->ld, msgid, NULL, NULL);
		}
		if (type == LDAP_RES_SEARCH_RESULT || rc) {
			LDAPControl **ctrl = NULL, *page;
			ber_int_t total;
			if (!rc) {
				ldrc = ldap_parse_result(c->ld, m, &code, NULL, NULL, NULL, &ctrl,
					0);
				if (ldrc || code)
					rc = prov_ldap_error(c->ld, ldrc ? ldrc : code, err,
						"search %s", base);
			}
			page = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, ctrl, NULL);
			if (!rc && page &&
				ldap_parse_pageresponse_control(c->ld, page, &total, cookie))
				rc = prov_error_set(err, PROV_EIO, "search %s: bad page control",
					base);
			ldap_controls_free(ctrl);
			ldap_msgfree(m);
			return rc;
		}
		ldap_msgfree(m);
	}
}

int ctl_search(struct ctl *c, const char *base, int scope, const char *filter,
	const char *const *attrs, ctl_see *see, void *ctx, struct prov_error *err)
{
	struct berval cookie = { 0, NULL };
	int rc;
	do {
		LDAPControl *page = NULL, *ctrl[2] = { NULL, NULL };
		struct berval next = { 0, NULL };
		int msgid = -1;
		/* not critical: cn=monitor has no pages, and needs none */
		int ldrc = ldap_create_page_control(c->ld, PAGE, cookie.bv_val ? &cookie : NULL, 0,
			&page);
		if (!ldrc) {
			ctrl[0] = page;
			ldrc = ldap_search_ext(c->ld, base, scope, filter, (char **)attrs, 0, ctrl,
				NULL, NULL, LDAP_NO_LIMIT, &msgid);
		}
		rc = ldrc ? prov_ldap_error(c->ld, ldrc, err, "search %s", base)
			  : take_page(c, msgid, base, see, ctx, &next, err);
		ldap_control_free(page);
		ber_memfree(cookie.bv_val);
		cookie = next;
	} while (!rc && cookie.bv_val && cookie.bv_len);
	ber_memfree(cookie.bv_val);
	return rc;
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
