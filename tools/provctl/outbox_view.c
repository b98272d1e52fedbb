/* outbox_view.c - see outbox_view.h. */
#include "outbox_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int note_cursor(void *ctx, const char *connector, uint64_t seq)
{
	return json_object_set_new(ctx, connector, json_integer((json_int_t)seq)) ? PROV_ENOMEM : 0;
}

static int note_row(void *ctx, const char *connector, const struct prov_delivery *d)
{
	(void)d;
	return json_object_set_new(ctx, connector, json_true()) ? PROV_ENOMEM : 0;
}

int outbox_view_open(const char *dir, struct outbox_view *v, struct prov_error *err)
{
	memset(v, 0, sizeof(*v));
	/* progress first: an event that is done was there before */
	int rc = prov_delivery_open_read(dir, &v->delivery, err);
	if (rc == PROV_ENOENT)
		rc = 0;
	if (!rc && v->delivery)
		rc = prov_kv_begin(prov_delivery_kv(v->delivery), false, &v->progress, err);
	if (!rc)
		rc = prov_statedir_open(dir, false, &v->dir, err);
	if (!rc)
		rc = prov_kv_begin(prov_statedir_kv(v->dir), false, &v->events, err);
	v->cursor = json_object();
	v->with_rows = json_object();
	if (!rc && (!v->cursor || !v->with_rows))
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	if (!rc && v->progress && prov_delivery_each(v->progress, NULL, note_row, v->with_rows))
		rc = prov_error_set(err, PROV_ECORRUPT, "%s: the deliveries cannot be read", dir);
	if (!rc && v->progress && prov_cursor_each(v->progress, note_cursor, v->cursor))
		rc = prov_error_set(err, PROV_ECORRUPT, "%s: the cursors cannot be read", dir);
	if (rc)
		outbox_view_close(v);
	return rc;
}

void outbox_view_close(struct outbox_view *v)
{
	prov_kv_abort(&v->events);
	prov_kv_abort(&v->progress);
	prov_statedir_close(&v->dir);
	prov_delivery_close(&v->delivery);
	json_decref(v->cursor);
	json_decref(v->with_rows);
	memset(v, 0, sizeof(*v));
}

static void look(struct outbox_view *v, const char *connector, uint64_t seq,
	struct prov_delivery *d)
{
	const json_t *at = json_object_get(v->cursor, connector);
	if (v->progress && !prov_delivery_get(v->progress, connector, seq, d))
		return;
	memset(d, 0, sizeof(*d));
	d->seq = seq;
	d->state = at && (uint64_t)json_integer_value(at) >= seq ? PROV_D_DONE : PROV_D_READY;
}

static bool routed(const json_t *event, const char *connector)
{
	size_t i;
	json_t *name;

	json_array_foreach(json_object_get(event, "route"), i, name)
	{
		if (json_is_string(name) && !strcmp(json_string_value(name), connector))
			return true;
	}
	return false;
}

/* At connectors that came later and wanted it nevertheless (start=beginning). */
static int see_late(struct outbox_view *v, uint64_t seq, const json_t *event, const char *only,
	bool all, outbox_see *see, void *ctx)
{
	const char *connector;
	json_t *yes;
	int rc = 0;

	json_object_foreach(v->with_rows, connector, yes)
	{
		struct prov_delivery d;
		if (rc || (only && strcmp(only, connector)) || routed(event, connector) ||
			prov_delivery_get(v->progress, connector, seq, &d))
			continue;
		if (all || (d.state != PROV_D_DONE && d.state != PROV_D_DROPPED))
			rc = see(ctx, seq, connector, event, &d);
	}
	return rc;
}

static int see_event(struct outbox_view *v, uint64_t seq, const json_t *event, const char *only,
	bool all, outbox_see *see, void *ctx)
{
	size_t i;
	json_t *name;
	int rc = 0;
	json_array_foreach(json_object_get(event, "route"), i, name)
	{
		const char *connector = json_string_value(name);
		struct prov_delivery d;
		if (rc || !connector || (only && strcmp(only, connector)))
			continue;
		look(v, connector, seq, &d);
		if (all || (d.state != PROV_D_DONE && d.state != PROV_D_DROPPED))
			rc = see(ctx, seq, connector, event, &d);
	}
	return rc ? rc : see_late(v, seq, event, only, all, see, ctx);
}

/* A row that does not decode: nobody knows whom it was for. */
static int see_bad(uint64_t seq, outbox_see *see, void *ctx)
{
	struct prov_delivery d = { .seq = seq, .state = PROV_D_PARKED };
	snprintf(d.error, sizeof(d.error), "the row cannot be decoded");
	return see(ctx, seq, "-", NULL, &d);
}

int outbox_view_each(struct outbox_view *v, const char *connector, bool all, outbox_see *see,
	void *ctx, struct prov_error *err)
{
	uint64_t seq = 0;
	for (;;) {
		struct prov_val text = { NULL, 0 };
		int rc = prov_outbox_first_after(v->events, seq, &seq, &text);
		if (rc == PROV_ENOENT)
			return 0;
		if (rc && rc != PROV_ECORRUPT)
			return prov_error_set(err, rc, "outbox: %s", prov_strerror(rc));
		json_t *event = rc ? NULL : json_loadb(text.data, text.len, 0, NULL);
		if (event)
			rc = see_event(v, seq, event, connector, all, see, ctx);
		else
			rc = connector ? 0 : see_bad(seq, see, ctx);
		json_decref(event);
		if (rc)
			return rc;
	}
}

static int add_one(json_t *lag, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(lag, name));
	return json_object_set_new(lag, name, json_integer(n + 1));
}

static int count(void *ctx, uint64_t seq, const char *connector, const json_t *event,
	const struct prov_delivery *d)
{
	json_t *all = ctx, *lag = json_object_get(all, connector);
	(void)seq;
	(void)event;
	if (!lag) {
		lag = json_pack("{s:i,s:i,s:i}", "lag", 0, "deferred", 0, "parked", 0);
		if (!lag || json_object_set_new(all, connector, lag))
			return PROV_ENOMEM;
	}
	if (d->state == PROV_D_PARKED)
		return add_one(lag, "parked") ? PROV_ENOMEM : 0;
	if (d->state == PROV_D_DEFERRED && add_one(lag, "deferred"))
		return PROV_ENOMEM;
	return add_one(lag, "lag") ? PROV_ENOMEM : 0;
}

int outbox_view_lags(struct outbox_view *v, json_t **out, struct prov_error *err)
{
	json_t *all = json_object();
	const char *name;
	json_t *at;
	int rc = all ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
	json_object_foreach(v->cursor, name, at)
	{
		if (!rc &&
			json_object_set_new(all, name,
				json_pack("{s:i,s:i,s:i}", "lag", 0, "deferred", 0, "parked", 0)))
			rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	if (!rc)
		rc = outbox_view_each(v, NULL, false, count, all, err);
	if (rc) {
		json_decref(all);
		all = NULL;
	}
	*out = all;
	return rc;
}
