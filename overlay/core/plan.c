/*
 * plan.c - a plan as JSON, for people and programs that ask what would happen.
 */
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"
#include "json.h"

static json_t *text(struct prov_val v)
{
	json_t *j = json_stringn(v.data ? v.data : "", v.len);

	return j ? j : json_string("(not text)");
}

static json_t *list(struct prov_json *b, size_t n, const struct prov_val *v)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		prov_json_push(b, a, text(v[i]));
	return a;
}

static json_t *diff(struct prov_json *b, struct prov_list gained, struct prov_list lost)
{
	return json_pack("{s:o,s:o}", "gained", list(b, gained.n, gained.val), "lost",
		list(b, lost.n, lost.val));
}

static json_t *mods(struct prov_json *b, const struct prov_plan *p)
{
	static const char *const ops[] = { [PROV_MOD_ADD] = "add",
		[PROV_MOD_DELETE] = "delete",
		[PROV_MOD_REPLACE] = "replace" };
	json_t *a = json_array();

	for (size_t i = 0; i < p->nmod; i++) {
		const struct prov_mod *m = &p->mod[i];
		json_t *v = m->type->secret ? json_array() : list(b, m->n, m->val);
		prov_json_push(b, a,
			json_pack("{s:s,s:s,s:o}", "op", ops[m->op], "attr", m->type->name,
				"values", v));
	}
	return a;
}

static json_t *members(struct prov_json *b, const struct prov_plan *p)
{
	json_t *a = json_array();

	for (size_t i = 0; i < p->nmember; i++) {
		json_t *m = json_pack("{s:b,s:o}", "add", p->member[i].add ? 1 : 0, "dn",
			text(p->member[i].dn));
		if (p->member[i].role)
			prov_json_put(b, m, "role", text(p->member[i].role->dn));
		prov_json_push(b, a, m);
	}
	return a;
}

static json_t *events(struct prov_json *b, unsigned bits)
{
	json_t *a = json_array();

	for (unsigned i = 0; i < 32; i++)
		if (bits & (1u << i))
			prov_json_push(b, a,
				json_string(prov_event_name((enum prov_event)(1u << i))));
	return a;
}

/* Most plans have none. */
static void put_withheld(struct prov_json *b, json_t *o, const struct prov_plan *p)
{
	if (p->withheld.n)
		prov_json_put(b, o, "withheld",
			json_pack("{s:o,s:o}", "roles", list(b, p->withheld.n, p->withheld.val),
				"reason", text(p->withheld_why)));
}

int prov_plan_json(const struct prov_plan *p, struct prov_arena *arena, struct prov_val *out)
{
	struct prov_json building = PROV_JSON_INIT, *b = &building;
	json_t *o = json_pack("{s:i,s:{s:s,s:s},s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "v", 1, "state",
		"before", prov_state_name(p->before), "after", prov_state_name(p->after), "roles",
		diff(b, p->roles_gained, p->roles_lost), "groups",
		diff(b, p->groups_gained, p->groups_lost), "entitlements",
		diff(b, p->ent_gained, p->ent_lost), "exceptions",
		list(b, p->exceptions_new.n, p->exceptions_new.val), "mods", mods(b, p), "members",
		members(b, p), "events", events(b, p->events));
	if (o)
		put_withheld(b, o, p);
	char *s;
	int rc = prov_json_take(b, o, &s, NULL);

	if (rc == 0) {
		out->len = strlen(s);
		out->data = prov_arena_strndup(arena, s, out->len);
		rc = out->data ? 0 : PROV_ENOMEM;
	}
	free(s);
	return rc;
}
