/*
 * scan_sod.c - accounts that hold roles together which they must not: by provEffectiveRole, as
 * they pass.
 *
 * Kept: of each rule of the policy its name and its roles' numbers; of accounts nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "grant.h"
#include "grow.h"
#include "ldifout.h"
#include "scan.h"
#include "timefmt.h"

/* A provSodSet, or a role and one that it conflicts with. */
struct scan_rule_sod {
	uint32_t set; /* text: its DN; 0: a conflict */
	size_t limit, nrole;
	uint32_t *role; /* numbers in s->sod_role */
};

/* One of a rule's roles that the account holds. */
struct held {
	const char *dn, *how;
	const struct berval *assigned; /* the value that gives it; NULL: there is none */
	int64_t since;                 /* 0: not known */
};

static int add_role(struct scan *s, const char *dn, size_t len, uint32_t *number)
{
	int fresh = 0;
	uint64_t hash = prov_hash_dn(dn, len);
	if (!hash || prov_hashindex_add(&s->sod_role, hash, number, &fresh))
		return PROV_ENOMEM;
	if (!fresh)
		return 0;
	if (prov_grow(&s->sod_mark, *number, &s->sod_room, sizeof(*s->sod_mark)))
		return PROV_ENOMEM;
	s->sod_mark[*number] = NULL;
	return 0;
}

/* Both roles may say it. */
static bool said(const struct scan *s, uint32_t a, uint32_t b)
{
	for (size_t i = 0; i < s->nsod; i++) {
		const struct scan_rule_sod *r = &s->sod[i];
		if (!r->set && r->role[0] == b && r->role[1] == a)
			return true;
	}
	return false;
}

static int add_rule(struct scan *s, uint32_t set, size_t limit, size_t room)
{
	if (prov_grow(&s->sod, s->nsod, &s->nsodroom, sizeof(*s->sod)))
		return PROV_ENOMEM;
	struct scan_rule_sod *r = &s->sod[s->nsod];
	*r = (struct scan_rule_sod){ set, limit, 0, calloc(room, sizeof(*r->role)) };
	if (!r->role)
		return PROV_ENOMEM;
	s->nsod++;
	return 0;
}

static int note_conflicts(struct scan *s, const char *dn, struct berval **v)
{
	uint32_t a = 0, b = 0;
	int rc = v && v[0] ? add_role(s, dn, strlen(dn), &a) : 0;
	for (size_t i = 0; !rc && v && v[i]; i++) {
		rc = add_role(s, v[i]->bv_val, v[i]->bv_len, &b);
		if (rc || a == b ||
			said(s, a, b)) /* a policy that does not compile may say anything */
			continue;
		rc = add_rule(s, 0, 1, 2);
		if (rc)
			break;
		struct scan_rule_sod *r = &s->sod[s->nsod - 1];
		r->role[r->nrole++] = a;
		r->role[r->nrole++] = b;
	}
	return rc;
}

static int note_set(struct scan *s, uint32_t dn, size_t limit, struct berval **v)
{
	int n = ldap_count_values_len(v), rc = n ? add_rule(s, dn, limit, (size_t)n) : 0;
	for (int i = 0; !rc && i < n; i++) {
		struct scan_rule_sod *r = &s->sod[s->nsod - 1];
		rc = add_role(s, v[i]->bv_val, v[i]->bv_len, &r->role[r->nrole]);
		r->nrole += !rc;
	}
	return rc;
}

int scan_sod_note(struct scan *s, uint32_t dn, LDAP *ld, LDAPMessage *m)
{
	struct berval **conflict = ldap_get_values_len(ld, m, "provConflict");
	struct berval **role = ldap_get_values_len(ld, m, "provSodRole");
	struct berval **limit = ldap_get_values_len(ld, m, "provSodLimit");
	int rc = note_conflicts(s, s->text + dn, conflict);
	if (!rc)
		rc = note_set(s, dn, limit && limit[0] ? strtoul(limit[0]->bv_val, NULL, 10) : 1,
			role);
	ldap_value_free_len(conflict);
	ldap_value_free_len(role);
	ldap_value_free_len(limit);
	return rc;
}

/* Put the account's values at the places of the roles that rules name. How many? */
static size_t mark(struct scan *s, const struct scan_entry *e, bool on)
{
	size_t n = 0;
	for (BerVarray v = e->val[SCAN_A_EFFECTIVE]; v && v->bv_val; v++) {
		uint32_t role =
			prov_hashindex_find(&s->sod_role, prov_hash_dn(v->bv_val, v->bv_len));
		if (role == PROV_HASHINDEX_NONE)
			continue;
		s->sod_mark[role] = on ? v : NULL;
		n++;
	}
	return n;
}

static size_t count(const struct scan *s, const struct scan_rule_sod *r)
{
	size_t n = 0;
	for (size_t i = 0; i < r->nrole; i++)
		n += s->sod_mark[r->role[i]] != NULL;
	return n;
}

static const struct berval *value_of(const struct scan_entry *e, size_t attr, uint64_t role)
{
	for (BerVarray v = e->val[attr]; v && v->bv_val; v++) {
		const char *dn = attr == SCAN_A_TIMED ? scan_timed_role(v->bv_val) : v->bv_val;
		if (prov_hash_dn(dn, strlen(dn)) == role)
			return v;
	}
	return NULL;
}

/* When the first thing that the role gives was given. */
static int64_t given_since(const struct scan_entry *e, uint64_t role)
{
	int64_t first = 0, at;
	for (BerVarray v = e->val[SCAN_A_GRANT]; v && v->bv_val; v++) {
		struct prov_arena arena = PROV_ARENA_INIT;
		struct prov_grant g;
		if (!prov_grant_parse((struct prov_val){ v->bv_val, v->bv_len }, &arena, &g,
			    NULL) &&
			prov_hash_dn(g.role.data, g.role.len) == role &&
			!prov_time_parse(g.since, &at) && (!first || at < first))
			first = at;
		prov_arena_dispose(&arena);
	}
	return first;
}

static void look(const struct scan *s, const struct scan_entry *e, uint32_t role, struct held *h)
{
	uint64_t hash = s->sod_role.hash[role];
	h->dn = s->sod_mark[role]->bv_val;
	h->since = given_since(e, hash);
	h->assigned = value_of(e, SCAN_A_ASSIGNED, hash);
	h->how = h->assigned                      ? "assigned"
		: value_of(e, SCAN_A_TIMED, hash) ? "for a time"
						  : "by a filter or another role";
	if (value_of(e, SCAN_A_TIMED, hash))
		h->assigned = NULL; /* taking the assigned one away would not end it */
}

static int by_since(const void *a, const void *b)
{
	int64_t x = ((const struct held *)a)->since, y = ((const struct held *)b)->since;
	return (x > y) - (x < y);
}

/* The one that came last, when that is known and taking it away is all there is to do. */
static char *remedy(const struct scan_entry *e, const struct held *h, size_t n, size_t limit)
{
	const struct berval *v = h[n - 1].assigned;
	if (n != limit + 1 || !v || !h[0].since || h[n - 1].since == h[n - 2].since ||
		scan_machine(e))
		return NULL;
	return prov_ldif_change(e->dn.bv_val, "delete", "provAssignedRole", v->bv_val, v->bv_len);
}

/* Whichever says so: a finding is the same in every scan. */
static char *both(const char *a, const char *b)
{
	char *text = NULL;
	bool first = strcmp(a, b) <= 0;
	return asprintf(&text, "%s + %s", first ? a : b, first ? b : a) < 0 ? NULL : text;
}

static int say(struct scan *s, const struct scan_entry *e, const struct scan_rule_sod *r,
	struct held *h, size_t n)
{
	const struct berval *uid = scan_first(e, SCAN_A_UID);
	char since[24], *list = NULL, *related = NULL;
	size_t len;
	FILE *f = open_memstream(&list, &len);
	for (size_t i = 0; f && i < n; i++)
		fprintf(f, "%s%s (%s)", !i ? "" : r->set ? ", " : " and ", h[i].dn, h[i].how);
	int rc = !f || fclose(f) ? PROV_ENOMEM : 0;
	if (!rc && !r->set && !(related = both(h[0].dn, h[1].dn)))
		rc = PROV_ENOMEM;
	qsort(h, n, sizeof(*h), by_since);
	int64_t at = h[0].since ? h[r->limit].since : 0;
	struct scan_say said = { FINDING_SOD_VIOLATION, e->dn.bv_val, uid ? uid->bv_val : NULL,
		r->set ? s->text + r->set : related,
		"take one of the roles away, or change the rule if it is wrong", at,
		rc ? NULL : remedy(e, h, n, r->limit) };
	if (!rc && r->set)
		rc = scan_say(s, &said, "has %zu roles of a set that allows %zu%s: %s", n, r->limit,
			scan_since(at, since), list);
	else if (!rc)
		rc = scan_say(s, &said, "has roles together that are in conflict%s: %s",
			scan_since(at, since), list);
	free(list);
	free(related);
	return rc;
}

static int report_rule(struct scan *s, const struct scan_entry *e, const struct scan_rule_sod *r)
{
	struct held *h = calloc(r->nrole, sizeof(*h));
	size_t n = 0;
	if (!h)
		return PROV_ENOMEM;
	for (size_t i = 0; i < r->nrole; i++)
		if (s->sod_mark[r->role[i]])
			look(s, e, r->role[i], &h[n++]);
	int rc = n > 1 ? say(s, e, r, h, n) : 0;
	free(h);
	return rc;
}

int scan_sod_judge(struct scan *s, const struct scan_entry *e)
{
	int rc = 0;
	if (!s->nsod || scan_left(e) || !scan_wants(s, FINDING_SOD_VIOLATION))
		return 0;
	size_t n = mark(s, e, true);
	for (size_t i = 0; !rc && n > 1 && i < s->nsod; i++)
		if (count(s, &s->sod[i]) > s->sod[i].limit)
			rc = report_rule(s, e, &s->sod[i]);
	if (n)
		mark(s, e, false);
	return rc;
}

void scan_sod_dispose(struct scan *s)
{
	for (size_t i = 0; i < s->nsod; i++)
		free(s->sod[i].role);
	free(s->sod);
	free(s->sod_mark);
	prov_hashindex_dispose(&s->sod_role);
}
