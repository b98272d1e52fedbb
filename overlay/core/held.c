/*
 * held.c - which roles an account holds: by filter, by assignment, for a time, by inclusion.
 */
#include <stdlib.h>
#include <string.h>

#include "evaluate_impl.h"

static int refuse(struct eval *ev, const char *attr, struct prov_val v, const char *why)
{
	return prov_error_set(ev->err, PROV_EREFUSED, "%s \"%.*s\": %s", attr,
		v.len > 200 ? 200 : (int)v.len, v.data, why);
}

/* A value that the client adds in this write, as opposed to one that was there. */
static bool is_new(const struct eval *ev, const struct prov_type *type, struct prov_val nval)
{
	return !prov_attr_has(prov_entry_attr(ev->req->before, type), nval);
}

static int check_timed_value(struct eval *ev, struct prov_val v)
{
	struct timed t;

	if (prov_ev_timed(ev, v, &t))
		return refuse(ev, "provTimedRole", v,
			"is not of the form: from until role, with generalized times or -");
	if (!t.role)
		return refuse(ev, "provTimedRole", v, "there is no such role");
	if (t.until <= t.from)
		return refuse(ev, "provTimedRole", v, "ends before it begins");
	return 0;
}

static int check_timed(struct eval *ev)
{
	const struct prov_attr *a = prov_entry_attr(ev->req->after, ev->type.timed);
	int rc = 0;

	for (size_t i = 0; rc == 0 && a && i < a->n; i++)
		if (is_new(ev, ev->type.timed, a->nval[i]))
			rc = check_timed_value(ev, a->val[i]);
	return rc;
}

static bool matches(const struct prov_role *r, const struct prov_entry *e)
{
	for (size_t i = 0; i < r->nfilter; i++)
		if (prov_filter_match(r->filter[i], e) == PROV_MATCH_TRUE)
			return true;
	return false;
}

static size_t index_of(const struct prov_role *const *roles, size_t n, const struct prov_role *r)
{
	size_t lo = 0, hi = n;

	while (lo < hi) { /* sorted by ndn */
		size_t mid = lo + (hi - lo) / 2;
		struct prov_val a = roles[mid]->ndn, b = r->ndn;
		size_t len = a.len < b.len ? a.len : b.len;
		int d = memcmp(a.data, b.data, len);
		if (d == 0)
			d = (a.len > b.len) - (a.len < b.len);
		if (d == 0)
			return mid;
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return n;
}

/* Roles that are held, by their place among all of them. */
struct marks {
	struct eval *ev;
	const struct prov_entry *entry;
	const struct prov_role *const *roles;
	size_t n;
	unsigned char *mark;
	size_t *held, nheld, room;
	int rc;
};

static void hold(struct marks *m, const struct prov_role *r)
{
	for (size_t i = 0; m->rc == 0 && i < r->nclosure; i++) {
		size_t at = index_of(m->roles, m->n, r->closure[i]);
		if (at == m->n || m->mark[at])
			continue;
		m->rc = prov_ev_push(m->ev->arena, &m->held, m->nheld, &m->room, sizeof(*m->held));
		if (m->rc)
			return;
		m->mark[at] = 1;
		m->held[m->nheld++] = at;
	}
}

static void hold_by_filter(void *ctx, const struct prov_role *r)
{
	struct marks *m = ctx;
	size_t at = index_of(m->roles, m->n, r);

	if (at < m->n && !m->mark[at] && matches(r, m->entry))
		hold(m, r);
}

static int by_place(const void *a, const void *b)
{
	const size_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* In force now. */
static bool read_timed(struct eval *ev, struct prov_val v, struct timed *t)
{
	return prov_ev_timed(ev, v, t) == 0 && t->role && t->from <= ev->req->now &&
		t->until > ev->req->now;
}

static int hold_assigned(struct eval *ev, const struct prov_entry *e, struct marks *m)
{
	const struct prov_attr *a = prov_entry_attr(e, ev->type.assigned);

	for (size_t i = 0; a && i < a->n; i++) {
		const struct prov_role *r = prov_policy_role(ev->policy, a->nval[i]);
		if (!r && is_new(ev, ev->type.assigned, a->nval[i]))
			return refuse(ev, "provAssignedRole", a->val[i], "there is no such role");
		if (r && r->status == PROV_STATUS_ACTIVE)
			hold(m, r);
	}
	return 0;
}

static void hold_timed(struct eval *ev, const struct prov_entry *e, struct marks *m)
{
	const struct prov_attr *a = prov_entry_attr(e, ev->type.timed);
	struct timed t;

	for (size_t i = 0; a && i < a->n; i++)
		if (read_timed(ev, a->val[i], &t) && t.role->status == PROV_STATUS_ACTIVE)
			hold(m, t.role);
}

int prov_ev_held(struct eval *ev, const struct prov_entry *e, struct roles *out)
{
	struct marks m = { .ev = ev, .entry = e };
	int rc = e == ev->req->after ? check_timed(ev) : 0;

	m.roles = prov_policy_roles(ev->policy, &m.n);
	m.mark = prov_arena_alloc(ev->arena, m.n + 1);
	if (rc || !m.mark)
		return rc ? rc : PROV_ENOMEM;
	rc = hold_assigned(ev, e, &m);
	if (rc == 0) {
		hold_timed(ev, e, &m);
		prov_policy_candidates(ev->policy, e, hold_by_filter, &m);
		rc = m.rc;
	}
	if (rc == 0 && m.nheld)
		qsort(m.held, m.nheld, sizeof(*m.held), by_place);
	out->n = 0;
	out->r = prov_arena_array(ev->arena, m.nheld + 1, sizeof(*out->r));
	if (!out->r)
		return PROV_ENOMEM;
	for (size_t i = 0; i < m.nheld; i++)
		out->r[out->n++] = m.roles[m.held[i]];
	return rc;
}

bool prov_ev_holds(const struct roles *held, const struct prov_role *r)
{
	return index_of(held->r, held->n, r) < held->n;
}

const char *prov_ev_direct(struct eval *ev, const struct prov_entry *e, const struct prov_role *r)
{
	const struct prov_attr *a = prov_entry_attr(e, ev->type.timed);
	struct timed t;

	if (prov_attr_has(prov_entry_attr(e, ev->type.assigned), r->ndn))
		return "assigned";
	for (size_t i = 0; a && i < a->n; i++)
		if (read_timed(ev, a->val[i], &t) && t.role == r)
			return "for a time";
	return matches(r, e) ? "by its filter" : "";
}
