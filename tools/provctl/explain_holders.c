/*
 * explain_holders.c - who else has something, and who has a role and through what.
 *
 * Streams: accounts are printed as the server sends them. Kept are only a group's members, when
 * a group is asked for. See explain.h.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "explain.h"
#include "explain_value.h"
#include "fold.h"
#include "jsonout.h"
#include "search.h"
#include "strmap.h"
#include "table.h"

/* -- --others ------------------------------------------------------------------------------ */

struct others {
	struct explain *x;
	const struct explain_value *v;
	struct prov_strmap *member; /* folded names in the group */
	bool *met;                  /* those that were accounts */
	size_t n;
};

static void print_one(struct ctl *c, const char *dn, const char *through)
{
	if (c->json) {
		prov_json_line_take(stdout,
			json_pack("{s:o,s:o}", "dn", prov_json_text(dn, strlen(dn)), "through",
				prov_json_text(through, strlen(through))));
		return;
	}
	char *safe = prov_text_safe(dn, strlen(dn)),
	     *why = prov_text_safe(through, strlen(through));
	printf("%s  (%s)\n", safe ? safe : "", why ? why : "");
	free(safe);
	free(why);
}

/* The roles whose grants name it, or "by hand"; malloc'ed. *granted: any. */
static char *through(LDAP *ld, LDAPMessage *e, const struct explain_value *v, bool *granted)
{
	struct berval **g = ldap_get_values_len(ld, e, "provGrant");
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	*granted = false;
	for (int i = 0; out && g && g[i]; i++) {
		struct prov_arena arena = PROV_ARENA_INIT;
		struct prov_grant one;
		if (!prov_grant_parse((struct prov_val){ g[i]->bv_val, g[i]->bv_len }, &arena, &one,
			    NULL)) {
			bool dn = one.kind == PROV_KIND_GROUP;
			char *key = dn ? prov_fold_dn(one.what.data, one.what.len)
				       : prov_fold_text(one.what.data, one.what.len);
			if (key && v->key && !strcmp(key, v->key) &&
				(dn == (v->what == EXPLAIN_GROUP))) {
				fprintf(out, "%srole %.*s", *granted ? ", " : "", (int)one.role.len,
					one.role.data);
				*granted = true;
			}
			free(key);
		}
		prov_arena_dispose(&arena);
	}
	ldap_value_free_len(g);
	if (out && !*granted)
		fputs("by hand", out);
	if (out && !fclose(out))
		return text;
	free(text);
	return NULL;
}

static bool meet(struct others *o, const char *key)
{
	size_t at = key ? prov_strmap_find(o->member, key) : PROV_STRMAP_NONE;
	if (at == PROV_STRMAP_NONE)
		return false;
	o->met[at] = true;
	return true;
}

static bool in_group(struct others *o, LDAP *ld, LDAPMessage *e, const char *dn)
{
	char *key = prov_fold_dn(dn, strlen(dn)), *uid = prov_ldap_first(ld, e, "uid");
	char *uid_key = uid ? prov_fold_text(uid, strlen(uid)) : NULL;
	bool a = meet(o, key), b = meet(o, uid_key);
	free(key);
	free(uid);
	free(uid_key);
	return a || b;
}

static int see_other(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	struct others *o = ctx;
	bool granted = false;
	char *dn = ldap_get_dn(ld, e), *how = through(ld, e, o->v, &granted);
	bool has = dn && how && strcasecmp(dn, o->x->dn) != 0;
	if (o->v->what == EXPLAIN_ENTITLEMENT)
		has = has && granted;
	if (dn && o->member)
		has = in_group(o, ld, e, dn) && has;
	if (has) {
		print_one(o->x->ctl, dn, o->v->what == EXPLAIN_ROLE ? "role" : how);
		o->n++;
	}
	int rc = dn && how ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
	ldap_memfree(dn);
	free(how);
	return rc;
}

static int take_members(LDAP *ld, LDAPMessage *e, struct prov_strmap *map)
{
	static const char *const attr[] = { "member", "uniqueMember", "memberUid" };
	int rc = 0;
	for (size_t a = 0; a < 3; a++) {
		struct berval **v = ldap_get_values_len(ld, e, attr[a]);
		for (int i = 0; !rc && v && v[i]; i++) {
			size_t at;
			char *key = a < 2 ? prov_fold_dn(v[i]->bv_val, v[i]->bv_len)
					  : prov_fold_text(v[i]->bv_val, v[i]->bv_len);
			rc = key ? prov_strmap_add(map, key, &at, NULL) : PROV_ENOMEM;
			free(key);
		}
		ldap_value_free_len(v);
	}
	return rc;
}

static int read_group(struct others *o, struct prov_error *err)
{
	static const char *const attrs[] = { "member", "uniqueMember", "memberUid", NULL };
	LDAPMessage *m = NULL;
	int rc = ctl_read(o->x->ctl, o->v->shown, NULL, attrs, &m, err);
	if (!rc)
		rc = prov_strmap_new(&o->member);
	if (!rc)
		rc = take_members(o->x->ctl->ld, ldap_first_entry(o->x->ctl->ld, m), o->member);
	ldap_msgfree(m);
	if (!rc && !(o->met = calloc(prov_strmap_count(o->member) + 1, sizeof(*o->met))))
		rc = PROV_ENOMEM;
	return rc && !err->text[0] ? prov_error_set(err, rc, "no memory") : rc;
}

/* Members that no account is: other groups, services, names without anybody. */
static void print_rest(struct others *o)
{
	for (size_t i = 0; o->member && i < prov_strmap_count(o->member); i++) {
		if (o->met[i])
			continue;
		print_one(o->x->ctl, prov_strmap_text(o->member, i), "no account");
		o->n++;
	}
}

/* "(provEffectiveRole=a)(provEffectiveRole=b)" of the roles that give it. */
static int put_givers(FILE *f, const struct explain *x, const struct explain_value *v)
{
	const char *line;
	for (size_t i = 0; i < x->nrole; i++) {
		const struct explain_role *r = &x->role[i];
		if (v->what == EXPLAIN_ROLE ? r != v->role : !explain_gives(r, v, &line))
			continue;
		char *one = ctl_filter_equal("provEffectiveRole", r->dn);
		if (!one)
			return PROV_ENOMEM;
		fputs(one, f);
		free(one);
	}
	return 0;
}

/* Which entries can have it: malloc'ed filter. */
static char *candidates(const struct explain *x, const struct explain_value *v)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int rc = f ? 0 : PROV_ENOMEM;
	if (f && v->what == EXPLAIN_GROUP) {
		fputs("(objectClass=*)", f);
	} else if (f && v->what == EXPLAIN_ATTRIBUTE) {
		const char *value = strchr(v->shown, ':');
		value = value ? value + 2 : "";
		char *one = ctl_filter_equal(v->attr, value);
		if (one)
			fputs(one, f);
		else
			rc = PROV_ENOMEM;
		free(one);
	} else if (f) {
		fputs("(|(!(objectClass=*))", f); /* nobody, when no role gives it */
		rc = put_givers(f, x, v);
		fputs(")", f);
	}
	if (f && !fclose(f) && !rc)
		return text;
	free(text);
	return NULL;
}

int explain_others_print(struct explain *x, const struct explain_value *v)
{
	static const char *const attrs[] = { "uid", "provGrant", NULL };
	struct prov_error err = { 0 };
	struct others o = { .x = x, .v = v };
	struct ctl *c = x->ctl;
	char *filter = candidates(x, v);
	int rc = filter ? 0 : PROV_ENOMEM;
	if (!c->json)
		puts("\nWho else has it:");
	if (!rc && v->what == EXPLAIN_GROUP)
		rc = read_group(&o, &err);
	for (size_t i = 0; !rc && i < c->nscope; i++) {
		char *both = NULL;
		if (asprintf(&both, "(&%s%s)", c->scope[i].filter, filter) < 0)
			rc = PROV_ENOMEM;
		else
			rc = ctl_search(c, c->scope[i].base, c->scope[i].scope, both, attrs,
				see_other, &o, &err);
		free(both);
	}
	if (!rc)
		print_rest(&o);
	if (!rc && !c->json)
		printf("%zu\n", o.n);
	free(filter);
	free(o.met);
	prov_strmap_free(&o.member);
	return !rc ? 0 : err.text[0] ? ctl_fail(&err) : ctl_nomem();
}

/* -- --role -------------------------------------------------------------------------------- */

struct holders {
	struct explain *x;
	const struct explain_role *role;
	const char *way, *detail;
	int64_t now;
	bool timed; /* look at provTimedRole: 1 those with it in force, for "nothing": those without */
	bool want_timed, head;
	size_t n;
};

static int see_holder(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	struct holders *h = ctx;
	if (h->timed && explain_timed(ld, e, h->role->key, h->now) != h->want_timed)
		return 0;
	char *dn = ldap_get_dn(ld, e);
	if (!dn)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	h->n++;
	if (!h->way) {
		ldap_memfree(dn);
		return 0; /* only counted */
	}
	char *safe = prov_text_safe(dn, strlen(dn)),
	     *detail = prov_text_safe(h->detail, strlen(h->detail));
	if (h->x->ctl->json) {
		prov_json_line_take(stdout,
			json_pack("{s:o,s:s,s:o}", "dn", prov_json_text(dn, strlen(dn)), "through",
				h->way, "detail", prov_json_text(h->detail, strlen(h->detail))));
	} else {
		if (!h->head)
			printf("%s%s%s\n", h->way, *h->detail ? " " : "", detail ? detail : "");
		printf("  %s\n", safe ? safe : "");
		h->head = true;
	}
	free(safe);
	free(detail);
	ldap_memfree(dn);
	return 0;
}

/* One way to hold the role: the accounts that do so, as the server sends them. */
static int by_way(struct holders *h, const char *way, const char *detail, const char *more,
	struct prov_error *err)
{
	static const char *const attrs[] = { "provTimedRole", NULL };
	struct ctl *c = h->x->ctl;
	char *role = ctl_filter_equal("provEffectiveRole", h->role->dn);
	int rc = role ? 0 : PROV_ENOMEM;
	h->way = way;
	h->detail = detail;
	h->head = false;
	h->n = 0;
	for (size_t i = 0; !rc && i < c->nscope; i++) {
		char *filter = NULL;
		if (asprintf(&filter, "(&%s%s%s)", c->scope[i].filter, role, more) < 0)
			rc = PROV_ENOMEM;
		else
			rc = ctl_search(c, c->scope[i].base, c->scope[i].scope, filter, attrs,
				see_holder, h, err);
		free(filter);
	}
	free(role);
	return rc;
}

static bool includes(const struct explain_role *by, const struct explain_role *r)
{
	for (size_t k = 0; k < by->ninclude; k++)
		if (!strcmp(by->include[k], r->key))
			return true;
	return false;
}

static int by_includes(struct holders *h, FILE *none, struct prov_error *err)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < h->x->nrole; i++) {
		const struct explain_role *by = &h->x->role[i];
		if (!includes(by, h->role))
			continue;
		char *more = ctl_filter_equal("provEffectiveRole", by->dn);
		rc = more ? by_way(h, "included by", by->dn, more, err) : PROV_ENOMEM;
		if (!rc)
			fputs(more, none);
		free(more);
	}
	return rc;
}

static int by_assignment(struct holders *h, FILE *none, struct prov_error *err)
{
	char *more = ctl_filter_equal("provAssignedRole", h->role->dn);
	int rc = more ? by_way(h, "given by hand (provAssignedRole)", "", more, err) : PROV_ENOMEM;
	if (!rc)
		fputs(more, none);
	free(more);
	return rc;
}

static int every_way(struct holders *h, FILE *none, struct prov_error *err)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < h->role->nfilter; i++) {
		rc = by_way(h, "matches", h->role->filter[i], h->role->filter[i], err);
		fputs(h->role->filter[i], none);
	}
	if (!rc)
		rc = by_assignment(h, none, err);
	if (!rc)
		rc = by_includes(h, none, err);
	h->timed = h->want_timed = true;
	if (!rc)
		rc = by_way(h, "given for a time (provTimedRole)", "", "(provTimedRole=*)", err);
	h->want_timed = false;
	return rc;
}

int explain_role_holders(struct ctl *c, const char *name)
{
	struct prov_error err = { 0 };
	struct explain x = { .ctl = c };
	struct holders h = { .x = &x, .now = (int64_t)time(NULL) };
	char *all = NULL, *rest = NULL;
	size_t len = 0;
	FILE *none = open_memstream(&all, &len);
	int rc = none ? explain_roles_read(&x, &err) : PROV_ENOMEM;
	if (!rc)
		rc = explain_role_find(&x, name, &h.role, &err);
	if (!rc && !h.role)
		rc = PROV_ENOENT;
	if (!rc)
		rc = every_way(&h, none, &err);
	if (none && fclose(none) && !rc)
		rc = PROV_ENOMEM;
	if (!rc && asprintf(&rest, "(!(|%s))", all) < 0)
		rc = PROV_ENOMEM;
	if (!rc)
		rc = by_way(&h, "nothing supports it any more, the account has yet to follow", "",
			rest, &err);
	h.timed = false;
	if (!rc)
		rc = by_way(&h, NULL, "", "", &err);
	if (!rc && c->json)
		rc = prov_json_line_take(stdout,
			json_pack("{s:s,s:s,s:I}", "role", h.role->dn, "status", h.role->status,
				"accounts", (json_int_t)h.n));
	else if (!rc)
		printf("%zu accounts have the role (it is %s)\n", h.n, h.role->status);
	explain_dispose(&x);
	free(all);
	free(rest);
	return !rc ? 0 : err.text[0] ? ctl_fail(&err) : ctl_nomem();
}
