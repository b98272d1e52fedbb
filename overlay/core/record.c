/*
 * record.c - a change record as canonical JSON, and its events as CloudEvents.
 *
 * Bytes that are not UTF-8 are written as {"base64": "..."} so that nothing is lost.
 */
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#include "json.h"
#include "names.h"

static json_t *base64(struct prov_val v)
{
	static const char abc[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *out = malloc(v.len / 3 * 4 + 5), *p = out;

	if (!out)
		return NULL;
	for (size_t i = 0; i < v.len; i += 3) {
		unsigned n = (unsigned)(unsigned char)v.data[i] << 16;
		if (i + 1 < v.len)
			n |= (unsigned)(unsigned char)v.data[i + 1] << 8;
		if (i + 2 < v.len)
			n |= (unsigned char)v.data[i + 2];
		*p++ = abc[n >> 18];
		*p++ = abc[n >> 12 & 63];
		*p++ = i + 1 < v.len ? abc[n >> 6 & 63] : '=';
		*p++ = i + 2 < v.len ? abc[n & 63] : '=';
	}
	json_t *j = json_pack("{s:s#}", "base64", out, (int)(p - out));
	free(out);
	return j;
}

static json_t *text(struct prov_val v)
{
	if (u8_check((const uint8_t *)v.data, v.len) == NULL)
		return json_stringn_nocheck(v.data ? v.data : "", v.len);
	return base64(v);
}

static void put(struct prov_json *b, json_t *o, const char *name, struct prov_val v)
{
	if (v.len)
		prov_json_put(b, o, name, text(v));
}

static json_t *list(struct prov_json *b, struct prov_list l)
{
	json_t *a = json_array();

	for (size_t i = 0; i < l.n; i++)
		prov_json_push(b, a, text(l.val[i]));
	return a;
}

static void put_diff(struct prov_json *b, json_t *o, const char *name, struct prov_list gained,
	struct prov_list lost)
{
	if (!gained.n && !lost.n)
		return;
	json_t *d = json_object();
	if (gained.n)
		prov_json_put(b, d, "gained", list(b, gained));
	if (lost.n)
		prov_json_put(b, d, "lost", list(b, lost));
	prov_json_put(b, o, name, d);
}

static void put_state(struct prov_json *b, json_t *o, const struct prov_plan *plan)
{
	json_t *s = json_object();

	if (plan->before != PROV_STATE_NONE)
		prov_json_put(b, s, "before", json_string(prov_state_name(plan->before)));
	if (plan->after != PROV_STATE_NONE)
		prov_json_put(b, s, "after", json_string(prov_state_name(plan->after)));
	prov_json_put(b, o, "state", s);
}

static void put_actor(struct prov_json *b, json_t *o, const struct prov_actor *a)
{
	json_t *j = json_object();

	put(b, j, "authz", a->authz);
	put(b, j, "authc", a->authc);
	put(b, j, "from", a->from);
	put(b, j, "via", a->via);
	prov_json_put(b, o, "actor", j);
}

static json_t *events(struct prov_json *b, const struct prov_record *r)
{
	json_t *a = json_array();

	for (size_t i = 0; i < r->nevent; i++) {
		json_t *route = json_array();
		for (size_t k = 0; k < r->event[i].nroute; k++)
			prov_json_push(b, route, text(prov_val_str(r->event[i].route[k])));
		prov_json_push(b, a,
			json_pack("{s:s,s:s,s:o}", "id", r->event[i].id, "type",
				prov_event_name(r->event[i].type), "route", route));
	}
	return a;
}

static json_t *values(struct prov_json *b, const struct prov_record *r)
{
	json_t *o = json_object();

	for (size_t i = 0; i < r->nvalue; i++) {
		const struct prov_attr *a = &r->value[i];
		prov_json_put(b, o, a->type->name, list(b, (struct prov_list){ a->n, a->val }));
	}
	return o;
}

static json_t *members(struct prov_json *b, const struct prov_record *r)
{
	json_t *a = json_array();

	for (size_t i = 0; i < r->nmember_change; i++) {
		json_t *m = json_object();
		prov_json_put(b, m, "dn", text(r->member_change[i].dn));
		prov_json_put(b, m, "add", json_boolean(r->member_change[i].add));
		prov_json_push(b, a, m);
	}
	return a;
}

/* Of a snapshot: what is there, which nobody gained just now. */
static void put_present(struct prov_json *b, json_t *o, const struct prov_plan *p)
{
	json_t *has = json_object();

	prov_json_put(b, has, "roles", list(b, p->roles_gained));
	prov_json_put(b, has, "groups", list(b, p->groups_gained));
	prov_json_put(b, has, "entitlements", list(b, p->ent_gained));
	prov_json_put(b, o, "present", has);
}

static void put_plan(struct prov_json *b, json_t *o, const struct prov_plan *p)
{
	put_state(b, o, p);
	if (p->events & PROV_EV_SNAPSHOT) {
		put_present(b, o, p);
		return;
	}
	put_diff(b, o, "roles", p->roles_gained, p->roles_lost);
	put_diff(b, o, "groups", p->groups_gained, p->groups_lost);
	put_diff(b, o, "entitlements", p->ent_gained, p->ent_lost);
	if (p->exceptions_new.n)
		prov_json_put(b, o, "exceptions", list(b, p->exceptions_new));
}

int prov_record_encode(const struct prov_record *r, char **out, size_t *len, struct prov_error *err)
{
	struct prov_json building = PROV_JSON_INIT, *b = &building;
	json_t *o = json_object();

	prov_json_put(b, o, "v", json_integer(1));
	prov_json_put(b, o, "id", text(r->change_id));
	prov_json_put(b, o, "time", text(r->time));
	prov_json_put(b, o, "op", json_string(r->op));
	prov_json_put(b, o, "dn", text(r->dn));
	put(b, o, "csn", r->csn);
	put(b, o, "newDn", r->new_dn);
	put(b, o, "entryUUID", r->uuid);
	put(b, o, "uid", r->uid);
	put(b, o, "reason", r->reason);
	put_actor(b, o, &r->actor);
	if (r->plan)
		put_plan(b, o, r->plan);
	if (r->nattr) {
		json_t *a = json_array();
		for (size_t i = 0; i < r->nattr; i++)
			prov_json_push(b, a, text(prov_val_str(r->attr[i])));
		prov_json_put(b, o, "attributes", a);
	}
	if (r->nmember_change)
		prov_json_put(b, o, "members", members(b, r));
	if (r->nevent)
		prov_json_put(b, o, "events", events(b, r));
	if (r->nvalue)
		prov_json_put(b, o, "values", values(b, r));
	if (prov_json_take(b, o, out, NULL))
		return prov_error_set(err, PROV_ENOMEM,
			"cannot encode the change record: out of memory");
	*len = strlen(*out);
	return 0;
}

static void move(struct prov_json *b, json_t *to, const char *name, json_t *from,
	const char *member)
{
	prov_json_copy(b, to, name, json_object_get(from, member));
}

static json_t *data_of(struct prov_json *b, json_t *rec)
{
	static const char *const same[] = { "uid", "csn", "actor", "reason", "roles", "groups",
		"entitlements", "attributes" };
	json_t *d = json_object(), *state = json_object_get(rec, "state"), *what;
	const char *has;

	move(b, d, "dn", rec, json_object_get(rec, "newDn") ? "newDn" : "dn");
	if (json_object_get(rec, "newDn"))
		move(b, d, "oldDn", rec, "dn");
	move(b, d, "changeId", rec, "id");
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		move(b, d, same[i], rec, same[i]);
	move(b, d, "stateBefore", state, "before");
	move(b, d, "stateAfter", state, "after");
	json_object_foreach(json_object_get(rec, "present"), has, what)
	{ /* a receiver takes it like any other grant */
		if (json_array_size(what))
			prov_json_put(b, d, has, json_pack("{s:O}", "gained", what));
	}
	return d;
}

struct prov_record_doc {
	json_t *rec;
};

int prov_record_parse(const char *record, size_t len, struct prov_record_doc **out,
	struct prov_error *err)
{
	struct prov_record_doc *doc = calloc(1, sizeof(*doc));
	struct prov_error why = { .text = "" };
	int rc = doc ? prov_json_load(record, len, &doc->rec, &why) : PROV_ENOMEM;

	*out = NULL;
	if (rc == 0 && !json_is_object(doc->rec))
		rc = PROV_ECORRUPT;
	if (rc) {
		prov_record_free(&doc);
		return rc == PROV_ENOMEM
			? prov_error_set(err, rc, "out of memory")
			: prov_error_set(err, rc, "the record is not a JSON object: %s", why.text);
	}
	*out = doc;
	return 0;
}

void prov_record_free(struct prov_record_doc **doc)
{
	if (!*doc)
		return;
	json_decref((*doc)->rec);
	free(*doc);
	*doc = NULL;
}

size_t prov_record_events(const struct prov_record_doc *doc)
{
	return json_array_size(json_object_get(doc->rec, "events"));
}

int prov_record_event_json(const struct prov_record_doc *doc, size_t n, const char *source,
	uint64_t sequence, char **out, size_t *outlen, struct prov_error *err)
{
	json_t *ev = json_array_get(json_object_get(doc->rec, "events"), n), *o;
	const char *type = json_string_value(json_object_get(ev, "type"));
	struct prov_json building = PROV_JSON_INIT, *b = &building;
	char seq[24], full[128];

	*out = NULL;
	if (!ev)
		return PROV_ENOENT;
	if (!type || !json_is_string(json_object_get(ev, "id")))
		return prov_error_set(err, PROV_ECORRUPT,
			"event %zu of the record has no type or no id", n);
	snprintf(seq, sizeof(seq), "%020llu", (unsigned long long)sequence);
	snprintf(full, sizeof(full), PROV_EVENT_PREFIX "%s", type);
	o = json_object();
	prov_json_put(b, o, "specversion", json_string("1.0"));
	prov_json_put(b, o, "datacontenttype", json_string("application/json"));
	prov_json_put(b, o, "sequence", json_string(seq));
	prov_json_put(b, o, "source", json_string(source));
	prov_json_put(b, o, "type", json_string(full));
	move(b, o, "id", ev, "id");
	move(b, o, "route", ev, "route");
	move(b, o, "subject", doc->rec, "entryUUID");
	move(b, o, "time", doc->rec, "time");
	move(b, o, "values", doc->rec, "values");
	prov_json_put(b, o, "data", data_of(b, doc->rec));
	int rc = prov_json_take(b, o, out, err);
	if (rc)
		return rc;
	*outlen = strlen(*out);
	return 0;
}
