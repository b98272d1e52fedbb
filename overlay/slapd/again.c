/*
 * again.c - see again.h.
 */
#include "again.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "account.h"
#include "convert.h"
#include "failpoint.h"
#include "journal.h"
#include "logtext.h"
#include "lookup.h"
#include "monotonic.h"
#include "relay.h"
#include "session.h"

#define MEMOS 16384

/* Per account, by a hash of its name: a hash of what was said of it last, and as what it was. */
static _Atomic uint64_t memo[MEMOS];

/* One commit's accounts. */
struct batch {
	const struct prov_again *a;
	struct prov_arena arena;
	struct berval cut[PROV_AGAIN_BATCH]; /* whose connections end */
	size_t ncut;
	bool states_changed;
};

int prov_again_note(void *ctx, Entry *e)
{
	struct prov_again_names *n = ctx;

	if (n->n == n->room) {
		size_t room = n->room ? n->room * 2 : 256;
		struct berval *dn = realloc(n->dn, room * sizeof(*dn));
		if (!dn) {
			n->oom = true;
			return 1;
		}
		n->dn = dn;
		n->room = room;
	}
	n->dn[n->n].bv_val = prov_arena_strndup(n->arena, e->e_nname.bv_val, e->e_nname.bv_len);
	n->dn[n->n].bv_len = e->e_nname.bv_len;
	n->oom = !n->dn[n->n].bv_val;
	n->n++;
	return n->oom;
}

void prov_again_names_free(struct prov_again_names *n)
{
	free(n->dn);
	n->dn = NULL;
	n->n = n->room = 0;
}

/* 1, or -3: no memory. */
static int note_cut(struct batch *b, struct prov_write *w)
{
	if (w->plan.before == w->plan.after)
		return 1;
	b->states_changed = true;
	if (!prov_state_may_bind(w->plan.before) || prov_state_may_bind(w->plan.after))
		return 1;
	struct berval *dn = &b->cut[b->ncut];
	dn->bv_len = w->before->e_nname.bv_len;
	dn->bv_val = prov_arena_strndup(&b->arena, w->before->e_nname.bv_val, dn->bv_len);
	if (!dn->bv_val)
		return -3;
	b->ncut++;
	return 1;
}

/* By no fault of the account (prov_write_refuse() has a text for it). */
static bool for_want_of_memory(const struct prov_write *w, int rc)
{
	return rc == LDAP_OTHER && (!w->err.text[0] || w->err.code == PROV_ENOMEM);
}

static uint64_t hash(uint64_t h, const char *text, size_t len) /* FNV-1a */
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * 1099511628211ULL;
	return h;
}

/* It did not get what it was due. The clock comes again each minute: that is told once, and again
 * when the reason, the account or the policy has changed since. */
static void tell(const struct prov_again *a, const struct prov_write *w, const char *how)
{
	const char *dn = w->before->e_nname.bv_val,
		   *why = w->err.text[0] ? w->err.text : "out of memory";
	uint64_t h = hash(1469598103934665603ULL, dn, w->before->e_nname.bv_len);
	_Atomic uint64_t *slot = &memo[h % MEMOS];
	Attribute *csn = attr_find(w->before->e_attrs, slap_schema.si_ad_entryCSN);

	h = hash(h ^ prov_snapshot_generation(w->snap), a->what, strlen(a->what));
	h = hash(h, why, strlen(why));
	if (csn)
		h = hash(h, csn->a_vals[0].bv_val, csn->a_vals[0].bv_len);
	if (atomic_exchange(slot, h) == h)
		return;
	Debug(LDAP_DEBUG_ANY, "provision: %s dn=\"%s\" %s reason=\"%s\"\n", a->what,
		PROV_LOG_TEXT(w->before->e_nname), how, why);
	prov_background_refused(a->job, dn, why);
}

/* One account in the batch's transaction. 1: written, 0: nothing to do, -1: left alone
 * (nothing was written), -2: failed half way, the transaction must go, -3: the same, but by no
 * fault of the account: it could not be read or recorded, or there was no memory. */
static int one(struct batch *b, struct prov_txn *txn, struct berval ndn)
{
	struct prov_instance *pi = b->a->job->pi;
	Operation *op = b->a->job->op;
	struct prov_write w;
	SlapReply rs = { REP_RESULT };
	Modifications *mods = NULL;
	int result = 0, rc;

	op->o_req_dn = op->o_req_ndn = ndn;
	prov_write_open(&w, pi, op, &rs, b->a->what);
	w.txn = txn;
	w.service_ctx.txn = txn;
	w.stamp.reason = prov_val_str(b->a->reason);
	w.snap = prov_snapshot_get(pi);
	w.policy = prov_snapshot_policy(w.snap);
	if (!w.policy || prov_lookup_entry(pi, op, &ndn, &w.before) != LDAP_SUCCESS) {
		result = -3;
		goto out;
	}
	if (!w.before)
		goto out;
	op->o_req_dn = w.dn = w.before->e_name;
	w.was = w.is = prov_account_is(pi, op, w.before, &ndn);
	if (!w.was)
		goto out;
	w.after = entry_dup(w.before);
	rc = prov_write_evaluate(&w, PROV_OP_FOLLOW);
	if (for_want_of_memory(&w, rc)) {
		result = -3;
		goto failed;
	}
	if (rc != LDAP_SUCCESS) {
		tell(b->a, &w, "refused");
		result = -1;
		goto out;
	}
	if (w.plan.withheld.n)
		prov_background_refused(b->a->job, ndn.bv_val, w.plan.withheld_why.data);
	if (w.plan.nmod == 0 && w.plan.nmember == 0)
		goto out;
	rc = prov_write_account_mods(&w, &mods);
	if (rc != LDAP_SUCCESS)
		slap_mods_free(mods, 1);
	else
		rc = prov_txn_modify(txn, w.before->e_name, w.before->e_nname, mods, &w.err);
	if (rc == LDAP_SUCCESS)
		rc = prov_write_members(&w, w.before->e_name, w.before->e_nname);
	if (rc == LDAP_SUCCESS)
		result = prov_journal_capture(&w, w.before) == 0 ? note_cut(b, &w) : -3;
	else
		result = for_want_of_memory(&w, rc) ? -3 : -2;
failed:
	if (result < 0)
		tell(b->a, &w, "failed");
out:
	prov_write_close(&w);
	op->o_req_dn = op->o_req_ndn = ndn;
	return result;
}

/* n accounts in one commit. Otherwise nothing is written: -1: later, -2: one of them spoilt it. */
static int commit_all(const struct prov_again *a, const struct berval *dn, size_t n)
{
	struct prov_instance *pi = a->job->pi;
	struct batch b = { .a = a, .arena = PROV_ARENA_INIT };
	struct prov_error err = { 0, "" };
	struct prov_logturn log;
	struct prov_txn txn;
	int written = 0, rc = 0;

	/* As a client's write does: who comes to accesslog first commits first. */
	prov_logturn_take(&log, pi, a->job->op, dn[0]);
	if (prov_txn_begin(&txn, pi, a->job->op, &err)) {
		prov_logturn_give(&log);
		return -1;
	}
	prov_snapshot_refresh(pi, a->job->op);
	const int64_t began = prov_monotonic_ns();
	for (size_t i = 0; i < n && rc > -2; i++) {
		rc = one(&b, &txn, dn[i]);
		written += rc == 1;
		if (written)
			PROV_FAILPOINT("again.one");
	}
	if (rc <= -2 || !written) {
		prov_txn_abort(&txn);
	} else if (prov_txn_commit(&txn, &err)) {
		rc = -3;
	} else {
		rc = 0;
		PROV_FAILPOINT("again.committed");
		if (b.states_changed)
			prov_session_touch();
		for (size_t i = 0; pi->sessions && i < b.ncut; i++)
			prov_session_cut(&b.cut[i]);
		prov_relay_kick(pi);
		prov_txn_publish(&txn);
	}
	if (err.text[0])
		Debug(LDAP_DEBUG_ANY, "provision: %s: %s\n", a->what, err.text);
	prov_txn_done(&txn);
	prov_logturn_give(&log);
	prov_arena_dispose(&b.arena);
	prov_background_give_way(a->job, txn.number, began);
	return rc == -2 ? -2 : rc == -3 ? -1 : 0;
}

bool prov_again_batch(const struct prov_again *a, const struct berval *dn, size_t n)
{
	if (prov_background_must_yield(a->job))
		return false;
	int rc = commit_all(a, dn, n);

	if (rc != -2)
		return rc == 0;
	for (size_t i = 0; i < n; i++) {
		if (prov_background_must_yield(a->job))
			return false;
		if (commit_all(a, &dn[i], 1) == -1)
			return false;
	}
	return true;
}
