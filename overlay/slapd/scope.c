/*
 * scope.c - parses provision-accounts URLs.
 */
#include "scope.h"

#include <ldap_pvt.h>

bool prov_scope_inside(BackendDB *be, struct berval *ndn)
{
	for (BerVarray s = be->be_nsuffix; s && !BER_BVISNULL(s); s++)
		if (dnIsSuffix(ndn, s))
			return true;
	return false;
}

void prov_scope_dispose(struct prov_accounts *a)
{
	ch_free(a->url.bv_val);
	ch_free(a->base.bv_val);
	ch_free(a->nbase.bv_val);
	if (a->filter)
		filter_free(a->filter);
	memset(a, 0, sizeof(*a));
}

/* Does any part of it name what this server's schema does not know? */
static bool undefined(const Filter *f)
{
	if (f->f_choice & SLAPD_FILTER_UNDEFINED)
		return true;
	switch (f->f_choice & SLAPD_FILTER_MASK) {
	case LDAP_FILTER_AND:
	case LDAP_FILTER_OR:
		for (f = f->f_list; f; f = f->f_next)
			if (undefined(f))
				return true;
		return false;
	case LDAP_FILTER_NOT:
		return undefined(f->f_not);
	default:
		return false;
	}
}

static const char *unfit(const LDAPURLDesc *u)
{
	if (strcasecmp(u->lud_scheme, "ldap") != 0)
		return "must begin with ldap:///";
	if ((u->lud_host && *u->lud_host) || u->lud_port)
		return "must not name a host: accounts are entries of this database";
	if (u->lud_attrs && u->lud_attrs[0])
		return "must not name attributes";
	if (u->lud_exts && u->lud_exts[0])
		return "must not have extensions";
	if (u->lud_scope == LDAP_SCOPE_DEFAULT)
		return "does not say its scope: one, sub, children or base, as in ldap:///<base>??sub?<filter>";
	return NULL;
}

static const char *url_error(int rc)
{
	switch (rc) {
	case LDAP_URL_ERR_BADSCOPE:
		return "has an unknown scope";
	case LDAP_URL_ERR_BADATTRS:
		return "has bad attributes";
	case LDAP_URL_ERR_BADFILTER:
		return "has an empty or bad filter";
	case LDAP_URL_ERR_BADEXTS:
		return "has bad extensions";
	case LDAP_URL_ERR_BADSCHEME:
		return "must begin with ldap:///";
	default:
		return "is not an LDAP URL";
	}
}

static const char *take_base(BackendDB *be, const char *dn, struct prov_accounts *out)
{
	struct berval bv;

	ber_str2bv(dn ? dn : "", 0, 0, &bv);
	if (dnPrettyNormal(NULL, &bv, &out->base, &out->nbase, NULL) != LDAP_SUCCESS)
		return "has a base that is not a DN";
	if (!prov_scope_inside(be, &out->nbase))
		return "has a base outside this database's suffix";
	return NULL;
}

static const char *take_filter(const char *text, struct prov_accounts *out)
{
	if (!text)
		return NULL;
	out->filter = str2filter(text);
	if (!out->filter)
		return "has a filter that does not parse";
	if (undefined(out->filter))
		return "has a filter with an attribute or a value that this server's schema does not know";
	return NULL;
}

int prov_scope_parse(BackendDB *be, const char *url, struct prov_accounts *out, char *msg,
	size_t len)
{
	LDAPURLDesc *u = NULL;
	const char *why;
	int rc = ldap_url_parse_ext(url, &u, LDAP_PVT_URL_PARSE_NONE);

	memset(out, 0, sizeof(*out));
	why = rc == LDAP_URL_SUCCESS ? unfit(u) : url_error(rc);
	if (!why)
		why = take_base(be, u->lud_dn, out);
	if (!why)
		why = take_filter(u->lud_filter, out);
	if (why) {
		prov_scope_dispose(out);
		snprintf(msg, len, "accounts URL \"%s\" %s", url, why);
	} else {
		out->scope = u->lud_scope;
		ber_str2bv(url, 0, 1, &out->url);
	}
	ldap_free_urldesc(u);
	return why != NULL;
}
