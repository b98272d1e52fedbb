/*
 * record.c - a change record as canonical JSON, and its events as CloudEvents.
 *
 * Bytes that are not UTF-8 are written as {"base64": "..."} so that nothing is lost.
 */
#include "record.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

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

static void put(json_t *o, const char *name, struct prov_val v)
{
	if (v.len)
		json_object_set_new_nocheck(o, name, text(v));
}

static json_t *list(struct prov_list l)
{
	json_t *a = json_array();

	for (size_t i = 0; i < l.n; i++)
		json_array_append_new(a, text(l.val[i]));
	return a;
}

static void put_diff(json_t *o, const char *name, struct prov_list gained, struct prov_list lost)
{
	if (!gained.n && !lost.n)
		return;
	json_t *d = json_object();
	if (gained.n)
		json_object_set_new_nocheck(d, "gained", list(gained));
	if (lost.n)
		json_object_set_new_nocheck(d, "lost", list(lost));
	json_object_set_new_nocheck(o, name, d);
}

static void put_state(json_t *o, const struct prov_plan *plan)
{
	json_t *s = json_object();

	if (plan->before != PROV_STATE_NONE)
		json_object_set_new_nocheck(s, "before",
			json_string(prov_state_name(plan->before)));
	if (plan->after != PROV_STATE_NONE)
		json_object_set_new_nocheck(s, "after", json_string(prov_state_name(plan->after)));
	json_object_set_new_nocheck(o, "state", s);
}

static void put_actor(json_t *o, const struct prov_actor *a)
{
	json_t *j = json_object();

	put(j, "authz", a->authz);
	put(j, "authc", a->authc);
	put(j, "from", a->from);
	put(j, "via", a->via);
	json_object_set_new_nocheck(o, "actor", j);
}

static json_t *events(const struct prov_record *r)
{
	json_t *a = json_array();

	for (size_t i = 0; i < r->nevent; i++) {
		json_t *route = json_array();
		for (size_t k = 0; k < r->event[i].nroute; k++)
			json_array_append_new(route, text(prov_val_str(r->event[i].route[k])));
		json_array_append_new(a,
			json_pack("{s:s,s:s,s:o}", "id", r->event[i].id, "type",
				prov_event_name(r->event[i].type), "route", route));
	}
	return a;
}

static json_t *values(const struct prov_record *r)
{
	json_t *o = json_object();

	for (size_t i = 0; i < r->nvalue; i++) {
		const struct prov_attr *a = &r->value[i];
		json_object_set_new_nocheck(o, a->type->name,
			list((struct prov_list){ a->n, a->val }));
	}
	return o;
}

static json_t *members(const struct prov_record *r)
{
	json_t *a = json_array();

	for (size_t i = 0; i < r->nmember_change; i++) {
		json_t *m = json_object();
		json_object_set_new_nocheck(m, "dn", text(r->member_change[i].dn));
		json_object_set_new_nocheck(m, "add", json_boolean(r->member_change[i].add));
		json_array_append_new(a, m);
	}
	return a;
}

/* Of a snapshot: what is there, which nobody gained just now. */
static void put_present(json_t *o, const struct prov_plan *p)
{
	json_t *has = json_object();

	json_object_set_new_nocheck(has, "roles", list(p->roles_gained));
	json_object_set_new_nocheck(has, "groups", list(p->groups_gained));
	json_object_set_new_nocheck(has, "entitlements", list(p->ent_gained));
	json_object_set_new_nocheck(o, "present", has);
}

static void put_plan(json_t *o, const struct prov_plan *p)
{
	put_state(o, p);
	if (p->events & PROV_EV_SNAPSHOT) {
		put_present(o, p);
		return;
	}
	put_diff(o, "roles", p->roles_gained, p->roles_lost);
	put_diff(o, "groups", p->groups_gained, p->groups_lost);
	put_diff(o, "entitlements", p->ent_gained, p->ent_lost);
	if (p->exceptions_new.n)
		json_object_set_new_nocheck(o, "exceptions", list(p->exceptions_new));
}

int prov_record_encode(const struct prov_record *r, char **out, size_t *len, struct prov_error *err)
{
	json_t *o = json_object();

	json_object_set_new(o, "v", json_integer(1));
	json_object_set_new_nocheck(o, "id", text(r->change_id));
	json_object_set_new_nocheck(o, "time", text(r->time));
	json_object_set_new_nocheck(o, "op", json_string(r->op));
	json_object_set_new_nocheck(o, "dn", text(r->dn));
	put(o, "csn", r->csn);
	put(o, "newDn", r->new_dn);
	put(o, "entryUUID", r->uuid);
	put(o, "uid", r->uid);
	put(o, "reason", r->reason);
	put_actor(o, &r->actor);
	if (r->plan)
		put_plan(o, r->plan);
	if (r->nattr) {
		json_t *a = json_array();
		for (size_t i = 0; i < r->nattr; i++)
			json_array_append_new(a, text(prov_val_str(r->attr[i])));
		json_object_set_new_nocheck(o, "attributes", a);
	}
	if (r->nmember_change)
		json_object_set_new_nocheck(o, "members", members(r));
	if (r->nevent)
		json_object_set_new_nocheck(o, "events", events(r));
	if (r->nvalue)
		json_object_set_new_nocheck(o, "values", values(r));
	*out = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(o);
	if (!*out)
		return prov_error_set(err, PROV_ENOMEM,
			"cannot encode the change record: out of memory");
	*len = strlen(*out);
	return 0;
}

static void move(json_t *to, const char *name, json_t *from, const char *member)
{
	json_t *v = json_object_get(from, member);

	if (v)
		json_object_set_nocheck(to, name, v);
}

static json_t *data_of(json_t *rec)
{
	static const char *const same[] = { "uid", "csn", "actor", "reason", "roles", "groups",
		"entitlements", "attributes" };
	json_t *d = json_object(), *state = json_object_get(rec, "state"), *what;
	const char *has;

	move(d, "dn", rec, json_object_get(rec, "newDn") ? "newDn" : "dn");
	if (json_object_get(rec, "newDn"))
		move(d, "oldDn", rec, "dn");
	move(d, "changeId", rec, "id");
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		move(d, same[i], rec, same[i]);
	move(d, "stateBefore", state, "before");
	move(d, "stateAfter", state, "after");
	json_object_foreach(json_object_get(rec, "present"), has, what)
	{ /* a receiver takes it like any other grant */
		if (json_array_size(what))
			json_object_set_new_nocheck(d, has, json_pack("{s:O}", "gained", what));
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
	json_error_t je = { .text = "" };

	*out = NULL;
	if (!doc)
		return prov_error_set(err, PROV_ENOMEM, "out of memory");
	doc->rec = json_loadb(record, len, JSON_REJECT_DUPLICATES, &je);
	if (!json_is_object(doc->rec)) {
		prov_error_set(err, PROV_ECORRUPT, "the record is not a JSON object: %s",
			doc->rec ? "" : je.text);
		prov_record_free(&doc);
		return PROV_ECORRUPT;
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
	json_object_set_new(o, "specversion", json_string("1.0"));
	json_object_set_new(o, "datacontenttype", json_string("application/json"));
	json_object_set_new(o, "sequence", json_string(seq));
	json_object_set_new(o, "source", json_string(source));
	json_object_set_new(o, "type", json_string(full));
	move(o, "id", ev, "id");
	move(o, "route", ev, "route");
	move(o, "subject", doc->rec, "entryUUID");
	move(o, "time", doc->rec, "time");
	move(o, "values", doc->rec, "values");
	json_object_set_new(o, "data", data_of(doc->rec));
	*out = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(o);
	if (!*out)
		return prov_error_set(err, PROV_ENOMEM, "out of memory");
	*outlen = strlen(*out);
	return 0;
}
