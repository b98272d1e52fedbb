/*
 * review_list.c - the sheet of an access review: a row for each account and role in force.
 *
 * One pass over the accounts, in pages; nothing is asked for an account. Before it, each role
 * with filters is asked for once, for those who have it by a filter and in another way as well.
 * See review.h.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "csvout.h"
#include "fold.h"
#include "jsonout.h"
#include "review.h"
#include "review_held.h"
#include "search.h"
#include "timefmt.h"

enum column {
	ACCOUNT,
	UID,
	NAME,
	MANAGER,
	ROLE,
	ROLE_NAME,
	HELD,
	SINCE,
	BY,
	CHANGE,
	RISK,
	REVIEWER,
	DECISION,
	REASON,
	NCOLUMN
};
static const char *const column[NCOLUMN] = { "account", "uid", "name", "manager", "role",
	"roleName", "held", "since", "by", "change", "risk", "reviewer", "decision", "reason" };

struct listing {
	struct ctl *c;
	const struct review_list_args *arg;
	struct review_roles roles;
	struct prov_strmap *also; /* "place key": the account matches a filter of the role, too */
	struct prov_strmap *seen; /* accounts, where there are several scopes: they may overlap */
	bool *wanted;             /* of each role; NULL: all */
	size_t role;              /* whose filters are asked for */
	int64_t now;
	const char *more; /* filter of the accounts */
};

/* Where a scope and --base meet. */
static bool meets(const struct listing *l, const struct ctl_scope *s, const char **base, int *scope)
{
	char *key = prov_fold_dn(s->base, strlen(s->base)),
	     *want = l->arg->base ? prov_fold_dn(l->arg->base, strlen(l->arg->base)) : NULL;
	bool any = true;
	*base = s->base;
	*scope = s->scope;
	if (key && want && strcmp(key, want) && !prov_fold_dn_within(key, want)) {
		any = prov_fold_dn_within(want, key) && s->scope != LDAP_SCOPE_BASE;
		*base = l->arg->base;
		if (s->scope == LDAP_SCOPE_ONELEVEL)
			*scope = LDAP_SCOPE_BASE;
	}
	free(key);
	free(want);
	return any;
}

/* All accounts of the listing that match one more filter. */
static int each(struct listing *l, const char *filter, const char *const *attrs, ctl_see *see,
	struct prov_error *err)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < l->c->nscope; i++) {
		const struct ctl_scope *s = &l->c->scope[i];
		const char *base;
		char *all = NULL;
		int scope;
		if (!meets(l, s, &base, &scope))
			continue;
		if (asprintf(&all, "(&%s%s%s)", s->filter, l->more, filter) < 0)
			return prov_error_set(err, PROV_ENOMEM, "no memory");
		rc = ctl_search(l->c, base, scope, all, attrs, see, l, err);
		free(all);
	}
	return rc;
}

static char *pair(size_t role, const char *key)
{
	char *text = NULL;
	return asprintf(&text, "%zu %s", role, key) < 0 ? NULL : text;
}

static int see_also(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	struct listing *l = ctx;
	char *dn = ldap_get_dn(ld, e), *key = dn ? prov_fold_dn(dn, strlen(dn)) : NULL;
	char *text = key ? pair(l->role, key) : NULL;
	size_t at;
	int rc = text ? prov_strmap_add(l->also, text, &at, NULL) : PROV_ENOMEM;
	ldap_memfree(dn);
	free(key);
	free(text);
	return rc ? prov_error_set(err, rc, "no memory") : 0;
}

static int put_equal(FILE *f, const char *attr, const char *value)
{
	char *one = ctl_filter_equal(attr, value);
	if (!one)
		return PROV_ENOMEM;
	fputs(one, f);
	free(one);
	return 0;
}

/* Has the role, matches one of its filters, and may have it in another way. */
static char *also_filter(const struct listing *l)
{
	const struct explain_role *r = &l->roles.x.role[l->role];
	const struct review_includers *by = &l->roles.by[l->role];
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int rc = f ? put_equal(f, "provEffectiveRole", r->dn) : PROV_ENOMEM;
	if (f)
		fputs("(|", f);
	for (size_t i = 0; f && i < r->nfilter; i++)
		fputs(r->filter[i], f);
	if (f)
		fputs(")(|(provTimedRole=*)", f);
	if (!rc)
		rc = put_equal(f, "provAssignedRole", r->dn);
	for (size_t i = 0; !rc && i < by->n; i++)
		rc = put_equal(f, "provEffectiveRole", l->roles.x.role[by->role[i]].dn);
	if (f)
		fputs(")", f);
	if (f && !fclose(f) && !rc)
		return text;
	free(text);
	return NULL;
}

static int read_also(struct listing *l, struct prov_error *err)
{
	static const char *const none[] = { LDAP_NO_ATTRS, NULL };
	int rc = prov_strmap_new(&l->also);
	if (rc)
		return prov_error_set(err, rc, "no memory");
	for (l->role = 0; !rc && l->role < l->roles.x.nrole; l->role++) {
		if (!l->roles.x.role[l->role].nfilter || (l->wanted && !l->wanted[l->role]))
			continue;
		char *filter = also_filter(l);
		rc = filter ? each(l, filter, none, see_also, err)
			    : prov_error_set(err, PROV_ENOMEM, "no memory");
		free(filter);
	}
	return rc;
}

/* -- a row --------------------------------------------------------------------------------- */

/* Of the grants of the role the first one. */
static void first_grant(const struct review_account *a, const char *role_key,
	char since[PROV_TIME_TEXT], char change[40], int64_t *when)
{
	struct berval **v = ldap_get_values_len(a->ld, a->entry, "provGrant");
	*since = *change = '\0';
	*when = INT64_MAX;
	for (int i = 0; v && v[i]; i++) {
		struct prov_arena arena = PROV_ARENA_INIT;
		struct prov_grant g;
		int64_t secs;
		if (!prov_grant_parse((struct prov_val){ v[i]->bv_val, v[i]->bv_len }, &arena, &g,
			    NULL) &&
			!prov_time_parse(g.since, &secs) && secs < *when) {
			char *key = prov_fold_dn(g.role.data, g.role.len);
			if (key && !strcmp(key, role_key)) {
				*when = secs;
				prov_time_rfc3339(secs, 0, since);
				snprintf(change, 40, "%.*s", (int)g.change.len, g.change.data);
			}
			free(key);
		}
		prov_arena_dispose(&arena);
	}
	ldap_value_free_len(v);
}

/* Who made that change, when the account's own stamps tell; malloc'ed or NULL. */
static char *made_by(const struct review_account *a, const char *change)
{
	static const char *const stamp[][2] = { { "provChangeId", "provChangeBy" },
		{ "provCreateId", "provCreateBy" } };
	char *by = NULL;
	for (size_t i = 0; *change && !by && i < 2; i++) {
		char *id = prov_ldap_first(a->ld, a->entry, stamp[i][0]);
		if (id && !strcmp(id, change))
			by = prov_ldap_first(a->ld, a->entry, stamp[i][1]);
		free(id);
	}
	return by;
}

/* The role's approvers, else the manager: whoever is not the account itself. malloc'ed. */
static char *reviewers(const struct review_account *a, const struct explain_role *r,
	const char *manager)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	for (size_t i = 0; f && r && i < r->napprover; i++)
		if (prov_fold_dn_same(r->approver[i], a->dn) != 1)
			fprintf(f, "%s%s", ftell(f) > 0 ? "\n" : "", r->approver[i]);
	if (f && !ftell(f) && manager && prov_fold_dn_same(manager, a->dn) != 1)
		fputs(manager, f);
	if (f && !fclose(f))
		return text;
	free(text);
	return NULL;
}

static int put_row(const struct listing *l, const char *const *cell)
{
	if (!l->c->json) {
		for (int i = 0; i < NCOLUMN; i++)
			prov_csv_cell(stdout, cell[i] ? cell[i] : "", !i);
		prov_csv_end(stdout);
		return ferror(stdout) ? PROV_EIO : 0;
	}
	json_t *o = json_object();
	for (int i = 0; i < DECISION; i++)
		if (cell[i] && *cell[i])
			json_object_set_new(o, column[i], prov_json_text(cell[i], strlen(cell[i])));
	return prov_json_line_take(stdout, o);
}

static int matches_filter(const struct listing *l, size_t role, const char *key, int *out)
{
	char *text = role == PROV_STRMAP_NONE ? NULL : pair(role, key);
	*out = text && prov_strmap_find(l->also, text) != PROV_STRMAP_NONE ? 1 : -1;
	free(text);
	return role == PROV_STRMAP_NONE || text ? 0 : PROV_ENOMEM;
}

/* own: uid, name and manager of the account. */
static int see_role(const struct listing *l, const struct review_account *a, size_t i,
	char *const own[3])
{
	size_t at = review_role_at(&l->roles, a->role_key[i]);
	const struct explain_role *r = at == PROV_STRMAP_NONE ? NULL : &l->roles.x.role[at];
	char since[PROV_TIME_TEXT], change[40];
	struct review_held held = { .text = NULL };
	int64_t when;
	int filter, rc;
	if (l->wanted && (!r || !l->wanted[at]))
		return 0;
	first_grant(a, a->role_key[i], since, change, &when);
	if (l->arg->before && *since && when > l->now - (int64_t)l->arg->before * 86400)
		return 0;
	rc = matches_filter(l, at, a->key, &filter);
	if (!rc)
		rc = review_held(&l->roles, a, a->role_key[i], filter, l->now, &held);
	char *by = made_by(a, change), *reviewer = reviewers(a, r, own[2]);
	if (!rc && !reviewer)
		rc = PROV_ENOMEM;
	if (!rc)
		rc = put_row(l,
			(const char *[NCOLUMN]){ a->dn, own[0], own[1], own[2], a->role[i],
				r ? r->cn : NULL, held.text, since, by, change, r ? r->risk : NULL,
				reviewer });
	free(held.text);
	free(by);
	free(reviewer);
	return rc;
}

static int see_account(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	struct listing *l = ctx;
	struct review_account a;
	char *own[3] = { prov_ldap_first(ld, e, "uid"), prov_ldap_first(ld, e, "cn"),
		prov_ldap_first(ld, e, "manager") };
	size_t at;
	int fresh = 1, rc = review_account_read(ld, e, &a);
	if (!rc && l->seen)
		rc = prov_strmap_add(l->seen, a.key, &at, &fresh);
	for (size_t i = 0; !rc && fresh && i < a.nkey; i++)
		rc = see_role(l, &a, i, own);
	review_account_dispose(&a);
	for (int i = 0; i < 3; i++)
		free(own[i]);
	return rc == PROV_EIO ? prov_error_set(err, rc, "cannot write the output")
		: rc          ? prov_error_set(err, rc, "no memory")
			      : 0;
}

/* -- what is asked for --------------------------------------------------------------------- */

static int want_roles(struct listing *l, struct prov_error *err)
{
	const struct prov_option_list *list = &l->arg->role;
	int rc = 0;
	if (!list->n)
		return 0;
	l->wanted = calloc(l->roles.x.nrole + 1, sizeof(*l->wanted));
	if (!l->wanted)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	for (size_t i = 0; !rc && i < list->n; i++) {
		const struct explain_role *r;
		rc = explain_role_find(&l->roles.x, list->item[i], &r, err);
		if (!rc)
			l->wanted[r - l->roles.x.role] = true;
	}
	return rc;
}

/* malloc'ed; NULL: no memory. */
static char *account_filter(const struct listing *l)
{
	const struct prov_option_list *boss = &l->arg->manager;
	const char *own = l->arg->filter ? l->arg->filter : "";
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int rc = f ? 0 : PROV_ENOMEM;
	if (f)
		fprintf(f, *own == '(' || !*own ? "%s" : "(%s)", own);
	if (f && boss->n)
		fputs("(|", f);
	for (size_t i = 0; !rc && i < boss->n; i++)
		rc = put_equal(f, "manager", boss->item[i]);
	if (f && boss->n)
		fputs(")", f);
	if (f && l->wanted)
		fputs("(|", f);
	for (size_t i = 0; !rc && l->wanted && i < l->roles.x.nrole; i++)
		if (l->wanted[i])
			rc = put_equal(f, "provEffectiveRole", l->roles.x.role[i].dn);
	if (f && l->wanted)
		fputs(")", f);
	if (f && !fclose(f) && !rc)
		return text;
	free(text);
	return NULL;
}

int review_list(struct ctl *c, const struct review_list_args *arg)
{
	static const char *const attrs[] = { REVIEW_ACCOUNT_ATTRS, "uid", "cn", "manager",
		"provGrant", "provChangeId", "provChangeBy", "provCreateId", "provCreateBy", NULL };
	struct prov_error err = { 0 };
	struct listing l = { .c = c, .arg = arg, .now = (int64_t)time(NULL) };
	char *more = NULL;
	int st = ctl_site(c);
	if (st)
		return st;
	int rc = review_roles_read(c, &l.roles, &err);
	if (!rc)
		rc = want_roles(&l, &err);
	if (!rc && !(l.more = more = account_filter(&l)))
		rc = prov_error_set(&err, PROV_ENOMEM, "no memory");
	if (!rc)
		rc = read_also(&l, &err);
	if (!rc && c->nscope > 1 && prov_strmap_new(&l.seen))
		rc = prov_error_set(&err, PROV_ENOMEM, "no memory");
	if (!rc && !c->json)
		rc = put_row(&l, column);
	if (!rc)
		rc = each(&l, "(provEffectiveRole=*)", attrs, see_account, &err);
	free(more);
	free(l.wanted);
	prov_strmap_free(&l.also);
	prov_strmap_free(&l.seen);
	review_roles_dispose(&l.roles);
	return !rc ? 0 : err.text[0] ? ctl_fail(&err) : ctl_say("cannot write the output");
}
