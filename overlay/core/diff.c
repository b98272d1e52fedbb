/*
 * diff.c - what there is against what shall be: changes of the account, of groups,
 * and the lists that people and connected systems read.
 */
#include <string.h>

#include "evaluate_impl.h"
#include "timefmt.h"

static int add_mod(struct eval *ev, enum prov_mod_op op, const struct prov_type *type,
	const struct vals *v)
{
	if (prov_ev_push(ev->arena, &ev->mod, ev->nmod, &ev->mod_room, sizeof(*ev->mod)))
		return PROV_ENOMEM;
	ev->mod[ev->nmod++] = (struct prov_mod){ op, type, v ? v->n : 0, v ? v->v : NULL };
	return 0;
}

static int mod_vals(struct eval *ev, enum prov_mod_op op, const struct prov_type *type,
	const struct vals *v)
{
	return v->n ? add_mod(ev, op, type, v) : 0;
}

static int mod_one(struct eval *ev, enum prov_mod_op op, const struct prov_type *type,
	struct prov_val v)
{
	struct vals list = { 0 };
	int rc = prov_ev_val(ev, &list, v);

	return rc ? rc : add_mod(ev, op, type, &list);
}

static struct prov_list frozen(const struct vals *v)
{
	return (struct prov_list){ v->n, v->v };
}

static int add_member(struct eval *ev, bool add, struct prov_val dn, struct prov_val ndn,
	const struct prov_role *role)
{
	for (size_t i = 0; i < ev->nmember; i++)
		if (ev->member[i].add == add && prov_val_equal(ev->member[i].ndn, ndn))
			return 0;
	if (prov_ev_push(ev->arena, &ev->member, ev->nmember, &ev->member_room,
		    sizeof(*ev->member)))
		return PROV_ENOMEM;
	ev->member[ev->nmember++] = (struct prov_member){ add, dn, ndn, role };
	return 0;
}

static bool in_entry(const struct prov_entry *e, const struct thing *t)
{
	return t->type && prov_attr_has(prov_entry_attr(e, t->type), t->key);
}

/* An old grant of the same thing, by whichever role. */
static const struct thing *given_before(const struct eval *ev, const struct thing *t)
{
	for (size_t i = 0; i < ev->old.n; i++)
		if (prov_ev_same_thing(&ev->old.t[i], t))
			return &ev->old.t[i];
	return NULL;
}

static struct thing *same_grant(struct eval *ev, const struct thing *t)
{
	for (size_t i = 0; i < ev->old.n; i++) {
		struct thing *o = &ev->old.t[i];
		if (!o->kept && o->g.kind == t->g.kind && prov_val_equal(o->g.role, t->g.role) &&
			prov_val_equal(o->g.tag, t->g.tag) && prov_ev_same_thing(o, t))
			return o;
	}
	return NULL;
}

static bool removed_by_hand(const struct eval *ev, const struct thing *t)
{
	const struct prov_request *r = ev->req;

	for (size_t i = 0; t->g.kind == PROV_KIND_GROUP && i < r->nremoved; i++)
		if (prov_val_equal(r->removed[i], t->key))
			return true;
	if (t->g.kind != PROV_KIND_ADD || !r->before || !r->after || !given_before(ev, t))
		return false;
	return in_entry(r->before, t) && !in_entry(r->after, t);
}

/* Things that somebody took by hand are not given back: they become exceptions. */
static int hold_exceptions(struct eval *ev, const char *now)
{
	size_t n = 0;

	for (size_t i = 0; i < ev->want.n; i++) {
		struct thing t = ev->want.t[i];
		if (prov_ev_excepted(ev, &t)) /* another role's grant of what was just taken */
			continue;
		if (!removed_by_hand(ev, &t)) {
			ev->want.t[n++] = t;
			continue;
		}
		struct prov_grant x = t.g;
		struct prov_val text;
		x.had = false;
		x.since = prov_val_str(now);
		x.change = ev->req->change_id;
		x.role = ev->req->actor;
		if (prov_grant_print(&x, true, ev->arena, &text) ||
			prov_ev_val(ev, &ev->new_exceptions, text) ||
			prov_ev_push(ev->arena, &ev->except.t, ev->except.n, &ev->except.room,
				sizeof(t)))
			return PROV_ENOMEM;
		ev->except.t[ev->except.n++] = t;
	}
	ev->want.n = n;
	return 0;
}

/* Give each wanted thing its grant: the one it has, or a new one. */
static int settle_grants(struct eval *ev, const char *now, struct vals *fresh)
{
	for (size_t i = 0; i < ev->want.n; i++) {
		struct thing *t = &ev->want.t[i];
		struct thing *o = same_grant(ev, t);
		const struct thing *before = given_before(ev, t);
		if (o) {
			o->kept = true;
			t->g = o->g;
			t->text = o->text;
			continue;
		}
		t->g.since = prov_val_str(now);
		t->g.change = ev->req->change_id;
		t->g.had = before ? before->g.had
				  : t->g.kind >= PROV_KIND_DEFAULT && in_entry(ev->req->after, t);
		if (prov_grant_print(&t->g, false, ev->arena, &t->text) ||
			prov_ev_val(ev, fresh, t->text))
			return PROV_ENOMEM;
	}
	return 0;
}

static bool wanted(const struct eval *ev, const struct thing *t)
{
	for (size_t i = 0; i < ev->want.n; i++)
		if (prov_ev_same_thing(&ev->want.t[i], t))
			return true;
	return false;
}

static int diff_grants(struct eval *ev, const char *now)
{
	struct vals fresh = { 0 }, gone = { 0 };
	int rc = settle_grants(ev, now, &fresh);

	for (size_t i = 0; rc == 0 && i < ev->old.n; i++)
		if (!ev->old.t[i].kept)
			rc = prov_ev_val(ev, &gone, ev->old.t[i].text);
	if (rc == 0)
		rc = mod_vals(ev, PROV_MOD_DELETE, ev->type.grant, &gone);
	if (rc == 0)
		rc = mod_vals(ev, PROV_MOD_ADD, ev->type.grant, &fresh);
	return rc;
}

/* Values: lost ones go when the overlay put them there, wanted ones come. */
static int diff_values(struct eval *ev)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ev->old.n; i++) {
		struct thing *o = &ev->old.t[i];
		if ((o->g.kind == PROV_KIND_ADD || o->g.kind == PROV_KIND_ENFORCE) && !o->kept &&
			!o->g.had && !wanted(ev, o) && in_entry(ev->req->after, o))
			rc = mod_one(ev, PROV_MOD_DELETE, o->type, o->value);
	}
	for (size_t i = 0; rc == 0 && i < ev->want.n; i++) {
		struct thing *t = &ev->want.t[i];
		bool earlier = false; /* two roles give the same value */
		for (size_t j = 0; j < i && !earlier; j++)
			earlier = prov_ev_same_thing(&ev->want.t[j], t);
		if (!t->type || t->g.kind == PROV_KIND_ENFORCE || earlier ||
			in_entry(ev->req->after, t))
			continue;
		if (t->g.kind == PROV_KIND_DEFAULT && given_before(ev, t))
			continue; /* the account has changed or dropped it since: it may */
		rc = mod_one(ev, PROV_MOD_ADD, t->type, t->value);
	}
	return rc;
}

static int refuse_enforced(struct eval *ev, const struct thing *t, const char *why)
{
	return prov_error_set(ev->err, PROV_EREFUSED,
		"%s is enforced to \"%.*s\" by role \"%.*s\" (template %.*s): %s", t->type->name,
		t->value.len > 100 ? 100 : (int)t->value.len, t->value.data,
		t->by->dn.len > 120 ? 120 : (int)t->by->dn.len, t->by->dn.data, (int)t->g.tag.len,
		t->g.tag.data, why);
}

static bool enforced(const struct eval *ev, const struct prov_type *type, struct prov_val key)
{
	for (size_t i = 0; i < ev->want.n; i++)
		if (ev->want.t[i].g.kind == PROV_KIND_ENFORCE && ev->want.t[i].type == type &&
			prov_val_equal(ev->want.t[i].key, key))
			return true;
	return false;
}

/* Did the client write this attribute, with another value than the enforced one? */
static bool client_differs(const struct eval *ev, const struct prov_attr *b,
	const struct prov_attr *a)
{
	size_t nb = b ? b->n : 0, na = a ? a->n : 0;

	for (size_t i = 0; i < na; i++)
		if (!prov_attr_has(b, a->nval[i]) && !enforced(ev, a->type, a->nval[i]))
			return true; /* put another value there */
	for (size_t i = 0; i < nb; i++)
		if (enforced(ev, b->type, b->nval[i]) && !prov_attr_has(a, b->nval[i]))
			return true; /* took the enforced one */
	return false;
}

static int enforce_one(struct eval *ev, const struct thing *t)
{
	const struct prov_attr *b = prov_entry_attr(ev->req->before, t->type);
	const struct prov_attr *a = prov_entry_attr(ev->req->after, t->type);
	struct vals gone = { 0 }, come = { 0 };
	int rc = 0;

	if (client_differs(ev, b, a))
		return refuse_enforced(ev, t,
			"it cannot have another value while the role is held");
	for (size_t i = 0; rc == 0 && a && i < a->n; i++)
		if (!enforced(ev, t->type, a->nval[i])) {
			bool going = false; /* by diff_values already */
			for (size_t m = 0; m < ev->nmod && !going; m++)
				going = ev->mod[m].op == PROV_MOD_DELETE &&
					ev->mod[m].type == t->type && ev->mod[m].n == 1 &&
					prov_val_equal(prov_ev_normal(ev, t->type,
							       ev->mod[m].val[0]),
						a->nval[i]);
			if (!going)
				rc = prov_ev_val(ev, &gone, a->val[i]);
		}
	for (size_t i = 0; rc == 0 && i < ev->want.n; i++) {
		struct thing *w = &ev->want.t[i];
		bool listed = false;
		if (w->g.kind != PROV_KIND_ENFORCE || w->type != t->type ||
			prov_attr_has(a, w->key))
			continue;
		for (size_t j = 0; j < i && !listed; j++)
			listed = ev->want.t[j].g.kind == PROV_KIND_ENFORCE &&
				prov_ev_same_thing(&ev->want.t[j], w);
		if (!listed)
			rc = prov_ev_val(ev, &come, w->value);
	}
	if (rc == 0)
		rc = mod_vals(ev, PROV_MOD_DELETE, t->type, &gone);
	if (rc == 0)
		rc = mod_vals(ev, PROV_MOD_ADD, t->type, &come);
	return rc;
}

static int diff_enforced(struct eval *ev)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ev->want.n; i++) {
		struct thing *t = &ev->want.t[i];
		bool seen = false;
		if (t->g.kind != PROV_KIND_ENFORCE)
			continue;
		for (size_t j = 0; j < i; j++) {
			struct thing *s = &ev->want.t[j];
			if (s->g.kind != PROV_KIND_ENFORCE || s->type != t->type)
				continue;
			seen = true;
			if (t->type->single && !prov_val_equal(s->key, t->key))
				return prov_error_set(ev->err, PROV_EREFUSED,
					"role \"%.*s\" enforces %s to \"%.*s\", role \"%.*s\" to \"%.*s\": it can have one value only",
					(int)s->by->dn.len, s->by->dn.data, t->type->name,
					(int)s->value.len, s->value.data, (int)t->by->dn.len,
					t->by->dn.data, (int)t->value.len, t->value.data);
		}
		if (!seen)
			rc = enforce_one(ev, t);
	}
	return rc;
}

static int diff_members(struct eval *ev)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ev->want.n; i++) {
		struct thing *t = &ev->want.t[i];
		if (t->g.kind == PROV_KIND_GROUP && !given_before(ev, t))
			rc = add_member(ev, true, t->value, t->key, t->by);
	}
	for (size_t i = 0; rc == 0 && i < ev->old.n; i++) {
		struct thing *o = &ev->old.t[i];
		bool by_hand = false;
		for (size_t k = 0; k < ev->req->nremoved; k++)
			by_hand |= prov_val_equal(ev->req->removed[k], o->key);
		if (o->g.kind == PROV_KIND_GROUP && !o->g.had && !by_hand && !wanted(ev, o))
			rc = add_member(ev, false, o->value, o->key, NULL);
	}
	if (rc == 0 && ev->plan->leaver) {
		struct prov_val *dn, *ndn;
		size_t n;
		rc = ev->services->memberships(ev->services->ctx, ev->arena, &dn, &ndn, &n,
			ev->err);
		for (size_t i = 0; rc == 0 && i < n; i++)
			rc = add_member(ev, false, dn[i], ndn[i], NULL);
	}
	return rc;
}

static int list_members(struct eval *ev)
{
	struct vals gained = { 0 }, lost = { 0 };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ev->nmember; i++)
		rc = prov_ev_val(ev, ev->member[i].add ? &gained : &lost, ev->member[i].dn);
	for (size_t i = 0; rc == 0 && i < ev->req->nremoved; i++)
		for (size_t j = 0; rc == 0 && j < ev->old.n; j++)
			if (ev->old.t[j].g.kind == PROV_KIND_GROUP &&
				prov_val_equal(ev->old.t[j].key, ev->req->removed[i]))
				rc = prov_ev_val(ev, &lost, ev->old.t[j].value);
	ev->plan->groups_gained = frozen(&gained);
	ev->plan->groups_lost = frozen(&lost);
	return rc;
}

static int list_entitlements(struct eval *ev)
{
	struct vals gained = { 0 }, lost = { 0 };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ev->want.n; i++) {
		struct thing *t = &ev->want.t[i];
		bool again = false;
		for (size_t j = 0; j < i; j++)
			again |= prov_ev_same_thing(&ev->want.t[j], t);
		if (t->g.kind == PROV_KIND_ENTITLEMENT && !again && !given_before(ev, t))
			rc = prov_ev_val(ev, &gained, t->value);
	}
	for (size_t i = 0; rc == 0 && i < ev->old.n; i++) {
		struct thing *o = &ev->old.t[i];
		bool again = false;
		for (size_t j = 0; j < i; j++)
			again |= prov_ev_same_thing(&ev->old.t[j], o);
		if (o->g.kind == PROV_KIND_ENTITLEMENT && !again && !wanted(ev, o))
			rc = prov_ev_val(ev, &lost, o->value);
	}
	ev->plan->ent_gained = frozen(&gained);
	ev->plan->ent_lost = frozen(&lost);
	return rc;
}

static int diff_roles(struct eval *ev)
{
	const struct prov_attr *a = prov_entry_attr(ev->entry, ev->type.effective);
	struct vals gained = { 0 }, lost = { 0 };
	int rc = 0;

	for (size_t i = 0; rc == 0 && ev->grants_access && i < ev->held.n; i++)
		if (!prov_attr_has(a, ev->held.r[i]->ndn))
			rc = prov_ev_val(ev, &gained, ev->held.r[i]->dn);
	for (size_t i = 0; rc == 0 && a && i < a->n; i++) {
		bool still = false;
		for (size_t j = 0; ev->grants_access && j < ev->held.n && !still; j++)
			still = prov_val_equal(ev->held.r[j]->ndn, a->nval[i]);
		if (!still)
			rc = prov_ev_val(ev, &lost, a->val[i]);
	}
	if (rc == 0)
		rc = mod_vals(ev, PROV_MOD_DELETE, ev->type.effective, &lost);
	if (rc == 0)
		rc = mod_vals(ev, PROV_MOD_ADD, ev->type.effective, &gained);
	ev->plan->roles_gained = frozen(&gained);
	ev->plan->roles_lost = frozen(&lost);
	return rc;
}

/* Explicit access ends with the account. */
static int drop_assigned(struct eval *ev)
{
	int rc = 0;

	if (!ev->plan->leaver || !ev->req->after)
		return 0;
	if (prov_entry_attr(ev->req->after, ev->type.assigned))
		rc = add_mod(ev, PROV_MOD_DELETE, ev->type.assigned, NULL);
	if (rc == 0 && prov_entry_attr(ev->req->after, ev->type.timed))
		rc = add_mod(ev, PROV_MOD_DELETE, ev->type.timed, NULL);
	return rc;
}

static int mark_due(struct eval *ev)
{
	const struct prov_attr *had = prov_entry_attr(ev->req->after, ev->type.due);
	struct prov_val due;
	int rc = prov_ev_due(ev, &due);

	if (rc || (!due.len && !had))
		return rc;
	if (!due.len)
		return add_mod(ev, PROV_MOD_DELETE, ev->type.due, NULL);
	return had && prov_val_equal(had->val[0], due)
		? 0
		: mod_one(ev, PROV_MOD_REPLACE, ev->type.due, due);
}

static int mark_account(struct eval *ev, const char *now)
{
	const struct prov_attr *oc = prov_entry_attr(ev->req->after, ev->type.object_class);
	int rc = 0;

	if (!ev->req->after)
		return 0;
	if (!prov_attr_has(oc,
		    prov_ev_normal(ev, ev->type.object_class, prov_val_str("provAccount"))))
		rc = mod_one(ev, PROV_MOD_ADD, ev->type.object_class, prov_val_str("provAccount"));
	if (rc == 0 && ev->state_set.len)
		rc = mod_one(ev, PROV_MOD_REPLACE, ev->type.state, ev->state_set);
	if (rc == 0 && ev->plan->before != ev->plan->after)
		rc = mod_one(ev, PROV_MOD_REPLACE, ev->type.state_since, prov_val_str(now));
	return rc ? rc : mark_due(ev);
}

static int keep_grants(struct eval *ev)
{
	struct prov_grant *g = prov_arena_array(ev->arena, ev->want.n + 1, sizeof(*g));

	if (!g)
		return PROV_ENOMEM;
	for (size_t i = 0; i < ev->want.n; i++)
		g[i] = ev->want.t[i].g;
	ev->plan->grant = g;
	ev->plan->ngrant = ev->want.n;
	return 0;
}

int prov_ev_diff(struct eval *ev)
{
	char *now = prov_arena_alloc(ev->arena, PROV_TIME_TEXT);
	int rc = now ? 0 : PROV_ENOMEM;

	if (rc == 0) {
		prov_time_generalized(ev->req->now, now);
		rc = hold_exceptions(ev, now);
	}
	if (rc == 0)
		rc = mark_account(ev, now);
	if (rc == 0)
		rc = diff_grants(ev, now);
	if (rc == 0)
		rc = diff_values(ev);
	if (rc == 0)
		rc = diff_enforced(ev);
	if (rc == 0)
		rc = diff_members(ev);
	if (rc == 0)
		rc = diff_roles(ev);
	if (rc == 0)
		rc = list_members(ev);
	if (rc == 0)
		rc = list_entitlements(ev);
	if (rc == 0)
		rc = drop_assigned(ev);
	if (rc == 0)
		rc = mod_vals(ev, PROV_MOD_ADD, ev->type.exception, &ev->new_exceptions);
	if (rc == 0)
		rc = keep_grants(ev);
	ev->plan->exceptions_new = frozen(&ev->new_exceptions);
	ev->plan->mod = ev->mod;
	ev->plan->nmod = ev->nmod;
	ev->plan->member = ev->member;
	ev->plan->nmember = ev->nmember;
	return rc;
}
