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

/* Does the account still say that this group was given? The role and since when, then. */
static bool granted(const struct scan_entry *e, uint64_t group, char role[512], int64_t *since)
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
			snprintf(role, 512, "%.*s", (int)g.role.len, g.role.data);
			if (prov_time_parse(g.since, since))
				*since = 0;
		}
		prov_arena_dispose(&arena);
	}
	return yes;
}

/* The group, when it has the account as a member; by the attribute that its class has. */
static int has_member(struct scan *s, const char *group, const struct scan_entry *e, bool *yes,
	const char **attr, struct prov_error *err)
{
	const struct berval *uid = scan_first(e, SCAN_A_UID);
	char *dn = ctl_filter_escape(e->dn.bv_val, e->dn.bv_len), *filter = NULL;
	char *name = uid ? ctl_filter_escape(uid->bv_val, uid->bv_len) : strdup("");
	int rc = dn && name &&
			asprintf(&filter, "(|(member=%s)(uniqueMember=%s)(memberUid=%s))", dn, dn,
				name) >= 0
		? 0
		: scan_nomem(err);
	struct scan_ask q[] = { { group, filter, LDAP_SCOPE_BASE, group_attrs, NULL },
		{ group, NULL, LDAP_SCOPE_BASE, group_attrs, NULL } };
	if (!rc)
		rc = scan_ask(s, q, 2, err);
	LDAPMessage *m = rc ? NULL : ldap_first_entry(s->ctl->ld, q[1].m);
	*yes = !rc && ldap_first_entry(s->ctl->ld, q[0].m);
	*attr = !m                                                                  ? NULL
		: ctl_entry_has(s->ctl->ld, m, "objectClass", "groupOfUniqueNames") ? "uniqueMember"
		: ctl_entry_has(s->ctl->ld, m, "objectClass", "groupOfNames")       ? "member"
		: ctl_entry_has(s->ctl->ld, m, "objectClass", "posixGroup")         ? "memberUid"
										    : "member";
	scan_asked_free(q, rc ? 0 : 2);
	free(filter);
	free(dn);
	free(name);
	return rc;
}

static int say(struct scan *s, const struct scan_entry *e, const char *group, const char *attr,
	const char *role, int64_t at)
{
	const struct berval *uid = scan_first(e, SCAN_A_UID);
	const struct berval *value = attr && !strcmp(attr, "memberUid") ? uid : &e->dn;
	char since[24];
	return scan_say(s,
		&(struct scan_say){ FINDING_MISSING_GRANT, e->dn.bv_val, uid ? uid->bv_val : NULL,
			group, "add the member again, or take the role away", at,
			attr && value
				? prov_ldif_change(group, "add", attr, value->bv_val, value->bv_len)
				: NULL },
		"%s gives %s%s, and %s", role, group, scan_since(at, since),
		attr ? "it is not a member" : "there is no such group");
}

/* e: the account as it was; its answer is still there. */
static int settle_one(struct scan *s, const struct missing *x, const struct scan_entry *e,
	struct prov_error *err)
{
	struct scan_ask q = { e->dn.bv_val, NULL, LDAP_SCOPE_BASE, subject_attrs, NULL };
	struct scan_entry now = { 0 };
	char role[512] = "", *group = strdup(s->text + s->granted_dn[x->granted]);
	const char *attr = NULL;
	int64_t since = 0;
	bool member = true;
	int rc = group ? 0 : scan_nomem(err);
	if (!rc && !scan_left(e) && granted(e, s->granted.hash[x->granted], role, &since))
		rc = has_member(s, group, e, &member, &attr, err);
	if (!rc && !member)
		rc = scan_ask(s, &q, 1, err);
	if (!rc && !member && scan_asked(s, &q, &now) && scan_same_csn(e, &now) &&
		say(s, e, group, attr, role, since))
		rc = scan_nomem(err);
	scan_entry_dispose(&now);
	scan_asked_free(&q, 1);
	free(group);
	return rc;
}

static int settle(struct scan *s, const struct missing *x, size_t n, struct prov_error *err)
{
	struct scan_ask q[BATCH] = { 0 };
	char *dn[BATCH] = { NULL };
	int rc = 0;
	for (size_t i = 0; i < n; i++) {
		dn[i] = scan_account_dn(s, x[i].account);
		q[i] = (struct scan_ask){ dn[i], NULL, LDAP_SCOPE_BASE, subject_attrs, NULL };
		if (!dn[i])
			rc = scan_nomem(err);
	}
	if (!rc)
		rc = scan_ask(s, q, n, err);
	for (size_t i = 0; !rc && i < n; i++) {
		struct scan_entry e = { 0 };
		if (scan_asked(s, &q[i], &e))
			rc = settle_one(s, &x[i], &e, err);
		scan_entry_dispose(&e);
	}
	scan_asked_free(q, n);
	for (size_t i = 0; i < n; i++)
		free(dn[i]);
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
