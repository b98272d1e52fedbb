/* recsrc_ldap.c - entries of another directory. See recsrc.h. */
#include <stdlib.h>
#include <string.h>

#include "ldapconn.h"
#include "pages.h"
#include "recsrc_impl.h"

static int take_values(struct prov_recsrc_reading *r, size_t column, BerVarray v)
{
	int rc = 0;
	for (size_t i = 0; !rc && v && v[i].bv_val; i++)
		if (v[i].bv_len)
			rc = prov_recsrc_put(r, column, v[i].bv_val, v[i].bv_len);
	return rc;
}

static int see_entry(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	struct prov_recsrc_reading *r = ctx;
	BerElement *ber = NULL;
	struct berval dn, attr;
	BerVarray vals = NULL;
	char *name = NULL;
	int rc = ldap_get_dn_ber(ld, e, &ber, &dn) ? PROV_EIO : 0;
	if (rc)
		return prov_error_set(err, PROV_EIO, "%s: an entry that does not decode",
			r->src->place);
	name = prov_arena_strndup(&r->arena, dn.bv_val, dn.bv_len);
	if (!name)
		rc = prov_recsrc_nomem(r);
	while (!rc && ldap_get_attribute_ber(ld, e, ber, &attr, &vals) == LDAP_SUCCESS &&
		attr.bv_val) {
		size_t len = strcspn(attr.bv_val, ";");
		for (size_t i = prov_recsrc_find(r, attr.bv_val, len, 0); !rc && i < r->ncolumn;
			i = prov_recsrc_find(r, attr.bv_val, len, i + 1))
			rc = take_values(r, i, vals);
		ber_memfree(vals);
		vals = NULL;
	}
	ber_free(ber, 0);
	return rc ? rc : prov_recsrc_emit(r, r->src->seen + 1, name);
}

static int search(struct prov_recsrc_reading *r, LDAP *ld, const LDAPURLDesc *u)
{
	const char **attrs = calloc(r->ncolumn + 2, sizeof(*attrs));
	struct prov_pages p = { u->lud_dn ? u->lud_dn : "", u->lud_filter,
		u->lud_scope == LDAP_SCOPE_DEFAULT ? LDAP_SCOPE_SUBTREE : u->lud_scope, attrs, 0 };
	if (!attrs)
		return prov_recsrc_nomem(r);
	for (size_t i = 0; i < r->ncolumn; i++)
		attrs[i] = r->column[i];
	if (!r->ncolumn)
		attrs[0] = LDAP_NO_ATTRS;
	int rc = prov_pages_search(ld, &p, see_entry, r, r->err);
	free(attrs);
	/* a base that is not there is a source that is not there, and not an empty one */
	return rc == PROV_ENOENT ? PROV_EIO : rc;
}

int prov_recsrc_ldap(struct prov_recsrc_reading *r)
{
	char *const *o = r->src->option;
	LDAPURLDesc *u = NULL;
	char *uri = NULL;
	LDAP *ld = NULL;
	int rc = 0;
	if (ldap_url_parse(r->src->place, &u))
		return prov_error_set(r->err, PROV_EINVAL, "%s: not an LDAP URL", r->src->place);
	uri = strndup(r->src->place,
		strcspn(r->src->place, "/") + 2 + strcspn(strstr(r->src->place, "//") + 2, "/"));
	struct prov_ldap_options opt = {
		.uri = uri,
		.bind_dn = o[PROV_RECSRC_BIND],
		.password_file = o[PROV_RECSRC_PASSWORD],
		.ca = o[PROV_RECSRC_CA],
		.timeout = 60,
		.quiet = true,
	};
	rc = uri ? prov_ldap_connect(&opt, &ld, r->err) : prov_recsrc_nomem(r);
	if (rc == PROV_EREFUSED) /* by the server, which is no word about the records */
		rc = PROV_EIO;
	if (!rc)
		rc = search(r, ld, u);
	prov_ldap_close(&ld);
	ldap_free_urldesc(u);
	free(uri);
	return rc;
}
