/* review_held.c - see review_held.h. */
#include "review_held.h"

#include <stdlib.h>
#include <string.h>

#include "fold.h"
#include "grow.h"
#include "timefmt.h"

static int index_roles(struct review_roles *p)
{
	int rc = prov_strmap_new(&p->index);
	p->by = calloc(p->x.nrole + 1, sizeof(*p->by));
	if (!p->by)
		return PROV_ENOMEM;
	for (size_t i = 0; !rc && i < p->x.nrole; i++) {
		size_t at;
		rc = prov_strmap_add(p->index, p->x.role[i].key, &at, NULL);
	}
	for (size_t i = 0; !rc && i < p->x.nrole; i++)
		for (size_t k = 0; !rc && k < p->x.role[i].ninclude; k++) {
			size_t at = review_role_at(p, p->x.role[i].include[k]);
			struct review_includers *by = at == PROV_STRMAP_NONE ? NULL : &p->by[at];
			if (by && !(rc = prov_grow(&by->role, by->n, &by->room, sizeof(size_t))))
				by->role[by->n++] = i;
		}
	return rc;
}

int review_roles_read(struct ctl *c, struct review_roles *p, struct prov_error *err)
{
	*p = (struct review_roles){ .x = { .ctl = c } };
	int rc = explain_roles_read(&p->x, err);
	if (!rc && index_roles(p))
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	return rc;
}

void review_roles_dispose(struct review_roles *p)
{
	for (size_t i = 0; p->by && i < p->x.nrole; i++)
		free(p->by[i].role);
	free(p->by);
	prov_strmap_free(&p->index);
	explain_dispose(&p->x);
}

size_t review_role_at(const struct review_roles *p, const char *key)
{
	return prov_strmap_find(p->index, key);
}

int review_account_read(LDAP *ld, LDAPMessage *entry, struct review_account *a)
{
	char *dn = ldap_get_dn(ld, entry);
	*a = (struct review_account){ .ld = ld, .entry = entry, .dn = dn ? strdup(dn) : NULL };
	ldap_memfree(dn);
	a->key = a->dn ? prov_fold_dn(a->dn, strlen(a->dn)) : NULL;
	if (!a->key || explain_values(ld, entry, "provEffectiveRole", false, &a->role, &a->n) ||
		explain_values(ld, entry, "provEffectiveRole", true, &a->role_key, &a->nkey) ||
		explain_values(ld, entry, "provAssignedRole", false, &a->assigned, &a->nassigned) ||
		explain_values(ld, entry, "provAssignedRole", true, &a->assigned_key,
			&a->nassigned_key))
		return PROV_ENOMEM;
	return 0;
}

void review_account_dispose(struct review_account *a)
{
	explain_values_free(a->role, a->n);
	explain_values_free(a->role_key, a->nkey);
	explain_values_free(a->assigned, a->nassigned);
	explain_values_free(a->assigned_key, a->nassigned_key);
	free(a->dn);
	free(a->key);
	memset(a, 0, sizeof(*a));
}

static size_t place(char **list, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], key))
			return i;
	return PROV_STRMAP_NONE;
}

size_t review_account_has(const struct review_account *a, const char *role_key)
{
	return place(a->role_key, a->nkey, role_key);
}

size_t review_account_assigned(const struct review_account *a, const char *role_key)
{
	return place(a->assigned_key, a->nassigned_key, role_key);
}

static void put(FILE *out, const char *text, const char *more)
{
	fprintf(out, "%s%s%s", ftell(out) > 0 ? "; " : "", text, more);
}

static int put_timed(FILE *out, const struct review_account *a, const char *role_key, int64_t now)
{
	struct berval **v = ldap_get_values_len(a->ld, a->entry, "provTimedRole");
	int rc = 0;
	for (int i = 0; rc != PROV_ENOMEM && v && v[i]; i++) {
		struct explain_time t;
		char end[PROV_TIME_TEXT];
		if ((rc = explain_time_parse(v[i], &t)))
			continue;
		if (!strcmp(t.role_key, role_key) && t.from <= now && now < t.until) {
			if (t.until != INT64_MAX)
				prov_time_rfc3339(t.until, 0, end);
			put(out, t.until == INT64_MAX ? "timed" : "timed until ",
				t.until == INT64_MAX ? "" : end);
		}
		free(t.role_key);
	}
	ldap_value_free_len(v);
	return rc == PROV_ENOMEM ? rc : 0;
}

static bool put_includers(FILE *out, const struct review_roles *p, size_t at,
	const struct review_account *a)
{
	bool any = false;
	for (size_t i = 0; at != PROV_STRMAP_NONE && i < p->by[at].n; i++) {
		const struct explain_role *by = &p->x.role[p->by[at].role[i]];
		if (review_account_has(a, by->key) == PROV_STRMAP_NONE)
			continue;
		put(out, "included by ", by->dn);
		any = true;
	}
	return any;
}

/* Which of several filters it is nobody asks: the reviewer sees them all. */
static void put_filters(FILE *out, const struct explain_role *r)
{
	put(out, r->nfilter > 1 ? "one of the filters" : "filter", "");
	for (size_t i = 0; i < r->nfilter; i++)
		fprintf(out, " %s", r->filter[i]);
}

int review_held(const struct review_roles *p, const struct review_account *a, const char *role_key,
	int filter, int64_t now, struct review_held *out)
{
	size_t at = review_role_at(p, role_key), len = 0;
	const struct explain_role *r = at == PROV_STRMAP_NONE ? NULL : &p->x.role[at];
	*out = (struct review_held){ .given = false };
	FILE *f = open_memstream(&out->text, &len);
	int rc = f ? 0 : PROV_ENOMEM;
	if (f && review_account_assigned(a, role_key) != PROV_STRMAP_NONE)
		put(f, "assigned", "");
	if (f)
		rc = put_timed(f, a, role_key, now);
	out->given = f && ftell(f) > 0;
	out->policy = f && put_includers(f, p, at, a);
	if (f && r && r->nfilter && (filter > 0 || (filter < 0 && !ftell(f)))) {
		put_filters(f, r);
		out->policy = true;
	}
	if (f && !ftell(f)) { /* or the caller may not see the role */
		put(f,
			r ? "nothing gives it any more: the account has yet to follow the policy"
			  : "the policy, which cannot be read here",
			"");
		out->policy = true;
	}
	if (f && fclose(f))
		rc = PROV_ENOMEM;
	return rc;
}
