/* connector_change.c - see connector_change.h. */
#include "connector_change.h"

#include <stdlib.h>
#include <string.h>

#include "jsonout.h"
#include "outbox_act.h"
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
		       : ctl_connectors(c, filter, attrs, see_connector, f, err);

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

static int work(struct prov_admin_act *a, void *ctx, struct prov_error *err)
{
	uint64_t cursor;

	if (prov_cursor_get(a->t, a->connector, &cursor) == PROV_ENOENT)
		return prov_error_set(err, PROV_ENOENT, "%s: nothing is kept of it", a->connector);
	return prov_admin_forget(a, ctx, err);
}

int ctl_connector_forget(struct ctl *c, const char *name, const char *reason)
{
	struct prov_error err = { 0 };
	struct prov_admin_act a = { .connector = name, .reason = reason };
	struct found f = { 0 };
	json_t *answer = NULL, *ask;
	char *dir = NULL;
	unsigned n = 0;
	int st = ctl_site(c);

	if (!st)
		st = ctl_state_dir(c, &dir);
	if (st)
		return st;
	int rc = find(c, name, &f, &err);
	if (f.n)
		rc = prov_error_set(&err, PROV_EINVAL,
			"%s is in the directory: delete its entry first", name);
	else if (rc == PROV_ENOENT)
		rc = 0;
	free(f.dn);
	free(f.type);
	ask = json_pack("{s:s,s:s,s:s}", "cmd", "forget", "connector", name, "reason", reason);
	if (!rc)
		rc = ctl_outbox_act(dir, ask, &a, work, &n, &answer, &err);
	if (answer)
		n = (unsigned)json_integer_value(json_object_get(answer, "count"));
	json_decref(ask);
	json_decref(answer);
	free(dir);
	if (rc)
		return ctl_fail(&err);
	if (c->json)
		return prov_json_line_take(stdout,
			       json_pack("{s:s,s:I}", "forgotten", name, "events", (json_int_t)n))
			? ctl_nomem()
			: 0;
	printf("%s: forgotten, with %u event%s that waited or were parked\n", name, n,
		n == 1 ? "" : "s");
	return 0;
}
