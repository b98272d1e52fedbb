/*
 * scan_pairs.c - values that must be one account's (or group's) own and are several's.
 *
 * Sorted hashes bring them together; then all of them are read twice, and what did not change in
 * between is compared as it is.
 */
#include <stdlib.h>
#include <string.h>

#include "scan.h"

enum { MOST = 64, ROUNDS = 3 }; /* more than MOST with one value: the first ones are told */

struct one {
	uint32_t run; /* those of one run have the same hash */
	char *dn;
	uint64_t csn;
	bool there, person, told;
	struct scan_ask first, second;
	struct scan_entry e;
};

static const struct {
	enum scan_id kind;
	enum finding_check check;
	const char *what;
} kinds[] = {
	{ SCAN_ID_KEY, FINDING_DUPLICATE, "source key" },
	{ SCAN_ID_SOURCEKEY, FINDING_DUPLICATE, "provSourceKey" },
	{ SCAN_ID_MAIL, FINDING_DUPLICATE, "mail" },
	{ SCAN_ID_BIRTH, FINDING_DUPLICATE, "name and birth date" },
	{ SCAN_ID_EMPLOYEE, FINDING_DUPLICATE, "name and employeeNumber" },
	{ SCAN_ID_UID, FINDING_ID_COLLISION, "uid" },
	{ SCAN_ID_UIDNUMBER, FINDING_ID_COLLISION, "uidNumber" },
	{ SCAN_ID_MAIL, FINDING_ID_COLLISION, "mail" },
	{ SCAN_ID_GID, FINDING_ID_COLLISION, "gidNumber" },
};

static const char *const gid_attrs[] = { "gidNumber", "entryCSN", NULL };

static uint64_t csn_of(const struct scan_ask *q, struct scan *s)
{
	LDAPMessage *m = q->m ? ldap_first_entry(s->ctl->ld, q->m) : NULL;
	struct berval **v = m ? ldap_get_values_len(s->ctl->ld, m, "entryCSN") : NULL;
	uint64_t h = v && v[0] ? prov_hash(v[0]->bv_val, v[0]->bv_len) : 0;
	ldap_value_free_len(v);
	return h;
}

static uint64_t value(struct scan *s, const struct one *o, enum scan_id kind, size_t i)
{
	if (kind != SCAN_ID_GID)
		return scan_id_of(s, &o->e, kind, i);
	LDAPMessage *m = ldap_first_entry(s->ctl->ld, o->first.m);
	struct berval **v = m ? ldap_get_values_len(s->ctl->ld, m, "gidNumber") : NULL;
	uint64_t h = v && v[0] && !i ? prov_hash(v[0]->bv_val, v[0]->bv_len) : 0;
	ldap_value_free_len(v);
	return h;
}

static bool shares(struct scan *s, const struct one *a, const struct one *b, enum scan_id kind)
{
	uint64_t x, y;
	for (size_t i = 0; (x = value(s, a, kind, i)) != 0; i++)
		for (size_t k = 0; (y = value(s, b, kind, k)) != 0; k++)
			if (x == y)
				return true;
	return false;
}

/* A person who is here twice is a DUPLICATE; one address of other accounts is an ID_COLLISION. */
static bool matters(const struct one *a, const struct one *b, size_t kind)
{
	bool persons = a->person && b->person;
	if (kinds[kind].check == FINDING_DUPLICATE)
		return persons;
	return kinds[kind].kind != SCAN_ID_MAIL || !persons;
}

static int say(struct scan *s, const struct one *a, const struct one *b, size_t kind)
{
	const struct berval *uid = scan_first(&a->e, SCAN_A_UID);
	char since[24];
	int64_t at = scan_time(&a->e, SCAN_A_CREATED), other = scan_time(&b->e, SCAN_A_CREATED);
	if (other > at)
		at = other;
	return scan_say(s,
		&(struct scan_say){ kinds[kind].check, a->dn, uid ? uid->bv_val : NULL, b->dn,
			kinds[kind].check == FINDING_DUPLICATE
				? "keep one account, and terminate the other when it is the same person"
				: "give one of them a value of its own",
			at, NULL },
		"has the same %s as %s%s", kinds[kind].what, b->dn, scan_since(at, since));
}

/* One person may be told twice in a scan for two reasons: once is enough. */
static bool told(const struct scan *s, const struct one *a, const struct one *b,
	enum finding_check check, size_t from)
{
	for (size_t i = from; i < s->found->n; i++) {
		const struct finding *f = &s->found->item[i];
		if (f->check == check && !strcmp(f->dn, a->dn) && f->related &&
			!strcmp(f->related, b->dn))
			return true;
	}
	return false;
}

static int read_all(struct scan *s, struct one *o, size_t n, enum scan_id kind,
	struct prov_error *err)
{
	struct scan_ask q[MOST];
	int rc;
	for (size_t i = 0; i < n; i++)
		q[i] = scan_ask_entry(o[i].dn, kind == SCAN_ID_GID ? gid_attrs : s->attrs.name);
	rc = scan_ask(s, q, n, err);
	for (size_t i = 0; i < n; i++) {
		o[i].first = q[i];
		o[i].csn = rc ? 0 : csn_of(&q[i], s);
		o[i].there = !rc && scan_asked(s, &q[i], &o[i].e);
		o[i].person = o[i].there && !scan_left(&o[i].e) && !scan_machine(&o[i].e);
		q[i] = scan_ask_entry(o[i].dn, gid_attrs);
	}
	if (!rc)
		rc = scan_ask(s, q, n, err);
	for (size_t i = 0; !rc && i < n; i++)
		o[i].csn = csn_of(&q[i], s) == o[i].csn ? o[i].csn : 0;
	if (!rc)
		scan_asked_free(q, n);
	return rc;
}

static void forget(struct one *o, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		scan_entry_dispose(&o[i].e);
		scan_asked_free(&o[i].first, 1);
	}
}

static int tell(struct scan *s, struct one *o, size_t n, size_t kind, size_t from)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < n; i++)
		for (size_t k = 0; !rc && k < n && !o[i].told; k++) {
			if (i == k || o[i].run != o[k].run || !o[i].csn || !o[k].csn ||
				!matters(&o[i], &o[k], kind) ||
				!shares(s, &o[i], &o[k], kinds[kind].kind))
				continue;
			o[i].told = true;
			if (!told(s, &o[i], &o[k], kinds[kind].check, from))
				rc = say(s, &o[i], &o[k], kind);
		}
	return rc;
}

/* Several runs at once, so that asking takes few round trips. */
struct batch {
	size_t n;
	uint64_t item[MOST];
	uint32_t run[MOST];
};

static int settle(struct scan *s, struct batch *b, size_t kind, size_t from, struct prov_error *err)
{
	struct one *o = calloc(b->n + 1, sizeof(*o));
	bool changed = b->n != 0;
	int rc = o ? 0 : scan_nomem(err);
	for (size_t i = 0; !rc && i < b->n; i++) {
		uint32_t number = scan_id_holder(b->item[i]);
		o[i].run = b->run[i];
		o[i].dn = kinds[kind].kind == SCAN_ID_GID ? strdup(s->text + s->group_dn[number])
							  : scan_account_dn(s, number);
		if (!o[i].dn)
			rc = scan_nomem(err);
	}
	for (int round = 0; !rc && changed && round < ROUNDS; round++) {
		rc = read_all(s, o, b->n, kinds[kind].kind, err);
		if (!rc && tell(s, o, b->n, kind, from))
			rc = scan_nomem(err);
		changed = false;
		for (size_t i = 0; i < b->n; i++)
			changed |= o[i].there && !o[i].csn;
		forget(o, b->n);
	}
	for (size_t i = 0; o && i < b->n; i++)
		free(o[i].dn);
	free(o);
	b->n = 0;
	return rc;
}

static bool several(const uint64_t *item, size_t n)
{
	for (size_t i = 1; i < n; i++) /* one account may have a value twice, in two spellings */
		if (scan_id_holder(item[i]) != scan_id_holder(item[0]))
			return true;
	return false;
}

/* Nothing to settle when the flags say already that it does not matter. */
static bool worth(const struct scan *s, const uint64_t *item, size_t n, size_t kind)
{
	size_t persons = 0;
	if (kinds[kind].kind != SCAN_ID_MAIL)
		return true;
	for (size_t i = 0; i < n; i++)
		persons += !(s->account[scan_id_holder(item[i])].flag &
			(SCAN_F_LEAVER | SCAN_F_MACHINE));
	return kinds[kind].check == FINDING_DUPLICATE ? persons > 1 : persons < n;
}

static size_t run_length(const struct scan_ids *x, size_t i)
{
	size_t end = i + 1;
	while (end < x->n && scan_id_hash(x->item[end]) == scan_id_hash(x->item[i]))
		end++;
	return end - i;
}

int scan_pairs(struct scan *s, struct prov_error *err)
{
	struct batch b = { 0 };
	size_t from = s->found->n;
	int rc = 0;
	for (size_t kind = 0; !rc && kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
		const struct scan_ids *x = &s->ids[kinds[kind].kind];
		size_t len = 0;
		for (size_t i = 0; !rc && scan_wants(s, kinds[kind].check) && i < x->n; i += len) {
			len = run_length(x, i);
			size_t n = len < MOST ? len : MOST;
			if (!several(x->item + i, n) || !worth(s, x->item + i, n, kind))
				continue;
			if (b.n + n > MOST)
				rc = settle(s, &b, kind, from, err);
			for (size_t k = 0; k < n; k++, b.n++) {
				b.item[b.n] = x->item[i + k];
				b.run[b.n] = (uint32_t)i;
			}
		}
		if (!rc)
			rc = settle(s, &b, kind, from, err);
	}
	return rc;
}
