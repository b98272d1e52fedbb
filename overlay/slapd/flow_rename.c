/*
 * flow_rename.c - modrdn: the memberships of a renamed account, and of every account
 * below a renamed entry, follow in the same commit, given or manual.
 */
#include "flow.h"

#include "access.h"
#include "account.h"
#include "convert.h"
#include "journal.h"
#include "lookup.h"
#include "schema.h"
#include "types.h"
#include "write.h"

struct below {
	struct prov_write *w;
	struct berval *dn, *ndn, *uid;
	size_t n, room;
	Entry **group; /* groups below, when memberOf is kept */
	size_t ngroup, group_room;
	bool oom;
	const struct prov_role *role; /* that grants a group below */
	bool policy;
};

static struct berval keep(struct prov_arena *a, struct berval v)
{
	struct berval bv = { v.bv_len,
		v.bv_val ? prov_arena_strndup(a, v.bv_val, v.bv_len) : NULL };

	return bv;
}

static int grow(struct prov_arena *a, void *ptr, size_t n, size_t *room, size_t size)
{
	void **p = ptr;

	if (n < *room)
		return 0;
	size_t more = *room ? *room * 2 : 32;
	void *fresh = prov_arena_array(a, more, size);
	if (!fresh)
		return -1;
	if (n)
		memcpy(fresh, *p, n * size);
	*p = fresh;
	*room = more;
	return 0;
}

static int see_below(void *ctx, Entry *e)
{
	struct below *b = ctx;
	struct prov_write *w = b->w;
	size_t r1 = b->room, r2 = b->room, r3 = b->room;

	if (!BER_BVISNULL(&w->pi->policy_ndn) && dn_match(&e->e_nname, &w->pi->policy_ndn))
		b->policy = true;
	if (prov_group_kind_of(e) != PROV_GROUP_NONE) {
		if (w->policy && !b->role)
			b->role = prov_policy_group_user(w->policy, prov_bv(e->e_nname));
		if (w->pi->memberof) {
			b->oom |= grow(&w->arena, &b->group, b->ngroup, &b->group_room,
					  sizeof(Entry *)) != 0;
			if (!b->oom)
				b->group[b->ngroup++] = entry_dup(e);
		}
	}
	if (dn_match(&e->e_nname, &w->before->e_nname) ||
		!prov_account_is(w->pi, w->op, e, &e->e_nname))
		return b->oom;
	if (grow(&w->arena, &b->dn, b->n, &r1, sizeof(struct berval)) ||
		grow(&w->arena, &b->ndn, b->n, &r2, sizeof(struct berval)) ||
		grow(&w->arena, &b->uid, b->n, &r3, sizeof(struct berval)))
		b->oom = true;
	b->room = r1;
	if (!b->oom) {
		b->dn[b->n] = keep(&w->arena, e->e_name);
		b->ndn[b->n] = keep(&w->arena, e->e_nname);
		b->uid[b->n] = keep(&w->arena, prov_account_uid(e));
		b->n++;
	}
	return b->oom;
}

/* What lies at or below the entry that is about to move. */
static int look_below(struct prov_write *w, struct below *b)
{
	int rc = prov_lookup_search(w->pi, w->op, &w->op->o_req_ndn, LDAP_SCOPE_SUBTREE,
		"(objectClass=*)", see_below, b);

	if (b->oom)
		return LDAP_OTHER;
	if (rc == LDAP_SUCCESS && b->policy) {
		prov_error_set(&w->err, PROV_EREFUSED,
			"the policy is below this entry: change provision-policy first");
		return LDAP_UNWILLING_TO_PERFORM;
	}
	if (rc == LDAP_SUCCESS && b->role) {
		prov_error_set(&w->err, PROV_EREFUSED,
			"role \"%.*s\" grants a group here by its name: change the role first",
			(int)b->role->dn.len, b->role->dn.data);
		return LDAP_UNWILLING_TO_PERFORM;
	}
	return rc;
}

/* dn with the moved entry's old name at its end replaced by the new one. */
static struct berval moved(struct prov_write *w, struct berval dn, struct berval from,
	struct berval to)
{
	struct berval out = BER_BVNULL;

	if (dn.bv_len < from.bv_len)
		return dn;
	out.bv_val = prov_arena_printf(&w->arena, "%.*s%s", (int)(dn.bv_len - from.bv_len),
		dn.bv_val, to.bv_val);
	out.bv_len = out.bv_val ? strlen(out.bv_val) : 0;
	return out;
}

/* Accounts below are not evaluated one by one: they may move, but not out of the accounts. */
static int stays_in_scope(struct prov_write *w, const struct below *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct berval to = moved(w, b->ndn[i], w->before->e_nname, w->new_ndn);
		if (to.bv_val && prov_account_scope(w->pi, &to))
			continue;
		prov_error_set(&w->err, PROV_EREFUSED,
			"\"%s\" would leave provision-accounts and keep its access: move the accounts themselves",
			b->dn[i].bv_val);
		return LDAP_UNWILLING_TO_PERFORM;
	}
	return LDAP_SUCCESS;
}

/* Accounts below the renamed entry: the groups still hold their old names. */
static int move_accounts_below(struct prov_write *w, const struct below *b)
{
	int rc = LDAP_SUCCESS;

	for (size_t i = 0; i < b->n && rc == LDAP_SUCCESS; i++) {
		struct prov_membership *m;
		size_t n;
		rc = prov_group_memberships(w->pi, w->op, b->ndn[i], b->uid[i], &w->arena, &m, &n,
			&w->err);
		if (rc != LDAP_SUCCESS)
			break;
		struct berval to = moved(w, b->dn[i], w->before->e_name, w->new_dn);
		for (size_t k = 0; k < n && rc == LDAP_SUCCESS; k++)
			rc = prov_group_rename(w->txn, &m[k], b->dn[i], to, b->uid[i], b->uid[i],
				&w->err);
	}
	return rc;
}

/* One account below, which has another name now: its record and event. */
static int tell_moved(struct prov_write *w, struct berval dn, struct berval ndn)
{
	struct prov_write c;
	struct berval new_ndn = moved(w, ndn, w->before->e_nname, w->new_ndn);

	prov_write_open(&c, w->pi, w->op, w->rs, "rename");
	c.txn = w->txn;
	c.service_ctx.txn = w->txn;
	c.policy = w->policy;
	prov_stamp_dispose(&c.stamp);
	c.stamp = w->stamp; /* one change; what it points to is w's, which outlives c */
	BER_BVZERO(&c.stamp.authc);
	c.dn = dn;
	c.new_dn = moved(w, dn, w->before->e_name, w->new_dn);
	int rc = prov_lookup_entry(w->pi, w->op, &new_ndn, &c.after);
	if (rc == LDAP_SUCCESS && c.after) {
		c.plan.before = c.plan.after = prov_account_state(c.after);
		c.plan.events = PROV_EV_RENAMED;
		c.planned = true;
		rc = prov_convert_entry(c.after, &c.arena, &c.pafter) ? LDAP_OTHER : LDAP_SUCCESS;
		if (rc == LDAP_SUCCESS && prov_journal_capture(&c, c.after))
			rc = LDAP_OTHER;
		if (rc != LDAP_SUCCESS)
			w->err = c.err;
	}
	prov_write_close(&c);
	return rc;
}

static int tell_accounts_below(struct prov_write *w, const struct below *b)
{
	int rc = LDAP_SUCCESS;

	for (size_t i = 0; i < b->n && rc == LDAP_SUCCESS && !w->op->o_noop; i++)
		rc = tell_moved(w, b->dn[i], b->ndn[i]);
	return rc;
}

static int move_groups_below(struct prov_write *w, const struct below *b)
{
	int rc = LDAP_SUCCESS;

	for (size_t i = 0; i < b->ngroup && rc == LDAP_SUCCESS; i++) {
		struct berval to = moved(w, b->group[i]->e_name, w->before->e_name, w->new_dn);
		rc = prov_group_members_follow(w, b->group[i], false, to);
	}
	return rc;
}

/*
 * What changes with the name replaces whole attributes: a delta consumer gives the values of a
 * rename no normalized form, and ends in an assertion (attr.c) when one is added to others.
 */
static int account_mods(struct prov_write *w)
{
	Modifications *mods = NULL;
	Entry *e = entry_dup(w->after);
	int rc = prov_write_account_mods(w, &mods);

	if (rc == LDAP_SUCCESS)
		rc = prov_mods_apply(w->op, e, mods);
	for (Modifications *m = mods; m && rc == LDAP_SUCCESS; m = m->sml_next) {
		bool again = false;
		for (Modifications *o = mods; o != m; o = o->sml_next)
			again |= o->sml_desc == m->sml_desc;
		Attribute *a = attr_find(e->e_attrs, m->sml_desc);
		if (again)
			continue;
		struct prov_val *v = prov_arena_array(&w->arena, a ? a->a_numvals : 1, sizeof(*v));
		for (unsigned i = 0; v && a && i < a->a_numvals; i++)
			v[i] = prov_bv(a->a_vals[i]);
		rc = v ? prov_mods_append(w->op, &w->op->orr_modlist, LDAP_MOD_REPLACE, m->sml_desc,
				 v, a ? a->a_numvals : 0, &w->err)
		       : LDAP_OTHER;
	}
	slap_mods_free(mods, 1);
	entry_free(e);
	return rc;
}

/* The account as it will be, and what the policy makes of it. */
static int decide_rename(struct prov_write *w)
{
	w->after = entry_dup(w->before);
	ch_free(w->after->e_name.bv_val);
	ch_free(w->after->e_nname.bv_val);
	ber_dupbv(&w->after->e_name, &w->new_dn);
	ber_dupbv(&w->after->e_nname, &w->new_ndn);
	if (prov_mods_apply(w->op, w->after, w->op->orr_modlist) != LDAP_SUCCESS)
		return LDAP_SUCCESS; /* the backend says why */
	w->is = prov_account_is(w->pi, w->op, w->after, &w->new_ndn);
	if (!w->was && !w->is)
		return LDAP_SUCCESS;
	int rc = prov_write_evaluate(w, PROV_OP_RENAME);
	if (rc == LDAP_SUCCESS)
		rc = prov_write_note_state(w);
	if (rc == LDAP_SUCCESS)
		rc = account_mods(w);
	return rc;
}

/* Who is connected under a name that is gone must bind anew. */
static int cut_old_names(struct prov_write *w, const struct below *b)
{
	int rc = w->was ? prov_write_cut(w, w->before->e_nname) : LDAP_SUCCESS;

	for (size_t i = 0; i < b->n && rc == LDAP_SUCCESS; i++)
		rc = prov_write_cut(w, b->ndn[i]);
	return rc;
}

static int rename_in_txn(struct prov_write *w, struct below *b)
{
	Operation *op = w->op;
	struct prov_membership *m = NULL;
	size_t n = 0;
	int rc = prov_lookup_entry(w->pi, op, &op->o_req_ndn, &w->before);

	if (rc == LDAP_SUCCESS && w->before &&
		!prov_access_entry(op, w->before, ACL_WRITE,
			op->orr_newSup ? ACL_WDEL : ACL_WRITE)) /* the backend asks more */
		return prov_write_no_access(w);
	if (rc == LDAP_SUCCESS && w->before) {
		w->was = prov_account_is(w->pi, op, w->before, &op->o_req_ndn);
		rc = prov_write_new_dn(w);
		if (rc == LDAP_SUCCESS)
			rc = look_below(w, b);
		if (rc == LDAP_SUCCESS)
			rc = stays_in_scope(w, b);
		if (rc == LDAP_SUCCESS)
			rc = decide_rename(w);
		if (rc == LDAP_SUCCESS && (w->was || w->is))
			rc = prov_group_memberships(w->pi, op, w->before->e_nname,
				prov_account_uid(w->before), &w->arena, &m, &n, &w->err);
		prov_write_note_mods(w, op->orr_modlist);
		if (!w->was && !w->is)
			w->what = prov_group_kind_of(w->before) != PROV_GROUP_NONE ? "group"
										   : "rename";
	}
	if (rc != LDAP_SUCCESS)
		return prov_write_refuse(w, rc);
	if (prov_txn_run(w->txn) != LDAP_SUCCESS)
		return prov_write_refuse(w, -1);
	if (w->before) {
		rc = prov_write_follow_names(w, m, n, w->new_dn, prov_account_uid(w->before),
			prov_account_uid(w->after));
		if (rc == LDAP_SUCCESS && w->evaluated)
			rc = prov_write_members(w, w->new_dn, w->new_ndn);
		if (rc == LDAP_SUCCESS)
			rc = move_accounts_below(w, b);
		if (rc == LDAP_SUCCESS)
			rc = move_groups_below(w, b);
		if (rc == LDAP_SUCCESS)
			rc = tell_accounts_below(w, b);
		if (rc == LDAP_SUCCESS && !dn_match(&w->before->e_nname, &w->new_ndn))
			rc = cut_old_names(w, b);
	}
	w->states_changed = true;
	return rc == LDAP_SUCCESS ? prov_write_finish(w, w->after) : prov_write_refuse(w, rc);
}

int prov_flow_rename(struct prov_instance *pi, Operation *op, SlapReply *rs)
{
	struct prov_write w;
	struct below b = { .w = &w };

	prov_write_open(&w, pi, op, rs, "rename");
	int rc = prov_write_begin(&w);
	if (rc == 0)
		rc = rename_in_txn(&w, &b);
	for (size_t i = 0; i < b.ngroup; i++)
		entry_free(b.group[i]);
	prov_write_close(&w);
	return rc;
}
