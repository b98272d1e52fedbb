/*
 * scan_groups.c - the pass over the groups: every member looked up among the accounts.
 *
 * Suspicions are collected while the pages stream, and settled afterwards with another
 * look at the group and the entry concerned: a member that appeared, a grant that came or a
 * membership that went while the scan was reading is no finding.
 */
#include <stdlib.h>
#include <string.h>

#include "fold.h"
#include "grant.h"
#include "scan.h"
#include "search.h"

struct suspect {
	enum finding_check check;
	char *group, *member; /* as written */
	const char *attr;     /* constant: member, uniqueMember, memberUid */
	size_t person;        /* PROV_STRMAP_NONE: not an account */
};

struct pass {
	struct scan *scan;
	size_t n, room;
	struct suspect *suspect;
};

static int nomem(struct prov_error *err)
{
	return prov_error_set(err, PROV_ENOMEM, "no memory");
}

static int suspect_add(struct pass *p, enum finding_check check, const char *group,
	const struct berval *member, const char *attr, size_t person)
{
	if (p->n == p->room) {
		size_t room = p->room ? 2 * p->room : 64;
		struct suspect *x = reallocarray(p->suspect, room, sizeof(*x));
		if (!x)
			return PROV_ENOMEM;
		p->suspect = x;
		p->room = room;
	}
	struct suspect *x = &p->suspect[p->n++];
	*x = (struct suspect){ check, strdup(group), strndup(member->bv_val, member->bv_len), attr,
		person };
	return x->group && x->member ? 0 : PROV_ENOMEM;
}

/* Nobody's placeholder: groups that must have a member may hold the empty DN or themselves. */
static bool placeholder(const char *member, const char *group)
{
	return !*member || !strcmp(member, group);
}

static int judge(struct pass *p, const char *group, const char *gkey, const struct berval *member,
	const char *attr, size_t person, const char *mkey)
{
	struct scan *s = p->scan;
	if (person == PROV_STRMAP_NONE) {
		if (!scan_wants(s, FINDING_DANGLING_MEMBER) || placeholder(mkey, gkey))
			return 0;
		return suspect_add(p, FINDING_DANGLING_MEMBER, group, member, attr, person);
	}
	const struct scan_person *who = &s->person[person];
	if (who->leaver)
		return scan_wants(s, FINDING_LEAVER_LEFTOVER)
			? suspect_add(p, FINDING_LEAVER_LEFTOVER, group, member, attr, person)
			: 0;
	size_t g = prov_strmap_find(s->groups, gkey);
	for (size_t i = 0; g != PROV_STRMAP_NONE && i < who->ngroup; i++)
		if (who->group[i] == g)
			return 0;
	return scan_wants(s, FINDING_UNEXPLAINED)
		? suspect_add(p, FINDING_UNEXPLAINED, group, member, attr, person)
		: 0;
}

static int see_values(struct pass *p, LDAP *ld, LDAPMessage *e, const char *attr, const char *group,
	const char *gkey)
{
	struct scan *s = p->scan;
	bool is_uid = !strcmp(attr, "memberUid");
	struct berval **v = ldap_get_values_len(ld, e, attr);
	int rc = 0;
	for (int i = 0; !rc && v && v[i]; i++) {
		size_t at;
		char *key = is_uid ? prov_fold_text(v[i]->bv_val, v[i]->bv_len)
				   : prov_fold_dn(v[i]->bv_val, v[i]->bv_len);
		if (!key) {
			rc = PROV_ENOMEM;
			break;
		}
		if (is_uid) {
			at = prov_strmap_find(s->uids, key);
			if (at != PROV_STRMAP_NONE)
				at = s->uid_person[at];
		} else {
			at = prov_strmap_find(s->people, key);
		}
		rc = judge(p, group, gkey, v[i], attr, at, key);
		free(key);
	}
	ldap_value_free_len(v);
	return rc;
}

static const char *const member_attr[] = { "member", "uniqueMember", "memberUid", NULL };

static int see_group(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	struct pass *p = ctx;
	char *dn = ldap_get_dn(ld, e);
	char *key = dn ? prov_fold_dn(dn, strlen(dn)) : NULL;
	int rc = key ? 0 : PROV_ENOMEM;
	for (size_t i = 0; !rc && member_attr[i]; i++)
		rc = see_values(p, ld, e, member_attr[i], dn, key);
	p->scan->found->groups++;
	free(key);
	ldap_memfree(dn);
	return rc ? nomem(err) : 0;
}

/* The group as it is now: its members as "attr\nvalue". NULL in *out: it is gone. */
static int read_members(struct scan *s, const char *group, struct prov_strmap **out,
	struct prov_error *err)
{
	LDAPMessage *m = NULL;
	*out = NULL;
	int rc = ctl_read(s->ctl, group, NULL, member_attr, &m, err);
	if (rc)
		return rc == PROV_ENOENT ? 0 : rc;
	rc = prov_strmap_new(out);
	for (size_t k = 0; !rc && member_attr[k]; k++) {
		struct berval **v = ldap_get_values_len(s->ctl->ld, ldap_first_entry(s->ctl->ld, m),
			member_attr[k]);
		for (int i = 0; !rc && v && v[i]; i++) {
			size_t at;
			char *key = NULL;
			rc = asprintf(&key, "%s\n%s", member_attr[k], v[i]->bv_val) < 0
				? PROV_ENOMEM
				: prov_strmap_add(*out, key, &at, NULL);
			free(key);
		}
		ldap_value_free_len(v);
	}
	ldap_msgfree(m);
	return rc ? nomem(err) : 0;
}

static int still_member(const struct prov_strmap *members, const struct suspect *x, bool *yes,
	struct prov_error *err)
{
	char *key = NULL;
	*yes = false;
	if (!members)
		return 0;
	if (asprintf(&key, "%s\n%s", x->attr, x->member) < 0)
		return nomem(err);
	*yes = prov_strmap_find(members, key) != PROV_STRMAP_NONE;
	free(key);
	return 0;
}

static int uid_exists(struct scan *s, const char *uid, bool *yes, struct prov_error *err)
{
	static char *none[] = { LDAP_NO_ATTRS, NULL };
	char *safe = ctl_filter_escape(uid, strlen(uid)), *filter = NULL;
	LDAPMessage *m = NULL;
	if (!safe || asprintf(&filter, "(uid=%s)", safe) < 0) {
		free(safe);
		return nomem(err);
	}
	int ldrc = ldap_search_ext_s(s->ctl->ld, s->ctl->server.suffix, LDAP_SCOPE_SUBTREE, filter,
		none, 0, NULL, NULL, NULL, 1, &m);
	*yes = ldap_first_entry(s->ctl->ld, m) != NULL;
	ldap_msgfree(m);
	free(filter);
	free(safe);
	if (ldrc && ldrc != LDAP_SIZELIMIT_EXCEEDED)
		return prov_ldap_error(s->ctl->ld, ldrc, err, "search uid");
	return 0;
}

static int settle_dangling(struct scan *s, const struct suspect *x, struct prov_error *err)
{
	static const char *const none[] = { LDAP_NO_ATTRS, NULL };
	LDAPMessage *m = NULL;
	bool exists = false;
	int rc;
	if (!strcmp(x->attr, "memberUid")) {
		rc = uid_exists(s, x->member, &exists, err);
	} else {
		/* a uniqueMember may carry '#' and a UID bit string (RFC 4517, 3.3.21) */
		char *dn = strdup(x->member);
		char *hash = dn && !strcmp(x->attr, "uniqueMember") ? strrchr(dn, '#') : NULL;
		if (!dn)
			return nomem(err);
		if (hash && hash[1] == '\'' && dn[strlen(dn) - 1] == 'B')
			*hash = '\0';
		rc = ctl_read(s->ctl, dn, NULL, none, &m, err);
		free(dn);
		exists = !rc;
		ldap_msgfree(m);
		if (rc == PROV_ENOENT)
			rc = 0;
	}
	if (rc || exists)
		return rc;
	return scan_add(s, FINDING_DANGLING_MEMBER, x->group, x->member,
		       "take the value out of the group", "%s names %s, which is not there",
		       x->attr, x->member)
		? nomem(err)
		: 0;
}

/* Has the account a grant for this group by now? */
static int granted_now(struct scan *s, const struct suspect *x, bool *yes, struct prov_error *err)
{
	static const char *const attrs[] = { "provGrant", NULL };
	struct prov_arena arena = PROV_ARENA_INIT;
	LDAPMessage *m = NULL;
	char *want = prov_fold_dn(x->group, strlen(x->group));
	if (!want)
		return nomem(err);
	int rc = ctl_read(s->ctl, s->person[x->person].dn, NULL, attrs, &m, err);
	struct berval **v = rc
		? NULL
		: ldap_get_values_len(s->ctl->ld, ldap_first_entry(s->ctl->ld, m), attrs[0]);
	*yes = rc == PROV_ENOENT; /* gone: its memberships are somebody else's finding */
	if (rc == PROV_ENOENT)
		rc = 0;
	for (int i = 0; v && v[i] && !*yes; i++) {
		struct prov_val text = { v[i]->bv_val, v[i]->bv_len };
		struct prov_grant g;
		if (prov_grant_parse(text, &arena, &g, NULL) || g.kind != PROV_KIND_GROUP)
			continue;
		char *key = prov_fold_dn(g.what.data, g.what.len);
		*yes = key && !strcmp(key, want);
		free(key);
	}
	ldap_value_free_len(v);
	ldap_msgfree(m);
	prov_arena_dispose(&arena);
	free(want);
	return rc;
}

static int settle_person(struct scan *s, const struct suspect *x, struct prov_error *err)
{
	const char *dn = s->person[x->person].dn;
	bool granted = false;
	int rc;
	if (x->check == FINDING_LEAVER_LEFTOVER)
		return scan_add(s, FINDING_LEAVER_LEFTOVER, dn, x->group,
			       "take the account out of the group",
			       "left, but is still a member of %s", x->group)
			? nomem(err)
			: 0;
	rc = granted_now(s, x, &granted, err);
	if (rc || granted)
		return rc;
	return scan_add(s, FINDING_UNEXPLAINED, dn, x->group,
		       "give it by a role, or take the account out of the group",
		       "is a member of %s, and no role gives that", x->group)
		? nomem(err)
		: 0;
}

/* Each group with suspects is read once more; its suspects follow each other. */
static int settle(struct pass *p, struct prov_error *err)
{
	struct scan *s = p->scan;
	struct prov_strmap *members = NULL;
	int rc = 0;
	for (size_t i = 0; !rc && i < p->n; i++) {
		const struct suspect *x = &p->suspect[i];
		bool there = false;
		if (!i || strcmp(x->group, p->suspect[i - 1].group)) {
			prov_strmap_free(&members);
			rc = read_members(s, x->group, &members, err);
		}
		if (!rc)
			rc = still_member(members, x, &there, err);
		if (!rc && there)
			rc = x->check == FINDING_DANGLING_MEMBER ? settle_dangling(s, x, err)
								 : settle_person(s, x, err);
	}
	prov_strmap_free(&members);
	return rc;
}

int scan_groups(struct scan *s, struct prov_error *err)
{
	struct pass p = { .scan = s };
	int rc;
	if (!scan_wants(s, FINDING_DANGLING_MEMBER) && !scan_wants(s, FINDING_UNEXPLAINED) &&
		!scan_wants(s, FINDING_LEAVER_LEFTOVER))
		return 0;
	rc = ctl_search(s->ctl, s->ctl->server.suffix, LDAP_SCOPE_SUBTREE,
		"(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))",
		member_attr, see_group, &p, err);
	if (!rc)
		rc = settle(&p, err);
	for (size_t i = 0; i < p.n; i++) {
		free(p.suspect[i].group);
		free(p.suspect[i].member);
	}
	free(p.suspect);
	return rc;
}
