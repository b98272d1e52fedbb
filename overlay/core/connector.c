/*
 * connector.c - reading a provConnector entry, and what it wants to hear.
 */
#include "connector.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "connector_kind.h"
#include "names.h"

struct reader {
	const struct prov_entry *e;
	const struct prov_schema *schema;
	struct prov_arena *arena;
	struct prov_error *err;
	bool oom; /* something that is there could not be read */
};

static const struct prov_attr *attr(struct reader *r, const char *name)
{
	const struct prov_type *t = r->schema->type(r->schema->ctx, name, strlen(name));

	return t ? prov_entry_attr(r->e, t) : NULL;
}

static const char *first(struct reader *r, const char *name)
{
	const struct prov_attr *a = attr(r, name);

	if (!a || !a->n)
		return NULL;
	char *text = prov_arena_strndup(r->arena, a->val[0].data, a->val[0].len);
	r->oom = r->oom || !text;
	return text;
}

static int complain(struct reader *r, const char *name, const char *why)
{
	if (!why || r->oom)
		return PROV_ENOMEM;
	return prov_error_set(r->err, PROV_EINVAL, "connector \"%.*s\": %s: %s",
		r->e->dn.len > 150 ? 150 : (int)r->e->dn.len, r->e->dn.data, name, why);
}

static int number(struct reader *r, const char *name, unsigned least, unsigned most, unsigned *out)
{
	const char *s = first(r, name);
	char why[64];

	if (!s)
		return 0;
	unsigned long v = 0;
	for (const char *p = s; *p; p++) {
		if (*p < '0' || *p > '9' || v > most)
			v = (unsigned long)most + 1;
		else
			v = v * 10 + (unsigned long)(*p - '0');
	}
	if (v < least || v > most) {
		snprintf(why, sizeof(why), "must be from %u to %u", least, most);
		return complain(r, name, why);
	}
	*out = (unsigned)v;
	return 0;
}

static int read_events(struct reader *r, struct prov_connector *c)
{
	const struct prov_attr *a = attr(r, "provEvent");

	if (!a || !a->n)
		return 0;
	c->event = prov_arena_array(r->arena, a->n, sizeof(*c->event));
	if (!c->event)
		return PROV_ENOMEM;
	for (size_t i = 0; i < a->n; i++) {
		c->event[i] = prov_arena_strndup(r->arena, a->val[i].data, a->val[i].len);
		if (!c->event[i])
			return PROV_ENOMEM;
		if (!*c->event[i])
			return complain(r, "provEvent", "is empty");
	}
	c->nevent = a->n;
	return 0;
}

static int read_attributes(struct reader *r, struct prov_connector *c)
{
	const struct prov_attr *a = attr(r, "provAttribute");

	if (!a || !a->n)
		return 0;
	c->attr = prov_arena_array(r->arena, a->n, sizeof(*c->attr));
	if (!c->attr)
		return PROV_ENOMEM;
	for (size_t i = 0; i < a->n; i++) {
		const struct prov_type *t =
			r->schema->type(r->schema->ctx, a->val[i].data, a->val[i].len);
		char why[128];
		if (!t || t->secret) {
			snprintf(why, sizeof(why),
				t ? "\"%.*s\" is a secret and never leaves"
				  : "unknown attribute \"%.*s\"",
				a->val[i].len > 60 ? 60 : (int)a->val[i].len, a->val[i].data);
			return complain(r, "provAttribute", why);
		}
		c->attr[i] = t;
	}
	c->nattr = a->n;
	return 0;
}

static int read_option(struct reader *r, const struct prov_connector_kind *kind, struct prov_val v,
	struct prov_connector_option *out)
{
	const char *eq = v.len ? memchr(v.data, '=', v.len) : NULL;
	char why[160];

	if (!eq || eq == v.data || eq + 1 == v.data + v.len)
		return complain(r, "provOption", "is not of the form name=value");
	size_t n = (size_t)(eq - v.data);
	const char *choice = prov_connector_kind_option(kind, v.data, n);
	if (!choice || !prov_connector_kind_one_of(choice, eq + 1, v.len - n - 1)) {
		snprintf(why, sizeof(why),
			choice ? "%s: \"%.*s\" must be one of %s"
			       : "a %s connector has no option \"%.*s\"",
			kind->name, n > 60 ? 60 : (int)n, v.data, choice);
		return complain(r, "provOption", why);
	}
	out->name = prov_arena_strndup(r->arena, v.data, n);
	out->value = prov_arena_strndup(r->arena, eq + 1, v.len - n - 1);
	return out->name && out->value ? 0 : PROV_ENOMEM;
}

static int read_options(struct reader *r, const struct prov_connector_kind *kind,
	struct prov_connector *c)
{
	const struct prov_attr *a = attr(r, "provOption");

	if (!a || !a->n)
		return 0;
	c->option = prov_arena_array(r->arena, a->n, sizeof(*c->option));
	if (!c->option)
		return PROV_ENOMEM;
	for (size_t i = 0; i < a->n; i++) {
		int rc = read_option(r, kind, a->val[i], &c->option[c->noption++]);
		if (rc)
			return rc;
	}
	return 0;
}

/* After everything that it goes together with. */
static int read_start(struct reader *r, struct prov_connector *c)
{
	const char *start = prov_connector_option(c, "start");
	const struct prov_connector_kind *kind = prov_connector_kind(c->type);

	if (!start || strcmp(start, "now") == 0)
		return 0;
	c->start = strcmp(start, "sync") == 0 ? PROV_START_SYNC : PROV_START_BEGINNING;
	if (c->start == PROV_START_SYNC)
		return 0;
	if (c->filter)
		return complain(r, "provOption",
			"start=beginning does not go with provFilter: what an account was then is not kept; start=sync does");
	if (kind->keeps_accounts)
		return complain(r, "provOption",
			"start=beginning is not for a connector that keeps accounts: old events do not have their values; start=sync does");
	return 0;
}

static int read_type(struct reader *r, struct prov_connector *c)
{
	char why[240];

	c->type = first(r, "provConnectorType");
	c->target = first(r, "provTarget");
	if (!c->type)
		return complain(r, "provConnectorType", "is missing");
	if (!c->target || !*c->target)
		return complain(r, "provTarget", "is missing");
	const struct prov_connector_kind *kind = prov_connector_kind(c->type);
	if (!kind) {
		char known[64];
		prov_connector_kinds(known, sizeof(known));
		snprintf(why, sizeof(why),
			"\"%.60s\" is not supported by this version (it knows: %s)", c->type,
			known);
		return complain(r, "provConnectorType", why);
	}
	const char *bad = kind->target(c->target);
	if (bad)
		return complain(r, "provTarget", bad);
	if (c->secret_file && *c->secret_file != '/' &&
		strncmp(c->secret_file, "credential:", 11) != 0)
		return complain(r, "provSecretFile",
			"is neither an absolute path nor credential:NAME");
	int rc = read_options(r, kind, c);
	if (rc)
		return rc;
	if (kind->secret && !c->secret_file &&
		!(kind->cert_does && prov_connector_option(c, "cert"))) {
		snprintf(why, sizeof(why), "is missing: a %s connector cannot do without%s",
			c->type,
			kind->cert_does ? ", unless it has a client certificate (option cert)"
					: "");
		return complain(r, "provSecretFile", why);
	}
	return 0;
}

static int read_filter(struct reader *r, struct prov_connector *c)
{
	const char *text = first(r, "provFilter");
	struct prov_error why = { 0, "" };

	if (!text)
		return 0;
	int rc = prov_filter_compile(prov_val_str(text), r->schema, r->arena, &c->filter, &why);
	if (rc == PROV_ENOMEM)
		return rc;
	return rc ? complain(r, "provFilter", why.text) : 0;
}

int prov_connector_compile(const struct prov_entry *e, const struct prov_schema *schema,
	struct prov_arena *arena, struct prov_connector **out, struct prov_error *err)
{
	struct reader r = { e, schema, arena, err, false };
	struct prov_connector *c = prov_arena_alloc(arena, sizeof(*c));
	const char *enabled;

	*out = NULL;
	if (!c)
		return PROV_ENOMEM;
	c->dn.data = prov_arena_strndup(arena, e->dn.data, e->dn.len);
	c->dn.len = e->dn.len;
	c->ndn.data = prov_arena_strndup(arena, e->ndn.data, e->ndn.len);
	c->ndn.len = e->ndn.len;
	c->name = first(&r, "cn");
	if (!c->dn.data || !c->ndn.data)
		return PROV_ENOMEM;
	if (!c->name || !*c->name || strlen(c->name) > 128)
		return complain(&r, "cn", "must have 1 to 128 bytes");
	c->timeout = 30;
	c->max_attempts = 20;
	c->max_age = 3 * 86400;
	c->concurrency = 4;
	enabled = first(&r, "provEnabled");
	c->enabled = !enabled || strcasecmp(enabled, "FALSE") != 0;
	c->secret_file = first(&r, "provSecretFile");
	int rc = read_type(&r, c);
	if (rc == 0)
		rc = read_events(&r, c);
	if (rc == 0)
		rc = read_filter(&r, c);
	if (rc == 0)
		rc = read_attributes(&r, c);
	if (rc == 0)
		rc = read_start(&r, c);
	if (rc == 0)
		rc = number(&r, "provTimeout", 1, 3600, &c->timeout);
	if (rc == 0)
		rc = number(&r, "provMaxAttempts", 1, 100000, &c->max_attempts);
	if (rc == 0)
		rc = number(&r, "provMaxAge", 1, 365 * 86400, &c->max_age);
	if (rc == 0)
		rc = number(&r, "provConcurrency", 1, 256, &c->concurrency);
	if (rc == 0 && r.oom)
		rc = PROV_ENOMEM;
	if (rc == 0)
		*out = c;
	return rc;
}

const char *prov_connector_option(const struct prov_connector *c, const char *name)
{
	for (size_t i = 0; i < c->noption; i++)
		if (strcmp(c->option[i].name, name) == 0)
			return c->option[i].value;
	return NULL;
}

bool prov_connector_option_is(const struct prov_connector *c, const char *name, const char *value)
{
	const char *v = prov_connector_option(c, name);

	return v && strcmp(v, value) == 0;
}

bool prov_connector_hears(const struct prov_connector *c, const char *type)
{
	size_t n = strlen(PROV_EVENT_PREFIX);
	bool hears = c->nevent == 0;

	if (strncmp(type, PROV_EVENT_PREFIX, n) == 0)
		type += n;
	for (size_t i = 0; i < c->nevent && !hears; i++)
		hears = fnmatch(c->event[i], type, 0) == 0;
	return hears;
}

bool prov_connector_sees(const struct prov_connector *c, const struct prov_entry *account)
{
	return !c->filter || prov_filter_match(c->filter, account) == PROV_MATCH_TRUE;
}

bool prov_connector_wants(const struct prov_connector *c, const char *type,
	const struct prov_entry *before, const struct prov_entry *after)
{
	if (!prov_connector_hears(c, type))
		return false;
	return !c->filter || (before && prov_connector_sees(c, before)) ||
		(after && prov_connector_sees(c, after));
}
