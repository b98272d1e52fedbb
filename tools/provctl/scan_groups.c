/*
 * scan_groups.c - the pass over the groups: every member looked up among the accounts.
 *
 * A group's entry is in memory as long as it passes, with all its members. What is suspicious is
 * settled in scan_members.c.
 */
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "scan.h"
#include "search.h"

enum { MEMBER, UNIQUE, BY_UID, GID, OWNER, SEEALSO, PAGE = 500 };
static const char *const group_attrs[] = { "member", "uniqueMember", "memberUid", "gidNumber",
	"owner", "seeAlso", NULL };
const char *const scan_member_attr[] = { "member", "uniqueMember", "memberUid", NULL };

static int suspect(struct scan *s, enum finding_check check, uint32_t group, uint32_t account,
	size_t attr, const struct berval *value)
{
	if (!scan_wants(s, check))
		return 0;
	if (prov_grow(&s->member, s->nmember, &s->memberroom, sizeof(*s->member)))
		return PROV_ENOMEM;
	uint32_t text = scan_text(s, value->bv_val, value->bv_len);
	s->member[s->nmember++] =
		(struct scan_suspect){ group, account, text, (uint8_t)check, (uint8_t)attr };
	return text == SCAN_NONE ? PROV_ENOMEM : 0;
}

/* Two roles may give the same group: all their grants are seen. */
static bool explained(struct scan *s, const struct scan_account *a, uint32_t granted)
{
	bool found = false;
	for (size_t i = 0; granted != SCAN_NONE && i < a->ngrant; i++)
		if ((s->grant[a->grants + i] & ~SCAN_SEEN) == granted) {
			s->grant[a->grants + i] |= SCAN_SEEN;
			found = true;
		}
	return found;
}

/* A uniqueMember may carry '#' and a UID bit string (RFC 4517, 3.3.21). */
static size_t dn_length(size_t attr, const struct berval *v)
{
	size_t at = v->bv_len;
	if (attr != UNIQUE || at < 4 || v->bv_val[at - 1] != 'B' || v->bv_val[at - 2] != '\'')
		return at;
	while (at && v->bv_val[at - 1] != '#')
		at--;
	return at && v->bv_val[at] == '\'' ? at - 1 : v->bv_len;
}

static int see_member(struct scan *s, uint32_t group, uint64_t self, uint32_t granted, size_t attr,
	const struct berval *v)
{
	size_t len = dn_length(attr, v);
	uint64_t hash =
		attr == BY_UID ? prov_hash_text(v->bv_val, len) : prov_hash_dn(v->bv_val, len);
	uint32_t account = attr == BY_UID ? scan_id_find(s, SCAN_ID_UID, hash)
					  : prov_hashindex_find(&s->dns, hash);
	if (account == SCAN_NONE) {
		/* groups that must have a member may hold the empty DN or themselves */
		if (attr != BY_UID &&
			(!len || hash == self || prov_hashindex_find(&s->alive, hash) != SCAN_NONE))
			return 0;
		return suspect(s, FINDING_DANGLING_MEMBER, group, account, attr, v);
	}
	const struct scan_account *a = &s->account[account];
	if (a->flag & SCAN_F_LEAVER)
		return suspect(s, FINDING_LEAVER_LEFTOVER, group, account, attr, v);
	return explained(s, a, granted) ? 0
					: suspect(s, FINDING_UNEXPLAINED, group, account, attr, v);
}

static int keep_refs(struct scan *s, uint32_t dn, const struct scan_entry *e)
{
	for (size_t attr = OWNER; attr <= SEEALSO; attr++)
		for (BerVarray v = e->val[attr]; v && v->bv_val; v++) {
			uint64_t target = prov_hash_dn(v->bv_val, v->bv_len);
			if (prov_hashindex_find(&s->dns, target) == SCAN_NONE &&
				scan_ref_add(&s->others, target, dn))
				return PROV_ENOMEM;
		}
	return 0;
}

static int keep_group(struct scan *s, const struct scan_entry *e, uint64_t self, uint32_t *number,
	int *fresh)
{
	if (!self || prov_hashindex_add(&s->groups, self, number, fresh) ||
		prov_grow(&s->group_dn, *number, &s->grouproom, sizeof(*s->group_dn)))
		return PROV_ENOMEM;
	if (!*fresh)
		return 0;
	s->group_dn[*number] = scan_text(s, e->dn.bv_val, e->dn.bv_len);
	if (s->group_dn[*number] == SCAN_NONE)
		return PROV_ENOMEM;
	const struct berval *gid = scan_first(e, GID);
	return gid ? scan_id_add(s, SCAN_ID_GID, prov_hash(gid->bv_val, gid->bv_len), *number) : 0;
}

static int see_group(void *ctx, LDAP *ld, LDAPMessage *m, struct prov_error *err)
{
	struct scan *s = ctx;
	struct scan_entry e = { 0 };
	uint32_t number = 0;
	int fresh = 0, rc = scan_entry_decode(&s->group_attrs, ld, m, &e, err);
	if (rc)
		return rc;
	uint64_t self = prov_hash_dn(e.dn.bv_val, e.dn.bv_len);
	uint32_t granted = prov_hashindex_find(&s->granted, self);
	rc = keep_group(s, &e, self, &number, &fresh);
	if (!rc && fresh)
		rc = keep_refs(s, s->group_dn[number], &e);
	for (size_t attr = MEMBER; attr <= BY_UID; attr++)
		for (BerVarray v = e.val[attr]; !rc && fresh && v && v->bv_val; v++)
			rc = see_member(s, number, self, granted, attr, v);
	scan_entry_dispose(&e);
	s->found->groups = s->groups.n;
	scan_progress(s, "groups", s->groups.n);
	return rc ? scan_nomem(err) : 0;
}

int scan_groups(struct scan *s, struct prov_error *err)
{
	static const enum finding_check needs[] = { FINDING_DANGLING_MEMBER, FINDING_UNEXPLAINED,
		FINDING_LEAVER_LEFTOVER, FINDING_MISSING_GRANT, FINDING_DANGLING_REFERENCE,
		FINDING_ID_COLLISION };
	struct prov_pages p = { s->ctl->server.suffix,
		"(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))",
		LDAP_SCOPE_SUBTREE, group_attrs, PAGE };
	bool wanted = false;
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		wanted |= scan_wants(s, needs[i]);
	for (size_t i = 0; group_attrs[i]; i++)
		s->group_attrs.name[s->group_attrs.n++] = group_attrs[i];
	int rc = wanted ? prov_pages_search(s->ctl->ld, &p, see_group, s, err) : 0;
	scan_id_sort(s, SCAN_ID_GID);
	return rc;
}
