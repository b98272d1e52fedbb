/*
 * txn.c - the transaction: begin, joined operations, commit, publish.
 *
 * Knows back-mdb's habits (docs/slapd-notes.md): operations join a transaction
 * through o_extra; an aborted one leaves attribute numbers behind that must be
 * unwound first; deleting a parent's last child inside a joined one answers
 * "commit failed" although the work is done; ending one does not unlink it.
 */
#include "txn.h"

#include <errno.h>

#include "back-mdb/back-mdb.h"

#include "compat.h"
#include "failpoint.h"
#include "pending.h"

struct prov_substep {
	struct prov_substep *next;
	Operation op;
	slap_callback null_cb;
	Modifications *mods;
	struct berval dn, ndn, rdn, nrdn, sup, nsup, new_dn, new_ndn; /* ours to free */
};

static char publish_key; /* its address marks operations that are only shown */

struct publish_mark {
	OpExtra oe; /* first */
	struct prov_txn *txn;
	struct berval
		ndn; /* of the write that is shown: what other overlays write meanwhile is not */
};

bool prov_txn_joined(Operation *op)
{
	OpExtra *oex;

	LDAP_SLIST_FOREACH(oex, &op->o_extra, oe_next)
	{
		if (oex->oe_key == op->o_bd->be_private)
			return true;
	}
	return false;
}

static struct publish_mark *mark_of(Operation *op)
{
	OpExtra *oex;

	LDAP_SLIST_FOREACH(oex, &op->o_extra, oe_next)
	{
		if (oex->oe_key == &publish_key &&
			dn_match(&((struct publish_mark *)oex)->ndn, &op->o_req_ndn))
			return (struct publish_mark *)oex;
	}
	return NULL;
}

bool prov_txn_publishing(Operation *op)
{
	return mark_of(op);
}

bool prov_txn_within_publishing(Operation *op)
{
	OpExtra *oex;

	LDAP_SLIST_FOREACH(oex, &op->o_extra, oe_next)
	{
		if (oex->oe_key == &publish_key)
			return true;
	}
	return false;
}

static struct mdb_info *mdb_of(struct prov_txn *t)
{
	return t->op->o_bd->be_private;
}

int prov_txn_begin(struct prov_txn *t, struct prov_instance *pi, Operation *op,
	struct prov_error *err)
{
	memset(t, 0, sizeof(*t));
	t->pi = pi;
	t->op = op;
	t->tail = &t->steps;
	t->backend = pi->on->on_info->oi_orig;
	t->saved_info = op->o_bd->bd_info;
	t->err = LDAP_OTHER;
	op->o_bd->bd_info = t->backend;
	int rc = t->backend->bi_op_txn(op, SLAP_TXN_BEGIN, &t->moi);
	if (rc) {
		if (t->moi) {
			LDAP_SLIST_REMOVE(&op->o_extra, t->moi, OpExtra, oe_next);
			op->o_tmpfree(t->moi, op->o_tmpmemctx);
			t->moi = NULL;
		}
		op->o_bd->bd_info = t->saved_info;
		return prov_error_set(err, PROV_EIO, "cannot begin a transaction: %s%s",
			mdb_strerror(rc),
			rc == MDB_PANIC ? ": the disk has failed; restart slapd when it is mended"
					: "");
	}
	t->saved_ads = mdb_of(t)->mi_numads;
	t->number = mdb_txn_id(prov_txn_mdb(t));
	return 0;
}

void *prov_txn_mdb(struct prov_txn *t)
{
	return t->moi ? ((mdb_op_info *)t->moi)->moi_txn : NULL;
}

/* ITS#10304: the only way to this text inside a joined transaction is a delete that worked. */
static void mend_delete(Operation *op, SlapReply *rs)
{
	if (op->o_tag == LDAP_REQ_DELETE && rs->sr_err == LDAP_OTHER && rs->sr_text &&
		strcmp(rs->sr_text, "commit failed") == 0) {
		rs->sr_err = LDAP_SUCCESS;
		rs->sr_text = NULL;
	}
}

static int keep_answer(Operation *op, SlapReply *rs)
{
	struct prov_txn *t = op->o_callback->sc_private;

	if (rs->sr_type != REP_RESULT)
		return SLAP_CB_CONTINUE;
	mend_delete(op, rs);
	t->answered = true;
	t->err = rs->sr_err;
	if (rs->sr_text)
		snprintf(t->text, sizeof(t->text), "%s", rs->sr_text);
	if (rs->sr_matched)
		t->matched = ch_strdup(rs->sr_matched);
	if (rs->sr_ref)
		ber_bvarray_dup_x(&t->ref, rs->sr_ref, NULL);
	if (rs->sr_ctrls)
		t->ctrls = ldap_controls_dup(rs->sr_ctrls);
	return LDAP_SUCCESS; /* swallowed: prov_txn_reply sends it */
}

int prov_txn_run(struct prov_txn *t)
{
	Operation *op = t->op;
	slap_callback cb = { .sc_response = keep_answer, .sc_private = t };
	slap_callback *saved = op->o_callback;
	char noop = op->o_noop;
	SlapReply rs = { REP_RESULT };

	op->o_callback = &cb;
	op->o_noop = 0; /* done as asked, so that all that follows is tried; then aborted */
	prov_pending_aside(op);
	(&t->backend->bi_op_bind)[slap_req2op(op->o_tag)](op, &rs);
	prov_pending_back(op);
	op->o_noop = noop;
	op->o_callback = saved;
	PROV_FAILPOINT("write.applied");
	return t->answered ? t->err : LDAP_OTHER;
}

static void take_csn(Operation *op)
{
	char buf[LDAP_PVT_CSNSTR_BUFSIZE];
	struct berval csn = { sizeof(buf), buf };

	slap_get_csn(op, &csn, 1);
}

void prov_txn_take_csn(struct prov_txn *t)
{
	/* an empty one is no omission: accesslog, purging, wants none, and slapd cannot grow it */
	if (BER_BVISNULL(&t->op->o_csn))
		take_csn(t->op);
	PROV_FAILPOINT("write.csn");
}

void prov_txn_preread(struct prov_txn *t, Entry *before)
{
	SlapReply rs = { REP_RESULT };
	LDAPControl *list[2] = { NULL, NULL };

	if (!t->op->o_preread || t->ctrls || !before ||
		slap_read_controls(t->op, &rs, before, &slap_pre_read_bv, &list[0]) != LDAP_SUCCESS)
		return;
	t->ctrls = ldap_controls_dup(list);
	t->op->o_tmpfree(list[0]->ldctl_value.bv_val, t->op->o_tmpmemctx);
	t->op->o_tmpfree(list[0], t->op->o_tmpmemctx);
}

static struct prov_substep *substep_new(struct prov_txn *t, ber_tag_t tag, struct berval dn,
	struct berval ndn, Modifications *mods)
{
	struct prov_substep *s = ch_calloc(1, sizeof(*s));

	s->op = *t->op;
	s->op.o_tag = tag;
	s->op.o_ctrls = NULL;
	s->op.o_abandon = 0;
	s->op.o_noop = 0;
	memset(s->op.o_ctrlflag, 0, sizeof(s->op.o_ctrlflag));
	s->op.o_managedsait = SLAP_CONTROL_CRITICAL;
	BER_BVZERO(&s->op.o_csn);
	memset(&s->op.o_request, 0, sizeof(s->op.o_request));
	ber_dupbv(&s->dn, &dn);
	ber_dupbv(&s->ndn, &ndn);
	s->op.o_req_dn = s->dn;
	s->op.o_req_ndn = s->ndn;
	s->mods = mods;
	s->null_cb.sc_response = slap_null_cb;
	s->op.o_callback = &s->null_cb;
	return s;
}

static void substep_free(struct prov_substep *s)
{
	prov_pending_settle(&s->op);
	if (s->op.o_csn.bv_val) /* a follow task's memory context is not cleared for long */
		s->op.o_tmpfree(s->op.o_csn.bv_val, s->op.o_tmpmemctx);
	slap_mods_free(s->mods, 1);
	ch_free(s->dn.bv_val);
	ch_free(s->ndn.bv_val);
	ch_free(s->rdn.bv_val);
	ch_free(s->nrdn.bv_val);
	ch_free(s->sup.bv_val);
	ch_free(s->nsup.bv_val);
	ch_free(s->new_dn.bv_val);
	ch_free(s->new_ndn.bv_val);
	ch_free(s);
}

/* Run one internal write; on success it waits in the list to be published. */
static int substep_run(struct prov_txn *t, struct prov_substep *s, struct prov_error *err)
{
	SlapReply rs = { REP_RESULT };
	Operation *op = &s->op;

	if (op->o_tag == LDAP_REQ_MODIFY)
		op->orm_modlist = s->mods;
	else
		op->orr_modlist = s->mods;
	take_csn(op);
	prov_pending_aside(op);
	(&t->backend->bi_op_bind)[slap_req2op(op->o_tag)](op, &rs);
	prov_pending_back(op);
	s->mods = op->o_tag == LDAP_REQ_MODIFY ? op->orm_modlist : op->orr_modlist;
	if (rs.sr_err != LDAP_SUCCESS) {
		prov_error_set(err, PROV_EREFUSED, "\"%s\": %s%s%s", s->dn.bv_val,
			ldap_err2string(rs.sr_err), rs.sr_text ? ": " : "",
			rs.sr_text ? rs.sr_text : "");
		substep_free(s);
		return rs.sr_err;
	}
	*t->tail = s;
	t->tail = &s->next;
	return LDAP_SUCCESS;
}

int prov_txn_modify(struct prov_txn *t, struct berval dn, struct berval ndn, Modifications *mods,
	struct prov_error *err)
{
	return substep_run(t, substep_new(t, LDAP_REQ_MODIFY, dn, ndn, mods), err);
}

int prov_txn_rename(struct prov_txn *t, struct berval dn, struct berval ndn, struct berval new_sup,
	struct berval new_nsup, Modifications *mods, struct prov_error *err)
{
	struct prov_substep *s = substep_new(t, LDAP_REQ_MODRDN, dn, ndn, mods);
	struct berval rdn, nrdn;

	dnRdn(&s->dn, &rdn);
	dnRdn(&s->ndn, &nrdn);
	ber_dupbv(&s->rdn, &rdn);
	ber_dupbv(&s->nrdn, &nrdn);
	ber_dupbv(&s->sup, &new_sup);
	ber_dupbv(&s->nsup, &new_nsup);
	s->op.orr_newrdn = s->rdn;
	s->op.orr_nnewrdn = s->nrdn;
	s->op.orr_newSup = &s->sup;
	s->op.orr_nnewSup = &s->nsup;
	s->op.orr_deleteoldrdn = 0;
	build_new_dn(&s->new_dn, &s->sup, &s->rdn, NULL);
	build_new_dn(&s->new_ndn, &s->nsup, &s->nrdn, NULL);
	prov_compat_set_new_dn(&s->op, s->new_dn, s->new_ndn);
	return substep_run(t, s, err);
}

struct berval prov_txn_last_csn(struct prov_txn *t)
{
	struct berval csn = BER_BVNULL;

	for (struct prov_substep *s = t->steps; s; s = s->next)
		csn = s->op.o_csn;
	return csn;
}

/*
 * The transaction is ended here and not by bi_op_txn: that one sets the count of known
 * attributes to 0, and after an abort does so when the next writer may be at it already.
 */
static MDB_txn *take_txn(struct prov_txn *t)
{
	MDB_txn *txn = ((mdb_op_info *)t->moi)->moi_txn;

	LDAP_SLIST_REMOVE(&t->op->o_extra, t->moi, OpExtra, oe_next);
	t->op->o_tmpfree(t->moi, t->op->o_tmpmemctx);
	t->moi = NULL;
	t->op->o_bd->bd_info = t->saved_info;
	return txn;
}

/*
 * Turns: internal writes are shown in the order of their commits, or a delta consumer
 * would apply two changes of one group the wrong way round. Who waits holds no lock.
 * A turn is not waited for longer than TURN_SECONDS: its owner may be stuck in
 * answering a client that does not read.
 */
#define TURN_SECONDS 1
static pthread_mutex_t turn_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_cond = PTHREAD_COND_INITIALIZER;
static uint64_t turns_given, turn_now = 1;

static void turn_take(struct prov_txn *t)
{
	if (!t->steps)
		return;
	pthread_mutex_lock(&turn_mutex);
	t->turn = ++turns_given;
	pthread_mutex_unlock(&turn_mutex);
}

static void turn_wait(struct prov_txn *t)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += TURN_SECONDS;
	pthread_mutex_lock(&turn_mutex);
	while (turn_now < t->turn)
		if (pthread_cond_clockwait(&turn_cond, &turn_mutex, CLOCK_MONOTONIC, &until) ==
			ETIMEDOUT) {
			turn_now = t->turn > turn_now ? t->turn : turn_now;
			break;
		}
	pthread_mutex_unlock(&turn_mutex);
}

static void turn_end(struct prov_txn *t)
{
	if (!t->turn)
		return;
	turn_wait(t);
	pthread_mutex_lock(&turn_mutex);
	if (turn_now <= t->turn)
		turn_now = t->turn + 1;
	pthread_cond_broadcast(&turn_cond);
	pthread_mutex_unlock(&turn_mutex);
	t->turn = 0;
}

int prov_txn_commit(struct prov_txn *t, struct prov_error *err)
{
	turn_take(t); /* while the writer lock is held */
	int rc = mdb_txn_commit(take_txn(t));

	if (rc == 0) {
		if (t->steps)
			prov_logturn_take(&t->log, t->pi, t->op, t->steps->ndn);
		return 0;
	}
	mdb_ad_unwind(mdb_of(t), t->saved_ads);
	return prov_error_set(err, rc == MDB_MAP_FULL || rc == ENOSPC ? PROV_EFULL : PROV_EIO,
		"the database could not commit: %s", mdb_strerror(rc));
}

static void drop_steps(struct prov_txn *t)
{
	while (t->steps) {
		struct prov_substep *s = t->steps;
		t->steps = s->next;
		substep_free(s);
	}
	t->tail = &t->steps;
}

void prov_txn_abort(struct prov_txn *t)
{
	if (t->moi) {
		/* First, while the lock is held: without this, attributes first used in the
		 * aborted transaction keep numbers that are not on disk, and later entries
		 * cannot be decoded. */
		mdb_ad_unwind(mdb_of(t), t->saved_ads);
		mdb_txn_abort(take_txn(t));
	}
	drop_steps(t); /* also after a failed commit: nothing of it may be shown */
	prov_pending_settle(t->op);
}

void prov_txn_reply(struct prov_txn *t, SlapReply *rs, int rc, const char *text, LDAPControl *extra)
{
	LDAPControl *list[SLAP_MAX_RESPONSE_CONTROLS + 2];
	int n = 0;

	rs->sr_type = REP_RESULT;
	rs->sr_err = rc >= 0 ? rc : t->err;
	rs->sr_text = rc >= 0 ? text : (t->text[0] ? t->text : NULL);
	rs->sr_matched = rc >= 0 ? NULL : t->matched;
	rs->sr_ref = rs->sr_err == LDAP_REFERRAL ? t->ref : NULL;
	for (int i = 0; t->ctrls && t->ctrls[i] && n < SLAP_MAX_RESPONSE_CONTROLS; i++)
		list[n++] = t->ctrls[i];
	if (extra)
		list[n++] = extra;
	list[n] = NULL;
	rs->sr_ctrls = n ? list : NULL;
	/* As when the backend answers itself: callbacks of other overlays write through it. */
	t->op->o_bd->bd_info = t->backend;
	send_ldap_result(t->op, rs);
	t->op->o_bd->bd_info = t->saved_info;
	rs->sr_ctrls = NULL;
	rs->sr_text = NULL;
	rs->sr_matched = NULL;
	rs->sr_ref = NULL;
}

static bool others_since(struct prov_txn *t)
{
	MDB_envinfo info;

	return mdb_env_info(mdb_of(t)->mi_dbenv, &info) || info.me_last_txnid != t->number;
}

/*
 * What is shown has the CSN of the commit, which is pending until then (pending.h). But the log of
 * accesslog must grow in the order of CSNs, or a delta consumer passes entries over as too old. So
 * when its turn cannot be held (logturn.h) and somebody has committed since, this write is
 * shown with a CSN of now, taken under accesslog's lock.
 */
void prov_txn_show(Operation *op, SlapReply *rs)
{
	struct prov_txn *t = mark_of(op)->txn;

	if (t->log.open && others_since(t)) {
		take_csn(op);
		slap_graduate_commit_csn(op); /* the first of the two: that of the commit */
	}
	PROV_FAILPOINT("write.show");
	rs->sr_err = LDAP_SUCCESS;
	send_ldap_result(op, rs);
}

void prov_txn_publish(struct prov_txn *t)
{
	if (t->steps)
		turn_wait(t);
	while (t->steps) {
		struct prov_substep *s = t->steps;
		struct publish_mark mark = { .oe = { .oe_key = &publish_key },
			.txn = t,
			.ndn = s->ndn };
		SlapReply rs = { REP_RESULT };
		Operation *op = &s->op;

		t->steps = s->next;
		PROV_FAILPOINT("write.publish");
		memset(&s->null_cb, 0, sizeof(s->null_cb));
		s->null_cb.sc_response = slap_null_cb;
		op->o_callback = &s->null_cb;
		op->o_extra = t->op->o_extra;
		LDAP_SLIST_INSERT_HEAD(&op->o_extra, &mark.oe, oe_next);
		/* the stack answers through our hook, with the marker: see op.c */
		op->o_bd->bd_info = (BackendInfo *)t->pi->on->on_info;
		slap_op_time(&op->o_time, &op->o_tincr);
		/* It is done: who checks values (constraint, say) may only look on. */
		op->o_relax = SLAP_CONTROL_NONCRITICAL;
		if (op->o_tag == LDAP_REQ_MODIFY)
			op->o_bd->be_modify(op, &rs);
		else
			op->o_bd->be_modrdn(op, &rs);
		if (rs.sr_err != LDAP_SUCCESS)
			Debug(LDAP_DEBUG_ANY,
				"provision: an overlay above refused to see the write of \"%s\", which is done: err=%d\n",
				s->dn.bv_val, rs.sr_err);
		op->o_bd->bd_info = t->saved_info;
		substep_free(s);
	}
	t->tail = &t->steps;
	turn_end(t);
	prov_logturn_give(&t->log);
}

int prov_txn_entry_get(Operation *op, struct berval *ndn, ObjectClass *oc, AttributeDescription *at,
	int rw, Entry **e)
{
	struct berval *now = prov_compat_renamed(op);
	slap_overinst *on = (slap_overinst *)op->o_bd->bd_info;

	if (!now || !prov_txn_publishing(op) || !dn_match(ndn, &op->o_req_ndn))
		return SLAP_CB_CONTINUE;
	op->o_bd->bd_info = on->on_info->oi_orig;
	int rc = op->o_bd->bd_info->bi_entry_get_rw(op, now, oc, at, rw, e);
	op->o_bd->bd_info = (BackendInfo *)on;
	return rc;
}

void prov_txn_done(struct prov_txn *t)
{
	prov_txn_abort(t);
	turn_end(t); /* a commit that failed */
	prov_logturn_give(&t->log);
	ch_free(t->matched);
	if (t->ref)
		ber_bvarray_free(t->ref);
	if (t->ctrls)
		ldap_controls_free(t->ctrls);
	t->matched = NULL;
	t->ref = NULL;
	t->ctrls = NULL;
}
