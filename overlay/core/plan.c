/*
 * plan.c - a plan as JSON, for people and programs that ask what would happen.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"

static json_t *text(struct prov_val v)
{
	json_t *j = json_stringn(v.data ? v.data : "", v.len);

	return j ? j : json_string("(not text)");
}

static json_t *list(size_t n, const struct prov_val *v)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(a, text(v[i]));
	return a;
}

static json_t *diff(struct prov_list gained, struct prov_list lost)
{
	return json_pack("{s:o,s:o}", "gained", list(gained.n, gained.val), "lost",
		list(lost.n, lost.val));
}

static json_t *mods(const struct prov_plan *p)
{
	static const char *const ops[] = { [PROV_MOD_ADD] = "add",
		[PROV_MOD_DELETE] = "delete",
		[PROV_MOD_REPLACE] = "replace" };
	json_t *a = json_array();

	for (size_t i = 0; i < p->nmod; i++) {
		const struct prov_mod *m = &p->mod[i];
		json_t *v = m->type->secret ? json_array() : list(m->n, m->val);
		json_array_append_new(a,
			json_pack("{s:s,s:s,s:o}", "op", ops[m->op], "attr", m->type->name,
				"values", v));
	}
	return a;
}

static json_t *members(const struct prov_plan *p)
{
	json_t *a = json_array();

	for (size_t i = 0; i < p->nmember; i++) {
		json_t *m = json_pack("{s:b,s:o}", "add", p->member[i].add ? 1 : 0, "dn",
			text(p->member[i].dn));
		if (p->member[i].role)
			json_object_set_new(m, "role", text(p->member[i].role->dn));
		json_array_append_new(a, m);
	}
	return a;
}

static json_t *events(unsigned bits)
{
	json_t *a = json_array();

	for (unsigned i = 0; i < 32; i++)
		if (bits & (1u << i))
			json_array_append_new(a,
				json_string(prov_event_name((enum prov_event)(1u << i))));
	return a;
}

/* Most plans have none. */
static void put_withheld(json_t *o, const struct prov_plan *p)
{
	if (p->withheld.n)
		json_object_set_new(o, "withheld",
			json_pack("{s:o,s:o}", "roles", list(p->withheld.n, p->withheld.val),
				"reason", text(p->withheld_why)));
}

int prov_plan_json(const struct prov_plan *p, struct prov_arena *arena, struct prov_val *out)
{
	json_t *o = json_pack("{s:i,s:{s:s,s:s},s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "v", 1, "state",
		"before", prov_state_name(p->before), "after", prov_state_name(p->after), "roles",
		diff(p->roles_gained, p->roles_lost), "groups",
		diff(p->groups_gained, p->groups_lost), "entitlements",
		diff(p->ent_gained, p->ent_lost), "exceptions",
		list(p->exceptions_new.n, p->exceptions_new.val), "mods", mods(p), "members",
		members(p), "events", events(p->events));
	if (o)
		put_withheld(o, p);
	char *s = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	int rc = PROV_ENOMEM;

	if (s) {
		out->len = strlen(s);
		out->data = prov_arena_strndup(arena, s, out->len);
		rc = out->data ? 0 : PROV_ENOMEM;
	}
	free(s);
	json_decref(o);
	return rc;
}
