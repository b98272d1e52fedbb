/*
 * scan_keep.c - what is kept of an account for the joins: values that must be its own, groups that
 * its grants explain, entries that it refers to.
 */
#include <string.h>

#include "grant.h"
#include "grow.h"
#include "scan.h"

/* Given name and surname, else the first common name; with something that few people share. */
static uint64_t hash_person(const struct scan_entry *e, size_t with)
{
	const struct berval *more = scan_first(e, with), *given = scan_first(e, SCAN_A_GIVENNAME);
	const struct berval *sn = scan_first(e, SCAN_A_SN), *cn = scan_first(e, SCAN_A_CN);
	char both[512];
	uint64_t name = 0;
	if (!more)
		return 0;
	if (given && sn && given->bv_len + sn->bv_len < sizeof(both)) {
		memcpy(both, given->bv_val, given->bv_len);
		both[given->bv_len] = ' ';
		memcpy(both + given->bv_len + 1, sn->bv_val, sn->bv_len);
		name = prov_hash_name(both, given->bv_len + 1 + sn->bv_len);
	} else if (cn) {
		name = prov_hash_name(cn->bv_val, cn->bv_len);
	}
	return name ? prov_hash_join(name, prov_hash_text(more->bv_val, more->bv_len)) : 0;
}

static uint64_t hash_value(const struct scan_entry *e, size_t attr, size_t i)
{
	size_t n = 0;
	while (e->val[attr] && e->val[attr][n].bv_val && n < i)
		n++;
	if (!e->val[attr] || !e->val[attr][n].bv_val)
		return 0;
	return prov_hash_text(e->val[attr][n].bv_val, e->val[attr][n].bv_len);
}

uint64_t scan_id_of(const struct scan *s, const struct scan_entry *e, enum scan_id kind, size_t i)
{
	const struct berval *source, *key;
	switch (kind) {
	case SCAN_ID_UID:
		return hash_value(e, SCAN_A_UID, i);
	case SCAN_ID_MAIL:
		return hash_value(e, SCAN_A_MAIL, i);
	case SCAN_ID_UIDNUMBER:
		return hash_value(e, SCAN_A_UIDNUMBER, i);
	case SCAN_ID_KEY:
		return s->source.place ? hash_value(e, s->source_attr, i) : 0;
	case SCAN_ID_SOURCEKEY:
		source = scan_first(e, SCAN_A_SOURCE);
		key = scan_first(e, SCAN_A_SOURCEKEY);
		if (!key || i)
			return 0;
		return prov_hash_join(source ? prov_hash_text(source->bv_val, source->bv_len) : 1,
			prov_hash(key->bv_val, key->bv_len));
	case SCAN_ID_BIRTH:
		return i ? 0 : hash_person(e, SCAN_A_BIRTH);
	case SCAN_ID_EMPLOYEE:
		return i ? 0 : hash_person(e, SCAN_A_EMPLOYEE);
	case SCAN_ID_GID:
		return 0;
	default:
		return (size_t)kind < SCAN_ID_TARGET + s->ntarget
			? hash_value(e, s->target_attr[kind - SCAN_ID_TARGET], i)
			: 0;
	}
}

/* Two accounts of one person are looked for among people who are here only. */
static bool keeps(const struct scan *s, enum scan_id kind, uint16_t flag)
{
	bool person = !(flag & (SCAN_F_LEAVER | SCAN_F_MACHINE));
	switch (kind) {
	case SCAN_ID_UID: /* also: whom a memberUid means */
		return true;
	case SCAN_ID_MAIL:
		return scan_wants(s, FINDING_DUPLICATE) || scan_wants(s, FINDING_ID_COLLISION);
	case SCAN_ID_UIDNUMBER:
		return scan_wants(s, FINDING_ID_COLLISION);
	case SCAN_ID_EMPLOYEE: /* with it as the source's key, the key tells all that this does */
		return person && scan_wants(s, FINDING_DUPLICATE) &&
			!(s->source.place && s->source_attr == SCAN_A_EMPLOYEE);
	case SCAN_ID_KEY:
	case SCAN_ID_SOURCEKEY:
	case SCAN_ID_BIRTH:
		return person && scan_wants(s, FINDING_DUPLICATE);
	case SCAN_ID_GID:
		return false;
	default: /* what a leaver owns elsewhere is nobody's */
		return (size_t)kind < SCAN_ID_TARGET + s->ntarget && !(flag & SCAN_F_LEAVER);
	}
}

static int keep_ids(struct scan *s, uint32_t number, const struct scan_entry *e)
{
	for (int kind = 0; kind < SCAN_IDS; kind++) {
		uint64_t hash;
		if (!keeps(s, (enum scan_id)kind, s->account[number].flag))
			continue;
		for (size_t i = 0; (hash = scan_id_of(s, e, (enum scan_id)kind, i)) != 0; i++)
			if (scan_id_add(s, (enum scan_id)kind, hash, number))
				return PROV_ENOMEM;
	}
	return 0;
}

static int keep_group(struct scan *s, struct scan_account *a, struct prov_val dn)
{
	uint64_t hash = prov_hash_dn(dn.data, dn.len);
	uint32_t number;
	int fresh = 0;
	if (!hash || prov_hashindex_add(&s->granted, hash, &number, &fresh))
		return PROV_ENOMEM;
	if (fresh) {
		if (prov_grow(&s->granted_dn, number, &s->grantedroom, sizeof(*s->granted_dn)))
			return PROV_ENOMEM;
		s->granted_dn[number] = scan_text(s, dn.data, dn.len);
		if (s->granted_dn[number] == SCAN_NONE)
			return PROV_ENOMEM;
	}
	if (a->ngrant == UINT16_MAX)
		return PROV_EFULL;
	if (prov_grow(&s->grant, s->ngrant, &s->grantroom, sizeof(*s->grant)))
		return PROV_ENOMEM;
	if (!a->ngrant)
		a->grants = (uint32_t)s->ngrant;
	s->grant[s->ngrant++] = number;
	a->ngrant++;
	return 0;
}

static int keep_grants(struct scan *s, struct scan_account *a, const struct scan_entry *e)
{
	int rc = 0;
	for (BerVarray v = e->val[SCAN_A_GRANT]; !rc && v && v->bv_val; v++) {
		struct prov_arena arena = PROV_ARENA_INIT;
		struct prov_error why = { 0 };
		struct prov_grant g;
		if (prov_grant_parse((struct prov_val){ v->bv_val, v->bv_len }, &arena, &g, &why))
			ctl_say("%s: provGrant that cannot be read: %s", e->dn.bv_val, why.text);
		else if (g.kind == PROV_KIND_GROUP)
			rc = keep_group(s, a, g.what);
		prov_arena_dispose(&arena);
	}
	return rc;
}

static bool known(const struct scan *s, uint64_t target)
{
	return prov_hashindex_find(&s->dns, target) != SCAN_NONE ||
		prov_hashindex_find(&s->roles, target) != SCAN_NONE;
}

static int keep_refs(struct scan *s, uint32_t number, const struct scan_entry *e)
{
	static const size_t attr[] = { SCAN_A_MANAGER, SCAN_A_OWNER, SCAN_A_SEEALSO,
		SCAN_A_ASSIGNED, SCAN_A_TIMED };
	for (size_t k = 0; k < sizeof(attr) / sizeof(attr[0]); k++)
		for (BerVarray v = e->val[attr[k]]; v && v->bv_val; v++) {
			const char *dn =
				attr[k] == SCAN_A_TIMED ? scan_timed_role(v->bv_val) : v->bv_val;
			uint64_t target = prov_hash_dn(dn, strlen(dn));
			if (!known(s, target) && scan_ref_add(&s->refs, target, number))
				return PROV_ENOMEM;
		}
	return 0;
}

static int keep_owners(struct scan *s, uint32_t number, const struct scan_entry *e)
{
	for (size_t attr = SCAN_A_MANAGER; attr <= SCAN_A_OWNER; attr++)
		for (BerVarray v = e->val[attr]; v && v->bv_val; v++)
			if (scan_ref_add(&s->owners, prov_hash_dn(v->bv_val, v->bv_len), number))
				return PROV_ENOMEM;
	return 0;
}

int scan_keep(struct scan *s, uint32_t number, const struct scan_entry *e, struct prov_error *err)
{
	struct scan_account *a = &s->account[number];
	int rc = keep_ids(s, number, e);
	if (!rc)
		rc = keep_grants(s, a, e);
	if (rc == PROV_EFULL)
		return prov_error_set(err, rc, "%s has more groups than a scan can hold",
			e->dn.bv_val);
	if (!rc && scan_wants(s, FINDING_DANGLING_REFERENCE))
		rc = keep_refs(s, number, e);
	if (!rc && scan_wants(s, FINDING_OWNERLESS) &&
		(a->flag & (SCAN_F_MACHINE | SCAN_F_LEAVER)) == SCAN_F_MACHINE)
		rc = keep_owners(s, number, e);
	if (!rc && s->nrule && !(a->flag & (SCAN_F_KEYED | SCAN_F_MACHINE | SCAN_F_LEAVER)))
		rc = scan_rule_account(s, number, e);
	return rc ? scan_nomem(err) : 0;
}
