/*
 * evaluate.c - the flow of one evaluation, and what its parts share.
 *
 *   time -> states -> old grants and exceptions -> roles held -> segregation of duties
 *     -> what they give -> difference
 */
#include <stdio.h>
#include <string.h>

#include "evaluate_impl.h"

int prov_ev_push(struct prov_arena *arena, void *array, size_t n, size_t *room, size_t size)
{
	void **a = array;

	if (n < *room)
		return 0;
	size_t more = *room ? *room * 2 : 16;
	void *fresh = prov_arena_array(arena, more, size);
	if (!fresh)
		return PROV_ENOMEM;
	if (n)
		memcpy(fresh, *a, n * size);
	*a = fresh;
	*room = more;
	return 0;
}

int prov_ev_val(struct eval *ev, struct vals *list, struct prov_val v)
{
	if (prov_ev_push(ev->arena, &list->v, list->n, &list->room, sizeof(v)))
		return PROV_ENOMEM;
	list->v[list->n++] = v;
	return 0;
}

/* Normalized for comparing; a value without an equality rule is itself. */
struct prov_val prov_ev_normal(struct eval *ev, const struct prov_type *type, struct prov_val v)
{
	struct prov_val out;
	int rc = type ? ev->schema->normalize(ev->schema->ctx, type, PROV_NORM_EQUALITY, v,
				ev->arena, &out)
		      : PROV_EINVAL;

	if (rc == PROV_ENOMEM)
		ev->oom = true;
	return rc == 0 ? out : v;
}

int prov_ev_thing(struct eval *ev, struct thing *t)
{
	struct prov_val attr, value;

	if (t->g.kind == PROV_KIND_GROUP) {
		t->value = t->g.what;
		t->key = prov_ev_normal(ev, ev->type.group, t->g.what);
		return 0;
	}
	if (t->g.kind == PROV_KIND_ENTITLEMENT) {
		t->key = t->value = t->g.what;
		return 0;
	}
	if (!prov_grant_split(t->g.what, &attr, &value))
		return prov_error_set(ev->err, PROV_EINVAL, "grant \"%.*s\" names no attribute",
			(int)t->g.what.len, t->g.what.data);
	t->type = ev->schema->type(ev->schema->ctx, attr.data, attr.len);
	t->value = value;
	t->key = prov_ev_normal(ev, t->type, value);
	return 0;
}

/* The same thing, whichever role gives it: a value of an attribute is one thing in all modes. */
bool prov_ev_same_thing(const struct thing *a, const struct thing *b)
{
	bool av = a->g.kind >= PROV_KIND_DEFAULT, bv = b->g.kind >= PROV_KIND_DEFAULT;

	if (av != bv || (!av && a->g.kind != b->g.kind))
		return false;
	return a->type == b->type && prov_val_equal(a->key, b->key);
}

bool prov_ev_excepted(const struct eval *ev, const struct thing *t)
{
	if (t->g.kind == PROV_KIND_ENFORCE) /* who could write an exception could undo any */
		return false;
	for (size_t i = 0; i < ev->except.n; i++)
		if (prov_ev_same_thing(&ev->except.t[i], t))
			return true;
	return false;
}

static int find_types(struct eval *ev)
{
	const struct {
		const char *name;
		const struct prov_type **t;
	} row[] = { { "objectClass", &ev->type.object_class }, { "provState", &ev->type.state },
		{ "provStateSince", &ev->type.state_since }, { "provStartTime", &ev->type.start },
		{ "provEndTime", &ev->type.end }, { "provDue", &ev->type.due },
		{ "provAssignedRole", &ev->type.assigned }, { "provTimedRole", &ev->type.timed },
		{ "provException", &ev->type.exception },
		{ "provEffectiveRole", &ev->type.effective }, { "provGrant", &ev->type.grant },
		{ "provGroup", &ev->type.group } };

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		*row[i].t = ev->schema->type(ev->schema->ctx, row[i].name, strlen(row[i].name));
		if (!*row[i].t)
			return prov_error_set(ev->err, PROV_EIO, "the schema has no %s",
				row[i].name);
	}
	return 0;
}

/* Grants or exceptions of the entry. One that does not parse (written by another version) is left alone. */
static int read_things(struct eval *ev, const struct prov_type *type, struct things *out)
{
	const struct prov_attr *a = prov_entry_attr(ev->entry, type);

	for (size_t i = 0; a && i < a->n; i++) {
		struct thing t = { .text = a->val[i] };
		if (prov_grant_parse(a->val[i], ev->arena, &t.g, NULL) || prov_ev_thing(ev, &t))
			continue;
		if (prov_ev_push(ev->arena, &out->t, out->n, &out->room, sizeof(t)))
			return PROV_ENOMEM;
		out->t[out->n++] = t;
	}
	return 0;
}

static int check_exceptions(struct eval *ev)
{
	const struct prov_attr *a = prov_entry_attr(ev->req->after, ev->type.exception);
	const struct prov_attr *b = prov_entry_attr(ev->req->before, ev->type.exception);
	struct prov_grant g;

	for (size_t i = 0; a && i < a->n; i++) {
		if (prov_attr_has(b, a->nval[i]))
			continue;
		if (prov_grant_parse(a->val[i], ev->arena, &g, ev->err)) {
			prov_error_prefix(ev->err, "provException");
			return PROV_EREFUSED;
		}
		if (g.kind == PROV_KIND_ENFORCE)
			return prov_error_set(ev->err, PROV_EREFUSED,
				"provException: what a role enforces has no exceptions: change the role");
	}
	return 0;
}

static int read_states(struct eval *ev)
{
	struct prov_plan *p = ev->plan;
	struct prov_val v;

	p->before = prov_entry_state(ev->req->before, ev->schema);
	p->after = prov_entry_state(ev->req->after, ev->schema);
	if (ev->req->after && p->after == PROV_STATE_NONE) {
		prov_entry_first(ev->req->after, ev->type.state, &v);
		return prov_error_set(ev->err, PROV_EREFUSED,
			"provState \"%.*s\" is none of pending, active, suspended, terminated, archived",
			v.len > 60 ? 60 : (int)v.len, v.data);
	}
	return 0;
}

bool prov_ev_is_over(enum prov_state s)
{
	return s == PROV_STATE_TERMINATED || s == PROV_STATE_ARCHIVED;
}

static unsigned events_of(const struct eval *ev)
{
	const struct prov_plan *p = ev->plan;
	enum prov_state b = p->before, a = p->after;
	unsigned e = 0;

	if (b == PROV_STATE_NONE)
		e |= PROV_EV_CREATED;
	else if (a == PROV_STATE_NONE)
		e |= PROV_EV_DELETED;
	else if (ev->req->op == PROV_OP_RENAME)
		e |= PROV_EV_RENAMED;
	if (b != PROV_STATE_NONE && a != PROV_STATE_NONE && a != b) {
		if (prov_ev_is_over(a) && !prov_ev_is_over(b))
			e |= PROV_EV_TERMINATED;
		else if (a == PROV_STATE_SUSPENDED)
			e |= PROV_EV_SUSPENDED;
		else if (a == PROV_STATE_ACTIVE)
			e |= PROV_EV_RESTORED;
	}
	if (!e)
		e = PROV_EV_UPDATED;
	if (p->roles_gained.n)
		e |= PROV_EV_ROLE_GRANTED;
	if (p->roles_lost.n)
		e |= PROV_EV_ROLE_REVOKED;
	if (b != PROV_STATE_NONE && prov_state_may_bind(b) && !prov_state_may_bind(a))
		e |= PROV_EV_SESSION_REVOKED;
	return e;
}

static int decide(struct eval *ev)
{
	struct prov_plan *p = ev->plan;
	int rc = read_states(ev);

	if (rc == 0)
		rc = read_things(ev, ev->type.grant, &ev->old);
	if (rc == 0)
		rc = read_things(ev, ev->type.exception, &ev->except);
	if (rc == 0 && ev->req->after)
		rc = check_exceptions(ev);
	if (rc == 0)
		rc = prov_work_init(ev);
	p->leaver = (prov_ev_is_over(p->after) && !prov_ev_is_over(p->before) && ev->req->before) ||
		(ev->req->before && !ev->req->after && ev->req->op == PROV_OP_DELETE);
	ev->grants_access = p->after == PROV_STATE_ACTIVE || p->after == PROV_STATE_SUSPENDED;
	if (rc == 0 && ev->req->after && !prov_ev_is_over(p->after)) {
		rc = prov_ev_held(ev, ev->req->after, &ev->held);
		if (rc == 0)
			rc = prov_ev_sod(ev);
		if (rc == 0)
			rc = prov_ev_desired(ev);
	}
	return rc ? rc : prov_ev_diff(ev);
}

int prov_evaluate(const struct prov_policy *policy, const struct prov_request *req,
	const struct prov_services *services, struct prov_arena *arena, struct prov_plan *out,
	struct prov_error *err)
{
	struct eval ev = { .policy = policy,
		.schema = prov_policy_schema(policy),
		.req = req,
		.services = services,
		.arena = arena,
		.err = err,
		.plan = out,
		.entry = req->after ? req->after : req->before };
	int rc;

	memset(out, 0, sizeof(*out));
	if (!ev.entry)
		return prov_error_set(err, PROV_EINVAL, "there is no entry to evaluate");
	rc = find_types(&ev);
	if (rc == 0)
		rc = prov_ev_time(&ev);
	if (rc == 0)
		rc = decide(&ev);
	if (rc == 0 && ev.oom)
		rc = PROV_ENOMEM;
	if (rc == 0)
		out->events = events_of(&ev);
	if (rc == PROV_ENOMEM)
		prov_error_set(err, rc, "out of memory");
	return rc;
}
