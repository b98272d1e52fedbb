/*
 * outbox_move.c - provctl outbox export|import: events that a lost server did not deliver
 * are delivered by another one.
 *
 * The file is JSON Lines: a head, then an event a line as it was in the outbox, "route"
 * naming the connectors that did not get it. An event keeps its id, so that a receiver who
 * had it after all knows it again, and taking the same file in twice does nothing more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jsonout.h"
#include "outbox_act.h"
#include "outbox_view.h"
#include "reports.h"
#include "search.h"

#define FORMAT "slapo-provision outbox"
#define REQUEST_MOST 500000 /* bytes of events in one request to provd */

struct export
{
	json_t *event; /* at hand: it is printed when the next one comes */
	uint64_t seq;
	size_t n;
};

static int flush(struct export *x)
{
	json_t *event = x->event;

	x->event = NULL;
	if (!event)
		return 0;
	x->n++;
	return prov_json_line_take(stdout, event);
}

static int see_delivery(void *ctx, uint64_t seq, const char *connector, const json_t *event,
	const struct prov_delivery *d)
{
	struct export *x = ctx;
	int rc = 0;

	(void)d;
	if (!event) {
		ctl_say("event %llu cannot be decoded and is left out", (unsigned long long)seq);
		return 0;
	}
	if (!x->event || x->seq != seq) {
		rc = flush(x);
		x->event = json_copy((json_t *)event); /* its members are shared */
		x->seq = seq;
		if (!x->event || json_object_set_new(x->event, "route", json_array()))
			rc = PROV_ENOMEM;
	}
	if (!rc)
		rc = json_array_append_new(json_object_get(x->event, "route"),
			     json_string(connector))
			? PROV_ENOMEM
			: 0;
	return rc;
}

static json_t *head(struct outbox_view *v)
{
	struct prov_val source = { "", 0 }, instance = { "", 0 };

	prov_meta_get(v->events, "source", &source);
	prov_meta_get(v->events, "instance", &instance);
	return json_pack("{s:s,s:i,s:s#,s:s#}", "format", FORMAT, "v", 1, "source", source.data,
		(int)source.len, "instance", instance.data, (int)instance.len);
}

int ctl_outbox_export(const char *dir, const char *connector)
{
	struct prov_error err = { 0 };
	struct outbox_view v;
	struct export x = { 0 };

	if (isatty(STDOUT_FILENO))
		return ctl_say("outbox export: standard output is a terminal: >FILE");
	if (outbox_view_open(dir, &v, &err))
		return ctl_fail(&err);
	int rc = prov_json_line_take(stdout, head(&v));
	if (!rc)
		rc = outbox_view_each(&v, connector, false, see_delivery, &x, &err);
	if (!rc)
		rc = flush(&x);
	json_decref(x.event);
	outbox_view_close(&v);
	if (rc && !err.text[0])
		prov_error_set(&err, rc, "outbox: %s", prov_strerror(rc));
	if (rc)
		return ctl_fail(&err);
	if (fflush(stdout))
		return ctl_say("outbox export: %s", strerror(errno));
	fprintf(stderr, "provctl: %zu event%s exported\n", x.n, x.n == 1 ? "" : "s");
	return 0;
}

struct import {
	const char *file;
	size_t line, known;
	char *source;
	json_t *events, *have; /* to take; ids that are here */
	size_t done;
};

static int bad(const struct import *x, struct prov_error *err, const char *why)
{
	return prov_error_set(err, PROV_EINVAL, "%s: line %zu: %s: nothing was taken", x->file,
		x->line, why);
}

static int take_head(struct import *x, const json_t *o, struct prov_error *err)
{
	const char *format = json_string_value(json_object_get(o, "format"));
	const char *source = json_string_value(json_object_get(o, "source"));

	if (!format || strcmp(format, FORMAT) != 0 || !source)
		return bad(x, err, "not the head of an exported outbox");
	if (json_integer_value(json_object_get(o, "v")) != 1)
		return bad(x, err, "of a version that this program does not know");
	x->source = strdup(source);
	return x->source ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
}

/* Would the other side take it? By the same code that encodes it there. */
static int check_event(const struct import *x, const char *text, size_t len, struct prov_error *err)
{
	struct prov_error why = { 0 };
	char *record = NULL;
	const struct prov_import i = { .id = "", .source = x->source, .event = text, .len = len };
	int rc = prov_import_encode(&i, &record, &why);

	free(record);
	return rc == PROV_EINVAL ? bad(x, err, why.text) : rc;
}

static int take_line(struct import *x, const char *text, size_t len, struct prov_error *err)
{
	json_error_t why;
	json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	const char *id = json_string_value(json_object_get(o, "id"));
	int rc;

	if (!json_is_object(o))
		rc = bad(x, err, o ? "not a JSON object" : why.text);
	else if (!x->source)
		rc = take_head(x, o, err);
	else
		rc = check_event(x, text, len, err);
	if (!rc && id && json_object_get(x->have, id))
		x->known++;
	else if (!rc && id &&
		(json_array_append(x->events, o) || json_object_set_new(x->have, id, json_true())))
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	json_decref(o);
	return rc;
}

static int read_file(struct import *x, struct prov_error *err)
{
	bool in = strcmp(x->file, "-") == 0;
	FILE *f = in ? stdin : fopen(x->file, "re");
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	int rc = 0;

	if (!f)
		return prov_error_set(err, PROV_ENOENT, "%s: %s", x->file, strerror(errno));
	while (!rc && (n = getline(&line, &room, f)) > 0) {
		x->line++;
		rc = take_line(x, line, (size_t)n, err);
	}
	if (!rc && ferror(f))
		rc = prov_error_set(err, PROV_EIO, "%s: %s", x->file, strerror(errno));
	if (!rc && !x->source)
		rc = prov_error_set(err, PROV_EINVAL, "%s is empty", x->file);
	free(line);
	if (!in)
		fclose(f);
	return rc;
}

static int note_have(struct import *x, const json_t *event)
{
	const char *id = json_string_value(json_object_get(event, "id"));

	return id && json_object_set_new(x->have, id, json_true()) ? PROV_ENOMEM : 0;
}

static int see_waiting(void *ctx, uint64_t number, struct prov_val record)
{
	json_t *o = json_loadb(record.data, record.len, 0, NULL);
	int rc = note_have(ctx, json_object_get(o, "event"));

	(void)number;
	json_decref(o);
	return rc;
}

/* Ids of the outbox here, and of imports that the relay has not taken yet. */
static int find_have(struct import *x, const char *dir, struct prov_error *err)
{
	struct outbox_view v;
	uint64_t seq = 0;
	int rc = outbox_view_open(dir, &v, err);

	if (rc)
		return rc;
	for (;;) {
		struct prov_val text = { NULL, 0 };
		rc = prov_outbox_first_after(v.events, seq, &seq, &text);
		if (rc && rc != PROV_ECORRUPT)
			break;
		json_t *event = rc ? NULL : json_loadb(text.data, text.len, 0, NULL);
		rc = note_have(x, event);
		json_decref(event);
		if (rc)
			break;
	}
	rc = rc == PROV_ENOENT ? 0 : rc;
	if (!rc && v.progress)
		rc = prov_reports_each(v.progress, 0, see_waiting, x);
	outbox_view_close(&v);
	return rc ? prov_error_set(err, rc, "outbox: %s", prov_strerror(rc)) : 0;
}

static int see_connector(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	char *cn = prov_ldap_first(ld, e, "cn");
	int rc = cn && json_object_set_new(ctx, cn, json_true()) ? PROV_ENOMEM : 0;

	free(cn);
	return rc ? prov_error_set(err, rc, "no memory") : 0;
}

/* An event for a connector that this server does not have would wait for ever, unseen. */
static int check_connectors(struct ctl *c, const struct import *x, struct prov_error *err)
{
	static const char *const attrs[] = { "cn", NULL };
	json_t *there = json_object(), *event, *name;
	size_t i, k;
	int rc = there ? ctl_connectors(c, NULL, attrs, see_connector, there, err)
		       : prov_error_set(err, PROV_ENOMEM, "no memory");

	json_array_foreach(x->events, i, event)
	{
		json_array_foreach(json_object_get(event, "route"), k, name)
		{
			const char *n = json_string_value(name);
			if (!rc && (!n || !json_object_get(there, n)))
				rc = prov_error_set(err, PROV_ENOENT,
					"%s: an event is for connector %.128s, which is not here: nothing was "
					"taken; add it, or export with --connector",
					x->file, n ? n : "(no name)");
		}
	}
	json_decref(there);
	return rc;
}

static int put_events(struct prov_admin_act *a, void *ctx, struct prov_error *err)
{
	const struct import *x = ctx;
	unsigned n;

	return prov_admin_import(a, x->source, x->events, &n, err);
}

/* Some events at a time to provd; without one, all at once. */
static int send_all(struct import *x, const char *dir, struct prov_error *err)
{
	struct prov_admin_act a = { 0 };
	size_t total = json_array_size(x->events), i = 0;
	bool tty = isatty(STDERR_FILENO);
	int rc = 0;

	while (!rc && i < total) {
		json_t *some = json_array(), *answer = NULL;
		size_t bytes = 0, from = i;
		while (i < total && bytes < REQUEST_MOST) {
			json_t *event = json_array_get(x->events, i);
			size_t n = json_dumpb(event, NULL, 0, JSON_COMPACT);
			if (i > from && bytes + n > REQUEST_MOST)
				break;
			bytes += n;
			json_array_append(some, event);
			i++;
		}
		json_t *ask = json_pack("{s:s,s:s,s:o}", "cmd", "import", "source", x->source,
			"events", some);
		rc = ctl_outbox_act(dir, ask, &a, put_events, x, &answer, err);
		json_decref(ask);
		if (!rc && !answer) /* no provd: put_events() took them all */
			i = total;
		json_decref(answer);
		x->done = rc ? x->done : i;
		if (tty)
			fprintf(stderr, "\r%zu of %zu ", x->done, total);
	}
	if (tty && total)
		fputc('\n', stderr);
	return rc;
}

int ctl_outbox_import(struct ctl *c, const char *dir, const char *file, bool dry_run)
{
	struct prov_error err = { 0 };
	struct import x = { .file = file, .events = json_array(), .have = json_object() };
	int st = ctl_site(c);
	int rc = st ? PROV_EIO : x.events && x.have ? 0 : PROV_ENOMEM;

	if (!rc)
		rc = find_have(&x, dir, &err);
	if (!rc)
		rc = read_file(&x, &err);
	if (!rc)
		rc = check_connectors(c, &x, &err);
	size_t total = json_array_size(x.events);
	if (!rc && !dry_run)
		rc = send_all(&x, dir, &err);
	if (rc && !st)
		st = err.text[0] ? ctl_fail(&err) : ctl_nomem();
	if (!st && c->json)
		st = prov_json_line_take(stdout,
			     json_pack("{s:I,s:I,s:b}", "taken", (json_int_t)total, "known",
				     (json_int_t)x.known, "dryRun", dry_run))
			? ctl_nomem()
			: 0;
	else if (!st)
		printf("%zu event%s %s, %zu known already\n", total, total == 1 ? "" : "s",
			dry_run ? "would be taken" : "taken", x.known);
	free(x.source);
	json_decref(x.events);
	json_decref(x.have);
	return st;
}
