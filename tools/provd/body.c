/* body.c - an event as one connector may see it. See body.h. */
#include "body.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "timefmt.h"

static json_t *parse(const char *json, size_t len, struct prov_error *err)
{
	json_error_t e;
	json_t *event = json_loadb(json, len, 0, &e);
	if (json_is_object(event) && json_is_string(json_object_get(event, "id")))
		return event;
	prov_error_set(err, PROV_ECORRUPT, "not an event: %s", event ? "no id" : e.text);
	json_decref(event);
	return NULL;
}

static void copy_member(const json_t *event, const char *name, char *out, size_t room)
{
	const char *s = json_string_value(json_object_get(event, name));
	snprintf(out, room, "%s", s ? s : "");
}

/* Would it have been meant for it, had it been there? */
static bool for_late_comer(const struct prov_connector *c, const json_t *event)
{
	static const char snapshot[] = "account.snapshot"; /* of another one's full sync */
	const char *type = json_string_value(json_object_get(event, "type"));
	size_t n = type ? strlen(type) : 0;

	return n >= sizeof(snapshot) && strcmp(type + n - sizeof(snapshot) + 1, snapshot) != 0 &&
		prov_connector_hears(c, type);
}

int prov_body_route(const char *json, size_t len, const char *connector,
	const struct prov_connector *c, bool *wanted, char subject[37], struct prov_error *err)
{
	bool late = c && c->start == PROV_START_BEGINNING;
	size_t i = 0;
	json_t *name = NULL;

	*wanted = false;
	/* Most events are for others: do not parse what does not hold the name. A name
	 * that JSON writes with a backslash could be spelled in more than one way. */
	bool plain = !late && !strpbrk(connector, "\"\\/");
	for (const char *p = connector; *p; p++)
		plain = plain && *p > 0x1f && *p < 0x7f;
	if (plain && len && json[0] == '{' && !memmem(json, len, connector, strlen(connector)))
		return 0;
	json_t *event = parse(json, len, err);
	if (!event)
		return PROV_ECORRUPT;
	json_array_foreach(json_object_get(event, "route"), i, name)
	{
		const char *s = json_string_value(name);
		*wanted = *wanted || (s && !strcmp(s, connector));
	}
	if (late && !*wanted)
		*wanted = for_late_comer(c, event);
	copy_member(event, "subject", subject, 37);
	json_decref(event);
	return 0;
}

/* May this attribute leave? */
static bool listed(const struct prov_connector *c, const char *name)
{
	for (size_t i = 0; i < c->nattr; i++) {
		size_t len = strlen(c->attr[i]->name);
		if (!strncasecmp(name, c->attr[i]->name, len) && (!name[len] || name[len] == ';'))
			return true;
	}
	return false;
}

static int add_values(json_t *event, const struct prov_connector *c)
{
	const char *name = NULL;
	json_t *value = NULL, *out = json_object();
	json_t *data = json_object_get(event, "data");
	if (!out)
		return PROV_ENOMEM;
	json_object_foreach(json_object_get(event, "values"), name, value)
	{
		if (listed(c, name) && json_object_set(out, name, value))
			goto fail;
	}
	if (!json_object_size(out) || !json_is_object(data)) {
		json_decref(out);
		return 0;
	}
	return json_object_set_new(data, "values", out) ? PROV_ENOMEM : 0;
fail:
	json_decref(out);
	return PROV_ENOMEM;
}

/* RFC 3339, milliseconds kept. */
static int64_t time_of(const json_t *event)
{
	const char *text = json_string_value(json_object_get(event, "time"));
	const char *dot = text ? strchr(text, '.') : NULL;
	int64_t secs = 0, ms = 0;

	if (!text || prov_time_parse(prov_val_str(text), &secs))
		return 0;
	for (int i = 1; dot && i <= 3 && dot[i] >= '0' && dot[i] <= '9'; i++)
		ms += (int64_t)(dot[i] - '0') * (i == 1 ? 100 : i == 2 ? 10 : 1);
	return secs * 1000 + ms;
}

int prov_body_make(const char *json, size_t len, const struct prov_connector *c,
	struct prov_body *out, struct prov_error *err)
{
	memset(out, 0, sizeof(*out));
	json_t *event = parse(json, len, err);
	if (!event)
		return PROV_ECORRUPT;
	int rc = add_values(event, c);
	json_object_del(event, "route");
	json_object_del(event, "values");
	copy_member(event, "id", out->id, sizeof(out->id));
	copy_member(event, "type", out->type, sizeof(out->type));
	copy_member(event, "subject", out->subject, sizeof(out->subject));
	out->ms = time_of(event);
	out->imported = json_is_true(json_object_get(event, "imported"));
	size_t size = json_dumpb(event, NULL, 0, JSON_COMPACT | JSON_SORT_KEYS);
	out->text = size && !rc ? malloc(size + 2) : NULL;
	if (out->text) {
		json_dumpb(event, out->text, size, JSON_COMPACT | JSON_SORT_KEYS);
		memcpy(out->text + size, "\n", 2);
		out->len = size + 1;
	} else {
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	json_decref(event);
	return rc;
}

void prov_body_dispose(struct prov_body *b)
{
	free(b->text);
	memset(b, 0, sizeof(*b));
}
