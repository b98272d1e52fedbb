/*
 * explain_read.c - the account, its grants and its groups, from the directory.
 *
 * Reads as the caller: what his rights hide is not there. See explain.h.
 */
#include "explain.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fold.h"
#include "search.h"

static int nomem(struct prov_error *err)
{
	return prov_error_set(err, PROV_ENOMEM, "no memory");
}

static struct explain_thing *new_thing(struct explain *x)
{
	struct explain_thing *p = explain_grow(x->thing, x->nthing, &x->room_thing, sizeof(*p));
	if (!p)
		return NULL;
	x->thing = p;
	return &p[x->nthing++];
}

static char *dup_val(struct prov_val v)
{
	return strndup(v.data ? v.data : "", v.len);
}

/* The key of what a grant or exception is about. */
static char *what_key(const struct prov_grant *g)
{
	return g->kind == PROV_KIND_GROUP ? prov_fold_dn(g->what.data, g->what.len)
					  : prov_fold_text(g->what.data, g->what.len);
}

static int add_grant(struct explain *x, const struct prov_grant *g)
{
	struct explain_thing *t = new_thing(x);
	char *role_key = prov_fold_dn(g->role.data, g->role.len);
	int rc = 0;
	if (!t || !role_key) {
		free(role_key);
		return PROV_ENOMEM;
	}
	t->kind = g->kind == PROV_KIND_GROUP       ? "group"
		: g->kind == PROV_KIND_ENTITLEMENT ? "entitlement"
						   : "value";
	t->mode = prov_kind_name(g->kind);
	t->granted = true;
	t->had = g->had;
	t->what = dup_val(g->what);
	t->key = what_key(g);
	t->role_dn = dup_val(g->role);
	t->since = dup_val(g->since);
	t->role = explain_role_by_key(x, role_key);
	snprintf(t->change.id, sizeof(t->change.id), "%.*s", (int)g->change.len,
		g->change.data ? g->change.data : "");
	if (!t->what || !t->key || !t->role_dn || !t->since)
		rc = PROV_ENOMEM;
	for (size_t i = 0; !rc && t->role && g->tag.len && i < t->role->nline; i++) {
		const struct explain_line *l = &t->role->line[i];
		if (strlen(l->tag) == g->tag.len && !memcmp(l->tag, g->tag.data, g->tag.len)) {
			t->line = strdup(l->text);
			break;
		}
	}
	struct prov_val attr, value;
	if (g->kind == PROV_KIND_ENTITLEMENT) {
		t->present = true;
	} else if (!rc && g->kind != PROV_KIND_GROUP && prov_grant_split(g->what, &attr, &value)) {
		char *a = dup_val(attr), *v = dup_val(value);
		t->present = a && v && explain_has_value(x, a, v);
		free(a);
		free(v);
	}
	free(role_key);
	return rc;
}

static int add_hold(struct explain *x, const struct prov_grant *g)
{
	struct explain_hold *h = explain_grow(x->hold, x->nhold, &x->room_hold, sizeof(*h));
	if (!h)
		return PROV_ENOMEM;
	x->hold = h;
	h += x->nhold++;
	h->kind = strdup(prov_kind_name(g->kind));
	h->what = dup_val(g->what);
	h->key = what_key(g);
	h->since = dup_val(g->since);
	h->by = dup_val(g->role);
	return h->kind && h->what && h->key && h->since && h->by ? 0 : PROV_ENOMEM;
}

static int read_grants(struct explain *x, const char *attr,
	int (*add)(struct explain *, const struct prov_grant *), struct prov_error *err)
{
	struct berval **v = ldap_get_values_len(x->ctl->ld, x->entry, attr);
	int rc = 0;
	for (int i = 0; !rc && v && v[i]; i++) {
		struct prov_arena arena = PROV_ARENA_INIT;
		struct prov_error why = { 0 };
		struct prov_grant g;
		struct prov_val text = { v[i]->bv_val, v[i]->bv_len };
		if (prov_grant_parse(text, &arena, &g, &why))
			ctl_say("%s that cannot be read: %s", attr, why.text);
		else if (add(x, &g))
			rc = nomem(err);
		prov_arena_dispose(&arena);
	}
	ldap_value_free_len(v);
	return rc;
}

bool explain_has_value(const struct explain *x, const char *attr, const char *value)
{
	struct berval **v = ldap_get_values_len(x->ctl->ld, x->entry, attr);
	char *want = prov_fold_text(value, strlen(value));
	bool found = false;
	for (int i = 0; want && v && v[i] && !found; i++) {
		char *got = prov_fold_text(v[i]->bv_val, v[i]->bv_len);
		found = got && !strcmp(got, want);
		free(got);
	}
	free(want);
	ldap_value_free_len(v);
	return found;
}

/* A group that holds the account: its grants are marked present, or it is unexplained. */
static int see_group(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	struct explain *x = ctx;
	char *dn = ldap_get_dn(ld, e);
	char *key = dn ? prov_fold_dn(dn, strlen(dn)) : NULL;
	bool known = false;
	int rc = 0;
	if (!key) {
		ldap_memfree(dn);
		return nomem(err);
	}
	for (size_t i = 0; i < x->nthing; i++) {
		struct explain_thing *t = &x->thing[i];
		if (!strcmp(t->kind, "group") && !strcmp(t->key, key))
			known = t->present = true;
	}
	if (!known) {
		struct explain_thing *t = new_thing(x);
		if (t) {
			t->kind = t->mode = "group";
			t->present = true;
			t->what = strdup(dn);
			t->key = key;
			key = NULL;
		}
		if (!t || !t->what)
			rc = nomem(err);
	}
	free(key);
	ldap_memfree(dn);
	return rc;
}

static int read_groups(struct explain *x, struct prov_error *err)
{
	static const char *const none[] = { LDAP_NO_ATTRS, NULL };
	char *dn = ctl_filter_escape(x->dn, strlen(x->dn)), *filter = NULL;
	size_t len = 0;
	FILE *f = dn ? open_memstream(&filter, &len) : NULL;
	int rc;
	if (!f) {
		free(dn);
		return nomem(err);
	}
	fprintf(f, "(|(member=%s)(uniqueMember=%s)", dn, dn);
	struct berval **uid = ldap_get_values_len(x->ctl->ld, x->entry, "uid");
	for (int i = 0; uid && uid[i]; i++) {
		char *safe = ctl_filter_escape(uid[i]->bv_val, uid[i]->bv_len);
		if (safe)
			fprintf(f, "(memberUid=%s)", safe);
		free(safe);
	}
	ldap_value_free_len(uid);
	fputc(')', f);
	rc = fclose(f) ? nomem(err)
		       : ctl_search(x->ctl, x->ctl->server.suffix, LDAP_SCOPE_SUBTREE, filter, none,
				 see_group, x, err);
	free(filter);
	free(dn);
	return rc;
}

struct finding {
	char *dn;
	unsigned n;
};

static int see_uid(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	struct finding *f = ctx;
	char *dn = ldap_get_dn(ld, e);
	if (!dn)
		return nomem(err);
	if (!f->dn)
		f->dn = strdup(dn);
	f->n += !f->n || (f->dn && strcmp(f->dn, dn)); /* scopes may overlap */
	ldap_memfree(dn);
	return f->dn ? 0 : nomem(err);
}

/* A uid instead of a DN: it must be one account's only. */
static int find_uid(struct explain *x, const char *uid, struct prov_error *err)
{
	static const char *const none[] = { LDAP_NO_ATTRS, NULL };
	struct finding f = { 0 };
	char *safe = ctl_filter_escape(uid, strlen(uid));
	int rc = safe ? 0 : nomem(err);
	for (size_t i = 0; !rc && i < x->ctl->nscope; i++) {
		const struct ctl_scope *s = &x->ctl->scope[i];
		char *filter = NULL;
		if (asprintf(&filter, "(&%s(uid=%s))", s->filter, safe) < 0)
			rc = nomem(err);
		else
			rc = ctl_search(x->ctl, s->base, s->scope, filter, none, see_uid, &f, err);
		free(filter);
	}
	free(safe);
	if (!rc && f.n != 1)
		rc = prov_error_set(err, f.n ? PROV_EINVAL : PROV_ENOENT,
			f.n ? "several accounts have the uid %s: give the DN"
			    : "no account has the uid %s",
			uid);
	if (rc)
		free(f.dn);
	else
		x->dn = f.dn;
	return rc;
}

static int read_account(struct explain *x, struct prov_error *err)
{
	static const char *const attrs[] = { LDAP_ALL_USER_ATTRIBUTES,
		LDAP_ALL_OPERATIONAL_ATTRIBUTES, NULL };
	LDAP *ld = x->ctl->ld;
	int rc = ctl_read(x->ctl, x->dn, NULL, attrs, &x->entry_msg, err);
	if (rc)
		return rc;
	x->entry = ldap_first_entry(ld, x->entry_msg);
	char *dn = ldap_get_dn(ld, x->entry);
	free(x->dn);
	x->dn = dn ? strdup(dn) : NULL;
	ldap_memfree(dn);
	x->key = x->dn ? prov_fold_dn(x->dn, strlen(x->dn)) : NULL;
	x->uuid = prov_ldap_first(ld, x->entry, "entryUUID");
	x->state = prov_ldap_first(ld, x->entry, "provState");
	x->state_since = prov_ldap_first(ld, x->entry, "provStateSince");
	x->change_id = prov_ldap_first(ld, x->entry, "provChangeId");
	x->change_by = prov_ldap_first(ld, x->entry, "provChangeBy");
	x->create_id = prov_ldap_first(ld, x->entry, "provCreateId");
	x->create_by = prov_ldap_first(ld, x->entry, "provCreateBy");
	if (!x->state)
		x->state = strdup("active");
	return x->key && x->state ? 0 : nomem(err);
}

int explain_read(struct ctl *c, const char *who, struct explain *x, struct prov_error *err)
{
	int rc = 0;
	memset(x, 0, sizeof(*x));
	x->ctl = c;
	if (!strchr(who, '='))
		rc = find_uid(x, who, err);
	else if (!(x->dn = strdup(who)))
		rc = nomem(err);
	if (!rc)
		rc = read_account(x, err);
	if (!rc)
		rc = explain_roles_read(x, err);
	if (!rc)
		rc = read_grants(x, "provGrant", add_grant, err);
	if (!rc)
		rc = read_grants(x, "provException", add_hold, err);
	if (!rc)
		rc = read_groups(x, err);
	return rc;
}

void explain_dispose(struct explain *x)
{
	for (size_t i = 0; i < x->nrole; i++)
		explain_role_dispose(&x->role[i]);
	for (size_t i = 0; i < x->nthing; i++) {
		struct explain_thing *t = &x->thing[i];
		free(t->what);
		free(t->key);
		free(t->role_dn);
		free(t->since);
		free(t->line);
		free(t->change.by);
		free(t->change.when);
		free(t->change.reason);
		free(t->change.op);
	}
	for (size_t i = 0; i < x->nhold; i++) {
		free(x->hold[i].kind);
		free(x->hold[i].what);
		free(x->hold[i].key);
		free(x->hold[i].since);
		free(x->hold[i].by);
	}
	free(x->role);
	free(x->thing);
	free(x->hold);
	free(x->dn);
	free(x->key);
	free(x->uuid);
	free(x->state);
	free(x->state_since);
	free(x->change_id);
	free(x->change_by);
	free(x->create_id);
	free(x->create_by);
	ldap_msgfree(x->entry_msg);
	memset(x, 0, sizeof(*x));
}
