/*
 * answers.c - what the requests on provd.ctl do.
 *
 *   {"cmd":"status"}
 *   {"cmd":"retry","connector":NAME[,"seq":N]}                 without seq: all
 *   {"cmd":"drop","connector":NAME[,"seq":N],"reason":TEXT}
 *   {"cmd":"forget","connector":NAME,"reason":TEXT}            of one that is gone
 *   {"cmd":"import","source":URL,"events":[...]}               from another server's outbox
 *   {"cmd":"reload"}
 *   {"cmd":"test","connector":NAME}       begins; {"test":ID}
 *   {"cmd":"tested","test":ID}            {"done":false}, or the outcome
 *
 * Every reply has "ok"; a false one has "error" and "code" (a name for programs).
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"
#include "options.h" /* PROV_VERSION */
#include "progress.h"

static json_t *time_or_null(int64_t t)
{
	char text[32];
	struct tm tm;
	time_t secs = t;
	if (!t)
		return json_null();
	gmtime_r(&secs, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

static const char *state_name(const struct channel *ch, const struct prov_queue_counts *q)
{
	if (!ch->conn)
		return "gone";
	if (!ch->conn->c)
		return "unusable";
	if (!ch->conn->c->enabled)
		return "disabled";
	if (ch->refused)
		return "refused";
	return q->held_until > provd_wall() ? "throttled" : "enabled";
}

static json_t *channel_status(const struct provd *p, const struct channel *ch)
{
	struct prov_error err = { 0 };
	struct prov_progress_counts rows;
	struct prov_queue_counts q = prov_queue_count(ch->q);
	uint64_t passed = prov_queue_passed(ch->q);

	prov_progress_count(p->delivery, ch->name, &rows, &err);
	return json_pack(
		"{s:s,s:s,s:s?,s:s?,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:I,s:i,s:o,s:o,s:s?}",
		"name", ch->name, "state", state_name(ch, &q), "type",
		ch->conn && ch->conn->c ? ch->conn->c->type : NULL, "problem",
		ch->conn && *ch->conn->problem ? ch->conn->problem : NULL, "cursor",
		(json_int_t)prov_queue_cursor(ch->q), "passed", (json_int_t)passed,
		/* events of the outbox that were not looked at yet, whoever they are for */
		"lag", (json_int_t)(p->last > passed ? p->last - passed : 0), "ready",
		(json_int_t)q.ready, "inFlight", (json_int_t)q.in_flight, "deferred",
		(json_int_t)q.deferred, "parked", (json_int_t)rows.parked, "dropped",
		(json_int_t)rows.dropped, "delivered", (json_int_t)ch->delivered, "rate",
		prov_rate_per_second(&ch->rate, provd_monotonic() / 1000), "failed",
		(json_int_t)ch->failed, "failuresInARow", (int)q.failures, "throttledUntil",
		time_or_null(q.held_until > provd_wall() ? q.held_until : 0), "lastSuccess",
		time_or_null(ch->last_success), "lastError",
		*ch->last_error ? ch->last_error : NULL);
}

static json_t *status(const struct provd *p)
{
	json_t *list = json_array();
	for (size_t i = 0; i < p->nchannel; i++)
		json_array_append_new(list, channel_status(p, p->channel[i]));
	return json_pack("{s:b,s:b,s:s,s:i,s:s,s:I,s:s,s:I,s:b,s:b,s:s?,s:o}", "ok", 1, "running",
		1, "version", PROV_VERSION, "pid", (int)getpid(), "stateDir", p->dir, "uptime",
		(json_int_t)(provd_wall() - p->started), "phase",
		p->stopping ? "draining" : "running", "last", (json_int_t)p->last,
		"connectorsLoaded", p->loaded, "saving", !p->save_at, "directoryError",
		*p->load_error ? p->load_error : NULL, "connectors", list);
}

static json_t *test(struct provd *p, const json_t *request)
{
	struct prov_error err = { 0 };
	const char *name = json_string_value(json_object_get(request, "connector"));
	struct channel *ch = name ? provd_channel_find(p, name) : NULL;

	if (!ch || !ch->conn)
		return provd_refuse("noSuchConnector", "no such connector");
	if (!ch->conn->c)
		return provd_refuse("unusable", ch->conn->problem);
	const char *id = provd_jobs_test(p, ch, &err);
	return id ? json_pack("{s:b,s:s}", "ok", 1, "test", id) : provd_refuse("failed", err.text);
}

static json_t *tested(const struct provd *p, const json_t *request)
{
	const char *id = json_string_value(json_object_get(request, "test"));
	const struct provd_test *t = id && *id ? provd_jobs_tested(p, id) : NULL;

	if (!t)
		return provd_refuse("noSuchTest", "no such test");
	if (!t->done)
		return json_pack("{s:b,s:b}", "ok", 1, "done", 0);
	return json_pack("{s:b,s:b,s:s,s:s,s:s,s:I}", "ok", 1, "done", 1, "outcome",
		prov_outcome_name(t->result.outcome), "error", t->result.error, "reply",
		t->result.reply, "ms", (json_int_t)t->result.ms);
}

json_t *provd_answer(void *ctx, const json_t *request)
{
	struct provd *p = ctx;
	const char *cmd = json_string_value(json_object_get(request, "cmd"));
	if (!cmd)
		return provd_refuse("badRequest", "\"cmd\" is missing");
	if (!strcmp(cmd, "status"))
		return status(p);
	if (!strcmp(cmd, "test"))
		return test(p, request);
	if (!strcmp(cmd, "tested"))
		return tested(p, request);
	if (!strcmp(cmd, "reload")) {
		p->reload = true;
		p->anew = true;
		p->reload_at = 0;
		return json_pack("{s:b}", "ok", 1);
	}
	if (!strcmp(cmd, "retry"))
		return provd_admin_change(p, request, NULL);
	if (!strcmp(cmd, "import"))
		return provd_admin_import(p, request);
	if (!strcmp(cmd, "drop") || !strcmp(cmd, "forget")) {
		const char *reason = json_string_value(json_object_get(request, "reason"));
		if (!reason || !*reason)
			return provd_refuse("badRequest", "\"reason\" is missing");
		return !strcmp(cmd, "drop") ? provd_admin_change(p, request, reason)
					    : provd_admin_forget(p, request, reason);
	}
	return provd_refuse("badRequest",
		"unknown \"cmd\": status, retry, drop, forget, import, reload, test, tested");
}
