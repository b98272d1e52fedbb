/*
 * lookup.c - internal reads of the database below every overlay.
 */
#include "lookup.h"

#include "back-mdb/back-mdb.h"

#include "arena.h"

int prov_lookup_borrow(BackendInfo *bi, Operation *op, struct berval *ndn, Entry **e)
{
	*e = NULL;
	int rc = bi->bi_entry_get_rw(op, ndn, NULL, NULL, 0, e);

	/* back-mdb forgets to: the thread's next read would end the server (docs/slapd-notes.md) */
	if (rc != LDAP_SUCCESS && rc != LDAP_NO_SUCH_OBJECT)
		bi->bi_entry_release_rw(op, NULL, 0);
	return rc;
}

int prov_lookup_entry(struct prov_instance *pi, Operation *op, struct berval *ndn, Entry **out)
{
	BackendInfo *saved = op->o_bd->bd_info, *bi = pi->on->on_info->oi_orig;
	Entry *e;

	*out = NULL;
	op->o_bd->bd_info = bi;
	int rc = prov_lookup_borrow(bi, op, ndn, &e);
	if (rc == LDAP_SUCCESS && e) {
		*out = entry_dup(e); /* e points into pages that the next write may change */
		bi->bi_entry_release_rw(op, e, 0);
	}
	op->o_bd->bd_info = saved;
	return rc == LDAP_NO_SUCH_OBJECT ? LDAP_SUCCESS : rc;
}

struct search {
	int (*see)(void *ctx, Entry *e);
	void *ctx;
	bool stopped;
};

static int search_response(Operation *op, SlapReply *rs)
{
	struct search *s = op->o_callback->sc_private;

	if (rs->sr_type != REP_SEARCH || s->stopped)
		return LDAP_SUCCESS;
	if (s->see(s->ctx, rs->sr_entry)) {
		s->stopped = true;
		op->ors_slimit = 0; /* the result of the call below is ignored from here */
		return LDAP_SIZELIMIT_EXCEEDED;
	}
	return LDAP_SUCCESS;
}

int prov_lookup_search(struct prov_instance *pi, Operation *op, struct berval *nbase, int scope,
	const char *filter, int (*see)(void *ctx, Entry *e), void *ctx)
{
	struct search s = { see, ctx, false };
	slap_callback cb = { .sc_response = search_response, .sc_private = &s };
	BackendInfo *saved = op->o_bd->bd_info;
	SlapReply rs = { REP_RESULT };
	Operation op2 = *op;

	Filter *f = str2filter_x(op, filter);
	if (!f)
		return LDAP_FILTER_ERROR;
	op2.o_tag = LDAP_REQ_SEARCH;
	op2.o_callback = &cb;
	op2.o_ctrls = NULL;
	op2.o_abandon = 0;
	memset(op2.o_ctrlflag, 0, sizeof(op2.o_ctrlflag));
	op2.o_managedsait = SLAP_CONTROL_CRITICAL;
	op2.o_dn = op->o_bd->be_rootdn;
	op2.o_ndn = op->o_bd->be_rootndn;
	op2.o_req_dn = *nbase;
	op2.o_req_ndn = *nbase;
	memset(&op2.oq_search, 0, sizeof(op2.oq_search));
	op2.ors_scope = scope;
	op2.ors_deref = LDAP_DEREF_NEVER;
	op2.ors_slimit = SLAP_NO_LIMIT;
	op2.ors_tlimit = SLAP_NO_LIMIT;
	op2.ors_attrs = slap_anlist_all_attributes;
	op2.ors_filter = f;
	op2.ors_filterstr.bv_val = (char *)filter;
	op2.ors_filterstr.bv_len = strlen(filter);
	op->o_bd->bd_info = pi->on->on_info->oi_orig;
	int rc = pi->on->on_info->oi_orig->bi_op_search(&op2, &rs);
	op->o_bd->bd_info = saved;
	filter_free_x(op, f, 1);
	if (s.stopped || rc == LDAP_NO_SUCH_OBJECT)
		return LDAP_SUCCESS;
	return rc;
}

bool prov_lookup_indexed(struct prov_instance *pi, AttributeDescription *ad)
{
	AttrInfo *info = mdb_attr_mask(pi->be->be_private, ad);

	return info && IS_SLAP_INDEX(info->ai_indexmask, SLAP_INDEX_EQUALITY);
}

const char *prov_lookup_escape(struct prov_arena *arena, struct prov_val v)
{
	static const char hex[] = "0123456789abcdef";
	char *out = prov_arena_alloc(arena, v.len * 3 + 1), *p = out;

	for (size_t i = 0; out && i < v.len; i++) {
		unsigned char c = (unsigned char)v.data[i];
		if (c == '*' || c == '(' || c == ')' || c == '\\' || c < 0x20) {
			*p++ = '\\';
			*p++ = hex[c >> 4];
			*p++ = hex[c & 15];
		} else {
			*p++ = (char)c;
		}
	}
	return out;
}
