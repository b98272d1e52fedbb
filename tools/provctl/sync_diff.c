/* sync_diff.c - see sync_diff.h. */
#include "sync_diff.h"

#include <ldap.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fold.h"
#include "timefmt.h"

enum { EXTRA_MODS = 8 }; /* beyond targets and classes: source, key, state, times ... */
enum { SOON = 7 * 86400 };

static bool first_is(const struct sync_values *v, const char *text)
{
	return v->n && v->v[0].len == strlen(text) && !strncasecmp(v->v[0].data, text, v->v[0].len);
}

bool sync_account_over(const struct sync_account *a)
{
	const struct sync_values *s = &a->attr[SYNC_N_STATE];
	return first_is(s, "terminated") || first_is(s, "archived");
}

bool sync_account_idle(const struct sync_account *a)
{
	return sync_account_over(a) || first_is(&a->attr[SYNC_N_STATE], "suspended");
}

static bool time_of(const struct sync_values *v, int64_t *out)
{
	return v->n && !prov_time_parse(v->v[0], out);
}

bool sync_account_ended_in_time(const struct sync_account *a, int64_t now)
{
	int64_t end, since;
	return sync_account_over(a) && time_of(&a->attr[SYNC_N_END], &end) && end <= now &&
		time_of(&a->attr[SYNC_N_SINCE], &since) && since >= end;
}

bool sync_wish_gone(const struct sync_wish *w, int64_t now)
{
	return w->said == SYNC_LEFT || (w->ends && w->end <= now);
}

char *sync_change_dn(const struct sync_change *c, const char *dn)
{
	const char *parent = c->new_parent;
	char *out = NULL;
	if (!parent) {
		/* behind the first comma that is not escaped */
		const char *p = dn;
		while (*p && *p != ',')
			p += *p == '\\' && p[1] ? 2 : 1;
		parent = *p ? p + 1 : "";
	}
	return asprintf(&out, "%s,%s", c->new_rdn, parent) < 0 ? NULL : out;
}

bool sync_change_empty(const struct sync_change *c)
{
	return !c->nmod && !c->new_rdn && !c->set_manager && !c->drop_manager;
}

static int begin(struct sync_change *c, const struct sync_map *map, struct prov_arena *arena)
{
	memset(c, 0, sizeof(*c));
	c->mod = prov_arena_array(arena, map->ntarget + map->nclass + EXTRA_MODS, sizeof(*c->mod));
	return c->mod ? 0 : PROV_ENOMEM;
}

static void put(struct sync_change *c, enum sync_op op, const char *attr,
	const struct sync_values *old, struct prov_val value)
{
	static const struct sync_values none;
	c->mod[c->nmod++] = (struct sync_mod){ op, attr, old ? *old : none, value };
}

/* Bytes, or the same DN written in another way: slapd gives DNs back in its own form. */
static bool same(struct prov_val a, struct prov_val b)
{
	if (prov_val_equal(a, b))
		return true;
	if (!memchr(a.data, '=', a.len) || !memchr(b.data, '=', b.len) ||
		!memchr(a.data, ',', a.len))
		return false;
	char *fa = prov_fold_dn(a.data, a.len), *fb = prov_fold_dn(b.data, b.len);
	bool equal = fa && fb && !strcmp(fa, fb);
	free(fa);
	free(fb);
	return equal;
}

/* The attribute shall have this value alone (without data: none). */
static void settle(struct sync_change *c, const char *attr, const struct sync_values *now,
	struct prov_val value)
{
	if (!value.data && now->n)
		put(c, SYNC_DROP, attr, now, value);
	else if (value.data && (now->n != 1 || !same(now->v[0], value)))
		put(c, SYNC_SET, attr, now, value);
}

static int settle_time(struct sync_change *c, const char *attr, const struct sync_values *now,
	bool there, int64_t want, struct prov_arena *arena)
{
	int64_t is;
	struct prov_val none = { NULL, 0 };
	if (!there) {
		settle(c, attr, now, none);
		return 0;
	}
	if (time_of(now, &is) && is == want)
		return 0;
	char *text = prov_arena_alloc(arena, PROV_TIME_TEXT);
	if (!text)
		return PROV_ENOMEM;
	prov_time_generalized(want, text);
	put(c, SYNC_SET, attr, now, prov_val_str(text));
	return 0;
}

static void set_state(struct sync_change *c, const struct sync_account *a, const char *state)
{
	put(c, SYNC_SET, "provState", &a->attr[SYNC_N_STATE], prov_val_str(state));
}

static bool has_class(const struct sync_values *v, const char *name)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->v[i].len == strlen(name) && !strncasecmp(v->v[i].data, name, v->v[i].len))
			return true;
	return false;
}

/* The account is this row's: provAccount, source and key. */
static void settle_key(const struct sync_map *map, const struct sync_wish *w,
	const struct sync_account *a, struct sync_change *c)
{
	if (!has_class(&a->attr[SYNC_N_CLASS], "provAccount"))
		put(c, SYNC_ADD, "objectClass", NULL, prov_val_str("provAccount"));
	c->adopts = !a->attr[SYNC_N_KEY].n;
	settle(c, "provSource", &a->attr[SYNC_N_SOURCE],
		first_is(&a->attr[SYNC_N_SOURCE], map->source) ? a->attr[SYNC_N_SOURCE].v[0]
							       : prov_val_str(map->source));
	settle(c, "provSourceKey", &a->attr[SYNC_N_KEY], w->key);
}

static int leave(const struct sync_map *map, const struct sync_wish *w,
	const struct sync_account *a, struct prov_arena *arena, struct sync_change *c)
{
	c->kind = SYNC_MOVER;
	if (!sync_account_over(a)) {
		c->kind = SYNC_LEAVER;
		set_state(c, a, "terminated");
	}
	/* nothing else: a report shows leavers without department and manager */
	return map->end && w->ends
		? settle_time(c, "provEndTime", &a->attr[SYNC_N_END], true, w->end, arena)
		: 0;
}

/* false: the account is to be left alone. */
static bool settle_state(const struct sync_map *map, const struct sync_wish *w,
	const struct sync_account *a, const struct sync_when *when, struct sync_change *c,
	const char **held)
{
	const struct sync_values *s = &a->attr[SYNC_N_STATE];
	bool later = w->starts && w->start > when->now;
	c->kind = SYNC_MOVER;
	if (sync_account_over(a)) {
		if (!when->may_revive) {
			*held = "it was ended, and not by the feed";
			return false;
		}
		c->kind = SYNC_REHIRE;
		c->later = later;
		set_state(c, a, w->said == SYNC_AWAY ? "suspended" : later ? "pending" : "active");
	} else if (w->said == SYNC_AWAY) {
		if (!first_is(s, "suspended")) {
			c->kind = SYNC_AWAYER;
			set_state(c, a, "suspended");
		}
	} else if (first_is(s, "suspended")) {
		if (when->may_lift)
			set_state(c, a, "active");
		else
			*held = "it was suspended, and not by the feed: stays so";
	} else if (first_is(s, "pending") && map->start && !later) {
		set_state(c, a, "active");
	}
	return true;
}

static void settle_targets(const struct sync_map *map, const struct sync_wish *w,
	const struct sync_account *a, struct sync_change *c)
{
	for (size_t i = 0; i < map->nclass; i++)
		if (!has_class(&a->attr[SYNC_N_CLASS], map->class[i]) &&
			strcasecmp(map->class[i], "provAccount") != 0)
			put(c, SYNC_ADD, "objectClass", NULL, prov_val_str(map->class[i]));
	for (size_t i = 0; i < map->ntarget; i++) {
		const struct sync_target *t = &map->target[i];
		const struct sync_values *now = &a->attr[t->at];
		if (t->mode != SYNC_DEFAULT)
			settle(c, t->attr, now, w->value[i]);
		else if (!now->n && w->value[i].data)
			put(c, SYNC_ADD, t->attr, NULL, w->value[i]);
	}
}

/* RDN, its attribute and the parent of a DN; ldap_memfree(). */
static int split(const char *dn, char **rdn, char **attr, char **parent)
{
	LDAPDN parts = NULL;
	*rdn = *attr = *parent = NULL;
	if (ldap_str2dn(dn, &parts, LDAP_DN_FORMAT_LDAPV3) || !parts || !parts[0])
		return PROV_EINVAL;
	int rc = ldap_rdn2str(parts[0], rdn, LDAP_DN_FORMAT_LDAPV3) ||
		ldap_dn2str(parts + 1, parent, LDAP_DN_FORMAT_LDAPV3);
	*attr = strndup(parts[0][0]->la_attr.bv_val, parts[0][0]->la_attr.bv_len);
	ldap_dnfree(parts);
	return rc || !*attr ? PROV_ENOMEM : 0;
}

static int settle_place(const struct sync_map *map, const struct prov_val *cell,
	const struct sync_account *a, struct prov_arena *arena, struct sync_change *c,
	struct prov_error *err)
{
	struct sync_place place;
	char *rdn, *attr, *parent;
	if (map->rdn.mode != SYNC_ENFORCE && !map->parent_enforce)
		return 0;
	int rc = sync_map_place(map, cell, NULL, NULL, arena, &place, err);
	if (rc)
		return rc;
	rc = split(a->dn, &rdn, &attr, &parent);
	bool name = !rc && map->rdn.mode == SYNC_ENFORCE && prov_fold_dn_same(rdn, place.rdn) != 1;
	bool move = !rc && map->parent_enforce && prov_fold_dn_same(parent, place.parent) != 1;
	if (name || move) {
		c->new_rdn = name ? place.rdn : prov_arena_strndup(arena, rdn, strlen(rdn));
		c->new_parent = move ? place.parent : NULL;
		/* a name by another attribute: the old one may have to stay (cn) */
		c->drop_old_rdn = name && !strcasecmp(attr, map->rdn.attr);
		if (!c->new_rdn)
			rc = PROV_ENOMEM;
	}
	ldap_memfree(rdn);
	free(attr);
	ldap_memfree(parent);
	return rc ? prov_error_set(err, rc, "%.200s: %s", a->dn, prov_strerror(rc)) : 0;
}

int sync_diff_account(const struct sync_map *map, const struct prov_val *cell,
	const struct sync_wish *w, const struct sync_account *a, const struct sync_when *when,
	struct prov_arena *arena, struct sync_change *c, const char **held, struct prov_error *err)
{
	int rc = begin(c, map, arena);
	*held = NULL;
	if (rc)
		return prov_error_set(err, rc, "no memory");
	c->dn = a->dn;
	if (sync_wish_gone(w, when->now)) {
		settle_key(map, w, a, c);
		rc = leave(map, w, a, arena, c);
		return rc ? prov_error_set(err, rc, "no memory") : 0;
	}
	if (!settle_state(map, w, a, when, c, held))
		return 0;
	settle_key(map, w, a, c);
	if (map->start)
		rc = settle_time(c, "provStartTime", &a->attr[SYNC_N_START], w->starts, w->start,
			arena);
	if (!rc && map->end)
		rc = settle_time(c, "provEndTime", &a->attr[SYNC_N_END], w->ends, w->end, arena);
	if (rc)
		return prov_error_set(err, rc, "no memory");
	int64_t end;
	c->ends_soon = map->end && w->ends && w->end <= when->now + SOON &&
		(!time_of(&a->attr[SYNC_N_END], &end) || w->end < end);
	settle_targets(map, w, a, c);
	return settle_place(map, cell, a, arena, c, err);
}

int sync_diff_joiner(const struct sync_map *map, const struct sync_wish *w,
	const struct sync_place *place, int64_t now, struct prov_arena *arena,
	struct sync_change *c, struct prov_error *err)
{
	static const struct sync_values none;
	int rc = begin(c, map, arena);
	if (rc)
		return prov_error_set(err, rc, "no memory");
	c->kind = SYNC_JOINER;
	c->later = w->starts && w->start > now;
	c->dn = prov_arena_printf(arena, "%s,%s", place->rdn, place->parent);
	for (size_t i = 0; i < map->nclass; i++)
		if (strcasecmp(map->class[i], "provAccount") != 0)
			put(c, SYNC_ADD, "objectClass", NULL, prov_val_str(map->class[i]));
	put(c, SYNC_ADD, "objectClass", NULL, prov_val_str("provAccount"));
	put(c, SYNC_ADD, map->rdn.attr, NULL, place->value);
	put(c, SYNC_ADD, "provSource", NULL, prov_val_str(map->source));
	put(c, SYNC_ADD, "provSourceKey", NULL, w->key);
	/* slapd makes it pending by itself when its time is to come */
	if (w->said == SYNC_AWAY)
		put(c, SYNC_ADD, "provState", NULL, prov_val_str("suspended"));
	if (w->starts)
		rc = settle_time(c, "provStartTime", &none, true, w->start, arena);
	if (!rc && w->ends)
		rc = settle_time(c, "provEndTime", &none, true, w->end, arena);
	for (size_t i = 0; i < map->ntarget; i++)
		if (w->value[i].data)
			put(c, SYNC_ADD, map->target[i].attr, NULL, w->value[i]);
	return rc || !c->dn ? prov_error_set(err, PROV_ENOMEM, "no memory") : 0;
}

int sync_diff_missing(const struct sync_account *a, struct prov_arena *arena, struct sync_change *c)
{
	memset(c, 0, sizeof(*c));
	c->mod = prov_arena_array(arena, 1, sizeof(*c->mod));
	if (!c->mod)
		return PROV_ENOMEM;
	c->kind = SYNC_LEAVER;
	c->missing = true;
	c->dn = a->dn;
	set_state(c, a, "terminated");
	return 0;
}

static bool copy_val(struct prov_val *v, struct prov_arena *arena)
{
	return !v->data || (v->data = prov_arena_strndup(arena, v->data, v->len));
}

static bool copy_text(const char **s, struct prov_arena *arena)
{
	return !*s || (*s = prov_arena_strndup(arena, *s, strlen(*s)));
}

static bool copy_mod(struct sync_mod *m, struct prov_arena *arena)
{
	struct prov_val *old = prov_arena_array(arena, m->old.n + 1, sizeof(*old));
	bool good = old && copy_val(&m->value, arena);
	for (size_t i = 0; good && i < m->old.n; i++) {
		old[i] = m->old.v[i];
		good = copy_val(&old[i], arena);
	}
	m->old.v = old;
	return good;
}

int sync_change_copy(const struct sync_change *c, struct prov_arena *arena, struct sync_change *out)
{
	struct sync_mod *mod = prov_arena_array(arena, c->nmod + 1, sizeof(*mod));
	*out = *c;
	bool good = mod && copy_text(&out->key, arena) && copy_text(&out->dn, arena) &&
		copy_text(&out->new_rdn, arena) && copy_text(&out->new_parent, arena);
	for (size_t i = 0; good && i < c->nmod; i++) {
		mod[i] = c->mod[i];
		good = copy_mod(&mod[i], arena);
	}
	out->mod = mod;
	return good ? 0 : PROV_ENOMEM;
}
