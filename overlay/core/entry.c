/*
 * entry.c - looking things up in entries.
 */
#include "entry.h"

#include <string.h>

bool prov_type_is(const struct prov_type *t, const struct prov_type *asked)
{
	for (; t; t = t->sup)
		if (t == asked)
			return true;
	return false;
}

bool prov_val_equal(struct prov_val a, struct prov_val b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

struct prov_val prov_val_str(const char *s)
{
	return (struct prov_val){ s ? s : "", s ? strlen(s) : 0 };
}

const struct prov_attr *prov_entry_attr(const struct prov_entry *e, const struct prov_type *type)
{
	for (size_t i = 0; e && i < e->n; i++)
		if (e->attr[i].type == type)
			return &e->attr[i];
	return NULL;
}

bool prov_entry_first(const struct prov_entry *e, const struct prov_type *type,
	struct prov_val *out)
{
	const struct prov_attr *exact = prov_entry_attr(e, type);

	if (exact && exact->n) {
		*out = exact->val[0];
		return true;
	}
	for (size_t i = 0; e && i < e->n; i++)
		if (e->attr[i].n && prov_type_is(e->attr[i].type, type)) {
			*out = e->attr[i].val[0];
			return true;
		}
	return false;
}

bool prov_attr_has(const struct prov_attr *a, struct prov_val nval)
{
	for (size_t i = 0; a && i < a->n; i++)
		if (prov_val_equal(a->nval[i], nval))
			return true;
	return false;
}
