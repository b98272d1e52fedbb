/*
 * scan_refs.c - entries that are referred to: there, or not; and owners who are gone.
 *
 * Accounts, groups and roles are known by the time this runs. Anything else is asked for, once for
 * each distinct entry.
 */
#include <stdlib.h>
#include <string.h>

#include "ldifout.h"
#include "scan.h"
#include "search.h"

static bool known(const struct scan *s, uint64_t target)
{
	return prov_hashindex_find(&s->dns, target) != SCAN_NONE ||
		prov_hashindex_find(&s->groups, target) != SCAN_NONE ||
		prov_hashindex_find(&s->roles, target) != SCAN_NONE ||
		prov_hashindex_find(&s->alive, target) != SCAN_NONE;
}

/* Holders follow each other: one look at each. */
static int settle_others(struct scan *s, struct prov_error *err)
{
	uint32_t last = 0;
	int rc = 0;
	for (size_t i = 0; !rc && i < s->others.n; i++) {
		const struct scan_ref *r = &s->others.item[i];
		if (r->holder == last || known(s, r->target))
			continue;
		last = r->holder;
		char *dn = strdup(s->text + last);
		if (!dn)
			return scan_nomem(err);
		uint64_t self = prov_hash_dn(dn, strlen(dn));
		rc = scan_refs_settle(s, dn, prov_hashindex_find(&s->roles, self) == SCAN_NONE,
			err);
		free(dn);
	}
	return rc;
}

int scan_refs(struct scan *s, struct prov_error *err)
{
	for (size_t i = 0; i < s->refs.n; i++)
		if (!known(s, s->refs.item[i].target))
			s->account[s->refs.item[i].holder].suspect |= 1u
				<< FINDING_DANGLING_REFERENCE;
	/* one owner who is here is enough */
	for (size_t i = 0, end; i < s->owners.n; i = end) {
		uint32_t holder = s->owners.item[i].holder;
		bool live = false;
		for (end = i; end < s->owners.n && s->owners.item[end].holder == holder; end++) {
			uint32_t a = prov_hashindex_find(&s->dns, s->owners.item[end].target);
			live |= a != SCAN_NONE && !(s->account[a].flag & SCAN_F_LEAVER);
		}
		if (!live)
			s->account[holder].suspect |= 1u << FINDING_OWNERLESS;
	}
	return scan_wants(s, FINDING_DANGLING_REFERENCE) ? settle_others(s, err) : 0;
}

static const char *const ref_attrs[] = { "manager", "owner", "seeAlso", "provAssignedRole",
	"provTimedRole", "provInclude", "provGroup", "provConflict", "provPrerequisite",
	"provApprover", "provSodRole", "entryCSN", "uid", NULL };
enum { REFS = 11 };

static const char *target_of(size_t attr, const char *value)
{
	if (attr != 4)
		return value;
	for (int i = 0; i < 2; i++) { /* from, until, DN */
		value += strcspn(value, " ");
		value += strspn(value, " ");
	}
	return value;
}

static int is_there(struct scan *s, const char *dn, bool *yes, struct prov_error *err)
{
	static const char *const none[] = { LDAP_NO_ATTRS, NULL };
	struct scan_ask q = scan_ask_entry(dn, none);
	uint64_t hash = prov_hash_dn(dn, strlen(dn));
	uint32_t n;
	*yes = !*dn || known(s, hash); /* the empty DN is nobody's */
	if (*yes)
		return 0;
	int rc = scan_ask(s, &q, 1, err);
	*yes = !rc && ldap_first_entry(s->ctl->ld, q.m);
	scan_asked_free(&q, 1);
	if (*yes && prov_hashindex_add(&s->alive, hash, &n, NULL))
		rc = scan_nomem(err);
	return rc;
}

/* Is the holder as it was when its references were looked at? */
static int unchanged(struct scan *s, const char *dn, const struct berval *csn, bool *yes,
	struct prov_error *err)
{
	struct scan_ask q = scan_ask_entry(dn, (const char *const[]){ "entryCSN", NULL });
	int rc = scan_ask(s, &q, 1, err);
	LDAPMessage *m = rc ? NULL : ldap_first_entry(s->ctl->ld, q.m);
	struct berval **v = m ? ldap_get_values_len(s->ctl->ld, m, "entryCSN") : NULL;
	*yes = csn && v && v[0] && v[0]->bv_len == csn->bv_len &&
		!memcmp(v[0]->bv_val, csn->bv_val, csn->bv_len);
	ldap_value_free_len(v);
	scan_asked_free(&q, 1);
	return rc;
}

static int say_dangling(struct scan *s, const char *dn, const char *uid, bool ours, size_t attr,
	const char *value)
{
	struct scan_say f = { FINDING_DANGLING_REFERENCE, dn, uid, target_of(attr, value),
		ours ? "take the value away, or name somebody who is here"
		     : "correct the role: whoever holds it is concerned",
		0,
		ours ? prov_ldif_change(dn, "delete", ref_attrs[attr], value, strlen(value))
		     : NULL };
	return scan_say(s, &f, "%s names %s, which is not there", ref_attrs[attr],
		target_of(attr, value));
}

static int settle_values(struct scan *s, const char *dn, bool ours, LDAPMessage *m,
	struct prov_error *err)
{
	LDAP *ld = s->ctl->ld;
	struct berval **csn = ldap_get_values_len(ld, m, "entryCSN");
	char *uid = prov_ldap_first(ld, m, "uid");
	int rc = 0;
	for (size_t k = 0; !rc && k < REFS; k++) {
		struct berval **v = ldap_get_values_len(ld, m, ref_attrs[k]);
		for (size_t i = 0; !rc && v && v[i]; i++) {
			bool there = false, same = false;
			rc = is_there(s, target_of(k, v[i]->bv_val), &there, err);
			if (!rc && !there)
				rc = unchanged(s, dn, csn ? csn[0] : NULL, &same, err);
			if (!rc && same && say_dangling(s, dn, uid, ours, k, v[i]->bv_val))
				rc = scan_nomem(err);
		}
		ldap_value_free_len(v);
	}
	free(uid);
	ldap_value_free_len(csn);
	return rc;
}

int scan_refs_settle(struct scan *s, const char *dn, bool ours, struct prov_error *err)
{
	struct scan_ask q = scan_ask_entry(dn, ref_attrs);
	int rc = scan_ask(s, &q, 1, err);
	LDAPMessage *m = rc ? NULL : ldap_first_entry(s->ctl->ld, q.m);
	if (m)
		rc = settle_values(s, dn, ours, m, err);
	scan_asked_free(&q, 1);
	return rc;
}

/* "": the owner is here; else why not, and since when. */
static int owner_state(struct scan *s, const char *dn, char why[64], int64_t *since,
	struct prov_error *err)
{
	struct scan_ask q =
		scan_ask_entry(dn, (const char *const[]){ "provState", "provStateSince", NULL });
	struct scan_entry e = { 0 };
	int rc = scan_ask(s, &q, 1, err);
	*why = '\0';
	*since = 0;
	if (!rc && !scan_asked(s, &q, &e)) {
		snprintf(why, 64, "is not there");
	} else if (!rc && scan_left(&e)) {
		snprintf(why, 64, "left");
		*since = scan_time(&e, SCAN_A_SINCE);
	}
	scan_entry_dispose(&e);
	scan_asked_free(&q, 1);
	return rc;
}

int scan_owner_settle(struct scan *s, const char *dn, struct prov_error *err)
{
	struct scan_ask q = scan_ask_entry(dn, s->attrs.name);
	struct scan_entry e = { 0 };
	char why[64] = "", since[24];
	const char *whom = NULL;
	int64_t at = 0;
	bool same = false, live = false;
	int rc = scan_ask(s, &q, 1, err);
	if (!rc && scan_asked(s, &q, &e) && scan_machine(&e) && !scan_left(&e)) {
		for (size_t attr = SCAN_A_MANAGER; attr <= SCAN_A_OWNER; attr++)
			for (BerVarray v = e.val[attr]; !rc && !live && v && v->bv_val; v++) {
				whom = v->bv_val;
				rc = owner_state(s, whom, why, &at, err);
				live = !rc && !*why;
			}
		if (!rc && whom && !live)
			rc = unchanged(s, dn, scan_first(&e, SCAN_A_CSN), &same, err);
	}
	const struct berval *uid = scan_first(&e, SCAN_A_UID);
	if (!rc && same &&
		scan_say(s,
			&(struct scan_say){ FINDING_OWNERLESS, dn, uid ? uid->bv_val : NULL, whom,
				"give it an owner who is here", at, NULL },
			"a %s account whose owner %s %s%s", scan_first(&e, SCAN_A_TYPE)->bv_val,
			whom, why, scan_since(at, since)))
		rc = scan_nomem(err);
	scan_entry_dispose(&e);
	scan_asked_free(&q, 1);
	return rc;
}
