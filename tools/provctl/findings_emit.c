/* findings_emit.c - see findings_emit.h. */
#include "findings_emit.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "sha256.h"
#include "jsonout.h"
#include "names.h"
#include "outbox_act.h"
#include "outbox_view.h"
#include "search.h"
#include "uuid.h"

#define TYPE "scan.finding"
#define REQUEST_MOST 500000 /* bytes of events in one request to provd */

struct listener {
	char *name, *filter; /* NULL: no filter */
};

struct telling {
	struct ctl *c;
	const struct report *r;
	size_t n;
	struct listener *listener;
	char *source;   /* LDAP URL of server and suffix */
	json_t *events; /* of the request at hand */
	size_t bytes;   /* of these */
};

static int nomem(struct prov_error *err)
{
	return prov_error_set(err, PROV_ENOMEM, "no memory");
}

void findings_event_id(const struct report_item *it, char out[37])
{
	unsigned char h[PROV_SHA256_BYTES];
	char text[80];
	int n = snprintf(text, sizeof(text), "%s %lld", it->key, (long long)it->first);

	prov_sha256(text, (size_t)n, h);
	h[6] = (unsigned char)((h[6] & 0x0f) | 0x80);
	h[8] = (unsigned char)((h[8] & 0x3f) | 0x80);
	prov_uuid_text(h, out);
}

static bool wants(LDAP *ld, LDAPMessage *e)
{
	struct berval **v = ldap_get_values_len(ld, e, "provEvent");
	bool yes = false;

	for (int i = 0; v && v[i]; i++) /* libldap ends values with a zero */
		yes = yes ||
			(strncmp(v[i]->bv_val, "scan.", 5) == 0 &&
				fnmatch(v[i]->bv_val, TYPE, 0) == 0);
	ldap_value_free_len(v);
	return yes;
}

static int see_connector(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	static const char *const keeps[] = { "scim", "ldap", "caep" };
	struct telling *t = ctx;
	char *name = NULL;

	if (!wants(ld, e))
		return 0;
	name = prov_ldap_first(ld, e, "cn");
	for (size_t i = 0; name && i < sizeof(keeps) / sizeof(keeps[0]); i++)
		if (ctl_entry_has(ld, e, "provConnectorType", keeps[i])) {
			ctl_say("connector %s is of kind %s, which has no use for findings", name,
				keeps[i]);
			free(name);
			return 0;
		}
	struct listener *grown = reallocarray(t->listener, t->n + 1, sizeof(*grown));
	if (!name || !grown) {
		free(name);
		t->listener = grown ? grown : t->listener;
		return nomem(err);
	}
	t->listener = grown;
	grown[t->n++] = (struct listener){ name, prov_ldap_first(ld, e, "provFilter") };
	return 0;
}

static int find_listeners(struct telling *t, struct prov_error *err)
{
	static const char *const attrs[] = { "cn", "provEvent", "provConnectorType", "provFilter",
		NULL };
	struct ctl *c = t->c;
	int rc = ctl_connectors(c, NULL, attrs, see_connector, t, err);

	if (!rc && !t->n)
		rc = prov_error_set(err, PROV_ENOENT,
			"no connector wants findings: one does with provEvent: scan.*");
	return rc;
}

static int find_source(struct telling *t, const char *dir, struct prov_error *err)
{
	struct outbox_view v;
	struct prov_val source = { "", 0 };
	int rc = outbox_view_open(dir, &v, err);

	if (rc)
		return rc;
	prov_meta_get(v.events, "source", &source);
	t->source = source.len ? strndup(source.data, source.len) : strdup("provctl scan");
	outbox_view_close(&v);
	return t->source ? 0 : nomem(err);
}

/* The entry's UUID; the key for one that is not in this directory. */
static int read_subject(struct telling *t, const struct finding *f, const char *key,
	const char *filter, char out[37], bool *there, struct prov_error *err)
{
	static const char *const attrs[] = { "entryUUID", NULL };
	struct prov_error why = { 0 };
	LDAPMessage *found = NULL;
	int rc = ctl_read(t->c, f->dn, filter, attrs, &found, &why);

	*there = !rc;
	if (!filter)
		snprintf(out, 37, "%s", key);
	if (!rc && !filter) {
		char *uuid =
			prov_ldap_first(t->c->ld, ldap_first_entry(t->c->ld, found), "entryUUID");
		if (uuid)
			snprintf(out, 37, "%s", uuid);
		free(uuid);
	}
	ldap_msgfree(found);
	if (!rc || rc == PROV_ENOENT || rc == PROV_EINVAL)
		return 0;
	return prov_error_set(err, rc, "%s", why.text);
}

static int put(json_t *o, const char *name, const char *s)
{
	return s ? json_object_set_new(o, name, prov_json_text(s, strlen(s))) : 0;
}

static json_t *data_of(const struct report *r, size_t i)
{
	const struct finding *f = &r->found->item[i];
	const struct finding_about *a = finding_about(f->check);
	char at[PROV_TIME_TEXT];
	json_t *d = json_object();
	int bad = put(d, "check", a->id) ||
		put(d, "severity", finding_severity_name(a->severity)) ||
		put(d, "key", r->item[i].key) || put(d, "dn", f->dn) || put(d, "uid", f->uid) ||
		put(d, "related", f->related) || put(d, "text", f->text) || put(d, "fix", f->fix) ||
		json_object_set_new(d, "risk", json_integer(r->item[i].risk / 10));

	prov_time_rfc3339(r->item[i].first, 0, at);
	bad = bad || put(d, "first", at);
	prov_time_rfc3339(f->since, 0, at);
	if (bad || (f->since && put(d, "since", at))) {
		json_decref(d);
		return NULL;
	}
	return d;
}

/* *out: NULL when nobody wants it. */
static int make_event(struct telling *t, size_t i, json_t **out, struct prov_error *err)
{
	const struct finding *f = &t->r->found->item[i];
	char id[37], subject[37], at[PROV_TIME_TEXT];
	json_t *route = json_array();
	bool there;
	int rc = read_subject(t, f, t->r->item[i].key, NULL, subject, &there, err);

	for (size_t k = 0; !rc && k < t->n; k++) {
		const struct listener *l = &t->listener[k];
		bool sees = true;
		if (l->filter)
			rc = read_subject(t, f, NULL, l->filter, NULL, &sees, err);
		if (!rc && sees && json_array_append_new(route, json_string(l->name)))
			rc = nomem(err);
	}
	*out = NULL;
	if (rc || !json_array_size(route)) {
		json_decref(route);
		return rc;
	}
	findings_event_id(&t->r->item[i], id);
	prov_time_rfc3339(t->r->ask.at, 0, at);
	*out = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:o}", "specversion", "1.0",
		"datacontenttype", "application/json", "id", id, "source", t->source, "type",
		PROV_EVENT_PREFIX TYPE, "subject", subject, "time", at, "data", data_of(t->r, i),
		"route", route);
	return *out ? 0 : nomem(err);
}

static int put_events(struct prov_admin_act *a, void *ctx, struct prov_error *err)
{
	const struct telling *t = ctx;
	unsigned n;

	return prov_admin_import(a, t->source, t->events, &n, err);
}

/* Through provd, or without one under its lock. */
static int send(struct telling *t, const char *dir, struct prov_error *err)
{
	struct prov_admin_act a = { 0 };
	json_t *answer = NULL;
	size_t n = json_array_size(t->events);

	if (!n)
		return 0;
	json_t *ask = json_pack("{s:s,s:s,s:O}", "cmd", "import", "source", t->source, "events",
		t->events);
	int rc = ctl_outbox_act(dir, ask, &a, put_events, t, &answer, err);
	json_decref(ask);
	json_decref(answer);
	json_array_clear(t->events);
	t->bytes = 0;
	return rc;
}

static int tell(struct telling *t, const char *dir, struct prov_error *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < t->r->found->n; i++) {
		json_t *event = NULL;
		if (t->r->item[i].exempt || t->r->item[i].sent)
			continue;
		rc = make_event(t, i, &event, err);
		if (rc || !event)
			continue;
		size_t bytes = json_dumpb(event, NULL, 0, JSON_COMPACT);
		if (t->bytes + bytes > REQUEST_MOST)
			rc = send(t, dir, err);
		t->bytes += bytes;
		if (json_array_append_new(t->events, event))
			rc = nomem(err);
	}
	return rc ? rc : send(t, dir, err);
}

int findings_emit(struct ctl *c, const struct report *r)
{
	struct prov_error err = { 0 };
	struct telling t = { .c = c, .r = r, .events = json_array() };
	char *dir = NULL;
	int st = ctl_state_dir(c, &dir);
	int rc = st ? PROV_EIO : t.events ? find_listeners(&t, &err) : nomem(&err);

	if (!rc)
		rc = find_source(&t, dir, &err);
	if (!rc)
		rc = tell(&t, dir, &err);
	if (rc && !st)
		st = ctl_fail(&err);
	for (size_t i = 0; i < t.n; i++) {
		free(t.listener[i].name);
		free(t.listener[i].filter);
	}
	free(t.listener);
	free(t.source);
	free(dir);
	json_decref(t.events);
	return st;
}
