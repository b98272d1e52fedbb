/* secevent.c - what an event of ours is as a security event. See secevent.h. */
#include "secevent.h"

#include <string.h>
#include <strings.h>

#include "event.h"
#include "timefmt.h"

#define SCHEMA "https://schemas.openid.net/secevent/"
#define REASON_LANGUAGE "en"

static const struct {
	const char *ours, *uri;
} known[] = {
	{ "account.suspended", SCHEMA "risc/event-type/account-disabled" },
	{ "account.terminated", SCHEMA "risc/event-type/account-disabled" },
	{ "account.restored", SCHEMA "risc/event-type/account-enabled" },
	{ "account.deleted", SCHEMA "risc/event-type/account-purged" },
	{ "session.revoked", SCHEMA "caep/event-type/session-revoked" },
	{ "account.updated", SCHEMA "caep/event-type/credential-change" },
	{ "connector.test", SCHEMA "ssf/event-type/verification" },
};

static bool password_changed(const json_t *data)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(data, "attributes"), i, v)
	{
		if (json_is_string(v) && strcasecmp(json_string_value(v), "userPassword") == 0)
			return true;
	}
	return false;
}

static const char *find_uri(const json_t *event)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (provd_event_is(event, known[i].ours))
			return provd_event_is(event, "account.updated") &&
					!password_changed(json_object_get(event, "data"))
				? NULL
				: known[i].uri;
	return NULL;
}

static const char *text(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

static int make_subject(const struct prov_secevent_profile *p, const json_t *event, json_t **out,
	struct prov_error *err)
{
	const char *uuid = text(event, "subject"), *value = NULL;

	if (p->format != PROV_SUBJECT_OPAQUE && uuid) {
		const json_t *v = provd_event_values(event, p->attribute);
		value = json_string_value(json_is_array(v) ? json_array_get(v, 0) : v);
		if (!value)
			return prov_error_set(err, PROV_EINVAL,
				"the account has no %s to name it with", p->attribute);
	}
	if (!value)
		*out = json_pack("{s:s,s:s}", "format", "opaque", "id",
			uuid ? uuid : text(event, "id"));
	else if (p->format == PROV_SUBJECT_EMAIL)
		*out = json_pack("{s:s,s:s}", "format", "email", "email", value);
	else
		*out = json_pack("{s:s,s:s,s:s}", "format", "iss_sub", "iss", p->subject_issuer,
			"sub", value);
	return *out ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
}

/* CAEP 1.0, 2: who began it. */
static const char *initiator(const json_t *data)
{
	const json_t *actor = json_object_get(data, "actor");
	const char *who = text(actor, "authz"), *dn = text(data, "dn");

	if (!who || !*who)
		return "system";
	return dn && strcasecmp(who, dn) == 0 ? "user" : "admin";
}

static json_t *make_payload(const json_t *event, const char *uri, int64_t when)
{
	const json_t *data = json_object_get(event, "data");
	const char *reason = text(data, "reason");
	json_t *o = json_object();

	if (strstr(uri, "/verification") || strstr(uri, "/risc/"))
		return o; /* RISC 1.0 knows no further members that we have */
	json_object_set_new(o, "event_timestamp", json_integer(when));
	json_object_set_new(o, "initiating_entity", json_string(initiator(data)));
	if (reason && *reason)
		json_object_set_new(o, "reason_admin", json_pack("{s:s}", REASON_LANGUAGE, reason));
	if (strstr(uri, "/credential-change")) {
		json_object_set_new(o, "credential_type", json_string("password"));
		json_object_set_new(o, "change_type", json_string("update"));
	}
	return o;
}

int prov_secevent_claims(const struct prov_secevent_profile *p, const json_t *event, int64_t now,
	json_t **claims, struct prov_error *err)
{
	const char *uri = find_uri(event), *time = text(event, "time"), *id = text(event, "id");
	const char *txn = text(json_object_get(event, "data"), "changeId");
	json_t *subject = NULL;
	int64_t when = now;

	*claims = NULL;
	if (!uri)
		return 0;
	if (!id)
		return prov_error_set(err, PROV_EINVAL, "the event has no id");
	if (time)
		(void)prov_time_parse(prov_val_str(time), &when);
	int rc = make_subject(p, event, &subject, err);
	if (rc)
		return rc;
	json_t *o = json_pack("{s:s,s:I,s:s,s:I,s:o,s:{s:o}}", "iss", p->issuer, "iat",
		(json_int_t)now, "jti", id, "toe", (json_int_t)when, "sub_id", subject, "events",
		uri, make_payload(event, uri, when));
	if (o && p->audience)
		json_object_set_new(o, "aud", json_string(p->audience));
	if (o && txn)
		json_object_set_new(o, "txn", json_string(txn));
	*claims = o;
	return o ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
}
