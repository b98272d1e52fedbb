/*
 * policy_index.c - from the values of an entry to the roles whose filters it may match.
 *
 * Ten thousand filters of the form (departmentNumber=4711) are one look into a sorted table, and
 * not ten thousand comparisons. Of a conjunction the equality is taken that the fewest filters have.
 */
#include <stdint.h>
#include <stdlib.h>

#include "grow.h"
#include "policy_impl.h"

static int type_order(const struct prov_type *a, const struct prov_type *b)
{
	return ((uintptr_t)a > (uintptr_t)b) - ((uintptr_t)a < (uintptr_t)b);
}

static int need_order(const struct prov_need *a, const struct prov_need *b)
{
	int d = type_order(a->type, b->type);

	return d ? d : prov_val_order(a->value, b->value);
}

/*
 * Where a need is among n sorted rows that begin with one, or would be; above: behind its last.
 */
static size_t place(const void *rows, size_t n, size_t size, const struct prov_need *need,
	bool above)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int d = need_order((const void *)((const char *)rows + mid * size), need);
		if (d < 0 || (above && d == 0))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Rows of either kind begin with it. */
static int by_need(const void *a, const void *b)
{
	return need_order(a, b);
}

/* All equalities of all filters, as often as they occur. */
struct counts {
	struct prov_need *need;
	size_t n, room;
	int rc;
};

static void note_equality(void *ctx, const struct prov_need *need)
{
	struct counts *c = ctx;

	if (c->rc || prov_grow(&c->need, c->n, &c->room, sizeof(*c->need)))
		c->rc = PROV_ENOMEM;
	else
		c->need[c->n++] = *need;
}

static size_t how_many(void *ctx, const struct prov_need *need)
{
	const struct counts *c = ctx;

	return place(c->need, c->n, sizeof(*c->need), need, true) -
		place(c->need, c->n, sizeof(*c->need), need, false);
}

static int add_any(struct prov_policy *p, const struct prov_role *r)
{
	if (prov_grow(&p->any, p->nany, &p->any_room, sizeof(*p->any)))
		return PROV_ENOMEM;
	p->any[p->nany++] = r;
	return 0;
}

static int add_role(struct prov_policy *p, const struct prov_role *r, struct counts *c)
{
	for (size_t i = 0; i < r->nfilter; i++) {
		struct prov_need need[PROV_NEEDS];
		size_t n = prov_filter_needs(r->filter[i], how_many, c, need);
		if (!n)
			return add_any(p, r);
		for (size_t k = 0; k < n; k++) {
			if (prov_grow(&p->key, p->nkey, &p->key_room, sizeof(*p->key)))
				return PROV_ENOMEM;
			p->key[p->nkey++] = (struct role_key){ need[k], r };
		}
	}
	return 0;
}

int prov_policy_seal_index(struct prov_policy *p)
{
	struct counts c = { 0 };
	int rc;

	for (size_t i = 0; i < p->nrole; i++)
		for (size_t k = 0;
			p->role[i]->status == PROV_STATUS_ACTIVE && k < p->role[i]->nfilter; k++)
			prov_filter_equalities(p->role[i]->filter[k], note_equality, &c);
	rc = c.rc;
	if (c.n)
		qsort(c.need, c.n, sizeof(*c.need), by_need);
	for (size_t i = 0; rc == 0 && i < p->nrole; i++)
		if (p->role[i]->status == PROV_STATUS_ACTIVE)
			rc = add_role(p, p->role[i], &c);
	if (p->nkey)
		qsort(p->key, p->nkey, sizeof(*p->key), by_need);
	free(c.need);
	return rc;
}

static size_t first_key(const struct prov_policy *p, const struct prov_need *need)
{
	return place(p->key, p->nkey, sizeof(*p->key), need, false);
}

static void of_values(const struct prov_policy *p, const struct prov_attr *a,
	const struct prov_type *type, void (*use)(void *ctx, const struct prov_role *role),
	void *ctx)
{
	struct prov_need need = { type, { "", 0 } };
	size_t at = first_key(p, &need);

	if (at == p->nkey || p->key[at].need.type != type)
		return; /* no filter asks for this attribute */
	for (size_t i = 0; i < a->n; i++) {
		need.value = a->nval[i];
		for (at = first_key(p, &need); at < p->nkey && !need_order(&p->key[at].need, &need);
			at++)
			use(ctx, p->key[at].role);
	}
}

void prov_policy_candidates(const struct prov_policy *p, const struct prov_entry *e,
	void (*use)(void *ctx, const struct prov_role *role), void *ctx)
{
	for (size_t i = 0; i < p->nany; i++)
		use(ctx, p->any[i]);
	for (size_t i = 0; i < e->n; i++)
		for (const struct prov_type *t = e->attr[i].type; t; t = t->sup)
			of_values(p, &e->attr[i], t, use, ctx);
}
