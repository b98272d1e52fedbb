/* scim_map.c - an account as a SCIM User. See scim_map.h. */
#include "scim_map.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "event.h"

#define CORE "urn:ietf:params:scim:schemas:core:2.0:User"
#define ENTERPRISE "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
#define ROWS 64

struct row {
	char *path; /* as in PATCH, without a filter */
	char *outer,
		*inner; /* "name", "givenName"; "emails", "work"; URN, "department"; inner may be NULL */
	enum { TOP, SUB, TYPED, EXTENSION } kind;
	char *attr; /* of the directory */
	bool may;   /* it may leave */
};

struct prov_scim_map {
	size_t n;
	struct row row[ROWS];
};

static const char *const defaults[] = { "userName=uid", "name.givenName=givenName",
	"name.familyName=sn", "displayName=displayName", "title=title", "emails[work]=mail",
	"phoneNumbers[work]=telephoneNumber", "preferredLanguage=preferredLanguage",
	ENTERPRISE ":employeeNumber=employeeNumber", ENTERPRISE ":department=departmentNumber" };

static void row_dispose(struct row *r)
{
	free(r->path);
	free(r->outer);
	free(r->inner);
	free(r->attr);
	memset(r, 0, sizeof(*r));
}

void prov_scim_map_free(struct prov_scim_map **mp)
{
	struct prov_scim_map *m = *mp;

	for (size_t i = 0; m && i < m->n; i++)
		row_dispose(&m->row[i]);
	free(m);
	*mp = NULL;
}

/* Take the path apart; 0 or PROV_EINVAL. */
static int split(struct row *r)
{
	const char *p = r->path, *cut = NULL;
	size_t n = strlen(p), head = n;

	r->kind = TOP;
	if (strncasecmp(p, "urn:", 4) == 0) {
		cut = strrchr(p, ':');
		r->kind = EXTENSION;
		if (cut < p + 5 || strpbrk(p, ".[]") == NULL) /* a version has a dot */
			return PROV_EINVAL;
	} else if (n && p[n - 1] == ']') {
		cut = strchr(p, '[');
		r->kind = TYPED;
	} else if (strchr(p, '.')) {
		cut = strchr(p, '.');
		r->kind = SUB;
	}
	if (!n || strpbrk(p, " \"'()") || (r->kind != TOP && (!cut || cut == p || !cut[1])))
		return PROV_EINVAL;
	if (cut)
		head = (size_t)(cut - p);
	r->outer = strndup(p, head);
	if (cut)
		r->inner = strndup(cut + 1, strlen(cut + 1) - (r->kind == TYPED));
	if (r->inner && !*r->inner)
		return PROV_EINVAL;
	return r->outer && (!cut || r->inner) ? 0 : PROV_ENOMEM;
}

static void forget(struct prov_scim_map *m, const char *path, size_t len)
{
	for (size_t i = 0; i < m->n; i++)
		if (strlen(m->row[i].path) == len && strncasecmp(m->row[i].path, path, len) == 0) {
			row_dispose(&m->row[i]);
			m->row[i] = m->row[--m->n];
			return;
		}
}

/* "PATH=ATTRIBUTE", in the place of an earlier one of that path. */
static int add(struct prov_scim_map *m, const struct prov_connector *c, const char *text)
{
	const char *eq = strrchr(text, '=');
	struct row r = { 0 };

	if (!eq || eq == text)
		return PROV_EINVAL;
	forget(m, text, (size_t)(eq - text));
	if (!eq[1])
		return 0;
	r.path = strndup(text, (size_t)(eq - text));
	r.attr = strdup(eq + 1);
	int rc = r.path && r.attr ? split(&r) : PROV_ENOMEM;
	if (rc == 0 && m->n == ROWS)
		rc = PROV_EFULL;
	if (rc) {
		row_dispose(&r);
		return rc;
	}
	r.may = provd_event_may(c, r.attr);
	m->row[m->n++] = r;
	return 0;
}

static bool has_user_name(const struct prov_scim_map *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcasecmp(m->row[i].path, "userName") == 0)
			return true;
	return false;
}

int prov_scim_map_new(const struct prov_connector *c, struct prov_scim_map **out,
	struct prov_error *err)
{
	struct prov_scim_map *m = calloc(1, sizeof(*m));
	const char *bad = NULL;
	int rc = m ? 0 : PROV_ENOMEM;

	for (size_t i = 0; rc == 0 && i < sizeof(defaults) / sizeof(defaults[0]); i++)
		rc = add(m, c, defaults[i]);
	for (size_t i = 0; rc == 0 && i < c->noption; i++)
		if (strcmp(c->option[i].name, "map") == 0) {
			bad = c->option[i].value;
			rc = add(m, c, bad);
		}
	if (rc == 0 && !has_user_name(m)) {
		bad = "userName=";
		rc = PROV_EINVAL;
	}
	*out = m;
	if (rc == 0)
		return 0;
	prov_scim_map_free(out);
	return rc == PROV_ENOMEM || !bad
		? prov_error_set(err, rc, "no memory")
		: prov_error_set(err, PROV_EINVAL,
			  "provOption: map=%.150s: want PATH=ATTRIBUTE, userName among them, %d at most",
			  bad, ROWS);
}

/* The first value of the attribute in the event, or NULL. */
static const char *value_of(const json_t *event, const char *attr)
{
	const json_t *v = provd_event_values(event, attr);

	return json_string_value(json_is_array(v) ? json_array_get(v, 0) : v);
}

static json_t *member(json_t *o, const char *name, json_t *fresh)
{
	json_t *have = json_object_get(o, name);

	if (!have || json_typeof(have) != json_typeof(fresh)) { /* servers send what they like */
		json_object_set_new(o, name, fresh);
		return fresh;
	}
	json_decref(fresh);
	return have;
}

static json_t *typed(const json_t *list, const char *type)
{
	size_t i;
	json_t *o;

	json_array_foreach(list, i, o)
	{
		const char *t = json_string_value(json_object_get(o, "type"));
		if (t && strcasecmp(t, type) == 0)
			return o;
	}
	return NULL;
}

static void drop(const struct row *r, json_t *user)
{
	json_t *o = r->kind == TOP ? user : json_object_get(user, r->outer), *e;
	size_t i;

	if (r->kind != TYPED) {
		json_object_del(o, r->kind == TOP ? r->outer : r->inner);
		return;
	}
	json_array_foreach(o, i, e)
	{
		if (e == typed(o, r->inner)) {
			json_array_remove(o, i);
			return;
		}
	}
}

/* Put a value where the row says. */
static void place(const struct row *r, json_t *user, const char *value)
{
	json_t *o = user;
	const char *name = r->outer;

	if (r->kind == TYPED) {
		json_t *list = member(user, r->outer, json_array());
		o = typed(list, r->inner);
		name = "value";
		if (!o) {
			o = json_pack("{s:s,s:b}", "type", r->inner, "primary",
				json_array_size(list) == 0);
			json_array_append_new(list, o);
		}
	} else if (r->kind != TOP) {
		o = member(user, r->outer, json_object());
		name = r->inner;
	}
	json_object_set_new(o, name, json_string(value));
}

static const char *found(const struct row *r, const json_t *user)
{
	const json_t *o = user, *v;

	if (r->kind != TOP)
		o = json_object_get(user, r->outer);
	if (r->kind == TYPED)
		o = typed(o, r->inner);
	v = json_object_get(o, r->kind == TOP ? r->outer : r->kind == TYPED ? "value" : r->inner);
	return json_string_value(v);
}

static void add_schemas(json_t *user, const struct prov_scim_map *m)
{
	json_t *list = json_pack("[s]", CORE);

	for (size_t i = 0; i < m->n; i++) {
		bool there = m->row[i].kind != EXTENSION || !found(&m->row[i], user);
		size_t k;
		json_t *s;
		json_array_foreach(list, k, s)
		{
			there = there || strcmp(json_string_value(s), m->row[i].outer) == 0;
		}
		if (!there)
			json_array_append_new(list, json_string(m->row[i].outer));
	}
	json_object_set_new(user, "schemas", list);
}

json_t *prov_scim_map_user(const struct prov_scim_map *m, const json_t *event, bool active)
{
	json_t *user = json_object();
	json_t *subject = json_object_get(event, "subject");

	if (!user)
		return NULL;
	for (size_t i = 0; i < m->n; i++) {
		const char *v = m->row[i].may ? value_of(event, m->row[i].attr) : NULL;
		if (v && *v)
			place(&m->row[i], user, v);
	}
	if (json_is_string(subject))
		json_object_set(user, "externalId", subject);
	json_object_set_new(user, "active", json_boolean(active));
	add_schemas(user, m);
	return user;
}

bool prov_scim_active(const json_t *remote)
{
	const json_t *a = json_object_get(remote, "active");
	const char *text = json_string_value(a);

	return !a || json_is_true(a) || (text && strcasecmp(text, "true") == 0);
}

static void patch_row(const struct row *r, const char *want, const json_t *remote, json_t *ops)
{
	char path[600];
	const char *have = found(r, remote);
	bool there = r->kind == TYPED && typed(json_object_get(remote, r->outer), r->inner);

	if (r->kind == TYPED)
		snprintf(path, sizeof(path), "%.200s[type eq \"%.200s\"]%s", r->outer, r->inner,
			want ? ".value" : "");
	else
		snprintf(path, sizeof(path), "%.500s", r->path);
	if ((!want && !have) || (want && have && strcmp(want, have) == 0))
		return;
	if (!want)
		json_array_append_new(ops, json_pack("{s:s,s:s}", "op", "remove", "path", path));
	else if (r->kind == TYPED && !there)
		json_array_append_new(ops,
			json_pack("{s:s,s:s,s:[{s:s,s:s}]}", "op", "add", "path", r->outer, "value",
				"type", r->inner, "value", want));
	else
		json_array_append_new(ops,
			json_pack("{s:s,s:s,s:s}", "op", have ? "replace" : "add", "path", path,
				"value", want));
}

json_t *prov_scim_map_patch(const struct prov_scim_map *m, const json_t *user, const json_t *remote)
{
	json_t *ops = json_array();
	const json_t *id = json_object_get(user, "externalId");
	bool active = json_is_true(json_object_get(user, "active"));

	for (size_t i = 0; i < m->n; i++) {
		const char *want = found(&m->row[i], user);
		/* without a user name there is no user */
		if (m->row[i].may && (want || strcasecmp(m->row[i].path, "userName") != 0))
			patch_row(&m->row[i], want, remote, ops);
	}
	if (id && !json_equal(id, json_object_get(remote, "externalId")))
		json_array_append_new(ops,
			json_pack("{s:s,s:s,s:O}", "op",
				json_object_get(remote, "externalId") ? "replace" : "add", "path",
				"externalId", "value", id));
	if (prov_scim_active(remote) != active || !json_object_get(remote, "active"))
		json_array_append_new(ops,
			json_pack("{s:s,s:s,s:b}", "op", "replace", "path", "active", "value",
				active));
	return ops;
}

json_t *prov_scim_map_replace(const struct prov_scim_map *m, const json_t *user,
	const json_t *remote)
{
	json_t *whole = json_deep_copy(remote);

	if (!whole)
		return NULL;
	json_object_del(whole, "meta");
	for (size_t i = 0; i < m->n; i++) {
		const char *want = found(&m->row[i], user);
		if (m->row[i].may && want)
			place(&m->row[i], whole, want);
		else if (m->row[i].may && strcasecmp(m->row[i].path, "userName") != 0)
			drop(&m->row[i], whole);
	}
	if (json_object_get(user, "externalId"))
		json_object_set(whole, "externalId", json_object_get(user, "externalId"));
	json_object_set(whole, "active", json_object_get(user, "active"));
	add_schemas(whole, m);
	return whole;
}
