/*
 * logturn.c - see logturn.h.
 */
#include "logturn.h"

#include "slap-config.h"

struct prov_logturn_op {
	Operation op;
	struct berval dn;
};

static slap_overinst *accesslog_of(struct prov_instance *pi)
{
	slap_overinst *on = pi->on->on_info->oi_list;

	while (on && strcmp(on->on_bi.bi_type, "accesslog") != 0)
		on = on->on_next;
	return on;
}

/* What its own entry of cn=config would say: its data are its own. */
static bool logs_only_success(slap_overinst *on)
{
	ConfigTable *t = on->on_bi.bi_cf_ocs ? on->on_bi.bi_cf_ocs->co_table : NULL;

	while (t && t->name && strcmp(t->name, "logsuccess") != 0)
		t++;
	if (!t || !t->name || !(t->arg_type & ARG_MAGIC))
		return false;
	ConfigArgs *c = ch_calloc(1, sizeof(*c));
	c->op = SLAP_CONFIG_EMIT;
	c->type = t->arg_type & ARGS_USERLAND;
	c->bi = &on->on_bi;
	bool is = ((ConfigDriver *)t->arg_item)(c) == 0 && c->value_int;
	ch_free(c);
	return is;
}

void prov_logturn_take(struct prov_logturn *l, struct prov_instance *pi, Operation *op,
	struct berval near)
{
	slap_overinst *on = accesslog_of(pi);
	struct berval nobody = BER_BVC("cn=provision-logturn");
	BackendInfo *saved = op->o_bd->bd_info;
	SlapReply rs = { REP_RESULT };

	l->held = NULL;
	l->open = on && !logs_only_success(on);
	if (!on || l->open)
		return;
	struct prov_logturn_op *s = ch_calloc(1, sizeof(*s));
	s->op = *op;
	s->op.o_tag = LDAP_REQ_MODIFY;
	s->op.o_callback = NULL;
	s->op.o_abandon = 0;
	s->op.o_dont_replicate = 0;
	BER_BVZERO(&s->op.o_csn);
	memset(&s->op.o_request, 0, sizeof(s->op.o_request));
	/* must not exist: what accesslog remembers of the client's entry stays */
	build_new_dn(&s->dn, &near, &nobody, NULL);
	s->op.o_req_dn = s->op.o_req_ndn = s->dn;
	s->op.o_bd->bd_info = &on->on_bi;
	on->on_bi.bi_op_modify(&s->op, &rs);
	s->op.o_bd->bd_info = saved;
	l->held = s;
	if (!s->op.o_callback) /* modifies are not logged, or the log is not open */
		prov_logturn_give(l);
}

void prov_logturn_give(struct prov_logturn *l)
{
	struct prov_logturn_op *s = l->held;
	SlapReply rs = { REP_RESULT };

	l->held = NULL;
	if (!s)
		return;
	rs.sr_err = LDAP_NO_SUCH_OBJECT; /* not logged */
	if (s->op.o_callback)
		s->op.o_callback->sc_response(&s->op, &rs);
	ch_free(s->dn.bv_val);
	ch_free(s);
}
