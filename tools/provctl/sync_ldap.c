/*
 * sync_ldap.c - entries of a directory as a feed. See sync_feed.h.
 *
 * Read in pages, as they come. The columns are attributes, and "dn"; of several values the
 * first counts.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "search.h"
#include "sync_feed.h"

struct reading {
	struct sync_feed *f;
	char **cell;
	struct prov_val *val;
};

static int see(void *ctx, LDAP *ld, LDAPMessage *entry, struct prov_error *err)
{
	struct reading *r = ctx;
	struct sync_feed *f = r->f;
	bool good = true;
	int rc = 0;
	f->rows++;
	for (size_t i = 0; i < f->ncolumn; i++) {
		if (strcasecmp(f->column[i], "dn")) {
			struct berval **v = ldap_get_values_len(ld, entry, f->column[i]);
			if (v && v[0])
				good = good &&
					sync_feed_text(f, f->rows, f->column[i], v[0]->bv_val,
						v[0]->bv_len);
			r->cell[i] = v && v[0] ? strndup(v[0]->bv_val, v[0]->bv_len) : NULL;
			if (v && v[0] && !r->cell[i])
				rc = PROV_ENOMEM;
			ldap_value_free_len(v);
		} else {
			char *dn = ldap_get_dn(ld, entry);
			r->cell[i] = dn ? strdup(dn) : NULL;
			ldap_memfree(dn);
			rc = r->cell[i] ? rc : PROV_ENOMEM;
		}
		r->val[i] = (struct prov_val){ r->cell[i], r->cell[i] ? strlen(r->cell[i]) : 0 };
	}
	if (rc)
		prov_error_set(err, rc, "no memory");
	else if (good)
		rc = f->take(f->ctx, f->rows, r->val, err);
	for (size_t i = 0; i < f->ncolumn; i++) {
		free(r->cell[i]);
		r->cell[i] = NULL;
	}
	return rc;
}

static int search(struct reading *r, struct ctl *c, const LDAPURLDesc *u, struct prov_error *err)
{
	const char **attrs = calloc(r->f->ncolumn + 2, sizeof(*attrs));
	size_t n = 0;
	if (!attrs)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	for (size_t i = 0; i < r->f->ncolumn; i++)
		if (strcasecmp(r->f->column[i], "dn"))
			attrs[n++] = r->f->column[i];
	if (!n)
		attrs[n++] = LDAP_NO_ATTRS;
	int rc = ctl_search(c, u->lud_dn ? u->lud_dn : "",
		u->lud_scope == LDAP_SCOPE_DEFAULT ? LDAP_SCOPE_SUBTREE : u->lud_scope,
		u->lud_filter ? u->lud_filter : "(objectClass=*)", attrs, see, r, err);
	free(attrs);
	return rc;
}

/* A connection of its own when the URL names a server. */
static int on_server(struct reading *r, struct ctl *c, const LDAPURLDesc *u,
	const struct prov_ldap_options *o, struct prov_error *err)
{
	struct prov_ldap_options opt = *o;
	struct ctl other = { .ld = NULL };
	if (!u->lud_host || !*u->lud_host)
		return search(r, c, u, err);
	/* scheme, host and port as libldap writes them, ldapi's path escaped */
	LDAPURLDesc server = { .lud_scheme = u->lud_scheme,
		.lud_host = u->lud_host,
		.lud_port = u->lud_port,
		.lud_scope = LDAP_SCOPE_DEFAULT };
	char *uri = ldap_url_desc2str(&server);
	if (!uri)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	opt.uri = uri;
	int rc = prov_ldap_connect(&opt, &other.ld, err);
	if (!rc)
		rc = search(r, &other, u, err);
	prov_ldap_close(&other.ld);
	ldap_memfree(uri);
	return rc;
}

int sync_feed_ldap(struct sync_feed *f, const char *url, struct ctl *c,
	const struct prov_ldap_options *o, struct prov_error *err)
{
	struct reading r = { .f = f };
	LDAPURLDesc *u = NULL;
	int rc = 0;
	if (ldap_url_parse(url, &u))
		return prov_error_set(err, PROV_EINVAL, "--feed: not an LDAP URL: %s", url);
	r.cell = calloc(f->ncolumn + 1, sizeof(*r.cell));
	r.val = calloc(f->ncolumn + 1, sizeof(*r.val));
	if (!r.cell || !r.val)
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	else
		rc = on_server(&r, c, u, o, err);
	free(r.cell);
	free(r.val);
	ldap_free_urldesc(u);
	return rc;
}
