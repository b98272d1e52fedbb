/*
 * flow_policy.c - writes below the policy base: applied, compiled in the same
 * transaction, and refused whole when the result is not a policy.
 */
#include "flow.h"

#include "control.h"
#include "convert.h"
#include "follow.h"
#include "logtext.h"
#include "lookup.h"
#include "reach.h"
#include "schema.h"
#include "sync.h"
#include "write.h"

static bool is_role(Entry *e)
{
	return e && is_entry_objectclass(e, prov_ad.oc_role, 0);
}

static bool is_sod_set(Entry *e)
{
	return e && is_entry_objectclass(e, prov_ad.oc_sodset, 0);
}

/* The connector that this write asks to be told of all accounts, or NULL. */
static const struct prov_connector *wants_sync(struct prov_write *w, bool *hold)
{
	const struct prov_policy *p = prov_snapshot_policy(w->fresh);
	struct prov_val ndn = prov_bv(w->op->o_req_ndn);
	size_t n = 0;
	const struct prov_connector *const *c = p ? prov_policy_connectors(p, &n) : NULL;

	*hold = w->op->o_tag == LDAP_REQ_ADD;
	for (size_t i = 0; i < n; i++) {
		if (!prov_val_equal(c[i]->ndn, ndn))
			continue;
		bool asked = *hold ? c[i]->start == PROV_START_SYNC : prov_control_adopt(w->op);
		return asked ? c[i] : NULL;
	}
	return NULL;
}

/* What this write leads to besides: jobs, stored in its own commit. LDAP result code. */
static int store_jobs(struct prov_write *w, bool role)
{
	bool hold;
	const struct prov_connector *c = wants_sync(w, &hold);
	int rc = role ? prov_follow_store(w, w->op->o_req_ndn) : LDAP_SUCCESS;

	if (is_sod_set(w->before))
		rc = prov_follow_store_set(w, w->before);
	if (rc != LDAP_SUCCESS || !c)
		return rc;
	if (!hold && !prov_write_may_manage(w)) {
		prov_error_set(&w->err, PROV_EREFUSED,
			"the adopt control needs manage access to the entry");
		return LDAP_INSUFFICIENT_ACCESS;
	}
	return prov_sync_store(w, c->name, hold);
}

/* The trail shall tell what the rules of segregation of duties were, not only that they changed. */
static int note_rules(struct prov_write *w)
{
	Operation *op = w->op;
	struct berval ndn = op->o_req_ndn;
	int rc = LDAP_SUCCESS;

	if (op->o_tag == LDAP_REQ_DELETE)
		return rc;
	if (op->o_tag == LDAP_REQ_MODRDN) {
		rc = prov_write_new_dn(w);
		ndn = w->new_ndn;
	}
	if (rc == LDAP_SUCCESS)
		rc = prov_lookup_entry(w->pi, op, &ndn, &w->after);
	if (rc != LDAP_SUCCESS || !(is_role(w->after) || is_sod_set(w->after)))
		return rc;
	return prov_convert_entry(w->after, &w->arena, &w->pafter) ? LDAP_OTHER : LDAP_SUCCESS;
}

/* Only the counters of a pool: nothing to compile. */
static bool only_counters(Operation *op)
{
	if (op->o_tag != LDAP_REQ_MODIFY)
		return false;
	for (Modifications *m = op->orm_modlist; m; m = m->sml_next)
		if (m->sml_desc != prov_ad.poolNext && m->sml_desc != prov_ad.poolRange)
			return false;
	return true;
}

static int compile(struct prov_write *w)
{
	int rc = prov_snapshot_load(w->pi, w->op, &w->fresh, &w->err);

	if (rc) {
		/* A policy that was broken before may be mended one entry at a time. */
		return rc == PROV_EIO || rc == PROV_ENOMEM ? LDAP_OTHER : LDAP_CONSTRAINT_VIOLATION;
	}
	return LDAP_SUCCESS;
}

/* Written as wished; but an account that can give itself the role may be a mistake. */
static void warn_of_reach(struct prov_write *w)
{
	const struct prov_policy *p = prov_snapshot_policy(w->fresh);
	const struct prov_role *r = p ? prov_policy_role(p, prov_bv(w->op->o_req_ndn)) : NULL;
	char text[SLAP_TEXT_BUFLEN];

	if (!r || r->status == PROV_STATUS_RETIRED)
		return;
	prov_reach_role(w->pi, w->op, r, text, sizeof(text));
	if (!*text)
		return;
	if (!w->op->o_noop)
		Debug(LDAP_DEBUG_ANY, "%s provision: change=%s op=%s dn=\"%s\" warning=\"%s\"\n",
			w->op->o_log_prefix, w->stamp.id, w->what, PROV_LOG_TEXT(w->op->o_req_dn),
			text);
	snprintf(w->txn->text, sizeof(w->txn->text), "provision: warning: %.*s",
		(int)sizeof(w->txn->text) - 24, text);
}

struct rule {
	struct prov_write *w;
	bool found;
};

static int see_rule(void *ctx, Entry *e)
{
	struct rule *r = ctx;

	if (dn_match(&e->e_nname, &r->w->op->o_req_ndn) && !is_role(e))
		return 0; /* a set alone may have another name */
	r->found = true;
	prov_error_set(&r->w->err, PROV_EREFUSED,
		"\"%s\" cannot be renamed or moved: accounts hold roles by name; add a new one and retire this one",
		e->e_name.bv_val);
	return 1;
}

/*
 * Accounts hold roles by name, and those concerned by a role that comes or goes are found when
 * it is written. So no role, and no entry with roles or sets below it, is renamed or moved.
 */
static int may_rename(struct prov_write *w)
{
	Operation *op = w->op;
	struct rule r = { w, false };

	if (dn_match(&op->o_req_ndn, &w->pi->policy_ndn)) {
		prov_error_set(&w->err, PROV_EREFUSED,
			"the policy is this entry: change provision-policy first");
		return LDAP_UNWILLING_TO_PERFORM;
	}
	int rc = prov_lookup_search(w->pi, op, &op->o_req_ndn, LDAP_SCOPE_SUBTREE,
		"(|(objectClass=provRole)(objectClass=provSodSet))", see_rule, &r);
	return rc == LDAP_SUCCESS && r.found ? LDAP_UNWILLING_TO_PERFORM : rc;
}

static int policy_in_txn(struct prov_write *w)
{
	Operation *op = w->op;
	struct berval ndn = op->o_req_ndn;
	int wrong = op->o_tag == LDAP_REQ_MODRDN ? may_rename(w) : LDAP_SUCCESS;
	int rc = op->o_tag == LDAP_REQ_ADD ? LDAP_SUCCESS
					   : prov_lookup_entry(w->pi, op, &ndn, &w->before);

	if (rc != LDAP_SUCCESS)
		return prov_write_refuse(w, rc);
	if (op->o_tag == LDAP_REQ_MODIFY)
		prov_write_note_mods(w, op->orm_modlist);
	bool role = is_role(op->o_tag == LDAP_REQ_ADD ? op->ora_e : w->before);
	if (prov_txn_run(w->txn) != LDAP_SUCCESS)
		return prov_write_refuse(w, -1);
	if (wrong != LDAP_SUCCESS) /* now that he may know of it */
		return prov_write_refuse(w, wrong);
	if (!only_counters(op)) {
		rc = compile(w);
		if (rc == LDAP_SUCCESS)
			rc = store_jobs(w, role);
		if (rc == LDAP_SUCCESS)
			rc = note_rules(w);
		if (rc != LDAP_SUCCESS)
			return prov_write_refuse(w, rc);
		if (op->o_tag == LDAP_REQ_ADD || op->o_tag == LDAP_REQ_MODIFY)
			warn_of_reach(w);
		/* In force before the commit: the next writer begins only after it. */
		w->replaced = prov_snapshot_swap(w->pi, w->fresh);
		w->fresh = NULL;
	}
	rc = prov_write_finish(w, op->o_tag == LDAP_REQ_ADD ? op->ora_e : w->before);
	if (rc == LDAP_SUCCESS)
		prov_background_kick(w->pi);
	return rc;
}

int prov_flow_policy(struct prov_instance *pi, Operation *op, SlapReply *rs)
{
	struct prov_write w;

	prov_write_open(&w, pi, op, rs, "policy");
	int rc = prov_write_begin(&w);
	if (rc == 0)
		rc = policy_in_txn(&w);
	prov_write_close(&w);
	return rc;
}
