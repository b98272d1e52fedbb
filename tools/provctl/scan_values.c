/*
 * scan_values.c - values that a grant gives and that the account seems not to have: the server is
 * asked, since it knows each attribute's own rule.
 */
#include <stdlib.h>

#include "arena.h"
#include "grant.h"
#include "grow.h"
#include "ldifout.h"
#include "scan.h"
#include "timefmt.h"

struct look {
	const struct scan_entry *e;
	struct prov_grant g;
	char *attr;
	struct prov_val value;
};

int scan_value_add(struct scan *s, const struct scan_entry *e, const struct berval *grant)
{
	if (prov_grow(&s->value, s->nvalue, &s->valueroom, sizeof(*s->value)))
		return PROV_ENOMEM;
	s->value[s->nvalue++] = (struct scan_value){ e, grant };
	return 0;
}

static int say(struct scan *s, const struct look *l)
{
	const char *dn = l->e->dn.bv_val;
	const struct berval *uid = scan_first(l->e, SCAN_A_UID);
	char *what = strndup(l->g.what.data, l->g.what.len), since[24];
	if (!what)
		return PROV_ENOMEM;
	struct scan_say f = { FINDING_MISSING_GRANT, dn, uid ? uid->bv_val : NULL, what,
		"add the value again, or take the role away", 0,
		prov_ldif_change(dn, "add", l->attr, l->value.data, l->value.len) };
	prov_time_parse(l->g.since, &f.since);
	int rc = scan_say(s, &f, "%.*s gives %s%s, and it is not there", (int)l->g.role.len,
		l->g.role.data, what, scan_since(f.since, since));
	free(what);
	return rc;
}

static int begin(const struct scan_value *v, struct prov_arena *arena, struct look *l)
{
	struct prov_val attr;
	l->e = v->e;
	int rc = prov_grant_parse((struct prov_val){ v->grant->bv_val, v->grant->bv_len }, arena,
		&l->g, NULL);
	if (rc || !prov_grant_split(l->g.what, &attr, &l->value))
		return rc ? rc : PROV_EINVAL;
	l->attr = prov_arena_strndup(arena, attr.data, attr.len);
	return l->attr ? 0 : PROV_ENOMEM;
}

/* *n: how many are not there. */
static int compare(struct scan *s, struct look *l, struct scan_ask *q, size_t *n,
	struct prov_error *err)
{
	size_t left = 0;
	for (size_t i = 0; i < *n; i++)
		q[i] = (struct scan_ask){ .base = l[i].e->dn.bv_val,
			.compare = l[i].attr,
			.value = l[i].value };
	int rc = scan_ask(s, q, *n, err);
	for (size_t i = 0; !rc && i < *n; i++)
		if (q[i].code != LDAP_COMPARE_TRUE && q[i].code != LDAP_NO_SUCH_OBJECT)
			l[left++] = l[i];
	scan_asked_free(q, *n);
	*n = left;
	return rc;
}

static int settle(struct scan *s, struct look *l, struct scan_ask *q, struct prov_arena *arena,
	struct prov_error *err)
{
	size_t n = 0;
	for (size_t i = 0; i < s->nvalue; i++) {
		int rc = begin(&s->value[i], arena, &l[n]);
		if (rc == PROV_ENOMEM)
			return scan_nomem(err);
		n += !rc;
	}
	int rc = compare(s, l, q, &n, err);
	const struct scan_entry **e = rc || !n ? NULL : calloc(n, sizeof(*e));
	bool *same = e ? calloc(n, sizeof(*same)) : NULL;
	if (!rc && n && !same)
		rc = scan_nomem(err);
	for (size_t i = 0; !rc && i < n; i++) {
		e[i] = l[i].e;
		same[i] = true;
	}
	if (!rc && n)
		rc = scan_unchanged(s, e, same, n, err);
	for (size_t i = 0; !rc && i < n; i++)
		if (same[i] && say(s, &l[i]))
			rc = scan_nomem(err);
	free(same);
	free(e);
	return rc;
}

int scan_values_settle(struct scan *s, struct prov_error *err)
{
	struct prov_arena arena = PROV_ARENA_INIT;
	if (!s->nvalue)
		return 0;
	struct look *l = calloc(s->nvalue, sizeof(*l));
	struct scan_ask *q = calloc(s->nvalue, sizeof(*q));
	int rc = l && q ? settle(s, l, q, &arena, err) : scan_nomem(err);
	free(l);
	free(q);
	prov_arena_dispose(&arena);
	return rc;
}
