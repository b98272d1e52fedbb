/*
 * desired.c - what the held roles give: groups, entitlements, and values of
 * templates, which may read what other templates give.
 */
#include <string.h>

#include "evaluate_impl.h"

struct line {
	const struct prov_role *role;
	const struct prov_template *t;
	bool done;
};

struct lines {
	struct eval *ev;
	struct line *l;
	size_t n;
	const struct line *at; /* of the question below */
	bool waits;
};

static int want(struct eval *ev, struct thing *t)
{
	int rc = prov_ev_thing(ev, t);

	if (rc)
		return rc;
	if (prov_ev_excepted(ev, t))
		return 0;
	if (prov_ev_push(ev->arena, &ev->want.t, ev->want.n, &ev->want.room, sizeof(*t)))
		return PROV_ENOMEM;
	ev->want.t[ev->want.n++] = *t;
	return 0;
}

static int want_access(struct eval *ev, const struct prov_role *r)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->ngroup; i++) {
		struct thing t = {
			.g = { .kind = PROV_KIND_GROUP, .role = r->dn, .what = r->group_dn[i] },
			.by = r
		};
		rc = want(ev, &t);
	}
	for (size_t i = 0; rc == 0 && i < r->nentitlement; i++) {
		struct thing t = { .g = { .kind = PROV_KIND_ENTITLEMENT,
					   .role = r->dn,
					   .what = r->entitlement[i] },
			.by = r };
		rc = want(ev, &t);
	}
	return rc;
}

static enum prov_kind kind_of(const struct prov_template *t)
{
	switch (prov_template_mode(t)) {
	case PROV_MODE_DEFAULT:
		return PROV_KIND_DEFAULT;
	case PROV_MODE_ADD:
		return PROV_KIND_ADD;
	case PROV_MODE_ENFORCE:
		break;
	}
	return PROV_KIND_ENFORCE;
}

/* The grant that this very line has made before. */
static struct thing *granted(struct eval *ev, const struct line *l)
{
	struct prov_val tag = prov_val_str(prov_template_tag(l->t));

	for (size_t i = 0; i < ev->old.n; i++) {
		struct thing *o = &ev->old.t[i];
		if (o->g.kind == kind_of(l->t) && prov_val_equal(o->g.tag, tag) &&
			prov_val_equal(o->g.role, l->role->dn))
			return o;
	}
	return NULL;
}

static int refuse_line(struct eval *ev, const struct line *l, int rc)
{
	struct prov_val line = prov_template_line(l->t);

	if (rc == PROV_ENOMEM)
		return rc;
	prov_error_prefix(ev->err, "role \"%.*s\", template \"%.*s\"",
		l->role->dn.len > 120 ? 120 : (int)l->role->dn.len, l->role->dn.data,
		line.len > 120 ? 120 : (int)line.len, line.data);
	return rc == PROV_ENOENT || rc == PROV_EINVAL ? PROV_EREFUSED : rc;
}

static bool has_value(const struct prov_entry *e, const struct prov_type *type)
{
	struct prov_val v;

	return prov_entry_first(e, type, &v);
}

/* One line's value, put where the next lines can read it. PROV_ENOENT: it reads what is not there. */
static int expand(struct eval *ev, struct line *l)
{
	const struct prov_type *type = prov_template_type(l->t);
	enum prov_mode mode = prov_template_mode(l->t);
	struct thing *before = granted(ev, l);
	struct prov_val v;
	int rc = 0;

	if (before && (mode == PROV_MODE_DEFAULT || prov_template_volatile(l->t))) {
		v = before->value;
	} else if (mode == PROV_MODE_DEFAULT && has_value(&ev->work.entry, type)) {
		return 0; /* the account has its own */
	} else {
		rc = prov_template_expand(l->t, &ev->work.entry, ev->schema, ev->services,
			ev->req->now, ev->arena, &v, ev->err);
		if (rc)
			return rc;
	}
	struct prov_val name = prov_val_str(type->name);
	char *what = prov_arena_alloc(ev->arena, name.len + 2 + v.len + 1);
	if (!what)
		return PROV_ENOMEM;
	memcpy(what, name.data, name.len);
	memcpy(what + name.len, ": ", 2);
	memcpy(what + name.len + 2, v.data, v.len);
	struct thing t = { .g = { .kind = kind_of(l->t),
				   .role = l->role->dn,
				   .tag = prov_val_str(prov_template_tag(l->t)),
				   .what = { what, name.len + 2 + v.len } },
		.by = l->role };
	rc = want(ev, &t);
	if (rc || prov_ev_excepted(ev, &t))
		return rc;
	if (before && mode == PROV_MODE_ADD && !prov_val_equal(before->key, t.key))
		rc = prov_work_remove(ev, type, before->key);
	if (rc == 0 && mode == PROV_MODE_ENFORCE)
		rc = prov_work_set(ev, type, v);
	else if (rc == 0 && (mode == PROV_MODE_ADD || !before))
		rc = prov_work_add(ev, type, v);
	return rc;
}

/* Is this type still to be written by another line? */
static void see_read(void *ctx, const struct prov_type *type)
{
	struct lines *ls = ctx;

	for (size_t i = 0; i < ls->n && !ls->waits; i++)
		ls->waits = !ls->l[i].done && &ls->l[i] != ls->at &&
			prov_type_is(prov_template_type(ls->l[i].t), type);
}

static bool must_wait(struct lines *ls, const struct line *l)
{
	ls->at = l;
	ls->waits = false;
	prov_template_types(l->t, see_read, ls);
	return ls->waits;
}

/* One pass; polite: leave lines that read what is still to come. */
static int pass(struct lines *ls, bool polite, size_t *progress)
{
	for (size_t i = 0; i < ls->n; i++) {
		struct line *l = &ls->l[i];
		if (l->done || (polite && must_wait(ls, l)))
			continue;
		int rc = expand(ls->ev, l);
		if (rc == PROV_ENOENT && !polite)
			continue; /* perhaps another line of the circle gives it */
		if (rc)
			return refuse_line(ls->ev, l, rc);
		l->done = true;
		(*progress)++;
		if (!polite)
			return 0;
	}
	return 0;
}

static int expand_all(struct lines *ls)
{
	for (size_t left = ls->n; left;) {
		size_t progress = 0;
		int rc = pass(ls, true, &progress);
		if (rc == 0 && !progress)
			rc = pass(ls, false, &progress);
		if (rc)
			return rc;
		if (!progress) { /* a circle in which nothing can begin: say why for the first */
			for (size_t i = 0; i < ls->n; i++)
				if (!ls->l[i].done)
					return refuse_line(ls->ev, &ls->l[i],
						expand(ls->ev, &ls->l[i]));
		}
		left -= progress;
	}
	return 0;
}

/* Values of roles that are not held any more must not be read. */
static int drop_lost(struct eval *ev)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ev->old.n; i++) {
		struct thing *o = &ev->old.t[i];
		bool held = false;
		if ((o->g.kind != PROV_KIND_ADD && o->g.kind != PROV_KIND_ENFORCE) || o->g.had ||
			!o->type)
			continue;
		for (size_t r = 0; r < ev->held.n && !held; r++)
			held = prov_val_equal(ev->held.r[r]->dn, o->g.role);
		if (!held)
			rc = prov_work_remove(ev, o->type, o->key);
	}
	return rc;
}

int prov_ev_desired(struct eval *ev)
{
	struct lines ls = { .ev = ev };
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < ev->held.n; i++)
		n += ev->held.r[i]->ntemplate;
	ls.l = prov_arena_array(ev->arena, n + 1, sizeof(*ls.l));
	if (!ls.l)
		return PROV_ENOMEM;
	/* defaults first, then what is added, then what is enforced */
	for (int mode = PROV_MODE_DEFAULT; mode <= PROV_MODE_ENFORCE; mode++)
		for (size_t i = 0; i < ev->held.n; i++)
			for (size_t j = 0; j < ev->held.r[i]->ntemplate; j++)
				if ((int)prov_template_mode(ev->held.r[i]->template[j]) == mode)
					ls.l[ls.n++] = (struct line){ ev->held.r[i],
						ev->held.r[i]->template[j], false };
	rc = drop_lost(ev);
	if (rc == 0)
		rc = expand_all(&ls);
	for (size_t i = 0; rc == 0 && ev->grants_access && i < ev->held.n; i++)
		rc = want_access(ev, ev->held.r[i]);
	return rc;
}
