/*
 * write.c - the steps that every kind of write shares: begin, evaluate, apply,
 * finish, refuse.
 *
 * Owns the order: the client's own operation first (its CSN is the oldest), then
 * groups, then the capture row, then the commit, then the answer, then publishing.
 */
#include "write.h"

#include <stdlib.h>

#include "account.h"
#include "background.h"
#include "breaker.h"
#include "capture.h"
#include "clock.h"
#include "context.h"
#include "control.h"
#include "convert.h"
#include "failpoint.h"
#include "journal.h"
#include "logtext.h"
#include "lookup.h"
#include "names.h"
#include "relay.h"
#include "schema.h"
#include "session.h"
#include "types.h"

void prov_write_open(struct prov_write *w, struct prov_instance *pi, Operation *op, SlapReply *rs,
	const char *what)
{
	memset(w, 0, sizeof(*w));
	w->pi = pi;
	w->op = op;
	w->rs = rs;
	w->what = what;
	w->dn = op->o_req_dn;
	prov_stamp_now(&w->stamp, op);
	w->txn = &w->own;
	w->service_ctx.txn = w->txn;
}

void prov_write_close(struct prov_write *w)
{
	if (w->txn == &w->own)
		prov_txn_done(w->txn);
	prov_snapshot_put(&w->snap);
	prov_snapshot_put(&w->fresh);
	prov_snapshot_put(&w->replaced);
	if (w->before)
		entry_free(w->before);
	if (w->after)
		entry_free(w->after);
	prov_stamp_dispose(&w->stamp);
	prov_arena_dispose(&w->arena);
}

int prov_write_new_dn(struct prov_write *w)
{
	Operation *op = w->op;
	struct berval pdn, pndn, dn = BER_BVNULL, ndn = BER_BVNULL;

	if (op->orr_newSup) {
		pdn = *op->orr_newSup;
		pndn = *op->orr_nnewSup;
	} else {
		dnParent(&w->before->e_name, &pdn);
		dnParent(&w->before->e_nname, &pndn);
	}
	build_new_dn(&dn, &pdn, &op->orr_newrdn, NULL);
	build_new_dn(&ndn, &pndn, &op->orr_nnewrdn, NULL);
	w->new_dn.bv_val = prov_arena_strndup(&w->arena, dn.bv_val, dn.bv_len);
	w->new_dn.bv_len = dn.bv_len;
	w->new_ndn.bv_val = prov_arena_strndup(&w->arena, ndn.bv_val, ndn.bv_len);
	w->new_ndn.bv_len = ndn.bv_len;
	ch_free(dn.bv_val);
	ch_free(ndn.bv_val);
	return w->new_dn.bv_val && w->new_ndn.bv_val ? LDAP_SUCCESS : LDAP_OTHER;
}

/* The new policy does not come into force. While the writer lock is held: nobody else may see it. */
static void restore_policy(struct prov_write *w)
{
	if (!w->replaced)
		return;
	struct prov_snapshot *s = prov_snapshot_swap(w->pi, w->replaced);
	w->replaced = NULL;
	prov_snapshot_put(&s);
}

int prov_write_refuse(struct prov_write *w, int rc)
{
	restore_policy(w);
	prov_txn_abort(w->txn);
	if (rc >= 0) {
		char text[SLAP_TEXT_BUFLEN * 3];
		/* these two have no text: neither lets one be made */
		const char *other = rc == LDAP_OTHER
			? "out of memory, or the database cannot be read"
			: "refused";
		snprintf(text, sizeof(text), "provision: %s", w->err.text[0] ? w->err.text : other);
		Debug(LDAP_DEBUG_STATS,
			"%s provision: change=%s op=%s dn=\"%s\" refused=%d reason=\"%s\"\n",
			w->op->o_log_prefix, w->stamp.id, w->what, PROV_LOG_TEXT(w->op->o_req_dn),
			rc, text);
		prov_txn_reply(w->txn, w->rs, rc, text, NULL);
	} else {
		prov_txn_reply(w->txn, w->rs, -1, NULL, NULL);
	}
	return w->rs->sr_err;
}

int prov_write_no_access(struct prov_write *w)
{
	if (prov_txn_run(w->txn) != LDAP_SUCCESS)
		return prov_write_refuse(w, -1);
	prov_error_set(&w->err, PROV_EREFUSED, "no write access");
	return prov_write_refuse(w, LDAP_INSUFFICIENT_ACCESS);
}

int prov_write_begin(struct prov_write *w)
{
	w->own.op = w->op;
	PROV_FAILPOINT("write.begin");
	if (prov_txn_joined(w->op)) {
		prov_error_set(&w->err, PROV_EREFUSED,
			"LDAP transactions (RFC 5805) are not supported on this database: every write is one already");
		w->rs->sr_err = LDAP_UNWILLING_TO_PERFORM;
	} else if (prov_txn_begin(w->txn, w->pi, w->op, &w->err)) {
		w->rs->sr_err = LDAP_OTHER;
	} else {
		PROV_FAILPOINT("write.begun");
		prov_txn_take_csn(w->txn);
		prov_snapshot_refresh(w->pi, w->op);
		w->snap = prov_snapshot_get(w->pi);
		w->policy = w->snap ? prov_snapshot_policy(w->snap) : NULL;
		return 0;
	}
	char text[SLAP_TEXT_BUFLEN * 3];
	snprintf(text, sizeof(text), "provision: %s", w->err.text);
	send_ldap_error(w->op, w->rs, w->rs->sr_err, text);
	w->rs->sr_text = NULL;
	return w->rs->sr_err;
}

static int ldap_code(int prov_rc)
{
	switch (prov_rc) {
	case 0:
		return LDAP_SUCCESS;
	case PROV_EREFUSED:
	case PROV_EINVAL:
	case PROV_ENOENT:
		return LDAP_CONSTRAINT_VIOLATION;
	case PROV_EFULL:
		return LDAP_UNWILLING_TO_PERFORM;
	default:
		return LDAP_OTHER;
	}
}

/* The write goes through, but somebody ought to know. */
static void tell_withheld(struct prov_write *w, const struct berval *dn)
{
	for (size_t i = 0; !w->op->o_noop && i < w->plan.withheld.n; i++)
		Debug(LDAP_DEBUG_ANY,
			"%s provision: change=%s op=%s dn=\"%s\" withheld role=\"%s\" reason=\"%s\"\n",
			w->op->o_log_prefix, w->stamp.id, w->what, PROV_LOG_TEXT(*dn),
			PROV_LOG_TEXT(prov_val_bv(w->plan.withheld.val[i])),
			PROV_LOG_TEXT(prov_val_bv(w->plan.withheld_why)));
}

static enum prov_group_kind kind_of_member(struct prov_write *w, const struct prov_member *m)
{
	for (size_t i = 0; i < w->service_ctx.nmembership; i++)
		if (prov_val_equal(w->service_ctx.membership[i].ndn, m->ndn))
			return w->service_ctx.membership[i].kind;
	enum prov_group_kind kind = prov_snapshot_group(w->snap, m->ndn);
	if (kind == PROV_GROUP_NONE) { /* granted by a role that is gone by now */
		struct berval ndn = prov_val_bv(m->ndn);
		Entry *e = NULL;
		if (prov_lookup_entry(w->pi, w->op, &ndn, &e) == LDAP_SUCCESS && e) {
			kind = prov_group_kind_of(e);
			entry_free(e);
		}
	}
	return kind;
}

/*
 * A group that lists uids does not say whose. When the account's uid is another's as well, the
 * value stays where it is: who takes somebody's uid must neither end nor inherit his memberships.
 */
static int note_shared_uid(struct prov_write *w, const struct prov_services *services)
{
	struct berval was = w->was ? prov_account_uid(w->before) : (struct berval)BER_BVNULL;
	struct berval is = w->is && w->after ? prov_account_uid(w->after) : was;
	bool matters = !BER_BVISEMPTY(&was) && ber_bvcmp(&was, &is) != 0;

	for (size_t i = 0; i < w->plan.nmember && !matters && !BER_BVISEMPTY(&was); i++)
		matters = !w->plan.member[i].add &&
			kind_of_member(w, &w->plan.member[i]) == PROV_GROUP_UID;
	return matters ? services->taken(services->ctx, prov_type_of(slap_schema.si_ad_uid),
				 prov_bv(was), &w->uid_shared, &w->err)
		       : 0;
}

int prov_write_evaluate(struct prov_write *w, enum prov_op what)
{
	if (!w->policy) {
		const char *why = w->snap ? prov_snapshot_error(w->snap) : "not loaded";
		if (w->snap && prov_snapshot_lacking(w->snap)) {
			prov_error_set(&w->err, PROV_EIO, "the policy cannot be read: %s", why);
			return LDAP_OTHER;
		}
		prov_error_set(&w->err, PROV_EREFUSED, "the policy is broken, mend it first: %s",
			why);
		return LDAP_UNWILLING_TO_PERFORM;
	}
	if (w->before && prov_convert_entry(w->before, &w->arena, &w->pbefore))
		return LDAP_OTHER;
	if (w->after && prov_convert_entry(w->after, &w->arena, &w->pafter))
		return LDAP_OTHER;
	Entry *self = w->before ? w->before : w->after;
	if (!self)
		return LDAP_OTHER;
	w->service_ctx.self_ndn = self->e_nname;
	w->service_ctx.uid = prov_account_uid(self);
	struct prov_services services = prov_services_for(&w->service_ctx);
	struct prov_request req = { .op = what,
		.before = w->was ? &w->pbefore : NULL,
		.after = w->is ? &w->pafter : NULL,
		.change_id = prov_val_str(w->stamp.id),
		.actor = w->stamp.actor.authz,
		.now = w->stamp.secs };
	int rc = prov_evaluate(w->policy, &req, &services, &w->arena, &w->plan, &w->err);
	if (rc == 0) {
		w->evaluated = w->planned = true;
		tell_withheld(w, &self->e_name);
		rc = note_shared_uid(w, &services);
	}
	return ldap_code(rc);
}

static bool class_goes(struct prov_write *w, struct berval *name)
{
	for (size_t i = 0; i < w->plan.nmod; i++) {
		const struct prov_mod *m = &w->plan.mod[i];
		if (m->op != PROV_MOD_DELETE ||
			prov_type_ad(m->type) != slap_schema.si_ad_objectClass)
			continue;
		for (size_t j = 0; j < m->n; j++)
			if (m->val[j].len == name->bv_len &&
				strncasecmp(m->val[j].data, name->bv_val, name->bv_len) == 0)
				return true;
	}
	return false;
}

/* An attribute that a class of the entry requires stays when a role's value would go,
 * unless the class goes with it. */
static bool required(struct prov_write *w, Entry *e, const struct prov_mod *m)
{
	Attribute *oc = attr_find(e->e_attrs, slap_schema.si_ad_objectClass);
	AttributeDescription *ad = prov_type_ad(m->type);
	Attribute *a = attr_find(e->e_attrs, ad);

	if (m->op != PROV_MOD_DELETE || !oc || !a || (m->n && m->n < a->a_numvals))
		return false;
	for (unsigned i = 0; i < oc->a_numvals; i++) {
		ObjectClass *c = class_goes(w, &oc->a_vals[i]) ? NULL : oc_bvfind(&oc->a_nvals[i]);
		for (; c; c = c->soc_sups ? c->soc_sups[0] : NULL)
			for (int j = 0; c->soc_required && c->soc_required[j]; j++)
				if (c->soc_required[j] == ad->ad_type)
					return true;
	}
	return false;
}

static bool lists(AttributeType *const *list, const AttributeType *at)
{
	for (int i = 0; list && list[i]; i++)
		if (list[i] == at)
			return true;
	return false;
}

static bool class_allows(ObjectClass *c, const AttributeType *at)
{
	if (c == slap_schema.si_oc_extensibleObject || lists(c->soc_required, at) ||
		lists(c->soc_allowed, at))
		return true;
	for (int i = 0; c->soc_sups && c->soc_sups[i]; i++)
		if (class_allows(c->soc_sups[i], at))
			return true;
	return false;
}

/* Does the entry, without the classes that go, allow this attribute? */
static bool still_allowed(struct prov_write *w, const AttributeType *at)
{
	Attribute *oc = attr_find(w->after->e_attrs, slap_schema.si_ad_objectClass);

	for (unsigned i = 0; oc && i < oc->a_numvals; i++) {
		ObjectClass *c = class_goes(w, &oc->a_vals[i]) ? NULL : oc_bvfind(&oc->a_nvals[i]);
		if (c && class_allows(c, at))
			return true;
	}
	return false;
}

static bool attribute_goes(struct prov_write *w, const Attribute *a)
{
	unsigned gone = 0;

	for (size_t i = 0; i < w->plan.nmod; i++) {
		const struct prov_mod *m = &w->plan.mod[i];
		if (prov_type_ad(m->type) != a->a_desc)
			continue;
		if (m->op != PROV_MOD_DELETE)
			return false;
		gone += m->n ? (unsigned)m->n : a->a_numvals;
	}
	return gone >= a->a_numvals;
}

/* A class that a role brought stays as long as a value that stays needs it. */
static bool class_needed(struct prov_write *w, const struct prov_mod *m)
{
	struct berval name = prov_val_bv(m->val[0]);
	ObjectClass *c = oc_bvfind(&name);

	for (Attribute *a = w->after->e_attrs; c && a; a = a->a_next)
		if (a->a_desc != slap_schema.si_ad_objectClass &&
			!is_at_operational(a->a_desc->ad_type) && !attribute_goes(w, a) &&
			class_allows(c, a->a_desc->ad_type) &&
			!still_allowed(w, a->a_desc->ad_type))
			return true;
	return false;
}

/* Take mods for which drop() is true out of the plan. */
static void drop_mods(struct prov_write *w,
	bool (*drop)(struct prov_write *w, const struct prov_mod *m))
{
	struct prov_mod *kept = prov_arena_array(&w->arena, w->plan.nmod + 1, sizeof(*kept));
	size_t n = 0;

	if (!kept)
		return;
	for (size_t i = 0; i < w->plan.nmod; i++)
		if (!drop(w, &w->plan.mod[i]))
			kept[n++] = w->plan.mod[i];
	w->plan.mod = kept;
	w->plan.nmod = n;
}

static bool is_needed_class(struct prov_write *w, const struct prov_mod *m)
{
	return m->op == PROV_MOD_DELETE && m->n == 1 &&
		prov_type_ad(m->type) == slap_schema.si_ad_objectClass && class_needed(w, m);
}

static bool is_required_value(struct prov_write *w, const struct prov_mod *m)
{
	for (size_t j = 0; j < w->plan.nmod; j++)
		if (&w->plan.mod[j] != m && w->plan.mod[j].type == m->type &&
			w->plan.mod[j].op != PROV_MOD_DELETE)
			return false; /* the attribute gets another value in this plan */
	return required(w, w->after, m);
}

/* What the schema wants stays, although the role that gave it goes. */
static void keep_required(struct prov_write *w)
{
	if (!w->after)
		return;
	drop_mods(w, is_needed_class);
	drop_mods(w, is_required_value);
}

static int memberof_mods(struct prov_write *w, Modifications **list)
{
	Attribute *a = w->before ? attr_find(w->before->e_attrs, prov_ad.memberOf) : NULL;

	for (size_t i = 0; i < w->plan.nmember; i++) {
		const struct prov_member *m = &w->plan.member[i];
		struct berval ndn = prov_val_bv(m->ndn);
		enum prov_group_kind kind = prov_snapshot_group(w->snap, m->ndn);
		bool there = a &&
			attr_valfind(a,
				SLAP_MR_EQUALITY | SLAP_MR_VALUE_OF_SYNTAX |
					SLAP_MR_ASSERTED_VALUE_NORMALIZED_MATCH |
					SLAP_MR_ATTRIBUTE_VALUE_NORMALIZED_MATCH,
				&ndn, NULL, NULL) == LDAP_SUCCESS;
		if (there == m->add || kind == PROV_GROUP_UID)
			continue;
		int rc = prov_mods_append(w->op, list, m->add ? LDAP_MOD_ADD : LDAP_MOD_DELETE,
			prov_ad.memberOf, &m->dn, 1, &w->err);
		if (rc != LDAP_SUCCESS)
			return rc;
	}
	return LDAP_SUCCESS;
}

static bool plan_says(struct prov_write *w, struct prov_val ndn, bool add)
{
	for (size_t i = 0; i < w->plan.nmember; i++)
		if (w->plan.member[i].add == add && prov_val_equal(w->plan.member[i].ndn, ndn))
			return true;
	return false;
}

/* A new account that some group names already. */
static int memberof_already(struct prov_write *w, Modifications **list)
{
	struct prov_membership *m;
	size_t n;
	int rc = prov_group_memberships(w->pi, w->op, w->after->e_nname, (struct berval)BER_BVNULL,
		&w->arena, &m, &n, &w->err);

	for (size_t i = 0; rc == LDAP_SUCCESS && i < n; i++)
		if (!plan_says(w, m[i].ndn, true))
			rc = prov_mods_append(w->op, list, LDAP_MOD_ADD, prov_ad.memberOf, &m[i].dn,
				1, &w->err);
	return rc;
}

int prov_write_account_mods(struct prov_write *w, Modifications **list)
{
	int rc = LDAP_SUCCESS;

	if (w->evaluated) {
		keep_required(w);
		rc = prov_mods_append_plan(w->op, list, &w->plan, &w->err);
		if (rc == LDAP_SUCCESS && w->pi->memberof)
			rc = memberof_mods(w, list);
	}
	if (rc == LDAP_SUCCESS && w->pi->memberof && !w->before)
		rc = memberof_already(w, list);
	if (rc == LDAP_SUCCESS)
		rc = prov_stamp_mods(&w->stamp, w->op, w->before, list, &w->err);
	return rc;
}

/* The group had the member already: the grant must say so, or it would be taken away later. */
static int mend_origin(struct prov_write *w, Modifications **list, struct prov_val group)
{
	for (size_t i = 0; i < w->plan.ngrant; i++) {
		struct prov_grant g = w->plan.grant[i];
		struct prov_val was, is;
		if (g.kind != PROV_KIND_GROUP || g.had || !prov_val_equal(g.what, group))
			continue;
		if (prov_grant_print(&g, false, &w->arena, &was))
			return LDAP_OTHER;
		g.had = true;
		if (prov_grant_print(&g, false, &w->arena, &is))
			return LDAP_OTHER;
		int rc = prov_mods_append(w->op, list, LDAP_MOD_DELETE, prov_ad.grant, &was, 1,
			&w->err);
		if (rc == LDAP_SUCCESS)
			rc = prov_mods_append(w->op, list, LDAP_MOD_ADD, prov_ad.grant, &is, 1,
				&w->err);
		if (rc != LDAP_SUCCESS)
			return rc;
	}
	return LDAP_SUCCESS;
}

int prov_write_members(struct prov_write *w, struct berval dn, struct berval ndn)
{
	Modifications *mend = NULL;
	Entry *now = w->after ? w->after : w->before;
	int rc = now ? LDAP_SUCCESS : LDAP_OTHER;

	for (size_t i = 0; i < w->plan.nmember && rc == LDAP_SUCCESS; i++) {
		const struct prov_member *m = &w->plan.member[i];
		enum prov_group_kind kind = kind_of_member(w, m);
		struct berval gdn = prov_val_bv(m->dn), gndn = prov_val_bv(m->ndn);
		bool had = false;

		if (i)
			PROV_FAILPOINT("write.groups");
		if (m->add) {
			if (kind == PROV_GROUP_NONE) {
				prov_error_set(&w->err, PROV_EREFUSED,
					"role \"%.*s\" grants group \"%s\", which is not there",
					m->role ? (int)m->role->dn.len : 0,
					m->role ? m->role->dn.data : "", gdn.bv_val);
				rc = LDAP_CONSTRAINT_VIOLATION;
				break;
			}
			rc = prov_group_add(w->txn, gdn, gndn, kind, dn, prov_account_uid(now),
				&had, &w->err);
			if (rc == LDAP_SUCCESS && had)
				rc = mend_origin(w, &mend, m->dn);
		} else if (kind != PROV_GROUP_NONE && !(kind == PROV_GROUP_UID && w->uid_shared)) {
			/* by the name that the group knows: as it was before this write */
			Entry *known = w->before ? w->before : now;
			rc = prov_group_remove(w->txn, gdn, gndn, kind, known->e_name,
				prov_account_uid(known), &w->err);
		}
	}
	if (rc == LDAP_SUCCESS && mend)
		rc = prov_txn_modify(w->txn, dn, ndn, mend, &w->err);
	else if (mend)
		slap_mods_free(mend, 1);
	return rc;
}

int prov_write_follow_names(struct prov_write *w, const struct prov_membership *m, size_t n,
	struct berval new_dn, struct berval old_uid, struct berval new_uid)
{
	int rc = LDAP_SUCCESS;

	for (size_t i = 0; i < n && rc == LDAP_SUCCESS; i++)
		if (!plan_says(w, m[i].ndn,
			    false) && /* what the plan takes away needs no new name */
			!(m[i].kind == PROV_GROUP_UID && w->uid_shared))
			rc = prov_group_rename(w->txn, &m[i], w->before->e_name, new_dn, old_uid,
				new_uid, &w->err);
	return rc;
}

bool prov_write_may_manage(struct prov_write *w)
{
	Entry *e = w->before ? w->before : w->after;

	return be_isroot(w->op) ||
		(e && access_allowed(w->op, e, slap_schema.si_ad_entry, NULL, ACL_MANAGE, NULL));
}

int prov_write_breaker(struct prov_write *w)
{
	struct prov_instance *pi = w->pi;
	bool ok;

	w->leaver = true;
	if (!pi->breaker_count || (prov_control_override(w->op) && prov_write_may_manage(w)))
		return LDAP_SUCCESS;
	ldap_pvt_thread_mutex_lock(&pi->breaker_mutex);
	ok = prov_breaker_allows(pi->breaker, prov_bv(w->op->o_ndn), w->stamp.secs,
		pi->breaker_count, pi->breaker_seconds);
	ldap_pvt_thread_mutex_unlock(&pi->breaker_mutex);
	if (ok)
		return LDAP_SUCCESS;
	prov_error_set(&w->err, PROV_EREFUSED,
		"breaker: \"%s\" has ended or deleted %u accounts within %u seconds; if that is meant, send the "
		"override control " PROV_CTL_OVERRIDE
		" (for who has manage access) or raise provision-breaker",
		w->op->o_dn.bv_len ? w->op->o_dn.bv_val : "anonymous", pi->breaker_count,
		pi->breaker_seconds);
	return LDAP_UNWILLING_TO_PERFORM;
}

static void count_leaver(struct prov_write *w)
{
	struct prov_instance *pi = w->pi;

	if (!w->leaver || !pi->breaker_count)
		return;
	ldap_pvt_thread_mutex_lock(&pi->breaker_mutex);
	prov_breaker_count(pi->breaker, prov_bv(w->op->o_ndn), w->stamp.secs, pi->breaker_count,
		pi->breaker_seconds);
	ldap_pvt_thread_mutex_unlock(&pi->breaker_mutex);
}

int prov_write_note_state(struct prov_write *w)
{
	bool could = !w->was || prov_state_may_bind(w->plan.before);

	if (!w->evaluated)
		return LDAP_SUCCESS;
	/* whose end is near is a leaver, only a little later */
	bool leaves = w->plan.leaver || w->plan.ends_soon;
	if (w->plan.before == w->plan.after && w->was && w->is)
		return leaves ? prov_write_breaker(w) : LDAP_SUCCESS;
	w->states_changed = true;
	if (could && w->is && !prov_state_may_bind(w->plan.after))
		prov_write_cut(w, w->before->e_nname);
	return leaves ? prov_write_breaker(w) : LDAP_SUCCESS;
}

int prov_write_cut(struct prov_write *w, struct berval ndn)
{
	if ((w->ncut & (w->ncut - 1)) == 0) { /* grow at powers of two */
		struct berval *cut =
			prov_arena_array(&w->arena, w->ncut ? w->ncut * 2 : 1, sizeof(*cut));
		if (!cut)
			return LDAP_OTHER;
		if (w->ncut)
			memcpy(cut, w->cut, w->ncut * sizeof(*cut));
		w->cut = cut;
	}
	struct berval *last = &w->cut[w->ncut];
	last->bv_val = prov_arena_strndup(&w->arena, ndn.bv_val, ndn.bv_len);
	last->bv_len = ndn.bv_len;
	if (!last->bv_val)
		return LDAP_OTHER;
	w->ncut++;
	w->states_changed = true;
	return LDAP_SUCCESS;
}

static bool noted(struct prov_write *w, const char *name)
{
	for (size_t i = 0; i < w->nattr; i++)
		if (strcmp(w->attr[i], name) == 0)
			return true;
	return false;
}

void prov_write_note_mods(struct prov_write *w, Modifications *mods)
{
	size_t n = 0;

	for (Modifications *m = mods; m; m = m->sml_next)
		n++;
	const char **attr = prov_arena_array(&w->arena, w->nattr + n + 1, sizeof(*attr));
	if (!attr) {
		w->oom = true;
		return;
	}
	if (w->nattr)
		memcpy(attr, w->attr, w->nattr * sizeof(*attr));
	w->attr = attr;
	for (Modifications *m = mods; m; m = m->sml_next)
		if (!noted(w, m->sml_desc->ad_cname.bv_val))
			attr[w->nattr++] = m->sml_desc->ad_cname.bv_val;
}

int prov_write_note_member(struct prov_write *w, struct berval dn, bool add)
{
	if ((w->nmember_change & (w->nmember_change - 1)) == 0) { /* grow at powers of two */
		size_t room = w->nmember_change ? w->nmember_change * 2 : 1;
		struct prov_member *m = prov_arena_array(&w->arena, room, sizeof(*m));
		if (!m)
			return LDAP_OTHER;
		if (w->nmember_change)
			memcpy(m, w->member_change, w->nmember_change * sizeof(*m));
		w->member_change = m;
	}
	struct prov_member *m = &w->member_change[w->nmember_change];
	m->add = add;
	m->dn.data = prov_arena_strndup(&w->arena, dn.bv_val, dn.bv_len);
	m->dn.len = dn.bv_len;
	m->ndn = m->dn;
	w->nmember_change++;
	return m->dn.data ? LDAP_SUCCESS : LDAP_OTHER;
}

static void after_commit(struct prov_write *w)
{
	Debug(LDAP_DEBUG_STATS,
		"%s provision: change=%s op=%s dn=\"%s\" roles=+%zu-%zu groups=+%zu-%zu\n",
		w->op->o_log_prefix, w->stamp.id, w->what, PROV_LOG_TEXT(w->op->o_req_dn),
		w->plan.roles_gained.n, w->plan.roles_lost.n, w->plan.groups_gained.n,
		w->plan.groups_lost.n);
	if (w->states_changed)
		prov_session_touch();
	prov_relay_kick(w->pi);
	prov_background_nudge(w->pi);
	if (w->plan.due)
		prov_clock_hint(w->pi, w->plan.due);
}

static int answer_noop(struct prov_write *w)
{
	struct prov_val json;
	LDAPControl *ctrl = NULL;

	restore_policy(w);
	prov_txn_abort(w->txn);
	if (prov_control_plan(w->op) && !prov_write_may_manage(w)) {
		prov_txn_reply(w->txn, w->rs, LDAP_INSUFFICIENT_ACCESS,
			"provision: the plan control needs manage access to the entry", NULL);
		return w->rs->sr_err;
	}
	if (prov_control_plan(w->op) &&
		(prov_plan_json(&w->plan, &w->arena, &json) ||
			!(ctrl = prov_control_plan_response(json.data, json.len)))) {
		prov_txn_reply(w->txn, w->rs, LDAP_OTHER, "provision: no memory for the plan",
			NULL);
		return w->rs->sr_err;
	}
	prov_txn_reply(w->txn, w->rs, LDAP_X_NO_OPERATION, w->txn->text[0] ? w->txn->text : NULL,
		ctrl);
	if (ctrl)
		ldap_control_free(ctrl);
	return w->rs->sr_err;
}

int prov_write_finish(struct prov_write *w, Entry *entry)
{
	if (w->op->o_noop)
		return answer_noop(w);
	if (w->op->o_abandon) {
		prov_error_set(&w->err, PROV_EREFUSED, "abandoned");
		return prov_write_refuse(w, LDAP_OTHER);
	}
	if (w->oom)
		return prov_write_refuse(w, LDAP_OTHER);
	PROV_FAILPOINT("write.done");
	int rc = prov_journal_capture(w, entry);
	if (rc == 0 && w->op->o_tag == LDAP_REQ_DELETE)
		rc = prov_context_note_delete(w->txn, &w->err);
	if (rc == 0)
		count_leaver(w); /* while the writer lock is held: the next one is counted too */
	if (rc == 0)
		rc = PROV_FAILPOINT_RC("write.commit");
	if (rc == 0)
		rc = prov_txn_commit(w->txn, &w->err);
	if (rc)
		return prov_write_refuse(w,
			rc == PROV_EFULL ? LDAP_UNWILLING_TO_PERFORM : LDAP_OTHER);
	PROV_FAILPOINT("write.committed");
	prov_snapshot_put(&w->replaced);
	after_commit(w);
	prov_txn_reply(w->txn, w->rs, -1, NULL, NULL);
	PROV_FAILPOINT("write.replied");
	rc = w->rs->sr_err;
	/* After the answer, since the connection may be the client's own; before publishing, which may take long. */
	for (size_t i = 0; w->pi->sessions && i < w->ncut; i++)
		prov_session_cut(&w->cut[i]);
	prov_txn_publish(w->txn);
	PROV_FAILPOINT("write.published");
	return rc;
}
