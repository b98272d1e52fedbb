/*
 * scan_refs.c - entries that are referred to: there, or not.
 *
 * Accounts, groups and roles are known by the time this runs. Anything else is asked for, once for
 * each distinct entry.
 */
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "ldifout.h"
#include "scan.h"

static bool known(const struct scan *s, uint64_t target)
{
	return prov_hashindex_find(&s->dns, target) != SCAN_NONE ||
		prov_hashindex_find(&s->groups, target) != SCAN_NONE ||
		prov_hashindex_find(&s->roles, target) != SCAN_NONE ||
		prov_hashindex_find(&s->alive, target) != SCAN_NONE;
}

/*
 * What may refer to another entry: of every entry, and of roles and sets. Both are decoded with the
 * numbers of enum scan_attr, those of roles after them.
 */
static const size_t ref_attr[] = { SCAN_A_MANAGER, SCAN_A_OWNER, SCAN_A_SEEALSO, SCAN_A_ASSIGNED,
	SCAN_A_TIMED, SCAN_A_FIXED, SCAN_A_FIXED + 1, SCAN_A_FIXED + 2, SCAN_A_FIXED + 3,
	SCAN_A_FIXED + 4, SCAN_A_FIXED + 5 };
static const char *const role_attr[] = { "provInclude", "provGroup", "provConflict",
	"provPrerequisite", "provApprover", "provSodRole" };
enum {
	REFS = sizeof(ref_attr) / sizeof(ref_attr[0]),
	ROLE_REFS = sizeof(role_attr) / sizeof(role_attr[0])
};

struct holder {
	const struct scan_entry *e;
	bool ours; /* an account or a group; else a role or a set */
	size_t refs;
};

struct ref {
	const struct holder *holder;
	size_t attr; /* number of the entry's */
	const char *value;
};
struct refs {
	size_t n, room;
	struct ref *item;
};

static const char *attr_name(const struct scan *s, size_t attr)
{
	return attr < SCAN_A_FIXED ? s->attrs.name[attr] : role_attr[attr - SCAN_A_FIXED];
}

static const char *target_of(size_t attr, const char *value)
{
	return attr == SCAN_A_TIMED ? scan_timed_role(value) : value;
}

/* The empty DN is nobody's. */
static int collect(const struct scan *s, const struct holder *h, struct refs *r)
{
	for (size_t k = 0; k < h->refs; k++)
		for (BerVarray v = h->e->val[ref_attr[k]]; v && v->bv_val; v++) {
			const char *dn = target_of(ref_attr[k], v->bv_val);
			if (!*dn || known(s, prov_hash_dn(dn, strlen(dn))))
				continue;
			if (prov_grow(&r->item, r->n, &r->room, sizeof(*r->item)))
				return PROV_ENOMEM;
			r->item[r->n++] = (struct ref){ h, ref_attr[k], v->bv_val };
		}
	return 0;
}

/* Keeps those that are not there. */
static int look_for(struct scan *s, struct refs *r, struct prov_error *err)
{
	static const char *const none[] = { LDAP_NO_ATTRS, NULL };
	struct scan_ask *q = calloc(r->n, sizeof(*q));
	size_t asks = r->n, gone = 0;
	if (!q)
		return scan_nomem(err);
	for (size_t i = 0; i < asks; i++)
		q[i] = scan_ask_entry(target_of(r->item[i].attr, r->item[i].value), none);
	int rc = scan_ask(s, q, asks, err);
	for (size_t i = 0; !rc && i < asks; i++) {
		uint32_t n;
		if (!ldap_first_entry(s->ctl->ld, q[i].m))
			r->item[gone++] = r->item[i];
		else if (prov_hashindex_add(&s->alive, prov_hash_dn(q[i].base, strlen(q[i].base)),
				 &n, NULL))
			rc = scan_nomem(err);
	}
	r->n = gone;
	scan_asked_free(q, asks);
	free(q);
	return rc;
}

static int say_dangling(struct scan *s, const struct ref *r)
{
	const struct scan_entry *e = r->holder->e;
	const struct berval *uid = scan_first(e, SCAN_A_UID);
	const char *name = attr_name(s, r->attr), *target = target_of(r->attr, r->value);
	struct scan_say f = { FINDING_DANGLING_REFERENCE, e->dn.bv_val, uid ? uid->bv_val : NULL,
		target,
		r->holder->ours ? "take the value away, or name somebody who is here"
				: "correct the role: whoever holds it is concerned",
		0,
		r->holder->ours
			? prov_ldif_change(e->dn.bv_val, "delete", name, r->value, strlen(r->value))
			: NULL };
	return scan_say(s, &f, "%s names %s, which is not there", name, target);
}

/* Of holders that are as they were when their references were looked at. */
static int say_all(struct scan *s, const struct holder *h, size_t n, const struct refs *r,
	struct prov_error *err)
{
	const struct scan_entry **e = calloc(n, sizeof(*e));
	bool *same = calloc(n, sizeof(*same));
	int rc = e && same ? 0 : scan_nomem(err);
	for (size_t i = 0; !rc && i < n; i++)
		e[i] = h[i].e;
	for (size_t i = 0; !rc && i < r->n; i++)
		same[r->item[i].holder - h] = true;
	if (!rc)
		rc = scan_unchanged(s, e, same, n, err);
	for (size_t i = 0; !rc && i < r->n; i++)
		if (same[r->item[i].holder - h] && say_dangling(s, &r->item[i]))
			rc = scan_nomem(err);
	free(same);
	free(e);
	return rc;
}

static int settle(struct scan *s, const struct holder *h, size_t n, struct prov_error *err)
{
	struct refs r = { 0 };
	int rc = 0;
	for (size_t i = 0; !rc && i < n; i++)
		rc = collect(s, &h[i], &r) ? scan_nomem(err) : 0;
	if (!rc && r.n)
		rc = look_for(s, &r, err);
	if (!rc && r.n)
		rc = say_all(s, h, n, &r, err);
	free(r.item);
	return rc;
}

int scan_refs_settle(struct scan *s, const struct scan_again *a, size_t n, struct prov_error *err)
{
	struct holder h[SCAN_WINDOW];
	size_t holders = 0;
	for (size_t i = 0; i < n; i++)
		if (a[i].there && a[i].suspect >> FINDING_DANGLING_REFERENCE & 1)
			h[holders++] = (struct holder){ &a[i].e, true, REFS - ROLE_REFS };
	return holders ? settle(s, h, holders, err) : 0;
}

/* Roles, sets and groups, asked for again: texts of them. */
static int settle_window(struct scan *s, const uint32_t *text, size_t n, struct prov_error *err)
{
	struct scan_attrs attrs = { 0 };
	struct scan_ask q[SCAN_WINDOW];
	struct scan_entry e[SCAN_WINDOW] = { 0 };
	struct holder h[SCAN_WINDOW];
	size_t holders = 0;
	for (; attrs.n < SCAN_A_FIXED + ROLE_REFS; attrs.n++)
		attrs.name[attrs.n] = attr_name(s, attrs.n);
	for (size_t i = 0; i < n; i++)
		q[i] = scan_ask_entry(s->text + text[i], attrs.name);
	int rc = scan_ask(s, q, n, err);
	for (size_t i = 0; !rc && i < n; i++) {
		LDAPMessage *m = ldap_first_entry(s->ctl->ld, q[i].m);
		uint64_t self = prov_hash_dn(q[i].base, strlen(q[i].base));
		if (!m)
			continue;
		rc = scan_entry_decode(&attrs, s->ctl->ld, m, &e[i], err);
		h[holders++] = (struct holder){ &e[i],
			prov_hashindex_find(&s->roles, self) == SCAN_NONE, REFS };
	}
	if (!rc)
		rc = settle(s, h, holders, err);
	for (size_t i = 0; i < n; i++)
		scan_entry_dispose(&e[i]);
	scan_asked_free(q, n);
	return rc;
}

/* Holders follow each other: one look at each. */
static int settle_others(struct scan *s, struct prov_error *err)
{
	uint32_t some[SCAN_WINDOW], last = 0;
	size_t n = 0;
	int rc = 0;
	for (size_t i = 0; !rc && i < s->others.n; i++) {
		const struct scan_ref *r = &s->others.item[i];
		if (r->holder == last || known(s, r->target))
			continue;
		some[n++] = last = r->holder;
		if (n == SCAN_WINDOW) {
			rc = settle_window(s, some, n, err);
			n = 0;
		}
	}
	return rc || !n ? rc : settle_window(s, some, n, err);
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
