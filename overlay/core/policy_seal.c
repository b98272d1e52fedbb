/*
 * policy_seal.c - joining the roles: includes, cycles, pools, groups, certain
 * conflicts, and the set of attributes that matter.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "policy_impl.h"

static int role_error(struct prov_error *err, const struct prov_role *r, const char *what,
	struct prov_val v, const char *why)
{
	return prov_error_set(err, PROV_EINVAL, "role \"%.*s\": %s \"%.*s\": %s",
		r->dn.len > 120 ? 120 : (int)r->dn.len, r->dn.data, what,
		v.len > 150 ? 150 : (int)v.len, v.data, why);
}

static int by_ndn(const void *a, const void *b)
{
	return prov_val_order(((const struct role_draft *)a)->role->ndn,
		((const struct role_draft *)b)->role->ndn);
}

static struct role_draft *draft_of(struct prov_policy *p, const struct prov_role *r)
{
	struct role_draft key = { .role = (struct prov_role *)r };

	return bsearch(&key, p->draft, p->nrole, sizeof(*p->draft), by_ndn);
}

static int resolve_includes(struct prov_policy *p, struct role_draft *d, struct prov_error *err)
{
	struct prov_role *r = d->role;

	if (!d->ninclude)
		return 0;
	r->include = prov_arena_array(&p->arena, d->ninclude, sizeof(*r->include));
	if (!r->include)
		return PROV_ENOMEM;
	for (size_t i = 0; i < d->ninclude; i++) {
		const struct prov_role *other = prov_policy_role(p, d->include[i]);
		if (!other)
			return role_error(err, r, "provInclude", d->include_dn[i],
				"there is no such role");
		r->include[r->ninclude++] = other;
	}
	return 0;
}

/* Depth first; path is the roles from the start to here, for the text. */
static int find_cycle(struct prov_policy *p, struct role_draft *d, const struct role_draft **path,
	size_t depth, struct prov_error *err)
{
	if (d->mark == 2)
		return 0;
	path[depth++] = d;
	if (d->mark == 1) {
		char text[400] = "";
		size_t n = 0, from = 0;
		while (path[from] != d)
			from++;
		for (size_t i = from; i < depth && n < sizeof(text) - 1; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s",
				i > from ? " > " : "", path[i]->role->cn);
		return prov_error_set(err, PROV_EINVAL,
			"role \"%.*s\": provInclude makes a cycle: %s",
			d->role->dn.len > 100 ? 100 : (int)d->role->dn.len, d->role->dn.data, text);
	}
	d->mark = 1;
	for (size_t i = 0; i < d->role->ninclude; i++) {
		int rc = find_cycle(p, draft_of(p, d->role->include[i]), path, depth, err);
		if (rc)
			return rc;
	}
	d->mark = 2;
	return 0;
}

static int role_order(const void *a, const void *b)
{
	return prov_val_order((*(const struct prov_role *const *)a)->ndn,
		(*(const struct prov_role *const *)b)->ndn);
}

struct closure {
	const struct prov_role **role;
	size_t n, room;
};

static bool has(const struct closure *c, const struct prov_role *r)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->role[i] == r)
			return true;
	return false;
}

static int collect(struct closure *c, const struct prov_role *r)
{
	if (r->status != PROV_STATUS_ACTIVE || has(c, r))
		return 0;
	if (prov_grow(&c->role, c->n, &c->room, sizeof(*c->role)))
		return PROV_ENOMEM;
	c->role[c->n++] = r;
	for (size_t i = 0; i < r->ninclude; i++)
		if (collect(c, r->include[i]))
			return PROV_ENOMEM;
	return 0;
}

static int close_role(struct prov_policy *p, struct prov_role *r)
{
	struct closure c = { NULL, 0, 0 };
	int rc = collect(&c, r);

	if (rc == 0 && c.n) {
		qsort(c.role, c.n, sizeof(*c.role), role_order);
		r->closure = prov_arena_array(&p->arena, c.n, sizeof(*r->closure));
		if (r->closure)
			memcpy(r->closure, c.role, c.n * sizeof(*c.role));
		else
			rc = PROV_ENOMEM;
		r->nclosure = c.n;
	}
	free(c.role);
	return rc;
}

struct pools {
	const struct prov_policy *p;
	const struct prov_role *role;
	struct prov_error *err;
	int rc;
};

static void check_pool(void *ctx, struct prov_val pool)
{
	struct pools *c = ctx;
	const struct prov_schema *s = c->p->schema;
	const struct prov_type *cn = s->type(s->ctx, "cn", 2);
	struct prov_arena arena = PROV_ARENA_INIT;
	struct prov_val n;
	bool found = false;

	int rc = cn ? s->normalize(s->ctx, cn, PROV_NORM_EQUALITY, pool, &arena, &n) : PROV_EINVAL;
	for (size_t i = 0; rc == 0 && i < c->p->npool && !found; i++)
		found = prov_val_equal(c->p->pool[i], n);
	if (c->rc == 0 && rc == PROV_ENOMEM)
		c->rc = rc;
	if (c->rc == 0 && !found)
		c->rc = role_error(c->err, c->role, "provTemplate: pool", pool,
			"there is no such pool");
	prov_arena_dispose(&arena);
}

static int check_groups(struct prov_policy *p, const struct prov_role *r, struct prov_error *err)
{
	for (size_t i = 0; i < r->ngroup && p->env.group; i++) {
		int rc = p->env.group(p->env.ctx, r->group_ndn[i]);
		if (rc == PROV_ENOENT)
			return role_error(err, r, "provGroup", r->group_dn[i],
				"there is no such entry");
		if (rc == PROV_EINVAL)
			return role_error(err, r, "provGroup", r->group_dn[i], "is not a group");
		if (rc)
			return prov_error_set(err, rc, "cannot read group \"%.*s\"",
				(int)r->group_dn[i].len, r->group_dn[i].data);
	}
	return 0;
}

/* Two literal values of a single-valued attribute in roles that are always held together. */
static int check_enforce(const struct prov_role *r, struct prov_error *err)
{
	for (size_t a = 0; a < r->nclosure; a++)
		for (size_t i = 0; i < r->closure[a]->ntemplate; i++) {
			const struct prov_template *t = r->closure[a]->template[i];
			struct prov_val v, w;
			if (prov_template_mode(t) != PROV_MODE_ENFORCE ||
				!prov_template_type(t)->single || !prov_template_literal(t, &v))
				continue;
			for (size_t b = 0; b < r->nclosure; b++)
				for (size_t j = 0; j < r->closure[b]->ntemplate; j++) {
					const struct prov_template *u = r->closure[b]->template[j];
					if (prov_template_mode(u) == PROV_MODE_ENFORCE &&
						prov_template_type(u) == prov_template_type(t) &&
						prov_template_literal(u, &w) &&
						!prov_val_equal(v, w))
						return role_error(err, r, "provTemplate",
							prov_template_line(t),
							"another line that holds whenever this one does enforces another value");
				}
		}
	return 0;
}

struct watch {
	struct prov_policy *p;
	bool oom;
};

static void watch(void *ctx, const struct prov_type *type)
{
	struct watch *w = ctx;

	if (!type || w->oom)
		return;
	if (prov_grow(&w->p->watched, w->p->nwatched, &w->p->watched_room, sizeof(*w->p->watched)))
		w->oom = true;
	else
		w->p->watched[w->p->nwatched++] = type;
}

static int by_address(const void *a, const void *b)
{
	const struct prov_type *x = *(const struct prov_type *const *)a,
			       *y = *(const struct prov_type *const *)b;

	return (x > y) - (x < y);
}

static int collect_watched(struct prov_policy *p)
{
	static const char *const always[] = { "objectClass", "provState", "provAssignedRole",
		"provTimedRole", "provException", "provStartTime", "provEndTime", NULL };
	struct watch w = { p, false };
	size_t n = 0;

	for (int i = 0; always[i]; i++)
		watch(&w, p->schema->type(p->schema->ctx, always[i], strlen(always[i])));
	for (size_t i = 0; i < p->nrole; i++) {
		const struct prov_role *r = p->role[i];
		if (r->status != PROV_STATUS_ACTIVE)
			continue;
		for (size_t j = 0; j < r->nfilter; j++)
			prov_filter_types(r->filter[j], watch, &w);
		for (size_t j = 0; j < r->ntemplate; j++) {
			prov_template_types(r->template[j], watch, &w);
			watch(&w, prov_template_type(r->template[j]));
		}
	}
	if (w.oom)
		return PROV_ENOMEM;
	qsort(p->watched, p->nwatched, sizeof(*p->watched), by_address);
	for (size_t i = 0; i < p->nwatched; i++)
		if (!n || p->watched[n - 1] != p->watched[i])
			p->watched[n++] = p->watched[i];
	p->nwatched = n;
	return 0;
}

static int by_group(const void *a, const void *b)
{
	return prov_val_order(((const struct group_user *)a)->ndn,
		((const struct group_user *)b)->ndn);
}

static int collect_groups(struct prov_policy *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->nrole; i++)
		for (size_t j = 0;
			p->role[i]->status != PROV_STATUS_RETIRED && j < p->role[i]->ngroup; j++) {
			if (prov_grow(&p->group_user, p->ngroup, &p->group_room,
				    sizeof(*p->group_user)))
				return PROV_ENOMEM;
			p->group_user[p->ngroup++] =
				(struct group_user){ p->role[i]->group_ndn[j], p->role[i] };
		}
	if (p->ngroup)
		qsort(p->group_user, p->ngroup, sizeof(*p->group_user), by_group);
	for (size_t i = 0; i < p->ngroup; i++)
		if (!n || prov_val_order(p->group_user[n - 1].ndn, p->group_user[i].ndn))
			p->group_user[n++] = p->group_user[i];
	p->ngroup = n;
	return 0;
}

static int check_role(struct prov_policy *p, struct prov_role *r, struct prov_error *err)
{
	struct pools pools = { p, r, err, 0 };
	int rc = check_groups(p, r, err);

	for (size_t j = 0; rc == 0 && j < r->ntemplate; j++)
		prov_template_pools(r->template[j], check_pool, &pools);
	if (rc == 0)
		rc = pools.rc;
	if (rc == 0)
		rc = close_role(p, r);
	return rc ? rc : check_enforce(r, err);
}

int prov_policy_seal(struct prov_policy *p, struct prov_error *err)
{
	const struct role_draft **path = calloc(p->nrole + 2, sizeof(*path));
	int rc = path ? 0 : PROV_ENOMEM;

	if (rc == 0 && p->nrole) {
		qsort(p->role, p->nrole, sizeof(*p->role), role_order);
		qsort(p->draft, p->nrole, sizeof(*p->draft), by_ndn);
	}
	for (size_t i = 0; rc == 0 && i < p->nrole; i++)
		rc = resolve_includes(p, &p->draft[i], err);
	for (size_t i = 0; rc == 0 && i < p->nrole; i++)
		rc = find_cycle(p, &p->draft[i], path, 0, err);
	for (size_t i = 0; rc == 0 && i < p->nrole; i++)
		rc = check_role(p, p->role[i], err);
	if (rc == 0)
		rc = prov_policy_seal_sod(p, err);
	if (rc == 0)
		rc = collect_watched(p);
	if (rc == 0)
		rc = collect_groups(p);
	if (rc == 0)
		rc = prov_policy_seal_index(p);
	if (rc == PROV_ENOMEM)
		prov_error_set(err, rc, "out of memory");
	free(path);
	return rc;
}
