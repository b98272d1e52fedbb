/*
 * admin.c - the requests on provd.ctl that change deliveries: retry, drop, forget, import.
 *
 * Who asked is what the kernel says of the client (control.h), and enters the trail.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "delivery_admin.h"
#include "log.h"
#include "progress.h"

json_t *provd_refuse(const char *code, const char *text)
{
	return json_pack("{s:b,s:s,s:s}", "ok", 0, "code", code, "error", text);
}

static json_t *refuse_error(const struct prov_error *err)
{
	const char *code = err->code == PROV_ENOENT ? "noSuchEvent"
		: err->code == PROV_EINVAL          ? "notParked"
						    : "failed";
	return provd_refuse(code, err->text);
}

/* An admin's act in one transaction; seq and n where they fit. */
struct act {
	struct prov_admin_act a;
	uint64_t seq;
	unsigned n;
	struct prov_error *err;
	char actor[128];
	const json_t *events; /* of an import */
	const char *source;
};

static void begin_act(struct act *x, const json_t *request, const char *connector,
	const char *reason, struct prov_error *err)
{
	const json_t *peer = json_object_get(request, "peer");

	memset(x, 0, sizeof(*x));
	prov_admin_actor((unsigned)json_integer_value(json_object_get(peer, "uid")),
		(unsigned)json_integer_value(json_object_get(peer, "gid")), x->actor,
		sizeof(x->actor));
	x->a = (struct prov_admin_act){ .connector = connector,
		.reason = reason,
		.actor = x->actor,
		.ms = provd_wall_ms() };
	x->err = err;
}

static int run_act(struct provd *p, struct act *x, int (*work)(struct prov_kv_txn *t, void *ctx))
{
	int rc = prov_kv_begin(prov_statedir_kv(p->state), false, &x->a.state, x->err);

	if (rc == 0)
		rc = prov_progress_write(p->delivery, work, x, x->err);
	prov_kv_abort(&x->a.state);
	return rc;
}

static void log_act(const char *what, const struct act *x)
{
	char clean[256];

	snprintf(clean, sizeof(clean), "%s", x->a.reason ? x->a.reason : "");
	prov_log_clean(clean);
	prov_log(LOG_INFO, "event=%s connector=%s seq=%llu count=%u by=\"%s\" reason=\"%s\"", what,
		x->a.connector ? x->a.connector : "-", (unsigned long long)x->seq, x->n, x->actor,
		clean);
}

static json_t *counted(unsigned n)
{
	return json_pack("{s:b,s:i}", "ok", 1, "count", (int)n);
}

static int drop(struct prov_kv_txn *t, void *ctx)
{
	struct act *x = ctx;

	x->a.t = t;
	return prov_admin_drop(&x->a, x->seq, &x->n, x->err);
}

json_t *provd_admin_change(struct provd *p, const json_t *request, const char *reason)
{
	struct prov_error err = { 0 };
	const char *name = json_string_value(json_object_get(request, "connector"));
	const json_t *seq = json_object_get(request, "seq");
	struct act x;
	int rc;

	if (!name)
		return provd_refuse("badRequest", "\"connector\" is missing");
	if (seq && (!json_is_integer(seq) || json_integer_value(seq) < 1))
		return provd_refuse("badRequest", "\"seq\" is not a sequence number");
	struct channel *ch = provd_channel_find(p, name);
	if (!ch)
		return provd_refuse("noSuchConnector", "no such connector");
	provd_channels_save(p, false); /* so that the rows tell the present */
	begin_act(&x, request, name, reason, &err);
	x.seq = seq ? (uint64_t)json_integer_value(seq) : 0;
	if (reason)
		rc = run_act(p, &x, drop);
	else
		rc = prov_progress_retry(p->delivery, name, ch->q, x.seq, provd_wall(), &x.n, &err);
	if (rc)
		return refuse_error(&err);
	if (!reason) {
		ch->rows_in = false; /* load them */
		provd_channel_refuse(p, ch, false);
	}
	log_act(reason ? "drop" : "retry", &x);
	return counted(x.n);
}

static int forget(struct prov_kv_txn *t, void *ctx)
{
	struct act *x = ctx;

	x->a.t = t;
	return prov_admin_forget(&x->a, &x->n, x->err);
}

json_t *provd_admin_forget(struct provd *p, const json_t *request, const char *reason)
{
	struct prov_error err = { 0 };
	const char *name = json_string_value(json_object_get(request, "connector"));
	struct channel *ch = name ? provd_channel_find(p, name) : NULL;
	struct act x;

	if (!ch)
		return provd_refuse("noSuchConnector", "no such connector");
	if (!p->loaded || p->reload)
		return provd_refuse("busy", "the connectors are not known at present: try again");
	if (ch->conn)
		return provd_refuse("inUse",
			"it is in the directory: delete its entry first, or set provEnabled: FALSE");
	if (prov_queue_count(ch->q).in_flight)
		return provd_refuse("busy", "an attempt is running: try again");
	begin_act(&x, request, name, reason, &err);
	if (run_act(p, &x, forget))
		return refuse_error(&err);
	log_act("forget", &x);
	provd_channel_remove(p, ch);
	return counted(x.n);
}

static int import(struct prov_kv_txn *t, void *ctx)
{
	struct act *x = ctx;

	x->a.t = t;
	return prov_admin_import(&x->a, x->source, x->events, &x->n, x->err);
}

json_t *provd_admin_import(struct provd *p, const json_t *request)
{
	struct prov_error err = { 0 };
	struct act x;

	begin_act(&x, request, NULL, NULL, &err);
	x.events = json_object_get(request, "events");
	x.source = json_string_value(json_object_get(request, "source"));
	if (!json_array_size(x.events) || !x.source)
		return provd_refuse("badRequest", "\"events\" or \"source\" is missing");
	if (run_act(p, &x, import))
		return provd_refuse("failed", err.text);
	log_act("import", &x);
	return counted(x.n);
}
