/*
 * cmd_outbox.c - provctl outbox: events on their way.
 *
 * Lists and shows by itself; changes are in outbox_change.c, moves to another server in
 * outbox_move.c.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "jsonout.h"
#include "outbox_act.h"
#include "outbox_view.h"
#include "table.h"
#include "timefmt.h"

static struct {
	const char *connector, *state, *reason;
	bool all, dry_run;
} arg;

static const struct prov_option option[] = {
	{ "connector", 0, PROV_OPTION_TEXT, &arg.connector, "NAME",
		"list, export: only this connector" },
	{ "in", 0, PROV_OPTION_TEXT, &arg.state, "STATE", "list: only ready, deferred or parked" },
	{ "all", 0, PROV_OPTION_FLAG, &arg.all, NULL,
		"list: the done ones too; retry: all that are parked or deferred" },
	{ "reason", 0, PROV_OPTION_TEXT, &arg.reason, "TEXT",
		"drop: why; kept with the event and in the trail" },
	{ "dry-run", 0, PROV_OPTION_FLAG, &arg.dry_run, NULL,
		"import: check the file, and say what would be taken" },
};

struct listing {
	struct ctl *c;
	struct prov_table *table;
	size_t n;
};

static json_t *delivery_json(uint64_t seq, const char *connector, const json_t *event,
	const struct prov_delivery *d)
{
	char next[PROV_TIME_TEXT];
	json_t *v = json_pack("{s:I,s:s,s:s,s:i}", "seq", (json_int_t)seq, "connector", connector,
		"state", prov_delivery_state_name(d->state), "attempts", (int)d->attempts);
	if (!v)
		return NULL;
	if (event) {
		json_object_set(v, "type", json_object_get(event, "type"));
		json_object_set(v, "subject", json_object_get(event, "subject"));
		json_object_set(v, "time", json_object_get(event, "time"));
		json_object_set(v, "dn", json_object_get(json_object_get(event, "data"), "dn"));
	}
	if (d->state == PROV_D_DEFERRED) {
		prov_time_rfc3339(d->next, 0, next);
		json_object_set_new(v, "next", json_string(next));
	}
	if (d->error[0])
		json_object_set_new(v, "error", prov_json_text(d->error, strlen(d->error)));
	return v;
}

static int see_row(void *ctx, uint64_t seq, const char *connector, const json_t *event,
	const struct prov_delivery *d)
{
	struct listing *l = ctx;
	char num[24], tries[12], next[PROV_TIME_TEXT] = "";
	const char *type = json_string_value(json_object_get(event, "type"));
	const char *dn = json_string_value(json_object_get(json_object_get(event, "data"), "dn"));
	const char *dot = type ? strstr(type, "provision.") : NULL;
	if (arg.state && strcmp(arg.state, prov_delivery_state_name(d->state)))
		return 0;
	l->n++;
	if (l->c->json)
		return prov_json_line_take(stdout, delivery_json(seq, connector, event, d));
	snprintf(num, sizeof(num), "%llu", (unsigned long long)seq);
	snprintf(tries, sizeof(tries), "%u", d->attempts);
	if (d->state == PROV_D_DEFERRED)
		prov_time_rfc3339(d->next, 0, next);
	if (next[0]) /* whole seconds will do */
		memcpy(next + 19, "Z", 2);
	return prov_table_add(l->table,
		(const char *[]){ num, connector, prov_delivery_state_name(d->state), tries, next,
			dot ? dot + 10 : type, dn, d->error });
}

static int list(struct ctl *c, const char *dir)
{
	static const char *const head[] = { "SEQ", "CONNECTOR", "STATE", "TRIES", "NEXT", "EVENT",
		"ACCOUNT", "ERROR" };
	struct prov_error err = { 0 };
	struct outbox_view v;
	struct listing l = { .c = c };
	int rc;
	if (arg.state && strcmp(arg.state, "ready") && strcmp(arg.state, "deferred") &&
		strcmp(arg.state, "parked"))
		return prov_options_misuse(&c->opt, "--in wants ready, deferred or parked");
	if (outbox_view_open(dir, &v, &err))
		return ctl_fail(&err);
	rc = prov_table_new(8, head, &l.table);
	if (rc)
		prov_error_set(&err, rc, "no memory");
	else
		rc = outbox_view_each(&v, arg.connector, arg.all, see_row, &l, &err);
	if (!rc && !c->json) {
		prov_table_print(l.table, stdout);
		printf("%s%zu event%s\n", l.n ? "\n" : "", l.n, l.n == 1 ? "" : "s");
	}
	prov_table_free(&l.table);
	outbox_view_close(&v);
	if (rc && !err.text[0])
		prov_error_set(&err, rc, "outbox: %s", prov_strerror(rc));
	return rc ? ctl_fail(&err) : 0;
}

static int parse_seq(const char *text, uint64_t *out)
{
	char *end = NULL;
	*out = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
	return end && !*end && *out ? 0 : -1;
}

static int show(struct ctl *c, const char *dir, const char *which)
{
	struct prov_error err = { 0 };
	struct outbox_view v;
	struct prov_val text = { NULL, 0 };
	uint64_t seq;
	int rc;
	if (parse_seq(which, &seq))
		return prov_options_misuse(&c->opt, "not a sequence number: %s", which);
	if (outbox_view_open(dir, &v, &err))
		return ctl_fail(&err);
	rc = prov_outbox_get(v.events, seq, &text);
	json_t *event = rc ? NULL : json_loadb(text.data, text.len, 0, NULL);
	if (rc || !event) {
		int st = ctl_say("event %s: %s", which,
			rc == PROV_ENOENT ? "not in the outbox (done ones are trimmed)"
					  : "the row cannot be decoded");
		outbox_view_close(&v);
		return st;
	}
	json_t *at = json_array(), *name;
	size_t i;
	json_array_foreach(json_object_get(event, "route"), i, name)
	{
		const char *connector = json_string_value(name);
		struct prov_delivery d = { .seq = seq };
		const json_t *cursor = connector ? json_object_get(v.cursor, connector) : NULL;
		if (!connector)
			continue;
		if (!v.progress || prov_delivery_get(v.progress, connector, seq, &d))
			d.state = cursor && (uint64_t)json_integer_value(cursor) >= seq
				? PROV_D_DONE
				: PROV_D_READY;
		json_array_append_new(at, delivery_json(seq, connector, NULL, &d));
	}
	json_t *whole = json_pack("{s:o,s:o}", "event", event, "deliveries", at);
	if (c->json) {
		rc = prov_json_line_take(stdout, whole);
	} else {
		char *pretty = json_dumps(whole, JSON_INDENT(2));
		puts(pretty ? pretty : "no memory"); /* JSON escapes control characters itself */
		free(pretty);
		json_decref(whole);
		rc = 0;
	}
	outbox_view_close(&v);
	return rc ? ctl_nomem() : 0;
}

static int run(struct ctl *c, int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	bool drop = !strcmp(verb, "drop"), retry = !strcmp(verb, "retry");
	bool export = !strcmp(verb, "export"), import = !strcmp(verb, "import");
	struct outbox_change ch = { .drop = drop, .reason = arg.reason };
	char *dir = NULL;
	int st;
	if (export || import) {
		if (argc != (export ? 2 : 3))
			return prov_options_misuse(&c->opt, "outbox %s: want %s", verb,
				export ? "no operand" : "FILE, or - for standard input");
	} else if (drop || retry) {
		ch.all = retry && arg.all;
		if (argc != (ch.all ? 3 : 4))
			return prov_options_misuse(&c->opt, "outbox %s: want CONNECTOR SEQ%s", verb,
				retry ? " or CONNECTOR --all" : "");
		ch.connector = argv[2];
		if (!ch.all && parse_seq(argv[3], &ch.seq))
			return prov_options_misuse(&c->opt, "not a sequence number: %s", argv[3]);
		if (drop && (!arg.reason || !*arg.reason))
			return prov_options_misuse(&c->opt, "outbox drop: say why: --reason TEXT");
	} else if (!((!strcmp(verb, "list") && argc == 2) ||
			   (!strcmp(verb, "show") && argc == 3))) {
		return prov_options_misuse(&c->opt,
			"outbox: want list, show, retry, drop, export or import");
	}
	st = ctl_state_dir(c, &dir);
	if (!st && (drop || retry))
		st = ctl_outbox_change(c, dir, &ch);
	else if (!st && export)
		st = ctl_outbox_export(dir, arg.connector);
	else if (!st && import)
		st = ctl_outbox_import(c, dir, argv[2], arg.dry_run);
	else if (!st)
		st = argc == 2 ? list(c, dir) : show(c, dir, argv[2]);
	free(dir);
	return st;
}

const struct ctl_command cmd_outbox = {
	"outbox",
	"[options] outbox list [--connector NAME] [--in ready|deferred|parked]\n"
	"[options] outbox show SEQ\n"
	"[options] outbox retry CONNECTOR SEQ|--all\n"
	"[options] outbox drop CONNECTOR SEQ --reason TEXT\n"
	"[options] outbox export [--connector NAME] >FILE\n"
	"[options] outbox import [--dry-run] FILE",
	"events on their way to connected systems",
	NULL,
	option,
	sizeof(option) / sizeof(option[0]),
	run,
};
