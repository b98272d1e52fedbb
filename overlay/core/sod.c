/*
 * sod.c - segregation of duties: may the account hold these roles together?
 *
 * Only what gets worse counts: a rule is broken when more of its roles are held than it
 * allows and one of them was not in force before. A write that does it is refused. When
 * the account would have come by the roles without the write (a role has changed, a time
 * has come), they are withheld instead: what takes access away must always go through.
 */
#include <stdio.h>
#include <string.h>

#include "evaluate_impl.h"

static bool is_gained(const struct eval *ev, const struct prov_role *r)
{
	return !prov_attr_has(prov_entry_attr(ev->req->before, ev->type.effective), r->ndn);
}

static size_t count(const struct roles *held, const struct prov_sod *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->nrole; i++)
		n += prov_ev_holds(held, s->role[i]);
	return n;
}

/* A rule that this role of these is too much for. NULL: there is none. */
static const struct prov_sod *broken_by(const struct eval *ev, const struct roles *held,
	const struct prov_role *r)
{
	if (!is_gained(ev, r))
		return NULL;
	for (size_t i = 0; i < r->nsod; i++)
		if (count(held, r->sod[i]) > r->sod[i]->limit)
			return r->sod[i];
	return NULL;
}

/* "cn (how)"; dn: by its whole name. Returns the length that it would have. */
static size_t put_role(struct eval *ev, const struct roles *held, const struct prov_role *r,
	bool dn, char *buf, size_t size)
{
	const struct prov_entry *e = ev->req->after;
	const char *how = prov_ev_direct(ev, e, r), *by = NULL;
	int len = r->dn.len > 100 ? 100 : (int)r->dn.len;

	for (size_t i = 0; !*how && !by && i < held->n; i++) {
		const struct prov_role *o = held->r[i];
		struct roles in = { o->nclosure, (const struct prov_role **)o->closure };
		if (o != r && prov_ev_holds(&in, r) && *prov_ev_direct(ev, e, o))
			by = o->cn;
	}
	return (size_t)snprintf(buf, size, "%s%.*s%s (%s%s)", dn ? "\"" : "",
		dn ? len : (int)strlen(r->cn), dn ? r->dn.data : r->cn, dn ? "\"" : "",
		by ? "included in " : how, by ? by : "");
}

static int explain(struct eval *ev, const struct roles *held, const struct prov_sod *s,
	struct prov_error *err)
{
	char list[320] = "";
	size_t n = 0;

	for (size_t i = 0; i < s->nrole && n < sizeof(list); i++) {
		if (!prov_ev_holds(held, s->role[i]))
			continue;
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s",
			!n               ? ""
				: s->set ? ", "
					 : " and ");
		if (n < sizeof(list))
			n += put_role(ev, held, s->role[i], !s->set, list + n, sizeof(list) - n);
	}
	if (s->set)
		return prov_error_set(err, PROV_EREFUSED,
			"set \"%.*s\" allows an account %zu of its roles, not %zu: %s; "
			"take one away first, or in the same write",
			s->dn.len > 80 ? 80 : (int)s->dn.len, s->dn.data, s->limit, count(held, s),
			list);
	return prov_error_set(err, PROV_EREFUSED,
		"roles %s must not be held together (provConflict); take one away first, or in the same write",
		list);
}

/* Whether the account would have its roles without this write, too, is a question only when it
 * was there and was not made to begin by the write. */
static bool had_claim(const struct eval *ev)
{
	enum prov_state was = ev->plan->before;

	if (!ev->req->before || prov_ev_is_over(was))
		return false;
	return was != PROV_STATE_PENDING || ev->plan->after == PROV_STATE_PENDING ||
		ev->state_set.len; /* its time has come */
}

/* The roles of ev->held that are not this write's doing. */
static int find_claims(struct eval *ev, struct roles *claims)
{
	struct roles was = { 0, NULL };
	int rc = had_claim(ev) ? prov_ev_held(ev, ev->req->before, &was) : 0;

	claims->n = 0;
	claims->r = prov_arena_array(ev->arena, ev->held.n, sizeof(*claims->r));
	if (rc || !claims->r)
		return rc ? rc : PROV_ENOMEM;
	for (size_t i = 0; i < ev->held.n; i++)
		if (!is_gained(ev, ev->held.r[i]) || prov_ev_holds(&was, ev->held.r[i]))
			claims->r[claims->n++] = ev->held.r[i];
	return 0;
}

static bool includes_one(const struct prov_role *r, const struct roles *bad)
{
	for (size_t i = 0; i < r->nclosure; i++)
		if (prov_ev_holds(bad, r->closure[i]))
			return true;
	return false;
}

static int note_why(struct eval *ev, const struct roles *claims, const struct prov_sod *s)
{
	struct prov_error why = { 0, "" };

	explain(ev, claims, s, &why);
	ev->plan->withheld_why.len = strlen(why.text);
	ev->plan->withheld_why.data = prov_arena_strndup(ev->arena, why.text, strlen(why.text));
	return ev->plan->withheld_why.data ? 0 : PROV_ENOMEM;
}

/* Without bad ones, and without new ones that include such a role: those only when no write
 * asks for them. */
static int take_out(struct eval *ev, const struct roles *claims, const struct roles *bad,
	const struct prov_sod *rule)
{
	struct vals out = { 0, 0, NULL };
	size_t left = 0;

	for (size_t i = 0; i < ev->held.n; i++) {
		const struct prov_role *r = ev->held.r[i];
		if (!is_gained(ev, r) || !includes_one(r, bad))
			ev->held.r[left++] = r;
		else if (!prov_ev_holds(claims, r))
			return explain(ev, claims, rule, ev->err);
		else if (prov_ev_val(ev, &out, r->dn))
			return PROV_ENOMEM;
	}
	ev->held.n = left;
	ev->plan->withheld = (struct prov_list){ out.n, out.v };
	return 0;
}

/* What breaks a rule without this write is none of its business. */
static int withhold(struct eval *ev, const struct roles *claims)
{
	struct roles bad = { 0, prov_arena_array(ev->arena, ev->held.n, sizeof(*bad.r)) };
	const struct prov_sod *rule = NULL;

	if (!bad.r)
		return PROV_ENOMEM;
	for (size_t i = 0; i < claims->n; i++) {
		const struct prov_sod *broken = broken_by(ev, claims, claims->r[i]);
		if (broken)
			bad.r[bad.n++] = claims->r[i];
		if (!rule)
			rule = broken;
	}
	if (!rule)
		return 0;
	int rc = note_why(ev, claims, rule);
	return rc ? rc : take_out(ev, claims, &bad, rule);
}

static const struct prov_sod *first_broken(const struct eval *ev, const struct roles *claims)
{
	const struct prov_sod *rule = NULL;

	for (size_t i = 0; !rule && i < ev->held.n; i++)
		if (!prov_ev_holds(claims, ev->held.r[i]))
			rule = broken_by(ev, &ev->held, ev->held.r[i]);
	return rule;
}

int prov_ev_sod(struct eval *ev)
{
	struct roles claims = { 0, NULL };
	bool broken = false;

	for (size_t i = 0; !broken && i < ev->held.n; i++)
		broken = broken_by(ev, &ev->held, ev->held.r[i]) != NULL;
	int rc = broken ? find_claims(ev, &claims) : 0;

	/* who only waits has nothing in force: asked again at the start */
	if (rc == 0 && broken && ev->grants_access)
		rc = withhold(ev, &claims);
	if (rc || !broken)
		return rc;
	const struct prov_sod *rule = first_broken(ev, &claims);
	return rule ? explain(ev, &ev->held, rule, ev->err) : 0;
}
