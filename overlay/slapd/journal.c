/*
 * journal.c - builds the change record: who, what, which events, for which connectors.
 */
#include "journal.h"

#include <stdlib.h>

#include "account.h"
#include "capture.h"
#include "convert.h"
#include "record.h"
#include "schema.h"
#include "sync.h"
#include "types.h"

#define MAX_EVENTS 11

static const struct prov_connector *const *connectors(struct prov_write *w, size_t *n)
{
	*n = 0;
	return w->policy ? prov_policy_connectors(w->policy, n) : NULL;
}

static bool goes_to(struct prov_write *w, const struct prov_connector *c, enum prov_event type)
{
	if (w->only)
		return c == w->only;
	return prov_connector_wants(c, prov_event_name(type),
		       w->pbefore.ndn.len ? &w->pbefore : NULL,
		       w->pafter.ndn.len ? &w->pafter : NULL) &&
		(w->plan.after != PROV_STATE_ACTIVE || !prov_sync_holds(w, c->name));
}

static int route(struct prov_write *w, struct prov_record_event *ev, unsigned char *wanted)
{
	size_t n;
	const struct prov_connector *const *c = connectors(w, &n);

	ev->route = prov_arena_array(&w->arena, n + 1, sizeof(*ev->route));
	if (!ev->route)
		return PROV_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (!goes_to(w, c[i], ev->type))
			continue;
		ev->route[ev->nroute++] = c[i]->name;
		wanted[i] = 1;
	}
	return 0;
}

static int events(struct prov_write *w, struct prov_record *r, unsigned char *wanted)
{
	struct prov_record_event *ev = prov_arena_array(&w->arena, MAX_EVENTS, sizeof(*ev));

	if (!ev)
		return PROV_ENOMEM;
	for (unsigned i = 0; i < MAX_EVENTS; i++) {
		if (!(w->plan.events & (1u << i)))
			continue;
		struct prov_record_event *e = &ev[r->nevent];
		char *id = prov_arena_alloc(&w->arena, PROV_UUID_TEXT);
		if (!id)
			return PROV_ENOMEM;
		prov_stamp_uuid(id);
		e->id = id;
		e->type = 1u << i;
		int rc = route(w, e, wanted);
		if (rc)
			return rc;
		r->nevent++;
	}
	r->event = ev;
	return 0;
}

/* What a rule of segregation of duties says. No connector gets a policy's record. */
static bool is_rule(struct prov_write *w, const struct prov_type *type)
{
	AttributeDescription *ad = strcmp(w->what, "policy") == 0 ? prov_type_ad(type) : NULL;

	return ad && (ad == prov_ad.conflict || ad == prov_ad.sodRole || ad == prov_ad.sodLimit);
}

/* Values of the attributes that the connectors which want an event list, and of rules. */
static int values(struct prov_write *w, struct prov_record *r, const unsigned char *wanted)
{
	const struct prov_entry *e = w->pafter.ndn.len ? &w->pafter
		: w->pbefore.ndn.len                   ? &w->pbefore
						       : NULL;
	size_t n;
	const struct prov_connector *const *c = connectors(w, &n);

	if (!e)
		return 0;
	struct prov_attr *v = prov_arena_array(&w->arena, e->n + 1, sizeof(*v));
	if (!v)
		return PROV_ENOMEM;
	for (size_t a = 0; a < e->n; a++) {
		bool listed = is_rule(w, e->attr[a].type);
		for (size_t i = 0; i < n && !listed; i++)
			for (size_t j = 0; wanted[i] && j < c[i]->nattr && !listed; j++)
				listed = prov_type_is(e->attr[a].type, c[i]->attr[j]);
		if (listed && !e->attr[a].type->secret)
			v[r->nvalue++] = e->attr[a];
	}
	r->value = v;
	return 0;
}

int prov_journal_capture(struct prov_write *w, Entry *entry)
{
	struct prov_record r = { .op = w->what,
		.change_id = prov_val_str(w->stamp.id),
		.time = prov_val_str(w->stamp.time),
		.csn = prov_bv(w->op->o_csn),
		.dn = prov_bv(w->dn),
		.new_dn = prov_bv(w->new_dn),
		.actor = w->stamp.actor,
		.reason = w->stamp.reason,
		.plan = w->planned ? &w->plan : NULL,
		.nattr = w->nattr,
		.attr = w->attr,
		.nmember_change = w->nmember_change,
		.member_change = w->member_change };
	size_t n;
	char *json = NULL;
	size_t len;

	if (r.csn.len == 0)
		r.csn = prov_bv(prov_txn_last_csn(w->txn));
	connectors(w, &n);
	unsigned char *wanted = prov_arena_alloc(&w->arena, n + 1);
	if (!wanted)
		return PROV_ENOMEM;
	if (entry) {
		r.uuid = prov_bv(prov_entry_value(entry, slap_schema.si_ad_entryUUID));
		r.uid = prov_bv(prov_account_uid(entry));
	}
	int rc = w->planned ? events(w, &r, wanted) : 0;
	if (rc == 0)
		rc = values(w, &r, wanted);
	if (rc == 0)
		rc = prov_record_encode(&r, &json, &len, &w->err);
	if (rc == 0)
		rc = prov_capture_put(w->pi->capture, prov_txn_mdb(w->txn), json, len, &w->err);
	free(json);
	return rc;
}
