/* report.c - records about deliveries. See report.h. */
#include "report.h"

#include <stdio.h>
#include <string.h>
#include <unistr.h>

#include "json.h"
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

static void put(struct prov_json *b, json_t *o, const char *name, const char *text)
{
	if (!text || !*text)
		return;
	bool good = u8_check((const uint8_t *)text, strlen(text)) == NULL;
	prov_json_put(b, o, name, json_string(good ? text : "(not text)"));
}

static void move(struct prov_json *b, json_t *to, const char *name, json_t *from,
	const char *member)
{
	prov_json_copy(b, to, name, json_object_get(from, member));
}

/* The members that every record has; event may be NULL. */
static json_t *begin(struct prov_json *b, const char *op, const char *id, int64_t ms,
	const char *actor, json_t *event)
{
	char now[PROV_TIME_TEXT];
	json_t *data = json_object_get(event, "data");

	prov_time_rfc3339(ms / 1000, (unsigned)(ms % 1000) * 1000, now);
	json_t *o = json_pack("{s:i,s:s,s:s,s:s,s:s,s:{}}", "v", 1, "id", id, "op", op, "time", now,
		"dn", "", "actor");
	if (!o)
		return NULL;
	put(b, json_object_get(o, "actor"), "authz", actor ? actor : "provd");
	move(b, o, "dn", data, "dn");
	move(b, o, "uid", data, "uid");
	move(b, o, "entryUUID", event, "subject");
	return o;
}

int prov_report_encode(const struct prov_report *r, char **out, struct prov_error *err)
{
	struct prov_json building = PROV_JSON_INIT, *b = &building;
	json_t *event = NULL;

	*out = NULL;
	/* one that is no JSON is reported without what it would tell */
	if (r->len && prov_json_load(r->event, r->len, &event, NULL) == PROV_ENOMEM)
		return prov_error_set(err, PROV_ENOMEM, "out of memory");
	json_t *o = begin(b, OP_DELIVERY, r->id, r->ms, r->actor, event), *d = json_object();

	put(b, o, "reason", r->reason);
	put(b, d, "connector", r->connector);
	put(b, d, "outcome", outcome_name(r->outcome));
	put(b, d, "note", r->note);
	if (r->seq)
		prov_json_put(b, d, "sequence", json_integer((json_int_t)r->seq));
	move(b, d, "event", event, "id");
	move(b, d, "type", event, "type");
	move(b, d, "committed", event, "time");
	move(b, d, "changeId", json_object_get(event, "data"), "changeId");
	prov_json_put(b, o, "delivery", d);
	json_decref(event);
	return prov_json_take(b, o, out, err);
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
	struct prov_json building = PROV_JSON_INIT, *b = &building;
	struct prov_error why = { .text = "" };
	json_t *event;
	char reason[600];

	*out = NULL;
	if (prov_json_load(i->event, i->len, &event, &why) == PROV_ENOMEM)
		return prov_error_set(err, PROV_ENOMEM, "out of memory");
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
	json_t *o = begin(b, OP_IMPORT, i->id, i->ms, i->actor, event);
	put(b, o, "reason", reason);
	prov_json_put(b, o, "event", event); /* with the reference */
	return prov_json_take(b, o, out, err);
}

int prov_restore_encode(const char *id, int64_t ms, const char *actor, const char *reason,
	uint64_t missing, char **out, struct prov_error *err)
{
	struct prov_json building = PROV_JSON_INIT, *b = &building;
	json_t *o = begin(b, OP_RESTORE, id, ms, actor, NULL);

	put(b, o, "reason", reason);
	if (missing)
		prov_json_put(b, o, "missing", json_integer((json_int_t)missing));
	return prov_json_take(b, o, out, err);
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
	struct prov_json building = PROV_JSON_INIT, *b = &building;
	char seq[24];
	json_t *o;

	*event = NULL;
	if (prov_json_load(record, len, &o, err) == PROV_ENOMEM)
		return PROV_ENOMEM;
	const char *op = json_string_value(json_object_get(o, "op"));
	json_t *ev = json_object_get(o, "event");
	bool import = op && strcmp(op, OP_IMPORT) == 0;
	int rc = 0;

	if (!is_report(op) || !json_is_string(json_object_get(o, "id")))
		rc = prov_error_set(err, PROV_ECORRUPT, "not a report");
	else if (import && lacks(ev))
		rc = prov_error_set(err, PROV_ECORRUPT, "an import without an event");
	if (rc == 0 && import) {
		snprintf(seq, sizeof(seq), "%020llu", (unsigned long long)sequence);
		prov_json_put(b, ev, "sequence", json_string(seq));
		prov_json_put(b, ev, "imported", json_true());
		rc = prov_json_take(b, json_incref(ev), event, err);
	}
	json_decref(o);
	return rc;
}
