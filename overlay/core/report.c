/* report.c - records about deliveries. See report.h. */
#include "report.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timefmt.h"

#define OP_DELIVERY "delivery"
#define OP_IMPORT "import"
#define OP_RESTORE "restore"

static const char *outcome_name(enum prov_report_outcome o)
{
	static const char *const name[] = { "proven", "delivered", "superseded", "unproven",
		"dropped", "forgotten" };

	return (unsigned)o < sizeof(name) / sizeof(name[0]) ? name[o] : "unknown";
}

bool prov_report_takes_away(const char *type)
{
	static const char *const types[] = { "account.suspended", "account.terminated",
		"account.deleted", "role.revoked" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

static void put(json_t *o, const char *name, const char *text)
{
	if (!text || !*text)
		return;
	json_t *v = json_string(text);
	json_object_set_new(o, name, v ? v : json_string("(not text)"));
}

static void move(json_t *to, const char *name, json_t *from, const char *member)
{
	json_t *v = json_object_get(from, member);

	if (v)
		json_object_set(to, name, v);
}

/* The members that every record has; event may be NULL. */
static json_t *begin(const char *op, const char *id, int64_t ms, const char *actor, json_t *event)
{
	char now[PROV_TIME_TEXT];
	json_t *data = json_object_get(event, "data");

	prov_time_rfc3339(ms / 1000, (unsigned)(ms % 1000) * 1000, now);
	json_t *o = json_pack("{s:i,s:s,s:s,s:s,s:s,s:{}}", "v", 1, "id", id, "op", op, "time", now,
		"dn", "", "actor");
	if (!o)
		return NULL;
	put(json_object_get(o, "actor"), "authz", actor ? actor : "provd");
	move(o, "dn", data, "dn");
	move(o, "uid", data, "uid");
	move(o, "entryUUID", event, "subject");
	return o;
}

static int finish(json_t *o, char **out, struct prov_error *err)
{
	*out = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(o);
	return *out ? 0 : prov_error_set(err, PROV_ENOMEM, "out of memory");
}

int prov_report_encode(const struct prov_report *r, char **out, struct prov_error *err)
{
	json_t *event = r->len ? json_loadb(r->event, r->len, 0, NULL) : NULL;
	json_t *o = begin(OP_DELIVERY, r->id, r->ms, r->actor, event), *d = json_object();

	put(o, "reason", r->reason);
	put(d, "connector", r->connector);
	put(d, "outcome", outcome_name(r->outcome));
	put(d, "note", r->note);
	if (r->seq)
		json_object_set_new(d, "sequence", json_integer((json_int_t)r->seq));
	move(d, "event", event, "id");
	move(d, "type", event, "type");
	move(d, "committed", event, "time");
	move(d, "changeId", json_object_get(event, "data"), "changeId");
	if (!d || json_object_set_new(o, "delivery", d)) {
		json_decref(o);
		o = NULL;
	}
	json_decref(event);
	return finish(o, out, err);
}

static const char *lacks(const json_t *event)
{
	static const char *const text[] = { "id", "type", "subject", "time", "source" };

	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		if (json_string_length(json_object_get(event, text[i])) == 0)
			return text[i];
	if (!json_is_object(json_object_get(event, "data")))
		return "data";
	return json_array_size(json_object_get(event, "route")) ? NULL : "route";
}

int prov_import_encode(const struct prov_import *i, char **out, struct prov_error *err)
{
	json_error_t why = { .text = "" };
	json_t *event = json_loadb(i->event, i->len, JSON_REJECT_DUPLICATES, &why);
	char reason[600];

	*out = NULL;
	if (!json_is_object(event)) {
		json_decref(event);
		return prov_error_set(err, PROV_EINVAL, "not a JSON object: %s", why.text);
	}
	const char *missing = lacks(event);
	if (missing) {
		json_decref(event);
		return prov_error_set(err, PROV_EINVAL, "no event: \"%s\" is missing or empty",
			missing);
	}
	snprintf(reason, sizeof(reason), "an event of %s, brought here undelivered", i->source);
	json_t *o = begin(OP_IMPORT, i->id, i->ms, i->actor, event);
	put(o, "reason", reason);
	if (json_object_set(o, "event", event)) {
		json_decref(o);
		o = NULL;
	}
	json_decref(event);
	return finish(o, out, err);
}

int prov_restore_encode(const char *id, int64_t ms, const char *actor, const char *reason,
	uint64_t missing, char **out, struct prov_error *err)
{
	json_t *o = begin(OP_RESTORE, id, ms, actor, NULL);

	put(o, "reason", reason);
	if (missing)
		json_object_set_new(o, "missing", json_integer((json_int_t)missing));
	return finish(o, out, err);
}

static bool is_report(const char *op)
{
	return op &&
		(strcmp(op, OP_DELIVERY) == 0 || strcmp(op, OP_IMPORT) == 0 ||
			strcmp(op, OP_RESTORE) == 0);
}

int prov_report_take(const char *record, size_t len, uint64_t sequence, char **event,
	struct prov_error *err)
{
	char seq[24];
	json_t *o = json_loadb(record, len, JSON_REJECT_DUPLICATES, NULL);
	const char *op = json_string_value(json_object_get(o, "op"));
	json_t *ev = json_object_get(o, "event");
	bool import = op && strcmp(op, OP_IMPORT) == 0;
	int rc = 0;

	*event = NULL;
	if (!is_report(op) || !json_is_string(json_object_get(o, "id")))
		rc = prov_error_set(err, PROV_ECORRUPT, "not a report");
	else if (import && lacks(ev))
		rc = prov_error_set(err, PROV_ECORRUPT, "an import without an event");
	if (rc == 0 && import) {
		snprintf(seq, sizeof(seq), "%020llu", (unsigned long long)sequence);
		json_object_set_new(ev, "sequence", json_string(seq));
		json_object_set_new(ev, "imported", json_true());
		*event = json_dumps(ev, JSON_COMPACT | JSON_SORT_KEYS);
		if (!*event)
			rc = prov_error_set(err, PROV_ENOMEM, "out of memory");
	}
	json_decref(o);
	return rc;
}
