/*
 * cmd_explain.c - provctl explain DN [VALUE]: why an account has what it has.
 *
 * Read only. With a VALUE (a group's or role's DN, attr=value, an entitlement) only that,
 * and why not when the account does not have it: exit 1 when it is absent or nothing
 * explains it.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "explain.h"
#include "explain_value.h"
#include "fold.h"
#include "jsonout.h"
#include "table.h"

static json_t *text_or_null(const char *s)
{
	return s ? prov_json_text(s, strlen(s)) : NULL;
}

static void set(json_t *o, const char *name, const char *text)
{
	if (text && *text)
		json_object_set_new(o, name, text_or_null(text));
}

json_t *explain_thing_json(const struct explain_thing *t)
{
	json_t *v = json_object();
	set(v, "kind", t->kind);
	set(v, "what", t->what);
	json_object_set_new(v, "present", json_boolean(t->present));
	if (t->granted) {
		set(v, "mode", t->mode);
		set(v, "role", t->role_dn);
		set(v, "origin", t->had ? "had" : "new");
		set(v, "since", t->since);
		set(v, "template", t->line);
	}
	set(v, "change", t->change.id);
	set(v, "op", t->change.op);
	set(v, "by", t->change.by);
	set(v, "when", t->change.when);
	set(v, "reason", t->change.reason);
	return v;
}

/* Indented under the thing: who, when and why, as far as it is known. */
static void put_change(const struct explain_thing *t)
{
	const struct explain_change *c = &t->change;
	const char *part[] = { c->reason, c->by, c->when ? c->when : t->since, c->id };
	static const char *const lead[] = { "", "by ", "", "change " };
	bool first = true;
	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		char *safe = part[i] && *part[i] ? prov_text_safe(part[i], strlen(part[i])) : NULL;
		if (safe)
			printf("%s%s%s", first ? "             " : ", ", lead[i], safe);
		first = first && !safe;
		free(safe);
	}
	if (!first)
		putchar('\n');
}

static void put_thing(const struct explain_thing *t)
{
	char *what = prov_text_safe(t->what, strlen(t->what));
	const char *from = t->role && t->role->cn ? t->role->cn : t->role_dn;
	char *role = from ? prov_text_safe(from, strlen(from)) : NULL;
	char *line = t->line ? prov_text_safe(t->line, strlen(t->line)) : NULL;
	printf("%-12s %s%s\n", t->kind, what ? what : "", t->present ? "" : "  (missing!)");
	if (role)
		printf("             from role %s%s%s%s\n", role, line ? ": " : "",
			line ? line : "",
			t->had ? "; it was there before, so it stays when the role goes" : "");
	put_change(t);
	free(what);
	free(role);
	free(line);
}

void explain_things_print(const struct explain *x, bool granted, const char *key)
{
	for (size_t i = 0; i < x->nthing; i++)
		if (x->thing[i].granted == granted && (!key || !strcmp(x->thing[i].key, key)))
			put_thing(&x->thing[i]);
}

static size_t count(const struct explain *x, bool granted)
{
	size_t n = 0;
	for (size_t i = 0; i < x->nthing; i++)
		n += x->thing[i].granted == granted;
	return n;
}

static void line(const char *name, const char *text)
{
	char *safe = text && *text ? prov_text_safe(text, strlen(text)) : NULL;
	if (safe)
		printf("%-9s %s\n", name, safe);
	free(safe);
}

static int print_roles(struct explain *x)
{
	static const char *const head[] = { "ROLE", "BECAUSE" };
	struct prov_table *t = NULL;
	int rc = prov_table_new(2, head, &t);
	for (size_t i = 0; !rc && i < x->nrole; i++) {
		if (!x->role[i].in_force)
			continue;
		char *why = explain_role_why(x, &x->role[i]);
		rc = why ? prov_table_add(t, (const char *[]){ x->role[i].dn, why }) : PROV_ENOMEM;
		free(why);
	}
	if (!rc && prov_table_rows(t)) {
		putchar('\n');
		prov_table_print(t, stdout);
	}
	prov_table_free(&t);
	return rc;
}

static int print_holds(const struct explain *x)
{
	static const char *const head[] = { "KIND", "KEPT AWAY", "SINCE", "BY" };
	struct prov_table *t = NULL;
	int rc = prov_table_new(4, head, &t);
	for (size_t i = 0; !rc && i < x->nhold; i++) {
		const struct explain_hold *h = &x->hold[i];
		rc = prov_table_add(t, (const char *[]){ h->kind, h->what, h->since, h->by });
	}
	if (!rc && prov_table_rows(t)) {
		puts("\nExceptions (delete the provException value to give it again):");
		prov_table_print(t, stdout);
	}
	prov_table_free(&t);
	return rc;
}

static int print_text(struct explain *x)
{
	int rc;
	line("account", x->dn);
	line("state", x->state);
	line("since", x->state_since);
	line("changed", x->change_id);
	line("by", x->change_by);
	rc = print_roles(x);
	if (!rc && count(x, true)) {
		putchar('\n');
		explain_things_print(x, true, NULL);
	}
	if (!rc)
		rc = print_holds(x);
	if (!rc && count(x, false)) {
		puts("\nUnexplained (no role gives it):");
		explain_things_print(x, false, NULL);
	}
	return rc ? ctl_nomem() : 0;
}

static json_t *roles_json(struct explain *x)
{
	json_t *list = json_array();
	for (size_t i = 0; i < x->nrole; i++) {
		const struct explain_role *r = &x->role[i];
		char *why = r->in_force ? explain_role_why(x, r) : NULL;
		if (!r->in_force)
			continue;
		json_t *v = json_object();
		set(v, "dn", r->dn);
		set(v, "because", why);
		json_array_append_new(list, v);
		free(why);
	}
	return list;
}

static int print_json(struct explain *x)
{
	json_t *o = json_object(), *given = json_array(), *bare = json_array(),
	       *held = json_array();
	set(o, "dn", x->dn);
	set(o, "entryUUID", x->uuid);
	set(o, "state", x->state);
	set(o, "stateSince", x->state_since);
	set(o, "change", x->change_id);
	set(o, "by", x->change_by);
	json_object_set_new(o, "roles", roles_json(x));
	for (size_t i = 0; i < x->nthing; i++)
		json_array_append_new(x->thing[i].granted ? given : bare,
			explain_thing_json(&x->thing[i]));
	for (size_t i = 0; i < x->nhold; i++) {
		const struct explain_hold *h = &x->hold[i];
		json_t *v = json_object();
		set(v, "kind", h->kind);
		set(v, "what", h->what);
		set(v, "since", h->since);
		set(v, "by", h->by);
		json_array_append_new(held, v);
	}
	json_object_set_new(o, "given", given);
	json_object_set_new(o, "exceptions", held);
	json_object_set_new(o, "unexplained", bare);
	return prov_json_line_take(stdout, o) ? ctl_nomem() : 0;
}

static struct {
	const char *lacks, *role;
	bool others;
} arg;

static const struct prov_option option[] = {
	{ "lacks", 0, PROV_OPTION_TEXT, &arg.lacks, "VALUE",
		"why the account does not have it, and what would have to change" },
	{ "others", 0, PROV_OPTION_FLAG, &arg.others, NULL, "also who else has VALUE" },
	{ "role", 0, PROV_OPTION_TEXT, &arg.role, "ROLE",
		"instead of an account: who has this role, and through what" },
};

/* The account, and of it what is asked for. */
static int explain_account(struct ctl *c, const char *who, const char *value)
{
	struct prov_error err = { 0 };
	struct explain x = { 0 };
	struct explain_value v = { 0 };
	char *dir = NULL, *note = NULL;
	int st, rc;
	ctl_state_dir_try(c, &dir);
	rc = explain_read(c, who, &x, &err);
	if (!rc && value)
		rc = explain_value_find(&x, value, &v, &err);
	if (!rc)
		rc = explain_trail(&x, dir, &note, &err);
	if (rc)
		st = ctl_fail(&err);
	else if (arg.lacks)
		st = explain_lacks_print(&x, &v);
	else if (value)
		st = explain_value_print(&x, &v);
	else
		st = c->json ? print_json(&x) : print_text(&x);
	if (!rc && arg.others && st != PROV_EXIT_CANNOT) {
		int more = explain_others_print(&x, &v);
		st = more ? more : st;
	}
	if (note && !c->json && st != PROV_EXIT_CANNOT)
		ctl_say("note: %s", note);
	explain_value_dispose(&v);
	explain_dispose(&x);
	free(note);
	free(dir);
	return st;
}

static int run(struct ctl *c, int argc, char **argv)
{
	const char *value = argc == 3 ? argv[2] : arg.lacks;
	if (arg.role ? argc != 1 || arg.lacks || arg.others : argc < 2 || argc > 3)
		return prov_options_misuse(&c->opt,
			"explain: want DN (or uid) and at most one VALUE, or --role ROLE alone");
	if ((arg.lacks && argc == 3) || (arg.others && !value))
		return prov_options_misuse(&c->opt,
			"explain: --lacks has the value itself, --others wants one");
	int st = ctl_site(c);
	if (st)
		return st;
	return arg.role ? explain_role_holders(c, arg.role) : explain_account(c, argv[1], value);
}

const struct ctl_command cmd_explain = {
	"explain",
	"[options] explain DN|UID [VALUE] [--others]\n"
	"[options] explain DN|UID --lacks VALUE [--others]\n"
	"[options] explain --role ROLE",
	"why an account has what it has, and why not",
	"\nVALUE is a group's or role's DN, attr=value, or an entitlement: only that is explained,\n"
	"and why not when the account does not have it (exit status 1, also when no role gives it).\n",
	option,
	sizeof(option) / sizeof(option[0]),
	run,
};
