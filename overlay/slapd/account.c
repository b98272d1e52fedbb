/*
 * account.c - the provision-accounts URLs against entries.
 */
#include "account.h"

#include "convert.h"
#include "schema.h"

static bool in_scope(const struct prov_accounts *a, struct berval *ndn)
{
	struct berval parent;

	if (!dnIsSuffix(ndn, &a->nbase))
		return false;
	switch (a->scope) {
	case LDAP_SCOPE_BASE:
		return dn_match(ndn, &a->nbase);
	case LDAP_SCOPE_ONELEVEL:
		dnParent(ndn, &parent);
		return ndn->bv_len > a->nbase.bv_len && dn_match(&parent, &a->nbase);
	case LDAP_SCOPE_SUBORDINATE:
		return ndn->bv_len > a->nbase.bv_len;
	default:
		return true;
	}
}

bool prov_account_scope(struct prov_instance *pi, struct berval *ndn)
{
	for (int i = 0; i < pi->naccounts; i++)
		if (in_scope(&pi->accounts[i], ndn))
			return true;
	return false;
}

bool prov_account_is(struct prov_instance *pi, Operation *op, Entry *e, struct berval *ndn)
{
	/* Whoever writes, the question is what the entry is, not what he may read. */
	Operation op2 = *op;

	op2.o_dn = op->o_bd->be_rootdn;
	op2.o_ndn = op->o_bd->be_rootndn;
	if (!BER_BVISNULL(&pi->archive_ndn) && dnIsSuffix(ndn, &pi->archive_ndn))
		return false;
	for (int i = 0; i < pi->naccounts; i++) {
		struct prov_accounts *a = &pi->accounts[i];
		if (in_scope(a, ndn) &&
			(!a->filter || test_filter(&op2, e, a->filter) == LDAP_COMPARE_TRUE))
			return true;
	}
	return false;
}

static bool filter_looks_at(const Filter *f, AttributeDescription *ad)
{
	AttributeDescription *seen = NULL;

	switch (f->f_choice & SLAPD_FILTER_MASK) {
	case LDAP_FILTER_AND:
	case LDAP_FILTER_OR:
	case LDAP_FILTER_NOT:
		for (const Filter *p = f->f_list; p; p = p->f_next)
			if (filter_looks_at(p, ad))
				return true;
		return false;
	case LDAP_FILTER_PRESENT:
		seen = f->f_desc;
		break;
	case LDAP_FILTER_EQUALITY:
	case LDAP_FILTER_GE:
	case LDAP_FILTER_LE:
	case LDAP_FILTER_APPROX:
		seen = f->f_av_desc;
		break;
	case LDAP_FILTER_SUBSTRINGS:
		seen = f->f_sub_desc;
		break;
	default:
		return true; /* extensible: could look at anything */
	}
	return seen && is_ad_subtype(ad, seen);
}

bool prov_account_filter_looks_at(struct prov_instance *pi, AttributeDescription *ad)
{
	for (int i = 0; i < pi->naccounts; i++)
		if (pi->accounts[i].filter && filter_looks_at(pi->accounts[i].filter, ad))
			return true;
	return false;
}

struct berval prov_entry_value(Entry *e, AttributeDescription *ad)
{
	Attribute *a = e && ad ? attr_find(e->e_attrs, ad) : NULL;

	return a && a->a_numvals ? a->a_vals[0] : (struct berval)BER_BVNULL;
}

struct berval prov_account_uid(Entry *e)
{
	return prov_entry_value(e, slap_schema.si_ad_uid);
}

enum prov_state prov_account_state(Entry *e)
{
	struct berval v = prov_entry_value(e, prov_ad.state);

	return BER_BVISNULL(&v) ? PROV_STATE_ACTIVE : prov_state_parse(prov_bv(v));
}
