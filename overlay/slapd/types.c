/*
 * types.c - attribute types, normalization and validation by slapd's own schema.
 *
 * Owns the table of interned types. Never frees one: snapshots and entries point
 * to them. Made with slapd's own ch_calloc(), which ends the process when there is no memory: a
 * policy that is read without one of its attributes would be another policy. Else out of memory
 * gives PROV_ENOMEM.
 */
#include "types.h"

#include "error.h"

#include <stdatomic.h>
#include <stdlib.h>

struct slap_type {
	struct prov_type t; /* first: a prov_type is the slap_type around it */
	AttributeDescription *ad;
};

#define MAX_TYPES 65536

static _Atomic(struct slap_type *) types[MAX_TYPES];
static pthread_mutex_t types_mutex = PTHREAD_MUTEX_INITIALIZER;

static bool is_one_of(AttributeDescription *ad, const char *const *names)
{
	for (; *names; names++)
		if (strcasecmp(ad->ad_type->sat_cname.bv_val, *names) == 0)
			return true;
	return false;
}

static bool is_secret(AttributeDescription *ad)
{
	static const char *const names[] = { "userPassword", "authPassword", "pwdHistory",
		"sambaNTPassword", "sambaLMPassword", "krbPrincipalKey", "unicodePwd", "olcRootPW",
		"oathSecret", "pwdReset", NULL };

	return is_one_of(ad, names);
}

static bool is_power(AttributeDescription *ad)
{
	static const char *const names[] = { "authzTo", "authzFrom", "OpenLDAPaci", NULL };

	return is_one_of(ad, names);
}

static enum prov_order order_of(AttributeDescription *ad)
{
	MatchingRule *mr = ad->ad_type->sat_ordering;

	if (!mr)
		return PROV_ORDER_NONE;
	if (mr->smr_oid && strcmp(mr->smr_oid, "2.5.13.15") == 0) /* integerOrderingMatch */
		return PROV_ORDER_INTEGER;
	return PROV_ORDER_OCTETS;
}

/* The description one step more general: without options, then the supertype. */
static AttributeDescription *parent_of(AttributeDescription *ad)
{
	AttributeType *up = ad->ad_type;

	if (ad == ad->ad_type->sat_ad)
		up = ad->ad_type->sat_sup;
	return up ? up->sat_ad : NULL;
}

const struct prov_type *prov_type_of(AttributeDescription *ad)
{
	if (!ad || ad->ad_index >= MAX_TYPES)
		return NULL;
	struct slap_type *st = atomic_load_explicit(&types[ad->ad_index], memory_order_acquire);
	if (st)
		return &st->t;

	AttributeDescription *up = parent_of(ad);
	const struct prov_type *sup = up && up != ad ? prov_type_of(up) : NULL;
	pthread_mutex_lock(&types_mutex);
	st = atomic_load(&types[ad->ad_index]);
	if (!st) {
		st = ch_calloc(1, sizeof(*st));
		Syntax *syn = ad->ad_type->sat_syntax;
		st->ad = ad;
		st->t.name = ad->ad_cname.bv_val;
		st->t.sup = sup;
		st->t.single = is_at_single_value(ad->ad_type);
		st->t.dn = strcmp(syn->ssyn_oid, SLAPD_DN_SYNTAX) == 0 ||
			strcmp(syn->ssyn_oid, SLAPD_NAMEUID_SYNTAX) == 0;
		st->t.no_usermod = is_at_no_user_mod(ad->ad_type);
		st->t.secret = is_secret(ad);
		st->t.loose = ad->ad_type == slap_schema.si_ad_objectClass->ad_type;
		st->t.power = is_power(ad);
		st->t.order = order_of(ad);
		atomic_store_explicit(&types[ad->ad_index], st, memory_order_release);
	}
	pthread_mutex_unlock(&types_mutex);
	return &st->t;
}

AttributeDescription *prov_type_ad(const struct prov_type *type)
{
	return ((const struct slap_type *)type)->ad;
}

static const struct prov_type *schema_type(void *ctx, const char *name, size_t len)
{
	struct berval bv = { len, (char *)name };
	AttributeDescription *ad = NULL;
	const char *text;

	(void)ctx;
	if (len == 0 || slap_bv2ad(&bv, &ad, &text) != LDAP_SUCCESS)
		return NULL;
	return prov_type_of(ad);
}

static unsigned usage_of(enum prov_norm how)
{
	switch (how) {
	case PROV_NORM_INITIAL:
		return SLAP_MR_SUBSTR_INITIAL;
	case PROV_NORM_ANY:
		return SLAP_MR_SUBSTR_ANY;
	case PROV_NORM_FINAL:
		return SLAP_MR_SUBSTR_FINAL;
	case PROV_NORM_EQUALITY:
		break;
	}
	return SLAP_MR_EQUALITY | SLAP_MR_VALUE_OF_ASSERTION_SYNTAX;
}

static int schema_normalize(void *ctx, const struct prov_type *type, enum prov_norm how,
	struct prov_val in, struct prov_arena *arena, struct prov_val *out)
{
	AttributeDescription *ad = prov_type_ad(type);
	/* Pieces of a substring assertion are normalized by the equality rule, too. */
	bool possible = how == PROV_NORM_EQUALITY || ad->ad_type->sat_substr;
	MatchingRule *mr = possible ? ad->ad_type->sat_equality : NULL;
	const char *text = NULL;
	struct berval bv, nbv = BER_BVNULL;
	int rc = PROV_EINVAL;

	(void)ctx;
	if (!mr)
		return PROV_EINVAL;
	bv.bv_val = prov_arena_strndup(arena, in.data, in.len); /* rules expect a terminator */
	bv.bv_len = in.len;
	if (!bv.bv_val)
		return PROV_ENOMEM;
	if (asserted_value_validate_normalize(ad, mr, usage_of(how), &bv, &nbv, &text, NULL) ==
		LDAP_SUCCESS) {
		out->data = prov_arena_strndup(arena, nbv.bv_val, nbv.bv_len);
		out->len = nbv.bv_len;
		rc = out->data ? 0 : PROV_ENOMEM;
	}
	ber_memfree(nbv.bv_val);
	return rc;
}

static int schema_validate(void *ctx, const struct prov_type *type, struct prov_val in)
{
	Syntax *syn = prov_type_ad(type)->ad_type->sat_syntax;
	struct berval bv = { in.len, (char *)in.data };

	(void)ctx;
	if (!syn->ssyn_validate)
		return PROV_EINVAL;
	return syn->ssyn_validate(syn, &bv) == LDAP_SUCCESS ? 0 : PROV_EINVAL;
}

/* As slapd itself compares classes: any spelling, and a subclass is one of its superclass. */
static bool schema_equal(void *ctx, const struct prov_type *type, struct prov_val stored,
	struct prov_val asserted)
{
	struct berval have = { stored.len, (char *)stored.data };
	struct berval want = { asserted.len, (char *)asserted.data };

	(void)ctx;
	(void)type;
	ObjectClass *oc = oc_bvfind(&have), *above = oc_bvfind(&want);
	return oc && above && is_object_subclass(above, oc);
}

const struct prov_schema prov_slap_schema = { NULL, schema_type, schema_normalize, schema_validate,
	schema_equal };
