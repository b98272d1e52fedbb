/*
 * cmd_status.c - provctl status: is everything running, and how far behind is it?
 *
 * Gathers one JSON object from the server, cn=monitor, the state directory and provd, and
 * prints it. What cannot be read (rights, no monitor, no state directory here) is left
 * out and said, and is no failure. Exit 1 when something needs an admin: a policy error,
 * parked events, deliveries that wait while provd does not run or cannot save its progress.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ctl.h"
#include "jsonout.h"
#include "outbox_view.h"
#include "provdctl.h"
#include "search.h"
#include "state.h"
#include "table.h"
#include "trail.h"

#define MONITOR_PREFIX "provMonitor"

struct status {
	struct ctl *c;
	json_t *out, *notes;
};

static void note(struct status *s, const char *what, const char *why)
{
	json_array_append_new(s->notes, json_sprintf("%s: %s", what, why));
}

static void set_text(json_t *o, const char *name, const char *text)
{
	if (text)
		json_object_set_new(o, name, prov_json_text(text, strlen(text)));
}

struct monitor {
	struct status *s;
	json_t *got; /* attribute (without the prefix) to text */
};

/* The database's own entry, or one below it, that has our attributes. */
static int see_monitor(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	struct monitor *m = ctx;
	struct berval **nc = ldap_get_values_len(ld, e, "namingContexts");
	bool ours = !nc;
	BerElement *ber = NULL;
	(void)err;
	for (int i = 0; nc && nc[i]; i++)
		ours = ours || !strcasecmp(nc[i]->bv_val, m->s->c->server.suffix);
	ldap_value_free_len(nc);
	if (!ours)
		return 0;
	for (char *a = ldap_first_attribute(ld, e, &ber); a; a = ldap_next_attribute(ld, e, ber)) {
		if (!strncasecmp(a, MONITOR_PREFIX, strlen(MONITOR_PREFIX))) {
			char *v = prov_ldap_first(ld, e, a);
			set_text(m->got, a + strlen(MONITOR_PREFIX), v);
			free(v);
		}
		ldap_memfree(a);
	}
	ber_free(ber, 0);
	return 0;
}

static void ask_monitor(struct status *s)
{
	static const char *const attrs[] = { LDAP_ALL_USER_ATTRIBUTES,
		LDAP_ALL_OPERATIONAL_ATTRIBUTES, NULL };
	struct prov_error err = { 0 };
	struct monitor m = { s, json_object() };
	char *base = NULL;
	if (!s->c->server.monitor) {
		note(s, "monitor", "the server has no cn=monitor");
		json_decref(m.got);
		return;
	}
	if (asprintf(&base, "cn=Databases,%s", s->c->server.monitor) < 0)
		base = NULL;
	if (base &&
		ctl_search(s->c, base, LDAP_SCOPE_SUBTREE, "(objectClass=*)", attrs, see_monitor,
			&m, &err))
		note(s, "monitor", err.text);
	else if (!json_object_size(m.got))
		note(s, "monitor", "nothing of the overlay there (not loaded, or no rights)");
	free(base);
	json_object_set_new(s->out, "monitor", m.got);
}

static void ask_trail(struct status *s, const char *dir)
{
	struct prov_error err = { 0 };
	struct prov_statedir *state = NULL;
	struct prov_kv_txn *t = NULL;
	struct prov_kv_cursor *cur = NULL;
	struct prov_val k, v;
	unsigned char hash[32];
	uint64_t last = 0, capture = 0, outbox = 0;
	if (prov_statedir_open(dir, false, &state, &err) ||
		prov_kv_begin(prov_statedir_kv(state), false, &t, &err)) {
		note(s, "state directory", err.text);
		goto out;
	}
	if (prov_trail_last(t, &last, hash))
		note(s, "trail", "cannot be read: run audit verify");
	prov_meta_get64(t, "capture", &capture);
	prov_outbox_last(t, &outbox);
	json_t *trail = json_pack("{s:I,s:I,s:I}", "records", (json_int_t)last, "relayed",
		(json_int_t)capture, "lastEvent", (json_int_t)outbox);
	if (trail && !prov_kv_cursor_open(t, PROV_T_CHECKPOINT, &cur) &&
		!prov_kv_cursor_last(cur, &k, &v)) {
		json_t *cp = json_loadb(v.data, v.len, JSON_DISABLE_EOF_CHECK, NULL);
		if (!cp && v.len > 1) /* a version byte before the JSON */
			cp = json_loadb(v.data + 1, v.len - 1, 0, NULL);
		if (cp)
			json_object_set_new(trail, "checkpoint",
				json_pack("{s:O*,s:O*,s:b}", "seq", json_object_get(cp, "seq"),
					"time", json_object_get(cp, "time"), "signed",
					json_object_get(cp, "sig") != NULL));
		json_decref(cp);
	}
	json_object_set_new(s->out, "trail", trail);
out:
	prov_kv_cursor_close(&cur);
	prov_kv_abort(&t);
	prov_statedir_close(&state);
}

static void ask_deliveries(struct status *s, const char *dir)
{
	struct prov_error err = { 0 };
	struct outbox_view v;
	json_t *lags = NULL, *answer = NULL;
	json_t *ask = json_pack("{s:s}", "cmd", "status");
	int rc = ask ? provdctl_ask(dir, ask, &answer, &err) : PROV_ENOMEM;
	json_decref(ask);
	if (rc && rc != PROV_ENOENT)
		note(s, "provd", err.text);
	json_object_set_new(s->out, "provd", answer ? answer : json_pack("{s:b}", "running", 0));
	if (answer)
		json_object_set_new(answer, "running", json_true());
	if (outbox_view_open(dir, &v, &err)) {
		note(s, "outbox", err.text);
		return;
	}
	if (outbox_view_lags(&v, &lags, &err))
		note(s, "outbox", err.text);
	else
		json_object_set_new(s->out, "connectors", lags);
	outbox_view_close(&v);
}

static const char *member(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));
	return text ? text : "";
}

static json_int_t number(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);
	return json_is_string(v) ? strtoll(json_string_value(v), NULL, 10) : json_integer_value(v);
}

/* A provd that cannot write down what it did starts no delivery. */
static bool cannot_save(const json_t *out)
{
	return json_is_false(json_object_get(json_object_get(out, "provd"), "saving"));
}

/* Does anything here want an admin? */
static bool troubled(const json_t *out)
{
	const char *name;
	json_t *lag;
	bool running = json_is_true(json_object_get(json_object_get(out, "provd"), "running"));
	if (*member(json_object_get(out, "monitor"), "PolicyError") || cannot_save(out))
		return true;
	json_object_foreach(json_object_get(out, "connectors"), name, lag)
	{
		if (number(lag, "parked") || (number(lag, "lag") && !running))
			return true;
	}
	return false;
}

static void line(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void line(const char *name, const char *fmt, ...)
{
	va_list ap;
	char *text = NULL, *safe = NULL;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	safe = text ? prov_text_safe(text, strlen(text)) : NULL;
	printf("%-12s %s\n", name, safe ? safe : "");
	free(safe);
	free(text);
}

static void print_monitor(const json_t *m)
{
	if (!json_object_size(m))
		return;
	line("generation", "%s", member(m, "PolicyGeneration"));
	if (*member(m, "PolicyError"))
		line("policy error", "%s", member(m, "PolicyError"));
	if (number(m, "FollowPending") && number(m, "FollowDone") == number(m, "FollowTotal"))
		line("follow", "accounts have still to follow a change");
	else if (number(m, "FollowPending"))
		line("follow", "%lld of %lld accounts done, %lld to do",
			(long long)number(m, "FollowDone"), (long long)number(m, "FollowTotal"),
			(long long)number(m, "FollowPending"));
	else
		line("follow", "all accounts follow the policy");
	line("backlog", "%lld change%s not yet in the trail", (long long)number(m, "Backlog"),
		number(m, "Backlog") == 1 ? "" : "s");
}

static int print_connectors(const json_t *connectors)
{
	static const char *const head[] = { "CONNECTOR", "LAG", "DEFERRED", "PARKED" };
	struct prov_table *t = NULL;
	const char *name;
	json_t *lag;
	int rc = prov_table_new(4, head, &t);
	json_object_foreach((json_t *)connectors, name, lag)
	{
		char n[3][24];
		snprintf(n[0], sizeof(n[0]), "%lld", (long long)number(lag, "lag"));
		snprintf(n[1], sizeof(n[1]), "%lld", (long long)number(lag, "deferred"));
		snprintf(n[2], sizeof(n[2]), "%lld", (long long)number(lag, "parked"));
		if (!rc)
			rc = prov_table_add(t, (const char *[]){ name, n[0], n[1], n[2] });
	}
	if (!rc && prov_table_rows(t)) {
		putchar('\n');
		prov_table_print(t, stdout);
	}
	prov_table_free(&t);
	return rc ? ctl_nomem() : 0;
}

static int print_text(const json_t *out)
{
	const json_t *trail = json_object_get(out, "trail"), *v;
	const json_t *provd = json_object_get(out, "provd");
	size_t i;
	line("server", "%s", member(out, "server"));
	line("suffix", "%s", member(out, "suffix"));
	if (*member(out, "policy"))
		line("policy", "%s", member(out, "policy"));
	if (*member(out, "state"))
		line("state", "%s", member(out, "state"));
	print_monitor(json_object_get(out, "monitor"));
	if (trail) {
		const json_t *cp = json_object_get(trail, "checkpoint");
		line("trail", "%lld records", (long long)number(trail, "records"));
		if (cp)
			line("checkpoint", "at record %lld, %s, %s", (long long)number(cp, "seq"),
				member(cp, "time"),
				json_is_true(json_object_get(cp, "signed")) ? "signed"
									    : "not signed");
		else
			line("checkpoint", "none yet");
	}
	if (json_is_true(json_object_get(provd, "running")))
		line("provd", "running, process %lld, for %lld s%s",
			(long long)number(provd, "pid"), (long long)number(provd, "uptime"),
			cannot_save(out)
				? "; it cannot save its progress and delivers nothing (is the disk full?)"
				: "");
	else if (provd)
		line("provd", "not running");
	json_array_foreach(json_object_get(out, "notes"), i, v)
	{
		line("note", "%s", json_string_value(v));
	}
	return print_connectors(json_object_get(out, "connectors"));
}

static int run(struct ctl *c, int argc, char **argv)
{
	struct status s = { c, NULL, NULL };
	char *dir = NULL;
	int st;
	(void)argv;
	if (argc > 1)
		return prov_options_misuse(&c->opt, "status takes no operands");
	st = ctl_site(c);
	if (st)
		return st;
	s.out = json_object();
	s.notes = json_array();
	set_text(s.out, "server", c->common.ldap.uri ? c->common.ldap.uri : "ldapi:///");
	set_text(s.out, "suffix", c->server.suffix);
	set_text(s.out, "policy", c->policy);
	ask_monitor(&s);
	ctl_state_dir_try(c, &dir);
	set_text(s.out, "state", dir);
	if (dir) {
		ask_trail(&s, dir);
		ask_deliveries(&s, dir);
	} else {
		note(&s, "state directory", "the server does not tell it; use --state");
	}
	json_object_set_new(s.out, "notes", s.notes);
	bool bad = troubled(s.out);
	if (c->json)
		st = prov_json_line_take(stdout, s.out) ? ctl_nomem() : 0;
	else {
		st = print_text(s.out);
		json_decref(s.out);
	}
	free(dir);
	return st ? st : bad ? PROV_EXIT_FINDINGS : 0;
}

const struct ctl_command cmd_status = {
	"status",
	"[options] status",
	"server, policy, follow progress, backlog, trail, deliveries",
	"\nExit status 1: a policy error, parked events, events that wait without a provd or for one that cannot save.\n",
	NULL,
	0,
	run,
};
