/*
 * sync.c - full syncs of connectors: see sync.h.
 *
 * A job's value: the number of the entry it has come to, the number it ends at, whether it
 * holds other events back, the change that asked for it, and who made that; one a line.
 */
#include "sync.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "account.h"
#include "capture.h"
#include "convert.h"
#include "entryid.h"
#include "failpoint.h"
#include "grant.h"
#include "journal.h"
#include "logtext.h"
#include "lookup.h"
#include "relay.h"
#include "schema.h"

#define BATCH 64        /* snapshots a transaction */
#define LOOK 512        /* entries looked at in one */
#define BACKLOG 1024    /* rows that the relay has not taken: wait */
#define WAIT_NS 2000000 /* between two of them */

struct job {
	uint64_t done, end;
	bool hold;
	const char *change, *actor; /* in the arena */
};

static int parse(struct prov_val v, struct prov_arena *arena, struct job *job)
{
	char *text = prov_arena_strndup(arena, v.data, v.len), *end;

	if (!text)
		return PROV_ENOMEM;
	job->done = strtoull(text, &end, 10);
	if (*end != '\n')
		return PROV_ECORRUPT;
	job->end = strtoull(end + 1, &end, 10);
	if (*end != '\n')
		return PROV_ECORRUPT;
	job->hold = end[1] == '1';
	char *change = strchr(end + 1, '\n'), *actor = change ? strchr(change + 1, '\n') : NULL;
	if (!actor)
		return PROV_ECORRUPT;
	*actor = '\0';
	job->change = change + 1;
	job->actor = actor + 1;
	return 0;
}

static int put(struct prov_instance *pi, void *txn, struct prov_arena *arena, const char *name,
	const struct job *job, struct prov_error *err)
{
	char *text = prov_arena_printf(arena, "%" PRIu64 "\n%" PRIu64 "\n%d\n%s\n%s", job->done,
		job->end, job->hold, job->change, job->actor);

	if (!text)
		return prov_error_set(err, PROV_ENOMEM, "out of memory");
	return prov_named_put(pi->capture, txn, name, prov_val_str(text), err);
}

/* Under the writer lock, as every other change of pi->syncing. */
static bool any_left(struct prov_instance *pi, void *txn, struct prov_arena *arena)
{
	struct prov_val v;
	const char *name;

	return prov_named_first(pi->capture, txn, PROV_SYNC_PREFIX, arena, &name, &v) !=
		PROV_ENOENT;
}

void prov_sync_open(struct prov_instance *pi)
{
	struct prov_arena arena = PROV_ARENA_INIT;

	atomic_store(&pi->syncing, any_left(pi, NULL, &arena));
	prov_arena_dispose(&arena);
}

static char *job_name(struct prov_write *w, const char *connector)
{
	return prov_arena_printf(&w->arena, PROV_SYNC_PREFIX "%s", connector);
}

/* PROV_ENOENT: none is stored. */
static int read_job(struct prov_write *w, const char *name, struct job *job)
{
	struct prov_val v;
	int rc = prov_named_get(w->pi->capture, prov_txn_mdb(w->txn), name, &v);

	return rc ? rc : parse(v, &w->arena, job);
}

int prov_sync_store(struct prov_write *w, const char *connector, bool hold)
{
	void *txn = prov_txn_mdb(w->txn);
	char *name = job_name(w, connector);
	struct job job = { .done = 0 }, old;

	if (!name || prov_entryid_last(w->pi, txn, &job.end))
		return LDAP_OTHER;
	job.hold = hold || (read_job(w, name, &old) == 0 && old.hold);
	job.change = w->stamp.id;
	job.actor = w->op->o_dn.bv_len ? w->op->o_dn.bv_val : "anonymous";
	if (put(w->pi, txn, &w->arena, name, &job, &w->err))
		return LDAP_OTHER;
	atomic_store(&w->pi->syncing, true);
	return LDAP_SUCCESS;
}

bool prov_sync_holds(struct prov_write *w, const char *connector)
{
	struct job job;

	if (!w->before || !atomic_load(&w->pi->syncing))
		return false;
	const char *name = job_name(w, connector);
	return name && read_job(w, name, &job) == 0 && job.hold && w->before->e_id > job.done &&
		w->before->e_id <= job.end;
}

static const struct prov_connector *find(const struct prov_policy *p, const char *name)
{
	size_t n = 0;
	const struct prov_connector *const *c = p ? prov_policy_connectors(p, &n) : NULL;

	for (size_t i = 0; i < n; i++)
		if (strcmp(c[i]->name, name) == 0)
			return c[i];
	return NULL;
}

/* What the account has from the policy, as if it had just got it. */
static int plan_of_present(struct prov_write *w)
{
	Attribute *roles = attr_find(w->before->e_attrs, prov_ad.effectiveRole);
	Attribute *grants = attr_find(w->before->e_attrs, prov_ad.grant);
	size_t nrole = roles ? roles->a_numvals : 0, ngrant = grants ? grants->a_numvals : 0;
	struct prov_val *role = prov_arena_array(&w->arena, nrole + 1, sizeof(*role));
	struct prov_val *group = prov_arena_array(&w->arena, ngrant + 1, sizeof(*group));
	struct prov_val *ent = prov_arena_array(&w->arena, ngrant + 1, sizeof(*ent));
	size_t ngroup = 0, nent = 0;

	if (!role || !group || !ent)
		return PROV_ENOMEM;
	for (size_t i = 0; i < nrole; i++)
		role[i] = prov_bv(roles->a_vals[i]);
	for (size_t i = 0; i < ngrant; i++) {
		struct prov_grant g;
		if (prov_grant_parse(prov_bv(grants->a_vals[i]), &w->arena, &g, NULL))
			continue; /* not one of ours: nothing to tell of it */
		if (g.kind == PROV_KIND_GROUP)
			group[ngroup++] = g.what;
		else if (g.kind == PROV_KIND_ENTITLEMENT)
			ent[nent++] = g.what;
	}
	memset(&w->plan, 0, sizeof(w->plan));
	w->plan.after = prov_account_state(w->before);
	w->plan.roles_gained = (struct prov_list){ nrole, role };
	w->plan.groups_gained = (struct prov_list){ ngroup, group };
	w->plan.ent_gained = (struct prov_list){ nent, ent };
	w->plan.events = PROV_EV_SNAPSHOT;
	w->planned = true;
	return 0;
}

/* 1: written, 0: not for this connector, -1: failed. */
static int sync_one(const struct prov_job *stored, struct prov_txn *txn, const char *connector,
	const char *reason, struct berval ndn)
{
	struct prov_instance *pi = stored->pi;
	Operation *op = stored->op;
	SlapReply rs = { REP_RESULT };
	struct prov_write w;
	int result = -1;

	op->o_req_dn = op->o_req_ndn = ndn;
	prov_write_open(&w, pi, op, &rs, "sync");
	w.txn = txn;
	w.stamp.reason = prov_val_str(reason);
	w.snap = prov_snapshot_get(pi);
	w.policy = w.snap ? prov_snapshot_policy(w.snap) : NULL;
	const struct prov_connector *c = find(w.policy, connector);
	if (prov_lookup_entry(pi, op, &ndn, &w.before) != LDAP_SUCCESS)
		goto out;
	result = 0;
	if (!c || !w.before || !prov_account_is(pi, op, w.before, &ndn))
		goto out;
	w.dn = w.before->e_name;
	w.was = w.is = true;
	w.only = c;
	result = -1;
	if (prov_convert_entry(w.before, &w.arena, &w.pafter))
		goto out;
	if (!prov_connector_sees(c, &w.pafter))
		result = 0;
	else if (plan_of_present(&w) == 0 && prov_journal_capture(&w, w.before) == 0)
		result = 1;
out:
	if (result < 0)
		Debug(LDAP_DEBUG_ANY,
			"provision: sync connector=%s dn=\"%s\" failed reason=\"%s\"\n", connector,
			PROV_LOG_TEXT(ndn), w.err.text);
	prov_write_close(&w);
	return result;
}

/* In the transaction: some more accounts. *end: it was the last of them. */
static int walk(const struct prov_job *stored, struct prov_txn *txn, const char *connector,
	struct job *job, struct prov_arena *arena, bool *end)
{
	Operation *op = stored->op;
	char *reason =
		prov_arena_printf(arena, "full sync of connector %s asked for by %s (change %s)",
			connector, job->actor, job->change);
	int rc = reason ? 0 : PROV_ENOMEM;

	for (unsigned looked = 0, told = 0; rc == 0 && looked < LOOK && told < BATCH; looked++) {
		struct berval ndn = BER_BVNULL;
		uint64_t id = 0;
		rc = prov_entryid_next(stored->pi, op, prov_txn_mdb(txn), job->done, &id, &ndn);
		if (rc == PROV_ENOENT || (rc == 0 && id > job->end)) {
			*end = true;
			job->done = job->end;
		} else if (rc == 0) {
			int one = prov_account_scope(stored->pi, &ndn)
				? sync_one(stored, txn, connector, reason, ndn)
				: 0;
			told += one > 0;
			if (one > 0)
				PROV_FAILPOINT("sync.one");
			rc = one < 0 ? PROV_EIO : 0;
			job->done = id;
		}
		if (ndn.bv_val)
			op->o_tmpfree(ndn.bv_val, op->o_tmpmemctx);
		if (*end)
			return 0;
	}
	return rc;
}

/* One transaction. PROV_ENOENT: there is no such job any more. */
static int batch(const struct prov_job *stored, struct job *job, bool *end)
{
	struct prov_instance *pi = stored->pi;
	struct prov_arena arena = PROV_ARENA_INIT;
	struct prov_error err = { 0, "" };
	struct prov_txn txn;
	struct prov_val v;
	bool last = false;

	if (prov_txn_begin(&txn, pi, stored->op, &err))
		return PROV_EIO;
	prov_snapshot_refresh(pi, stored->op);
	void *mdb = prov_txn_mdb(&txn);
	int rc = prov_named_get(pi->capture, mdb, stored->name, &v);
	if (rc == 0)
		rc = parse(v, &arena, job);
	if (rc == 0)
		rc = walk(stored, &txn, stored->name + strlen(PROV_SYNC_PREFIX), job, &arena, end);
	if (rc == PROV_ECORRUPT)
		*end = true;
	if (*end && (rc == 0 || rc == PROV_ECORRUPT)) {
		rc = prov_named_delete(pi->capture, mdb, stored->name);
		last = rc == 0 && !any_left(pi, mdb, &arena);
	} else if (rc == 0) {
		rc = put(pi, mdb, &arena, stored->name, job, &err);
	}
	if (last)
		atomic_store(&pi->syncing, false);
	PROV_FAILPOINT("sync.commit");
	if (rc)
		prov_txn_abort(&txn);
	else
		rc = prov_txn_commit(&txn, &err);
	PROV_FAILPOINT("sync.committed");
	if (rc && last)
		atomic_store(&pi->syncing, true);
	if (rc == 0)
		prov_relay_kick(pi);
	if (err.text[0])
		Debug(LDAP_DEBUG_ANY, "provision: %s: %s\n", stored->name, err.text);
	prov_txn_done(&txn);
	prov_arena_dispose(&arena);
	return rc;
}

/* The writer lock is not fair: clients get it only while nobody here asks for it. And their
 * writes are refused when too many rows wait: these here must not be the reason. */
static bool give_way(const struct prov_job *stored)
{
	const struct timespec pause = { 0, WAIT_NS };
	struct prov_capture *c = stored->pi->capture;

	do {
		if (prov_background_must_yield(stored))
			return false;
		nanosleep(&pause, NULL);
	} while (prov_capture_last(c) > prov_capture_relayed(c) + BACKLOG);
	return true;
}

enum prov_job_end prov_sync_run(const struct prov_job *stored)
{
	const char *what = prov_arena_printf(stored->arena, "full sync of connector %s",
		stored->name + strlen(PROV_SYNC_PREFIX));
	bool end = false;
	struct job job = { 0 };

	while (!end) {
		if (!give_way(stored))
			return PROV_JOB_LATER;
		int rc = batch(stored, &job, &end);
		if (rc == PROV_ENOENT)
			break;
		if (rc)
			return PROV_JOB_LATER;
		prov_background_progress(stored, job.done, job.end, what);
	}
	return PROV_JOB_GONE;
}
