/*
 * work.c - the account while templates fill it. The entry of the request is never
 * changed: an attribute is copied when it is touched first.
 */
#include <string.h>

#include "evaluate_impl.h"

int prov_work_init(struct eval *ev)
{
	struct work *w = &ev->work;

	w->entry = *ev->entry;
	w->room = ev->entry->n + 16;
	w->attr = prov_arena_array(ev->arena, w->room, sizeof(*w->attr));
	if (!w->attr)
		return PROV_ENOMEM;
	memcpy(w->attr, ev->entry->attr, ev->entry->n * sizeof(*w->attr));
	w->entry.attr = w->attr;
	return 0;
}

static struct prov_attr *find(struct work *w, const struct prov_type *type)
{
	for (size_t i = 0; i < w->entry.n; i++)
		if (w->attr[i].type == type)
			return &w->attr[i];
	return NULL;
}

static struct prov_attr *make(struct eval *ev, const struct prov_type *type)
{
	struct work *w = &ev->work;
	struct prov_attr *a = find(w, type);

	if (a)
		return a;
	if (w->entry.n == w->room) {
		struct prov_attr *more = prov_arena_array(ev->arena, w->room * 2, sizeof(*more));
		if (!more)
			return NULL;
		memcpy(more, w->attr, w->entry.n * sizeof(*more));
		w->attr = more;
		w->entry.attr = more;
		w->room *= 2;
	}
	a = &w->attr[w->entry.n++];
	*a = (struct prov_attr){ .type = type };
	return a;
}

/* n values, of which the last is v when given; those equal to drop are left out. */
static int rebuild(struct eval *ev, struct prov_attr *a, bool keep_old, const struct prov_val *drop,
	const struct prov_val *v)
{
	struct prov_val *val = prov_arena_array(ev->arena, a->n + 1, sizeof(*val));
	struct prov_val *nval = prov_arena_array(ev->arena, a->n + 1, sizeof(*nval));
	size_t n = 0;

	if (!val || !nval)
		return PROV_ENOMEM;
	for (size_t i = 0; keep_old && i < a->n; i++) {
		if (drop && prov_val_equal(a->nval[i], *drop))
			continue;
		val[n] = a->val[i];
		nval[n++] = a->nval[i];
	}
	if (v) {
		val[n] = *v;
		nval[n++] = prov_ev_normal(ev, a->type, *v);
	}
	a->n = n;
	a->val = val;
	a->nval = nval;
	return 0;
}

int prov_work_set(struct eval *ev, const struct prov_type *type, struct prov_val v)
{
	struct prov_attr *a = make(ev, type);

	return a ? rebuild(ev, a, false, NULL, &v) : PROV_ENOMEM;
}

int prov_work_add(struct eval *ev, const struct prov_type *type, struct prov_val v)
{
	struct prov_attr *a = make(ev, type);

	if (!a)
		return PROV_ENOMEM;
	if (prov_attr_has(a, prov_ev_normal(ev, type, v)))
		return 0;
	return rebuild(ev, a, true, NULL, &v);
}

int prov_work_remove(struct eval *ev, const struct prov_type *type, struct prov_val key)
{
	struct prov_attr *a = find(&ev->work, type);

	return a && prov_attr_has(a, key) ? rebuild(ev, a, true, &key, NULL) : 0;
}
