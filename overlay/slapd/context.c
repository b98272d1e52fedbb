/*
 * context.c - see context.h.
 */
#include "context.h"

#include "capture.h"
#include "convert.h"
#include "lookup.h"

#define DELETED "deleted csn"

int prov_context_note_delete(struct prov_txn *t, struct prov_error *err)
{
	if (BER_BVISEMPTY(&t->op->o_csn)) /* accesslog, purging, wants none */
		return 0;
	return prov_named_put(t->pi->capture, prov_txn_mdb(t), DELETED, prov_bv(t->op->o_csn), err);
}

struct newest {
	char text[LDAP_PVT_CSNSTR_BUFSIZE];
	struct berval csn; /* in text */
};

static void take_newer(struct newest *n, const struct berval *csn)
{
	if (csn->bv_len >= sizeof(n->text) || ber_bvcmp(csn, &n->csn) <= 0 ||
		slap_parse_csn_sid((struct berval *)csn) != slap_serverID)
		return;
	memcpy(n->text, csn->bv_val, csn->bv_len);
	n->text[csn->bv_len] = '\0';
	n->csn = (struct berval){ csn->bv_len, n->text };
}

static int see(void *ctx, Entry *e)
{
	Attribute *a = attr_find(e->e_attrs, slap_schema.si_ad_entryCSN);

	if (a)
		take_newer(ctx, &a->a_nvals[0]);
	return 0;
}

static void find_newest(struct prov_instance *pi, Operation *op, struct newest *n)
{
	char text[LDAP_PVT_CSNSTR_BUFSIZE + sizeof("(entryCSN>=)")], deleted[sizeof(n->text)] = "";
	struct berval csn = { 0, deleted };

	snprintf(text, sizeof(text), "(entryCSN>=%s)", n->csn.bv_val);
	int rc = prov_lookup_search(pi, op, &op->o_bd->be_nsuffix[0], LDAP_SCOPE_SUBTREE, text, see,
		n);
	if (rc != LDAP_SUCCESS)
		Debug(LDAP_DEBUG_ANY, "provision: cannot search for the newest CSN: %s\n",
			ldap_err2string(rc));
	csn.bv_len = prov_named_peek(op->o_bd->be_private, DELETED, deleted, sizeof(deleted) - 1);
	if (csn.bv_len)
		take_newer(n, &csn);
}

/* As syncprov stores it. */
static int store(struct prov_instance *pi, const Operation *op, struct berval *ndn,
	BerVarray values, unsigned n)
{
	Modifications mod = { .sml_op = LDAP_MOD_REPLACE,
		.sml_flags = SLAP_MOD_INTERNAL,
		.sml_desc = slap_schema.si_ad_contextCSN,
		.sml_values = values,
		.sml_numvals = n };
	slap_callback cb = { .sc_response = slap_null_cb };
	BackendInfo *saved = op->o_bd->bd_info;
	SlapReply rs = { REP_RESULT };
	Operation op2 = *op;

	memset(&op2.o_request, 0, sizeof(op2.o_request));
	op2.o_tag = LDAP_REQ_MODIFY;
	op2.o_req_dn = op2.o_req_ndn = *ndn;
	op2.o_callback = &cb;
	op2.o_managedsait = SLAP_CONTROL_NONCRITICAL;
	op2.o_no_schema_check = 1;
	op2.o_dont_replicate = 1;
	op2.orm_modlist = &mod;
	op2.orm_no_opattrs = 1;
	op->o_bd->bd_info = pi->on->on_info->oi_orig;
	op2.o_bd->be_modify(&op2, &rs);
	op->o_bd->bd_info = saved;
	slap_mods_free(mod.sml_next, 1);
	return rs.sr_err;
}

void prov_context_mend(struct prov_instance *pi, Operation *op, struct berval *ndn)
{
	const char *type = pi->on->on_info->oi_orig->bi_type;
	Entry *e = NULL;

	if (!type || strcmp(type, "mdb") != 0) /* refused later */
		return;
	int rc = prov_lookup_entry(pi, op, ndn, &e);
	Attribute *a = e ? attr_find(e->e_attrs, slap_schema.si_ad_contextCSN) : NULL;

	for (unsigned i = 0; a && i < a->a_numvals; i++) {
		struct newest n = { .csn = BER_BVC("") };
		take_newer(&n, &a->a_vals[i]);
		if (!n.csn.bv_len) /* another server's */
			continue;
		find_newest(pi, op, &n);
		if (!bvmatch(&n.csn, &a->a_vals[i])) {
			Debug(LDAP_DEBUG_STATS, "provision: contextCSN=%s was=%s\n", n.csn.bv_val,
				a->a_vals[i].bv_val);
			ber_bvreplace(&a->a_vals[i], &n.csn); /* the entry is our copy */
			rc = store(pi, op, ndn, a->a_vals, a->a_numvals);
		}
		break;
	}
	if (rc != LDAP_SUCCESS)
		Debug(LDAP_DEBUG_ANY, "provision: cannot mend contextCSN: %s\n",
			ldap_err2string(rc));
	if (e)
		entry_free(e);
}
