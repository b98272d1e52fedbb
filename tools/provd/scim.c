/* scim.c - the scim connector: accounts. See scim.h; groups are in scim_groups.c. */
#include "scim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "event.h"
#include "scim_client.h"
#include "scim_groups.h"
#include "scim_map.h"

#define TRIES 3 /* when somebody else writes at the same time */
#define PATCH_OP "urn:ietf:params:scim:api:messages:2.0:PatchOp"

struct scim {
	struct prov_scim_client *client;
	struct prov_scim_map *map;
	bool remove; /* a deleted account is deleted there, too; else made inactive */
	bool groups;
	pthread_mutex_t making; /* a group: scim_groups.h */
	atomic_bool put;        /* replace whole: as told, or the server knows no PATCH */
};

struct attempt {
	struct prov_scim_call call;
	struct scim *s;
	json_t *event, *user, *remote;
	char id[PROV_REMOTE_ID];
	bool read; /* remote is whole: of a GET by its id ... */
	char etag[sizeof(((struct prov_scim_call *)0)->etag)]; /* ... whose version this is */
};

static void close_scim(void *self)
{
	struct scim *s = self;

	prov_scim_client_free(&s->client);
	prov_scim_map_free(&s->map);
	pthread_mutex_destroy(&s->making);
	free(s);
}

static int open_scim(const struct prov_connector *c, void **self, struct prov_error *err)
{
	struct scim *s = calloc(1, sizeof(*s));

	*self = NULL;
	if (!s)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	pthread_mutex_init(&s->making, NULL);
	s->remove = prov_connector_option_is(c, "delete", "remove");
	s->groups = prov_connector_option_is(c, "groups", "yes");
	atomic_store(&s->put, prov_connector_option_is(c, "update", "put"));
	int rc = prov_scim_map_new(c, &s->map, err);
	if (rc == 0)
		rc = prov_scim_client_new(c, &s->client, err);
	if (rc)
		close_scim(s);
	else
		*self = s;
	return rc;
}

static void keep_remote(struct attempt *a, json_t *remote)
{
	const char *id = json_string_value(json_object_get(remote, "id"));

	json_decref(a->remote);
	a->remote = json_incref(remote);
	a->read = false;
	snprintf(a->id, sizeof(a->id), "%s", id ? id : "");
	a->call.out->remote_known = true;
	memcpy(a->call.out->remote, a->id, sizeof(a->id));
}

static void forget_remote(struct attempt *a)
{
	json_decref(a->remote);
	a->remote = NULL;
	a->id[0] = '\0';
	a->call.out->remote_known = true;
	a->call.out->remote[0] = '\0';
}

/* A user's id in a path (RFC 7643, 3.1: opaque, so anything may be in it). */
static int ask_user(struct attempt *a, const char *method, const json_t *body, const char *match)
{
	char path[PROV_REMOTE_ID * 3 + 8] = "Users/";
	char *p = path + strlen(path);

	for (const char *s = a->id; *s; s++)
		if (strchr("-._~", *s) || (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') ||
			(*s >= 'A' && *s <= 'Z'))
			*p++ = *s;
		else
			p += sprintf(p, "%%%02X", (unsigned char)*s);
	*p = '\0';
	return prov_scim_ask(&a->call, method, path, body, match);
}

/* 0 with a->remote, or without when the server does not know the id any more. */
static int find_by_id(struct attempt *a, const char *id)
{
	if (id != a->id)
		snprintf(a->id, sizeof(a->id), "%s", id);
	if (ask_user(a, "GET", NULL, NULL))
		return -1;
	if (a->call.status == 404) {
		forget_remote(a);
		return 0;
	}
	const char *theirs = json_string_value(json_object_get(a->call.doc, "id"));
	if (a->call.status != 200 || !theirs || strcmp(theirs, a->id) != 0)
		return prov_scim_fail_status(&a->call, "read the account");
	keep_remote(a, a->call.doc);
	a->read = true;
	memcpy(a->etag, a->call.etag, sizeof(a->etag));
	return 0;
}

/* The one of the answer that really has this value: not every server heeds a filter. */
static int pick(struct attempt *a, const char *attr, const char *value, bool exact)
{
	const json_t *list = json_object_get(a->call.doc, "Resources");
	json_t *o, *one = NULL;
	size_t i;

	json_array_foreach(list, i, o)
	{
		const char *v = json_string_value(json_object_get(o, attr));
		if (!v || (exact ? strcmp(v, value) : strcasecmp(v, value)) != 0)
			continue;
		if (one)
			return prov_result_fail(a->call.out,
				"several accounts there have %s \"%.100s\"", attr, value);
		one = o;
	}
	if (one)
		keep_remote(a, one);
	return 0;
}

static int search(struct attempt *a, const char *attr, const char *value, bool exact)
{
	if (prov_scim_search(&a->call, "Users", attr, value))
		return -1;
	/* RFC 7644, 3.4.2.2: a server may not support this filter */
	if (a->call.status == 400 || a->call.status == 501 || a->call.status == 404)
		return 0;
	if (a->call.status != 200)
		return prov_scim_fail_status(&a->call, "search for the account");
	return pick(a, attr, value, exact);
}

static int find(struct attempt *a, const char *kept)
{
	const char *ext = json_string_value(json_object_get(a->user, "externalId"));
	const char *name = json_string_value(json_object_get(a->user, "userName"));
	int rc = *kept ? find_by_id(a, kept) : 0;

	if (rc == 0 && !a->remote && ext)
		rc = search(a, "externalId", ext, true);
	if (rc == 0 && !a->remote && name) {
		rc = search(a, "userName", name, false);
		const char *theirs = json_string_value(json_object_get(a->remote, "externalId"));
		if (rc == 0 && a->remote && theirs && *theirs && ext && strcmp(theirs, ext) != 0) {
			rc = prov_result_fail(a->call.out,
				"userName \"%.80s\" is another account there (externalId %.60s)",
				name, theirs);
			forget_remote(a);
		}
	}
	return rc;
}

static int create(struct attempt *a)
{
	if (!json_object_get(a->user, "userName"))
		return prov_result_fail(a->call.out, "the account has no value for userName");
	if (prov_scim_ask(&a->call, "POST", "Users", a->user, NULL))
		return -1;
	if (a->call.status == 409) {
		/* somebody made it meanwhile, or it was hidden from us: adopt it */
		if (find(a, ""))
			return -1;
		return a->remote ? 0
				 : prov_result_fail(a->call.out,
					   "it exists there (HTTP 409), but no search finds it");
	}
	if ((a->call.status != 201 && a->call.status != 200) ||
		json_string_length(json_object_get(a->call.doc, "id")) == 0)
		return prov_scim_fail_status(&a->call, "create the account");
	keep_remote(a, a->call.doc);
	return 0;
}

static int send_change(struct attempt *a, const json_t *ops)
{
	json_t *body;
	int rc;

	if (!atomic_load(&a->s->put)) {
		body = json_pack("{s:[s],s:O}", "schemas", PATCH_OP, "Operations", ops);
		rc = ask_user(a, "PATCH", body, a->etag);
		json_decref(body);
		if (rc || (a->call.status != 405 && a->call.status != 501))
			return rc;
		atomic_store(&a->s->put, true); /* it knows no PATCH */
	}
	body = prov_scim_map_replace(a->s->map, a->user, a->remote);
	rc = ask_user(a, "PUT", body, a->etag);
	json_decref(body);
	return rc;
}

/* Make it agree. 1: somebody else was faster, look again. */
static int change_once(struct attempt *a, bool *changed)
{
	json_t *ops = prov_scim_map_patch(a->s->map, a->user, a->remote);
	int rc = 0;

	if (json_array_size(ops)) {
		*changed = true;
		rc = send_change(a, ops);
		a->read = false;
		if (rc == 0 && (a->call.status == 412 || a->call.status == 409))
			rc = 1;
		else if (rc == 0 && a->call.status == 200 &&
			json_is_string(json_object_get(a->call.doc, "id")))
			keep_remote(a, a->call.doc);
		else if (rc == 0 && a->call.status != 200 && a->call.status != 204)
			rc = prov_scim_fail_status(&a->call, "change the account");
	}
	json_decref(ops);
	return rc;
}

static int change(struct attempt *a, bool *changed)
{
	int rc = 1;

	for (int i = 0; rc == 1 && i < TRIES; i++) {
		/* what came in a list, or as the answer to a write, may lack parts and its version */
		rc = a->read ? 0 : find_by_id(a, a->id);
		if (rc == 0 && !a->remote)
			return prov_result_fail(a->call.out, "the account is gone there");
		if (rc == 0)
			rc = change_once(a, changed);
	}
	return rc == 1 ? prov_scim_fail_status(&a->call, "change the account") : rc;
}

/* Access was taken away: is it? */
static int prove_inactive(struct attempt *a, const char *note)
{
	if (find_by_id(a, a->id))
		return -1;
	if (a->remote && prov_scim_active(a->remote))
		return prov_result_fail(a->call.out,
			"the server took the change, but the account is still active there");
	return prov_result_done(a->call.out, note);
}

static int delete (struct attempt *a)
{
	if (ask_user(a, "DELETE", NULL, NULL))
		return -1;
	if (a->call.status != 204 && a->call.status != 200 && a->call.status != 404)
		return prov_scim_fail_status(&a->call, "delete the account");
	char id[PROV_REMOTE_ID];
	memcpy(id, a->id, sizeof(id));
	if (find_by_id(a, id))
		return -1;
	if (a->remote)
		return prov_result_fail(a->call.out,
			"the server took the deletion, but the account is still there");
	return prov_result_done(a->call.out, "deleted, proven by looking for it");
}

static int settle(struct attempt *a, const char *kept, bool active)
{
	bool deleted = provd_event_is(a->event, "account.deleted"), made = false, changed = false;

	if (find(a, kept))
		return -1;
	if (!a->remote && !active)
		return prov_result_done(a->call.out, "it has no such account");
	if (!a->remote) {
		if (create(a))
			return -1;
		made = true;
	}
	if (a->s->groups && prov_scim_groups(&a->call, &a->s->making, a->event, a->id))
		return -1;
	if (deleted && a->s->remove)
		return delete (a);
	if (change(a, &changed))
		return -1;
	if (!active)
		return prove_inactive(a,
			changed ? "made inactive, proven by reading it back"
				: "inactive, proven by reading it back");
	return prov_result_done(a->call.out,
		made              ? "created"
			: changed ? "changed"
				  : "nothing to change");
}

/* Only a look, so that test events change nothing. */
static int look(struct attempt *a)
{
	if (prov_scim_ask(&a->call, "GET", "ServiceProviderConfig", NULL, NULL))
		return -1;
	if (a->call.status != 200)
		return prov_scim_fail_status(&a->call, "read ServiceProviderConfig");
	return prov_result_done(a->call.out, "ServiceProviderConfig was read");
}

static void deliver(void *self, const struct prov_message *m, const atomic_bool *cancel,
	struct prov_result *out)
{
	struct attempt a = { .s = self };

	a.call = (struct prov_scim_call){ .client = a.s->client, .cancel = cancel, .out = out };
	a.event = json_loadb(m->body.text, m->body.len, 0, NULL);
	bool active = provd_event_active(a.event);
	a.user = prov_scim_map_user(a.s->map, a.event, active);
	if (!a.user)
		prov_result_fail(a.call.out, "no memory");
	else if (provd_event_is(a.event, "connector.test"))
		look(&a);
	else
		settle(&a, m->remote, active);
	prov_scim_call_end(&a.call);
	json_decref(a.event);
	json_decref(a.user);
	json_decref(a.remote);
}

const struct prov_kind_ops prov_scim_ops = { .keeps_accounts = true,
	.open = open_scim,
	.deliver = deliver,
	.close = close_scim };
