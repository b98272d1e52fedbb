/*
 * flow_group.c - groups that people write themselves: exceptions and memberOf.
 */
#include "flow.h"

#include <stdlib.h>

#include "account.h"
#include "convert.h"
#include "grant.h"
#include "lookup.h"
#include "schema.h"
#include "types.h"
#include "write.h"

static bool has_grant(Entry *e, struct berval gndn)
{
	Attribute *a = attr_find(e->e_attrs, prov_ad.grant);

	/* a cheap look first: is there any grant of a group at all? */
	for (unsigned i = 0; a && i < a->a_numvals; i++)
		if (strncmp(a->a_vals[i].bv_val, "group$", 6) == 0)
			return gndn.bv_len > 0;
	return false;
}

/* Drop the grant of this group, note the exception: through the evaluator, as for any change. */
static int evaluate_taken(struct prov_write *w, Entry *e, struct berval gndn,
	struct prov_plan *plan)
{
	struct prov_txn *t = w->txn;
	struct prov_service_ctx sc = { .txn = t,
		.self_ndn = e->e_nname,
		.uid = prov_account_uid(e) };
	struct prov_services services = prov_services_for(&sc);
	struct prov_val removed = prov_bv(gndn);
	struct prov_entry pe;
	struct prov_request req = { .op = PROV_OP_MODIFY,
		.before = &pe,
		.after = &pe,
		.change_id = prov_val_str(w->stamp.id),
		.actor = w->stamp.actor.authz,
		.now = w->stamp.secs,
		.nremoved = 1,
		.removed = &removed };

	if (!w->policy)
		return LDAP_SUCCESS;
	if (prov_convert_entry_copy(e, &w->arena, &pe))
		return LDAP_OTHER;
	int rc = prov_evaluate(w->policy, &req, &services, &w->arena, plan, &w->err);
	return rc ? LDAP_CONSTRAINT_VIOLATION : LDAP_SUCCESS;
}

/* Is this provGrant or provException about that group? */
static bool is_about(struct prov_write *w, struct prov_val value, struct berval gndn)
{
	struct prov_grant g;
	struct berval dn, ndn = BER_BVNULL;

	if (prov_grant_parse(value, &w->arena, &g, NULL) || g.kind != PROV_KIND_GROUP)
		return false;
	dn = prov_val_bv(g.what);
	bool same = dnNormalize(0, NULL, NULL, &dn, &ndn, NULL) == LDAP_SUCCESS &&
		dn_match(&ndn, &gndn);
	ch_free(ndn.bv_val);
	return same;
}

/*
 * Only what was taken is noted here. Whatever else the policy has in mind for the account
 * (a role changed, and the background task has not come to it yet) stays for that task,
 * which writes grants and groups together.
 */
static int only_taken(struct prov_write *w, struct prov_plan *plan, struct berval gndn)
{
	struct prov_mod *mod = prov_arena_array(&w->arena, plan->nmod + 1, sizeof(*mod));
	size_t n = 0;

	if (!mod)
		return LDAP_OTHER;
	for (size_t i = 0; i < plan->nmod; i++) {
		struct prov_mod m = plan->mod[i];
		AttributeDescription *ad = prov_type_ad(m.type);
		size_t kept = 0;
		if (!(ad == prov_ad.grant && m.op == PROV_MOD_DELETE) &&
			!(ad == prov_ad.exception && m.op == PROV_MOD_ADD))
			continue;
		struct prov_val *v = prov_arena_array(&w->arena, m.n + 1, sizeof(*v));
		if (!v)
			return LDAP_OTHER;
		for (size_t j = 0; j < m.n; j++)
			if (is_about(w, m.val[j], gndn))
				v[kept++] = m.val[j];
		m.val = v;
		m.n = kept;
		if (kept)
			mod[n++] = m;
	}
	plan->mod = mod;
	plan->nmod = n;
	return LDAP_SUCCESS;
}

int prov_group_taken(struct prov_write *w, struct berval dn, struct berval ndn, struct berval gdn,
	struct berval gndn)
{
	struct prov_plan plan = { 0 };
	Modifications *mods = NULL;
	Entry *e = NULL;
	struct prov_val g = prov_bv(gdn);
	int rc = prov_lookup_entry(w->pi, w->op, &ndn, &e);

	(void)dn;
	if (rc != LDAP_SUCCESS || !e)
		return rc;
	if (has_grant(e, gndn) && prov_account_is(w->pi, w->op, e, &ndn))
		rc = evaluate_taken(w, e, gndn, &plan);
	if (rc == LDAP_SUCCESS)
		rc = only_taken(w, &plan, gndn);
	if (rc == LDAP_SUCCESS)
		rc = prov_mods_append_plan(w->op, &mods, &plan, &w->err);
	if (rc == LDAP_SUCCESS && w->pi->memberof && attr_find(e->e_attrs, prov_ad.memberOf)) {
		rc = prov_mods_append(w->op, &mods, LDAP_MOD_DELETE, prov_ad.memberOf, &g, 1,
			&w->err);
		for (Modifications *m = mods; m; m = m->sml_next)
			if (m->sml_desc == prov_ad.memberOf)
				m->sml_op = SLAP_MOD_SOFTDEL;
	}
	if (rc == LDAP_SUCCESS && plan.nmod)
		rc = prov_stamp_mods(&w->stamp, w->op, e, &mods, &w->err);
	if (rc == LDAP_SUCCESS && mods)
		rc = prov_txn_modify(w->txn, e->e_name, e->e_nname, mods, &w->err);
	else
		slap_mods_free(mods, 1);
	entry_free(e);
	return rc;
}

/* The DN in a member or uniqueMember value (a UID part, RFC 4517 3.3.21, is cut off). */
static struct berval dn_of(struct berval v, enum prov_group_kind kind)
{
	char *hash = kind == PROV_GROUP_UNIQUE && v.bv_val ? strrchr(v.bv_val, '#') : NULL;

	if (hash && hash[1] == '\'')
		v.bv_len = (ber_len_t)(hash - v.bv_val);
	return v;
}

struct by_uid {
	struct prov_write *w;
	struct berval dn, ndn;
};

static int see_uid(void *ctx, Entry *e)
{
	struct by_uid *b = ctx;

	if (!prov_account_is(b->w->pi, b->w->op, e, &e->e_nname))
		return 0;
	b->dn.bv_val = prov_arena_strndup(&b->w->arena, e->e_name.bv_val, e->e_name.bv_len);
	b->dn.bv_len = e->e_name.bv_len;
	b->ndn.bv_val = prov_arena_strndup(&b->w->arena, e->e_nname.bv_val, e->e_nname.bv_len);
	b->ndn.bv_len = e->e_nname.bv_len;
	return 1;
}

/* One member came or went by hand. v/nv: the value in the group. */
static int member_changed(struct prov_write *w, struct berval v, struct berval nv, bool add,
	enum prov_group_kind kind, struct berval gdn, struct berval gndn)
{
	struct berval dn = dn_of(v, kind), ndn = dn_of(nv, kind);
	int rc = prov_write_note_member(w, dn, add);

	if (rc != LDAP_SUCCESS)
		return rc;
	if (kind == PROV_GROUP_UID) {
		struct by_uid b = { w, BER_BVNULL, BER_BVNULL };
		const char *u = prov_lookup_escape(&w->arena, prov_bv(v));
		char *filter = u && !add ? prov_arena_printf(&w->arena, "(uid=%s)", u) : NULL;
		if (!filter)
			return LDAP_SUCCESS;
		rc = prov_lookup_search(w->pi, w->op, &w->op->o_bd->be_nsuffix[0],
			LDAP_SCOPE_SUBTREE, filter, see_uid, &b);
		return rc == LDAP_SUCCESS && b.dn.bv_val
			? prov_group_taken(w, b.dn, b.ndn, gdn, gndn)
			: rc;
	}
	if (BER_BVISEMPTY(&ndn) || !dnIsSuffix(&ndn, &w->op->o_bd->be_nsuffix[0]))
		return LDAP_SUCCESS;
	ndn.bv_val = prov_arena_strndup(&w->arena, ndn.bv_val, ndn.bv_len);
	dn.bv_val = prov_arena_strndup(&w->arena, dn.bv_val, dn.bv_len);
	if (!add)
		return prov_group_taken(w, dn, ndn, gdn, gndn);
	return w->pi->memberof ? prov_memberof_change(w->txn, dn, ndn, true, gdn, &w->err)
			       : LDAP_SUCCESS;
}

static int each_value(struct prov_write *w, BerVarray v, BerVarray nv, unsigned n, bool add,
	enum prov_group_kind kind, struct berval gdn, struct berval gndn)
{
	int rc = LDAP_SUCCESS;

	for (unsigned i = 0; i < n && rc == LDAP_SUCCESS; i++)
		rc = member_changed(w, v[i], nv ? nv[i] : v[i], add, kind, gdn, gndn);
	return rc;
}

static int by_bytes(const void *a, const void *b)
{
	const struct berval *x = a, *y = b;

	return ber_bvcmp(x, y);
}

/* Values of a that are not in b. Sorted once: groups may be large. */
static int difference(struct prov_write *w, Attribute *a, Attribute *b, bool add,
	enum prov_group_kind kind)
{
	size_t nb = b ? b->a_numvals : 0;
	struct berval *sorted = prov_arena_array(&w->arena, nb + 1, sizeof(*sorted));
	int rc = sorted ? LDAP_SUCCESS : LDAP_OTHER;

	if (sorted && nb) {
		memcpy(sorted, b->a_nvals, nb * sizeof(*sorted));
		qsort(sorted, nb, sizeof(*sorted), by_bytes);
	}
	for (unsigned i = 0; a && i < a->a_numvals && rc == LDAP_SUCCESS; i++)
		if (!nb || !bsearch(&a->a_nvals[i], sorted, nb, sizeof(*sorted), by_bytes))
			rc = member_changed(w, a->a_vals[i], a->a_nvals[i], add, kind,
				w->op->o_req_dn, w->op->o_req_ndn);
	return rc;
}

static bool wants_whole(Modifications *mods)
{
	for (Modifications *m = mods; m; m = m->sml_next)
		if (prov_group_kind_of_attr(m->sml_desc) != PROV_GROUP_NONE &&
			(m->sml_op == LDAP_MOD_REPLACE ||
				(m->sml_op == LDAP_MOD_DELETE && m->sml_numvals == 0) ||
				m->sml_op == SLAP_MOD_SOFTADD || m->sml_op == SLAP_MOD_SOFTDEL ||
				m->sml_op == SLAP_MOD_ADD_IF_NOT_PRESENT))
			return true;
	return false;
}

static int compare(struct prov_write *w, Entry *before, Entry *after)
{
	static const enum prov_group_kind kinds[] = { PROV_GROUP_MEMBER, PROV_GROUP_UNIQUE,
		PROV_GROUP_UID };
	int rc = LDAP_SUCCESS;

	for (int i = 0; i < 3 && rc == LDAP_SUCCESS; i++) {
		AttributeDescription *ad = prov_group_attr(kinds[i]);
		Attribute *was = ad ? attr_find(before->e_attrs, ad) : NULL;
		Attribute *is = ad ? attr_find(after->e_attrs, ad) : NULL;
		rc = difference(w, was, is, false, kinds[i]);
		if (rc == LDAP_SUCCESS)
			rc = difference(w, is, was, true, kinds[i]);
	}
	return rc;
}

bool prov_group_touched(Modifications *mods)
{
	for (Modifications *m = mods; m; m = m->sml_next)
		if (prov_group_kind_of_attr(m->sml_desc) != PROV_GROUP_NONE)
			return true;
	return false;
}

int prov_group_changed(struct prov_write *w, Entry *before)
{
	Entry *after = NULL;
	int rc = prov_lookup_entry(w->pi, w->op, &w->op->o_req_ndn, &after);

	if (rc == LDAP_SUCCESS && after)
		rc = compare(w, before, after);
	if (after)
		entry_free(after);
	return rc;
}

/* A replaced list is compared whole; named values need no reading of the group. */
static int members_changed(struct prov_write *w, bool whole)
{
	Operation *op = w->op;
	int rc = LDAP_SUCCESS;

	if (whole)
		return w->before ? prov_group_changed(w, w->before) : LDAP_SUCCESS;
	for (Modifications *m = op->orm_modlist; m && rc == LDAP_SUCCESS; m = m->sml_next) {
		enum prov_group_kind kind = prov_group_kind_of_attr(m->sml_desc);
		if (kind != PROV_GROUP_NONE)
			rc = each_value(w, m->sml_values, m->sml_nvalues, m->sml_numvals,
				m->sml_op == LDAP_MOD_ADD, kind, op->o_req_dn, op->o_req_ndn);
	}
	return rc;
}

static int group_modify_in_txn(struct prov_write *w)
{
	bool whole = wants_whole(w->op->orm_modlist) || get_permissiveModify(w->op);
	int rc = whole ? prov_lookup_entry(w->pi, w->op, &w->op->o_req_ndn, &w->before)
		       : LDAP_SUCCESS;

	prov_write_note_mods(w, w->op->orm_modlist);
	if (rc != LDAP_SUCCESS)
		return prov_write_refuse(w, rc);
	if (prov_txn_run(w->txn) != LDAP_SUCCESS)
		return prov_write_refuse(w, -1);
	rc = members_changed(w, whole);
	return rc == LDAP_SUCCESS ? prov_write_finish(w, w->before) : prov_write_refuse(w, rc);
}

int prov_flow_group_modify(struct prov_instance *pi, Operation *op, SlapReply *rs)
{
	struct prov_write w;

	prov_write_open(&w, pi, op, rs, "group");
	int rc = prov_write_begin(&w);
	if (rc == 0)
		rc = group_modify_in_txn(&w);
	prov_write_close(&w);
	return rc;
}

int prov_group_members_follow(struct prov_write *w, Entry *group, bool add, struct berval new_dn)
{
	static const enum prov_group_kind kinds[] = { PROV_GROUP_MEMBER, PROV_GROUP_UNIQUE };
	int rc = LDAP_SUCCESS;

	if (!w->pi->memberof)
		return rc;
	for (int k = 0; k < 2; k++) {
		Attribute *a = attr_find(group->e_attrs, prov_group_attr(kinds[k]));
		for (unsigned i = 0; a && i < a->a_numvals && rc == LDAP_SUCCESS; i++) {
			struct berval dn = dn_of(a->a_vals[i], kinds[k]),
				      ndn = dn_of(a->a_nvals[i], kinds[k]);
			rc = prov_memberof_change(w->txn, dn, ndn, add, group->e_name, &w->err);
			if (rc == LDAP_SUCCESS && !BER_BVISEMPTY(&new_dn))
				rc = prov_memberof_change(w->txn, dn, ndn, true, new_dn, &w->err);
		}
	}
	return rc;
}

int prov_group_added(struct prov_write *w, Entry *e)
{
	struct berval none = BER_BVNULL;

	for (int k = PROV_GROUP_MEMBER; k <= PROV_GROUP_UID; k++) {
		AttributeDescription *ad = prov_group_attr(k);
		Attribute *a = ad ? attr_find(e->e_attrs, ad) : NULL;
		for (unsigned i = 0; a && i < a->a_numvals; i++)
			if (prov_write_note_member(w, a->a_vals[i], true) != LDAP_SUCCESS)
				return LDAP_OTHER;
	}
	return prov_group_members_follow(w, e, true, none);
}

static int group_add_in_txn(struct prov_write *w)
{
	Entry *e = w->op->ora_e;

	if (prov_txn_run(w->txn) != LDAP_SUCCESS)
		return prov_write_refuse(w, -1);
	int rc = prov_group_added(w, e);
	return rc == LDAP_SUCCESS ? prov_write_finish(w, e) : prov_write_refuse(w, rc);
}

int prov_flow_group_add(struct prov_instance *pi, Operation *op, SlapReply *rs)
{
	struct prov_write w;

	prov_write_open(&w, pi, op, rs, "group");
	int rc = prov_write_begin(&w);
	if (rc == 0)
		rc = group_add_in_txn(&w);
	prov_write_close(&w);
	return rc;
}
