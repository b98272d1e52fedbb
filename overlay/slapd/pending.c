/*
 * pending.c - see pending.h. In the list an entry is found by the address of its operation; other
 * addresses stand for those that are put aside or have been shown.
 */
#include "pending.h"

static Operation shown;

static be_pcsn *lock(Operation *op)
{
	be_pcsn *l = op->o_bd->bd_self->be_pcsn_p;

	ldap_pvt_thread_mutex_lock(&l->be_pcsn_mutex);
	return l;
}

/* Looks from the end: it is used for the newest. */
static void give(Operation *op, const Operation *from, Operation *to)
{
	be_pcsn *l = lock(op);
	struct slap_csn_entry *c;

	LDAP_TAILQ_FOREACH_REVERSE(c, &l->be_pcsn_list, be_pclh, ce_csn_link)
	{
		if (c->ce_op == from) {
			c->ce_op = to;
			break;
		}
	}
	ldap_pvt_thread_mutex_unlock(&l->be_pcsn_mutex);
}

/* An address that is op's alone and no operation's. */
static Operation *aside_of(Operation *op)
{
	return (Operation *)(void *)&op->o_csn;
}

void prov_pending_aside(Operation *op)
{
	give(op, op, aside_of(op));
}

void prov_pending_back(Operation *op)
{
	give(op, aside_of(op), op);
}

static void drop(be_pcsn *l, struct slap_csn_entry *c)
{
	LDAP_TAILQ_REMOVE(&l->be_pcsn_list, c, ce_csn_link);
	ch_free(c->ce_csn.bv_val);
	ch_free(c);
}

/* Those that were shown go as far as none is pending. */
static void sweep(be_pcsn *l)
{
	struct slap_csn_entry *c = LDAP_TAILQ_FIRST(&l->be_pcsn_list);

	while (c && !(c->ce_sid == slap_serverID && c->ce_state == SLAP_CSN_PENDING)) {
		struct slap_csn_entry *next = LDAP_TAILQ_NEXT(c, ce_csn_link);
		if (c->ce_op == &shown)
			drop(l, c);
		c = next;
	}
}

void prov_pending_settle(Operation *op)
{
	be_pcsn *l = lock(op);
	struct slap_csn_entry *c;

	LDAP_TAILQ_FOREACH(c, &l->be_pcsn_list, ce_csn_link)
	{
		if (c->ce_op == op)
			break;
	}
	if (c && c->ce_state == SLAP_CSN_COMMIT && c->ce_sid == slap_serverID)
		c->ce_op = &shown;
	else if (c)
		drop(l, c);
	sweep(l);
	ldap_pvt_thread_mutex_unlock(&l->be_pcsn_mutex);
}

static int at_end(Operation *op, SlapReply *rs)
{
	slap_callback *cb = op->o_callback;

	(void)rs;
	prov_pending_settle(op);
	op->o_callback = cb->sc_next;
	op->o_tmpfree(cb, op->o_tmpmemctx);
	return 0;
}

void prov_pending_watch(Operation *op)
{
	slap_callback *cb = op->o_tmpcalloc(1, sizeof(*cb), op->o_tmpmemctx);

	cb->sc_cleanup = at_end;
	cb->sc_next = op->o_callback;
	op->o_callback = cb;
}
