/*
 * scan_grants.c - groups that a grant names and that do not have the member.
 *
 * As in scan_members.c: the account, the group, the account again.
 */
#include <stdlib.h>
#include <string.h>

#include "grant.h"
#include "ldifout.h"
#include "scan.h"
#include "search.h"
#include "timefmt.h"

enum { BATCH = 64 };
static const char *const subject_attrs[] = { "provGrant", "provState", "entryCSN", "uid", NULL };
static const char *const group_attrs[] = { "objectClass", NULL };

struct missing {
	uint32_t account, granted;
};

bool scan_granted(const struct scan_entry *e, uint64_t group, char role[512], int64_t *since)
{
	bool yes = false;
	for (BerVarray v = e->val[SCAN_A_GRANT]; !yes && v && v->bv_val; v++) {
		struct prov_arena arena = PROV_ARENA_INIT;
		struct prov_grant g;
		if (!prov_grant_parse((struct prov_val){ v->bv_val, v->bv_len }, &arena, &g,
			    NULL) &&
			g.kind == PROV_KIND_GROUP &&
			prov_hash_dn(g.what.data, g.what.len) == group) {
			yes = true;
			if (role)
				snprintf(role, 512, "%.*s", (int)g.role.len, g.role.data);
			if (since && prov_time_parse(g.since, since))
				*since = 0;
		}
		prov_arena_dispose(&arena);
	}
	return yes;
}

/* One suspicion on its way: the account as it was, whether the group has it, the account again. */
struct look {
	struct scan_entry e;
	char *dn, *group, *filter, role[512];
	const char *attr; /* how the group's class names members; NULL: there is no such group */
	int64_t since;
	bool wrong;
};

static int begin(struct scan *s, const struct missing *x, const struct scan_ask *q, struct look *l)
{
	l->wrong = scan_asked(s, q, &l->e) && !scan_left(&l->e) &&
		scan_granted(&l->e, s->granted.hash[x->granted], l->role, &l->since);
	if (!l->wrong)
		return 0;
	const struct berval *uid = scan_first(&l->e, SCAN_A_UID);
	char *dn = ctl_filter_escape(l->e.dn.bv_val, l->e.dn.bv_len);
	char *name = uid ? ctl_filter_escape(uid->bv_val, uid->bv_len) : strdup("");
	l->group = strdup(s->text + s->granted_dn[x->granted]);
	int rc = dn && name && l->group &&
			asprintf(&l->filter, "(|(member=%s)(uniqueMember=%s)(memberUid=%s))", dn,
				dn, name) >= 0
		? 0
		: PROV_ENOMEM;
	free(dn);
	free(name);
	return rc;
}

static const char *member_attr(struct scan *s, const struct scan_ask *q)
{
	LDAP *ld = s->ctl->ld;
	LDAPMessage *m = ldap_first_entry(ld, q->m);
	if (!m)
		return NULL;
	if (ctl_entry_has(ld, m, "objectClass", "groupOfUniqueNames"))
		return "uniqueMember";
	if (ctl_entry_has(ld, m, "objectClass", "groupOfNames") ||
		!ctl_entry_has(ld, m, "objectClass", "posixGroup"))
		return "member";
	return "memberUid";
}

static int say(struct scan *s, const struct look *l)
{
	const struct scan_entry *e = &l->e;
	const struct berval *uid = scan_first(e, SCAN_A_UID);
	const struct berval *value = l->attr && !strcmp(l->attr, "memberUid") ? uid : &e->dn;
	char since[24];
	struct scan_say f = { FINDING_MISSING_GRANT, e->dn.bv_val, uid ? uid->bv_val : NULL,
		l->group, "add the member again, or take the role away", l->since, NULL };
	if (l->attr && value)
		f.ldif = prov_ldif_change(l->group, "add", l->attr, value->bv_val, value->bv_len);
	return scan_say(s, &f, "%s gives %s%s, and %s", l->role, l->group,
		scan_since(l->since, since),
		l->attr ? "it is not a member" : "there is no such group");
}

/* Groups of those that are wrong so far: asked with the member, and as they are. */
static int ask_groups(struct scan *s, struct look *l, size_t n, struct prov_error *err)
{
	struct scan_ask q[2 * BATCH] = { 0 };
	size_t which[BATCH], asks = 0;
	for (size_t i = 0; i < n; i++) {
		if (!l[i].wrong)
			continue;
		which[asks / 2] = i;
		q[asks++] = (struct scan_ask){ .base = l[i].group,
			.filter = l[i].filter,
			.scope = LDAP_SCOPE_BASE,
			.attrs = group_attrs };
		q[asks++] = scan_ask_entry(l[i].group, group_attrs);
	}
	int rc = scan_ask(s, q, asks, err);
	for (size_t k = 0; !rc && k < asks; k += 2) {
		l[which[k / 2]].wrong = !ldap_first_entry(s->ctl->ld, q[k].m);
		l[which[k / 2]].attr = member_attr(s, &q[k + 1]);
	}
	scan_asked_free(q, asks);
	return rc;
}

static int ask_again(struct scan *s, struct look *l, size_t n, struct prov_error *err)
{
	struct scan_ask q[BATCH] = { 0 };
	size_t which[BATCH], asks = 0;
	for (size_t i = 0; i < n; i++) {
		if (!l[i].wrong)
			continue;
		which[asks] = i;
		q[asks++] = scan_ask_entry(l[i].e.dn.bv_val, subject_attrs);
	}
	int rc = scan_ask(s, q, asks, err);
	for (size_t k = 0; !rc && k < asks; k++) {
		struct scan_entry now = { 0 };
		if (scan_asked(s, &q[k], &now) && scan_same_csn(&l[which[k]].e, &now) &&
			say(s, &l[which[k]]))
			rc = scan_nomem(err);
		scan_entry_dispose(&now);
	}
	scan_asked_free(q, asks);
	return rc;
}

static int settle(struct scan *s, const struct missing *x, size_t n, struct prov_error *err)
{
	struct scan_ask q[BATCH] = { 0 };
	struct look *l = calloc(BATCH, sizeof(*l));
	int rc = 0;
	if (!l)
		return scan_nomem(err);
	for (size_t i = 0; !rc && i < n; i++) {
		l[i].dn = scan_account_dn(s, x[i].account);
		q[i] = scan_ask_entry(l[i].dn, subject_attrs);
		if (!l[i].dn)
			rc = scan_nomem(err);
	}
	if (!rc)
		rc = scan_ask(s, q, n, err);
	for (size_t i = 0; !rc && i < n; i++)
		if (begin(s, &x[i], &q[i], &l[i]))
			rc = scan_nomem(err);
	if (!rc)
		rc = ask_groups(s, l, n, err);
	if (!rc)
		rc = ask_again(s, l, n, err);
	for (size_t i = 0; i < n; i++) {
		scan_entry_dispose(&l[i].e);
		free(l[i].dn);
		free(l[i].group);
		free(l[i].filter);
	}
	scan_asked_free(q, n);
	free(l);
	return rc;
}

int scan_settle_grants(struct scan *s, struct prov_error *err)
{
	struct missing some[BATCH];
	size_t n = 0;
	int rc = 0;
	if (!scan_wants(s, FINDING_MISSING_GRANT))
		return 0;
	for (uint32_t i = 0; !rc && i < scan_accounts(s); i++) {
		const struct scan_account *a = &s->account[i];
		const uint32_t *g = s->grant + a->grants;
		for (size_t k = 0; !rc && k < a->ngrant && !(a->flag & SCAN_F_LEAVER); k++) {
			bool before = false; /* two roles may give one group */
			for (size_t j = 0; j < k; j++)
				before |= g[j] == g[k];
			if (g[k] & SCAN_SEEN || before)
				continue;
			some[n++] = (struct missing){ i, g[k] };
			if (n == BATCH) {
				rc = settle(s, some, n, err);
				n = 0;
			}
		}
	}
	return rc || !n ? rc : settle(s, some, n, err);
}
