/* connector_change.c - see connector_change.h. */
#include "connector_change.h"

#include <stdlib.h>
#include <string.h>

#include "jsonout.h"
#include "planview.h"
#include "search.h"

struct found {
	char *dn, *type;
	size_t n;
};

static int see_connector(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	struct found *f = ctx;

	if (f->n++)
		return 0;
	char *dn = ldap_get_dn(ld, e);
	f->dn = dn ? strdup(dn) : NULL;
	ldap_memfree(dn);
	f->type = prov_ldap_first(ld, e, "provConnectorType");
	return f->dn && f->type ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
}

static int find(struct ctl *c, const char *name, struct found *f, struct prov_error *err)
{
	static const char *const attrs[] = { "provConnectorType", NULL };
	char *safe = ctl_filter_escape(name, strlen(name)), *filter = NULL;
	int n = safe ? asprintf(&filter, "(&(objectClass=provConnector)(cn=%s))", safe) : -1;
	int rc = n < 0 ? prov_error_set(err, PROV_ENOMEM, "no memory")
		       : ctl_search(c, c->policy ? c->policy : c->server.suffix, LDAP_SCOPE_SUBTREE,
				 filter, attrs, see_connector, f, err);

	free(safe);
	if (n >= 0)
		free(filter);
	if (rc)
		return rc;
	if (f->n != 1)
		return prov_error_set(err, PROV_ENOENT,
			f->n ? "%s: more than one connector has this name"
			     : "%s: no such connector",
			name);
	return 0;
}

/* A modify that changes nothing; with the adopt control slapd stores the job. */
static int ask(struct ctl *c, const struct found *f, struct prov_error *err)
{
	char *value[] = { f->type, NULL };
	LDAPMod mod = { LDAP_MOD_REPLACE, "provConnectorType", { value } },
		*mods[] = { &mod, NULL };

	return prov_ldap_error(c->ld,
		ldap_modify_ext_s(c->ld, f->dn, mods, planview_adopt_controls(0), NULL), err,
		"full sync of %s", f->dn);
}

int ctl_connector_sync(struct ctl *c, const char *name)
{
	struct prov_error err = { 0 };
	struct found f = { 0 };
	int st = ctl_site(c);

	if (st)
		return st;
	int rc = find(c, name, &f, &err);
	if (!rc)
		rc = ask(c, &f, &err);
	free(f.dn);
	free(f.type);
	if (rc)
		return ctl_fail(&err);
	if (c->json)
		return prov_json_line_take(stdout,
			       json_pack("{s:s,s:b}", "connector", name, "sync", 1))
			? ctl_nomem()
			: 0;
	printf("%s: a full sync has begun; provctl status tells how far it is\n", name);
	return 0;
}
