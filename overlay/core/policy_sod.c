/*
 * policy_sod.c - segregation of duties in a policy: provSodSets and conflicts become rules
 * that their roles know, and roles that nobody could hold are refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "policy_impl.h"

static int shown(struct prov_val v)
{
	return v.len > 120 ? 120 : (int)v.len;
}

static int resolve_error(struct prov_error *err, const struct prov_sod *s, struct prov_val v,
	const char *why)
{
	return prov_error_set(err, PROV_EINVAL, "%s \"%.*s\": %s \"%.*s\": %s",
		s->set ? "set" : "role", shown(s->dn), s->dn.data,
		s->set ? "provSodRole" : "provConflict", shown(v), v.data, why);
}

static int role_order(const void *a, const void *b)
{
	return prov_val_order((*(const struct prov_role *const *)a)->ndn,
		(*(const struct prov_role *const *)b)->ndn);
}

static int resolve(struct prov_policy *p, struct prov_sod *s, const struct prov_val *dn,
	const struct prov_val *ndn, struct prov_error *err)
{
	s->role = prov_arena_array(&p->arena, s->nrole, sizeof(*s->role));
	if (!s->role)
		return PROV_ENOMEM;
	for (size_t i = 0; i < s->nrole; i++) {
		s->role[i] = prov_policy_role(p, ndn[i]);
		if (!s->role[i])
			return resolve_error(err, s, dn[i], "there is no such role");
	}
	qsort(s->role, s->nrole, sizeof(*s->role), role_order);
	return 0;
}

/* A conflict is a set of two. Who says so makes no difference. */
static int add_conflict(struct prov_policy *p, const struct role_draft *d, size_t i,
	struct prov_error *err)
{
	const struct prov_role *r = d->role;
	const struct prov_val dn[2] = { r->dn, d->conflict_dn[i] },
			      ndn[2] = { r->ndn, d->conflict[i] };
	struct prov_sod *s = prov_arena_alloc(&p->arena, sizeof(*s));

	if (!s || prov_grow(&p->sod, p->nsod, &p->sod_room, sizeof(*p->sod)))
		return PROV_ENOMEM;
	*s = (struct prov_sod){ .dn = r->dn, .limit = 1, .nrole = 2 };
	if (prov_val_equal(ndn[0], ndn[1]))
		return resolve_error(err, s, dn[1], "a role cannot be in conflict with itself");
	p->sod[p->nsod++] = (struct sod_draft){ .sod = s };
	return resolve(p, s, dn, ndn, err);
}

/* Each role learns its rules: counted first, since the arena only grows. */
static int tell_roles(struct prov_policy *p)
{
	for (size_t i = 0; i < p->nsod; i++)
		for (size_t j = 0; j < p->sod[i].sod->nrole; j++)
			((struct prov_role *)p->sod[i].sod->role[j])->nsod++;
	for (size_t i = 0; i < p->nrole; i++) {
		struct prov_role *r = p->role[i];
		if (!r->nsod)
			continue;
		r->sod = prov_arena_array(&p->arena, r->nsod, sizeof(*r->sod));
		if (!r->sod)
			return PROV_ENOMEM;
		r->nsod = 0;
	}
	for (size_t i = 0; i < p->nsod; i++)
		for (size_t j = 0; j < p->sod[i].sod->nrole; j++) {
			struct prov_role *r = (struct prov_role *)p->sod[i].sod->role[j];
			r->sod[r->nsod++] = p->sod[i].sod;
		}
	return 0;
}

static bool names(const struct prov_sod *s, const struct prov_role *r)
{
	return bsearch(&r, s->role, s->nrole, sizeof(r), role_order) != NULL;
}

static int nobody_could(const struct prov_role *r, const struct prov_sod *s, size_t n,
	struct prov_error *err)
{
	char list[160] = "";
	size_t used = 0;

	for (size_t i = 0; i < r->nclosure && used < sizeof(list); i++)
		if (names(s, r->closure[i]))
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
				used ? ", " : "", r->closure[i]->cn);
	if (s->set)
		return prov_error_set(err, PROV_EINVAL,
			"role \"%.*s\": with what it includes it is %zu roles of set \"%.*s\", "
			"which allows %zu: %s; nobody could hold it",
			shown(r->dn), r->dn.data, n, shown(s->dn), s->dn.data, s->limit, list);
	return prov_error_set(err, PROV_EINVAL,
		"role \"%.*s\": with what it includes it is both of %s, which are in conflict "
		"(provConflict of \"%.*s\"); nobody could hold it",
		shown(r->dn), r->dn.data, list, shown(s->dn), s->dn.data);
}

/* Does the role break a rule all by itself? */
static int check_closure(const struct prov_role *r, struct prov_error *err)
{
	for (size_t i = 0; i < r->nclosure; i++)
		for (size_t j = 0; j < r->closure[i]->nsod; j++) {
			const struct prov_sod *s = r->closure[i]->sod[j];
			size_t n = 0;
			for (size_t k = 0; k < r->nclosure; k++)
				n += names(s, r->closure[k]);
			if (n > s->limit)
				return nobody_could(r, s, n, err);
		}
	return 0;
}

int prov_policy_seal_sod(struct prov_policy *p, struct prov_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->nsod; i++)
		rc = resolve(p, p->sod[i].sod, p->sod[i].role_dn, p->sod[i].role, err);
	for (size_t i = 0; rc == 0 && i < p->nrole; i++)
		for (size_t j = 0; rc == 0 && j < p->draft[i].nconflict; j++)
			rc = add_conflict(p, &p->draft[i], j, err);
	if (rc == 0)
		rc = tell_roles(p);
	for (size_t i = 0; rc == 0 && i < p->nrole; i++)
		rc = check_closure(p->role[i], err);
	return rc;
}
