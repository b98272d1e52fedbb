/*
 * cmd_connector.c - provctl connector list|test|sync|forget: the connected systems and how they do.
 *
 * What an entry says comes from the directory, how deliveries go from a running provd.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "connector_change.h"
#include "ctl.h"
#include "jsonout.h"
#include "provdctl.h"
#include "search.h"
#include "table.h"

static const char *reason;

static const struct prov_option option[] = {
	{ "reason", 0, PROV_OPTION_TEXT, &reason, "TEXT", "forget: why; it enters the trail" },
};

struct listing {
	struct ctl *c;
	struct prov_table *table;
	const json_t *running; /* provd's "connectors", or NULL: it does not run */
};

static json_t *delivery_of(const struct listing *l, const char *name)
{
	size_t i;
	json_t *o;
	json_array_foreach(l->running, i, o)
	{
		const char *n = json_string_value(json_object_get(o, "name"));
		if (name && n && !strcmp(n, name))
			return o;
	}
	return NULL;
}

static json_t *entry_json(LDAP *ld, LDAPMessage *e, const char *dn, char *const *v, bool off,
	json_t *delivery)
{
	static const char *const name[] = { "cn", "type", NULL, "target", "filter" };
	json_t *o = json_pack("{s:s,s:b}", "dn", dn, "enabled", !off);
	for (size_t i = 0; o && i < sizeof(name) / sizeof(name[0]); i++)
		if (name[i] && v[i])
			json_object_set_new(o, name[i], prov_json_text(v[i], strlen(v[i])));
	json_object_set_new(o, "events", ctl_values_json(ld, e, "provEvent"));
	json_object_set_new(o, "attributes", ctl_values_json(ld, e, "provAttribute"));
	json_object_set_new(o, "options", ctl_values_json(ld, e, "provOption"));
	if (delivery)
		json_object_set(o, "delivery", delivery);
	return o;
}

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));
	return s ? s : "";
}

static int add_row(struct listing *l, char *const *v, bool off, const json_t *d)
{
	static const char *const number[] = { "lag", "ready", "deferred", "parked", "delivered",
		"failed" };
	enum { NUMBERS = sizeof(number) / sizeof(number[0]) };
	char n[NUMBERS][24], state[80], rate[24];
	for (size_t i = 0; i < NUMBERS; i++)
		snprintf(n[i], sizeof(n[i]), "%lld",
			(long long)json_integer_value(json_object_get(d, number[i])));
	snprintf(rate, sizeof(rate), "%.1f/s", json_number_value(json_object_get(d, "rate")));
	const char *until = text_of(d, "throttledUntil");
	snprintf(state, sizeof(state), "%.20s%s%.30s",
		d             ? text_of(d, "state")
			: off ? "disabled"
			      : "enabled",
		*until ? " until " : "", until);
	const char *trouble =
		d && *text_of(d, "problem") ? text_of(d, "problem") : text_of(d, "lastError");
	const char *cell[] = { v[0], v[1], state, d ? n[0] : "", d ? n[1] : "", d ? n[2] : "",
		d ? n[3] : "", d ? n[4] : "", d ? rate : "", d ? n[5] : "", v[3], trouble };
	return prov_table_add(l->table, cell);
}

static int see_entry(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	static const char *const one[] = { "cn", "provConnectorType", "provEnabled", "provTarget",
		"provFilter" };
	enum { NONE = sizeof(one) / sizeof(one[0]) };
	struct listing *l = ctx;
	char *v[NONE], *dn = ldap_get_dn(ld, e);
	for (size_t i = 0; i < NONE; i++)
		v[i] = prov_ldap_first(ld, e, one[i]);
	bool off = v[2] && !strcasecmp(v[2], "FALSE");
	json_t *d = delivery_of(l, v[0]);
	int rc = !dn         ? PROV_ENOMEM
		: l->c->json ? prov_json_line_take(stdout, entry_json(ld, e, dn, v, off, d))
			     : add_row(l, v, off, d);
	for (size_t i = 0; i < NONE; i++)
		free(v[i]);
	ldap_memfree(dn);
	return rc ? prov_error_set(err, PROV_ENOMEM, "no memory") : 0;
}

/* provd's status, or NULL: it does not run, or we may not ask it. */
static json_t *ask_provd(struct ctl *c)
{
	struct prov_error err = { 0 };
	char *dir = NULL;
	json_t *answer = NULL, *q = json_pack("{s:s}", "cmd", "status");
	ctl_state_dir_try(c, &dir);
	if (dir && q && provdctl_ask(dir, q, &answer, &err))
		answer = NULL;
	json_decref(q);
	free(dir);
	return answer;
}

static int list(struct ctl *c)
{
	static const char *const attrs[] = { LDAP_ALL_USER_ATTRIBUTES, NULL };
	static const char *const head[] = { "CONNECTOR", "TYPE", "STATE", "LAG", "READY",
		"DEFERRED", "PARKED", "DONE", "RATE", "FAILED", "TARGET", "LAST ERROR" };
	struct prov_error err = { 0 };
	struct listing l = { .c = c };
	int st = ctl_site(c);
	if (st)
		return st;
	json_t *status = ask_provd(c);
	l.running = json_object_get(status, "connectors");
	int rc = prov_table_new(sizeof(head) / sizeof(head[0]), head, &l.table);
	if (rc)
		prov_error_set(&err, rc, "no memory");
	else
		rc = ctl_connectors(c, NULL, attrs, see_entry, &l, &err);
	if (!rc && !c->json) {
		prov_table_print(l.table, stdout);
		if (!status)
			printf("\nprovd does not run, or its state directory is not known (--state)\n");
	}
	prov_table_free(&l.table);
	json_decref(status);
	return rc ? ctl_fail(&err) : 0;
}

static int wait_for(const char *dir, const char *id, json_t **result, struct prov_error *err)
{
	const struct timespec pause = { 0, 50 * 1000 * 1000 };
	json_t *ask = json_pack("{s:s,s:s}", "cmd", "tested", "test", id);
	int rc = ask ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
	bool done = false;
	while (!rc && !done) { /* provd bounds the attempt's time (provTimeout) */
		json_decref(*result);
		*result = NULL;
		rc = provdctl_ask(dir, ask, result, err);
		done = json_is_true(json_object_get(*result, "done"));
		if (!rc && !done)
			nanosleep(&pause, NULL);
	}
	json_decref(ask);
	return rc;
}

static int print_test(const struct ctl *c, const char *name, json_t *result)
{
	bool good = !strcmp(text_of(result, "outcome"), "done");
	const char *reply = text_of(result, "reply"), *error = text_of(result, "error");
	json_object_del(result, "ok");
	json_object_del(result, "done");
	if (c->json) {
		if (prov_json_line_take(stdout, json_incref(result)))
			return ctl_nomem();
		return good ? PROV_EXIT_OK : PROV_EXIT_FINDINGS;
	}
	printf("%s: %s in %lld ms\n", name, good ? "delivered" : "not delivered",
		(long long)json_integer_value(json_object_get(result, "ms")));
	if (*reply)
		printf("%s\n", reply);
	if (*error && strcmp(error, reply))
		printf("%s\n", error);
	return good ? PROV_EXIT_OK : PROV_EXIT_FINDINGS;
}

static int test(struct ctl *c, const char *name)
{
	struct prov_error err = { 0 };
	char *dir = NULL;
	json_t *answer = NULL, *result = NULL;
	json_t *ask = json_pack("{s:s,s:s}", "cmd", "test", "connector", name);
	int st = ask ? ctl_state_dir(c, &dir) : ctl_nomem();
	if (st) {
		json_decref(ask);
		return st;
	}
	int rc = provdctl_ask(dir, ask, &answer, &err);
	if (rc == PROV_ENOENT)
		prov_error_set(&err, rc, "provd does not run: it sends the test event");
	if (!rc)
		rc = wait_for(dir, text_of(answer, "test"), &result, &err);
	st = rc ? ctl_fail(&err) : print_test(c, name, result);
	json_decref(ask);
	json_decref(answer);
	json_decref(result);
	free(dir);
	return st;
}

static int run(struct ctl *c, int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "list"))
		return list(c);
	if (argc == 3 && !strcmp(argv[1], "test"))
		return test(c, argv[2]);
	if (argc == 3 && !strcmp(argv[1], "sync"))
		return ctl_connector_sync(c, argv[2]);
	if (argc == 3 && !strcmp(argv[1], "forget"))
		return reason && *reason
			? ctl_connector_forget(c, argv[2], reason)
			: prov_options_misuse(&c->opt, "connector forget: say why: --reason TEXT");
	return prov_options_misuse(&c->opt,
		"connector: want list, or test, sync or forget with a NAME");
}

const struct ctl_command cmd_connector = {
	"connector",
	"[options] connector list\n"
	"[options] connector test NAME\n"
	"[options] connector sync NAME\n"
	"[options] connector forget NAME --reason TEXT",
	"the connected systems: how deliveries go; send a test event; tell of all accounts",
	NULL,
	option,
	sizeof(option) / sizeof(option[0]),
	run,
};
