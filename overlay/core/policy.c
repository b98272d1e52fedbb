/*
 * policy.c - building the snapshot, and looking things up in it.
 *
 * Two steps: add copies and compiles each entry by itself; seal (policy_seal.c)
 * joins them. Nothing is shared with the entries that were added.
 */
#include "policy.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "policy_impl.h"

int prov_policy_new(const struct prov_schema *schema, const struct prov_policy_env *env,
	struct prov_policy **out, struct prov_error *err)
{
	struct prov_policy *p = calloc(1, sizeof(*p));

	*out = p;
	if (!p)
		return prov_error_set(err, PROV_ENOMEM, "out of memory");
	p->schema = schema;
	if (env)
		p->env = *env;
	return 0;
}

void prov_policy_free(struct prov_policy **pp)
{
	struct prov_policy *p = *pp;

	if (!p)
		return;
	free(p->role);
	free(p->draft);
	free(p->sod);
	free(p->pool);
	free(p->connector);
	free(p->watched);
	free(p->group_user);
	free(p->key);
	free(p->any);
	prov_arena_dispose(&p->arena);
	free(p);
	*pp = NULL;
}

static const struct prov_attr *attr(const struct prov_policy *p, const struct prov_entry *e,
	const char *name)
{
	const struct prov_type *t = p->schema->type(p->schema->ctx, name, strlen(name));

	return t ? prov_entry_attr(e, t) : NULL;
}

static int complain(struct prov_error *err, const struct prov_entry *e, const char *name,
	const char *why)
{
	if (!why) /* it could not be made */
		return PROV_ENOMEM;
	return prov_error_set(err, PROV_EINVAL, "\"%.*s\": %s%s%s",
		e->dn.len > 150 ? 150 : (int)e->dn.len, e->dn.data, name, *name ? ": " : "", why);
}

/* What is wrong with the value, or that there was no memory to find out. */
static int complain_of(struct prov_error *err, const struct prov_entry *e, const char *name,
	const struct prov_error *why)
{
	return why->code == PROV_ENOMEM ? PROV_ENOMEM : complain(err, e, name, why->text);
}

static struct prov_val copy(struct prov_arena *a, struct prov_val v)
{
	return (struct prov_val){ prov_arena_strndup(a, v.data, v.len), v.len };
}

static int copy_values(struct prov_policy *p, const struct prov_val *from, size_t n,
	const struct prov_val **out)
{
	struct prov_val *v = prov_arena_array(&p->arena, n ? n : 1, sizeof(*v));

	for (size_t i = 0; v && i < n; i++) {
		v[i] = copy(&p->arena, from[i]);
		if (!v[i].data)
			return PROV_ENOMEM;
	}
	*out = v;
	return v ? 0 : PROV_ENOMEM;
}

static int read_status(struct prov_policy *p, const struct prov_entry *e, struct prov_role *r,
	struct prov_error *err)
{
	const struct prov_attr *a = attr(p, e, "provStatus");

	r->status = PROV_STATUS_ACTIVE;
	if (!a || !a->n || prov_val_equal(a->val[0], prov_val_str("active")))
		return 0;
	if (prov_val_equal(a->val[0], prov_val_str("draft")))
		r->status = PROV_STATUS_DRAFT;
	else if (prov_val_equal(a->val[0], prov_val_str("retired")))
		r->status = PROV_STATUS_RETIRED;
	else
		return complain(err, e, "provStatus", "is none of draft, active, retired");
	return 0;
}

static int read_filters(struct prov_policy *p, const struct prov_entry *e, struct prov_role *r,
	struct prov_error *err)
{
	const struct prov_attr *a = attr(p, e, "provAssignFilter");
	struct prov_error why = { 0, "" };

	if (!a || !a->n)
		return 0;
	r->filter = prov_arena_array(&p->arena, a->n, sizeof(*r->filter));
	if (!r->filter || copy_values(p, a->val, a->n, &r->filter_text))
		return PROV_ENOMEM;
	for (; r->nfilter < a->n; r->nfilter++)
		if (prov_filter_compile(r->filter_text[r->nfilter], p->schema, &p->arena,
			    &r->filter[r->nfilter], &why))
			return complain_of(err, e, "provAssignFilter", &why);
	return 0;
}

static void note_secret(void *ctx, const struct prov_type *type)
{
	const struct prov_type **found = ctx;

	if (type && type->secret)
		*found = type;
}

static int read_templates(struct prov_policy *p, const struct prov_entry *e, struct prov_role *r,
	struct prov_error *err)
{
	const struct prov_attr *a = attr(p, e, "provTemplate");
	struct prov_error why = { 0, "" };

	if (!a || !a->n)
		return 0;
	r->template = prov_arena_array(&p->arena, a->n, sizeof(*r->template));
	if (!r->template)
		return PROV_ENOMEM;
	for (; r->ntemplate < a->n; r->ntemplate++) {
		const struct prov_template **t = &r->template[r->ntemplate];
		if (prov_template_compile(a->val[r->ntemplate], p->schema, &p->arena, t, &why))
			return complain_of(err, e, "provTemplate", &why);
		const struct prov_type *type = prov_template_type(*t), *read = NULL;
		/* provGrant would show the value to whoever reads the account */
		if (type->secret)
			return complain(err, e, "provTemplate",
				prov_arena_printf(&p->arena,
					"\"%s\" is a secret: a template cannot give it",
					type->name));
		if (type->power)
			return complain(err, e, "provTemplate",
				prov_arena_printf(&p->arena,
					"\"%s\" is the right to act for others: a template cannot give it",
					type->name));
		prov_template_types(*t, note_secret, &read);
		if (read)
			return complain(err, e, "provTemplate",
				prov_arena_printf(&p->arena,
					"\"%s\" is a secret: a template cannot use it",
					read->name));
	}
	return 0;
}

static int read_groups(struct prov_policy *p, const struct prov_entry *e, struct prov_role *r)
{
	const struct prov_attr *g = attr(p, e, "provGroup"), *x = attr(p, e, "provEntitlement");

	if (g && g->n) {
		if (copy_values(p, g->val, g->n, &r->group_dn) ||
			copy_values(p, g->nval, g->n, &r->group_ndn))
			return PROV_ENOMEM;
		r->ngroup = g->n;
	}
	if (x && x->n) {
		if (copy_values(p, x->val, x->n, &r->entitlement))
			return PROV_ENOMEM;
		r->nentitlement = x->n;
	}
	return 0;
}

static int refuse_unsupported(struct prov_policy *p, const struct prov_entry *e,
	struct prov_error *err)
{
	static const char *const later[] = { "provPrerequisite", "provMaxMembers", NULL };

	for (int i = 0; later[i]; i++) {
		const struct prov_attr *a = attr(p, e, later[i]);
		if (a && a->n)
			return complain(err, e, later[i], "is not supported yet by this version");
	}
	return 0;
}

/* DNs, as written and normalized. */
static int copy_names(struct prov_policy *p, const struct prov_entry *e, const char *name,
	const struct prov_val **dn, const struct prov_val **ndn, size_t *n)
{
	const struct prov_attr *a = attr(p, e, name);

	*n = a ? a->n : 0;
	if (!*n)
		return 0;
	return copy_values(p, a->val, a->n, dn) || copy_values(p, a->nval, a->n, ndn) ? PROV_ENOMEM
										      : 0;
}

static int add_role(struct prov_policy *p, const struct prov_entry *e, struct prov_error *err)
{
	const struct prov_attr *cn = attr(p, e, "cn");
	struct role_draft d = { 0 };
	struct prov_role *r = prov_arena_alloc(&p->arena, sizeof(*r));

	if (!r || prov_grow(&p->role, p->nrole, &p->role_room, sizeof(*p->role)) ||
		prov_grow(&p->draft, p->nrole, &p->draft_room, sizeof(*p->draft)))
		return PROV_ENOMEM;
	r->dn = copy(&p->arena, e->dn);
	r->ndn = copy(&p->arena, e->ndn);
	r->cn = cn && cn->n ? prov_arena_strndup(&p->arena, cn->val[0].data, cn->val[0].len) : "";
	if (!r->dn.data || !r->ndn.data || !r->cn)
		return PROV_ENOMEM;
	int rc = refuse_unsupported(p, e, err);
	if (rc == 0)
		rc = read_status(p, e, r, err);
	if (rc == 0)
		rc = read_filters(p, e, r, err);
	if (rc == 0)
		rc = read_templates(p, e, r, err);
	if (rc == 0)
		rc = read_groups(p, e, r);
	if (rc == 0)
		rc = copy_names(p, e, "provInclude", &d.include_dn, &d.include, &d.ninclude);
	if (rc == 0)
		rc = copy_names(p, e, "provConflict", &d.conflict_dn, &d.conflict, &d.nconflict);
	if (rc)
		return rc;
	d.role = r;
	p->draft[p->nrole] = d;
	p->role[p->nrole++] = r;
	return 0;
}

/* What does not fit a number is more than any set has roles. */
static int read_limit(struct prov_policy *p, const struct prov_entry *e, size_t *out,
	struct prov_error *err)
{
	const struct prov_attr *a = attr(p, e, "provSodLimit");
	struct prov_val v = a && a->n ? a->val[0] : prov_val_str("1");
	size_t n = 0;

	for (size_t i = 0; i < v.len && v.data[i] >= '0' && v.data[i] <= '9' && n < SIZE_MAX / 16;
		i++)
		n = n * 10 + (size_t)(v.data[i] - '0');
	*out = n;
	return n
		? 0
		: complain(err, e, "provSodLimit",
			  "is less than 1: nobody could hold any role of the set; retire the roles instead");
}

static int add_sod_set(struct prov_policy *p, const struct prov_entry *e, struct prov_error *err)
{
	struct prov_sod *s = prov_arena_alloc(&p->arena, sizeof(*s));
	struct sod_draft d = { .sod = s };

	if (!s || prov_grow(&p->sod, p->nsod, &p->sod_room, sizeof(*p->sod)))
		return PROV_ENOMEM;
	s->set = true;
	s->dn = copy(&p->arena, e->dn);
	int rc = s->dn.data ? read_limit(p, e, &s->limit, err) : PROV_ENOMEM;
	if (rc == 0)
		rc = copy_names(p, e, "provSodRole", &d.role_dn, &d.role, &s->nrole);
	if (rc)
		return rc;
	if (s->limit >= s->nrole)
		return complain(err, e, "provSodLimit",
			prov_arena_printf(&p->arena,
				"nobody can hold more than %zu of %zu role%s, so the set would never apply: "
				"name more roles (provSodRole) or lower the limit",
				s->limit, s->nrole, s->nrole == 1 ? "" : "s"));
	p->sod[p->nsod++] = d;
	return 0;
}

static int add_pool(struct prov_policy *p, const struct prov_entry *e, struct prov_error *err)
{
	const struct prov_type *t = p->schema->type(p->schema->ctx, "cn", 2);
	const struct prov_attr *cn = t ? prov_entry_attr(e, t) : NULL;

	if (!cn || !cn->n)
		return complain(err, e, "cn", "is missing");
	for (size_t i = 0; i < cn->n; i++) { /* the entries of several servers share a name */
		if (prov_grow(&p->pool, p->npool, &p->pool_room, sizeof(*p->pool)))
			return PROV_ENOMEM;
		p->pool[p->npool] = copy(&p->arena, cn->nval[i]);
		if (!p->pool[p->npool++].data)
			return PROV_ENOMEM;
	}
	return 0;
}

static int add_connector(struct prov_policy *p, const struct prov_entry *e, struct prov_error *err)
{
	struct prov_connector *c = NULL;
	int rc = prov_connector_compile(e, p->schema, &p->arena, &c, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < p->nconnector; i++)
		if (strcmp(p->connector[i]->name, c->name) == 0)
			return complain(err, e, "cn", "another connector has this name");
	if (prov_grow(&p->connector, p->nconnector, &p->connector_room, sizeof(*p->connector)))
		return PROV_ENOMEM;
	p->connector[p->nconnector++] = c;
	return 0;
}

static bool is_class(const struct prov_policy *p, const struct prov_entry *e, const char *name)
{
	const struct prov_attr *oc = attr(p, e, "objectClass");

	for (size_t i = 0; oc && i < oc->n; i++)
		if (oc->val[i].len == strlen(name) &&
			strncasecmp(oc->val[i].data, name, oc->val[i].len) == 0)
			return true;
	return false;
}

int prov_policy_add(struct prov_policy *p, const struct prov_entry *e, struct prov_error *err)
{
	int rc = 0;

	if (is_class(p, e, "provRole"))
		rc = add_role(p, e, err);
	else if (is_class(p, e, "provPool"))
		rc = add_pool(p, e, err);
	else if (is_class(p, e, "provConnector"))
		rc = add_connector(p, e, err);
	else if (is_class(p, e, "provSodSet"))
		rc = add_sod_set(p, e, err);
	if (rc == PROV_ENOMEM)
		prov_error_set(err, rc, "out of memory");
	return rc;
}

int prov_val_order(struct prov_val a, struct prov_val b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int d = n ? memcmp(a.data, b.data, n) : 0;

	return d ? d : (a.len > b.len) - (a.len < b.len);
}

static int find_role(const void *key, const void *item)
{
	const struct prov_role *const *r = item;

	return prov_val_order(*(const struct prov_val *)key, (*r)->ndn);
}

const struct prov_role *prov_policy_role(const struct prov_policy *p, struct prov_val ndn)
{
	const struct prov_role *const *r =
		p->nrole ? bsearch(&ndn, p->role, p->nrole, sizeof(*p->role), find_role) : NULL;

	return r ? *r : NULL;
}

const struct prov_role *const *prov_policy_roles(const struct prov_policy *p, size_t *n)
{
	*n = p->nrole;
	return (const struct prov_role *const *)p->role;
}

const struct prov_connector *const *prov_policy_connectors(const struct prov_policy *p, size_t *n)
{
	*n = p->nconnector;
	return (const struct prov_connector *const *)p->connector;
}

const struct prov_schema *prov_policy_schema(const struct prov_policy *p)
{
	return p->schema;
}

static int find_group(const void *key, const void *item)
{
	return prov_val_order(*(const struct prov_val *)key,
		((const struct group_user *)item)->ndn);
}

const struct prov_role *prov_policy_group_user(const struct prov_policy *p,
	struct prov_val group_ndn)
{
	const struct group_user *g = p->ngroup
		? bsearch(&group_ndn, p->group_user, p->ngroup, sizeof(*p->group_user), find_group)
		: NULL;

	return g ? g->role : NULL;
}

static int find_type(const void *a, const void *b)
{
	const struct prov_type *x = *(const struct prov_type *const *)a,
			       *y = *(const struct prov_type *const *)b;

	return (x > y) - (x < y);
}

bool prov_policy_watches(const struct prov_policy *p, const struct prov_type *type)
{
	for (; type; type = type->sup)
		if (p->nwatched &&
			bsearch(&type, p->watched, p->nwatched, sizeof(*p->watched), find_type))
			return true;
	return false;
}
