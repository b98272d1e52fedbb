/*
 * audit_at.c - provctl audit at TIME DN, audit who TIME GROUP: what was so then.
 *
 * Walks the trail two or three times (replay.h) and keeps one account or one group.
 * Exit status 1: there was no such account or group then.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "audit.h"
#include "jsonout.h"
#include "replay.h"
#include "replay_skip.h"
#include "table.h"
#include "timefmt.h"

/* One walk: `see` gets the records up to `upto` (0: all), decoded, unless `skip` deals with them. */
struct pass {
	int (*see)(void *ctx, uint64_t seq, const json_t *r);
	bool (*skip)(void *ctx, const struct replay_skip *s, uint64_t seq, struct prov_val text);
	const struct replay_skip *words;
	void *ctx;
	uint64_t upto;
};

static int see_text(void *ctx, uint64_t seq, struct prov_val text)
{
	struct pass *p = ctx;
	if (p->upto && seq > p->upto)
		return 1;
	if (p->skip(p->ctx, p->words, seq, text))
		return 0;
	json_t *r = json_loadb(text.data, text.len, 0, NULL);
	if (!r)
		r = json_object(); /* has no op: the replay says that it cannot be read */
	int rc = r ? p->see(p->ctx, seq, r) : PROV_ENOMEM;
	json_decref(r);
	return rc;
}

static int walk(struct audit_trail *t, struct pass p, struct prov_error *err)
{
	int rc = prov_trail_walk(t->txn, 1, see_text, &p, err);
	return rc < 0 ? rc : 0;
}

static int find_account(void *ctx, uint64_t seq, const json_t *r)
{
	return replay_find_see(ctx, seq, r);
}

static bool skip_find(void *ctx, const struct replay_skip *s, uint64_t seq, struct prov_val text)
{
	struct replay_find *f = ctx;
	const char *uuid;
	json_t *v;
	int64_t usec;
	bool write;
	if (replay_skip_named(s, text) || !replay_skip_time(text, &write, &usec))
		return false;
	json_object_foreach(f->now, uuid, v)
	{
		if (replay_skip_has(text, uuid))
			return false;
	}
	return !write || !replay_find_pass(f, seq, usec);
}

static int learn_names(void *ctx, uint64_t seq, const json_t *r)
{
	(void)seq;
	return replay_account_learn(ctx, r);
}

static bool skip_learn(void *ctx, const struct replay_skip *s, uint64_t seq, struct prov_val text)
{
	const struct replay_account *a = ctx;
	(void)s;
	(void)seq;
	return !replay_skip_has(text, a->uuid);
}

static int see_account(void *ctx, uint64_t seq, const json_t *r)
{
	return replay_account_see(ctx, seq, r);
}

static bool skip_account(void *ctx, const struct replay_skip *s, uint64_t seq, struct prov_val text)
{
	const struct replay_account *a = ctx;
	const char *key;
	json_t *name;
	(void)seq;
	if (replay_skip_groups(text) || replay_skip_named(s, text))
		return false;
	json_object_foreach(a->names, key, name)
	{
		const char *owner = audit_text(name, "owner");
		if (*owner && replay_skip_has(text, owner))
			return false;
	}
	return true;
}

/* What is true of every answer. */
static int note_place(json_t *notes, bool *certain, uint64_t jumped)
{
	if (!jumped)
		return 0;
	return replay_note(notes, certain,
		"record %llu has a later time than that and stands before it: a clock has jumped",
		(unsigned long long)jumped);
}

static void print_notes(const json_t *notes)
{
	size_t i;
	json_t *v;
	json_array_foreach(notes, i, v)
	{
		char *safe = prov_text_safe(json_string_value(v), json_string_length(v));
		printf("%snot certain: %s\n", i ? "" : "\n", safe ? safe : "");
		free(safe);
	}
}

static json_t *values_of(const json_t *set)
{
	json_t *list = json_array(), *v;
	const char *key;
	json_object_foreach((json_t *)set, key, v)
	{
		json_array_append(list, v);
	}
	return list;
}

static json_t *attributes_of(const json_t *set)
{
	json_t *list = json_array(), *v;
	const char *key;
	json_object_foreach((json_t *)set, key, v)
	{
		json_t *o = json_copy(v);
		json_object_set_new(o, "name", json_string(key));
		json_array_append_new(list, o);
	}
	return list;
}

static void line(const char *name, const char *text)
{
	char *safe = text && *text ? prov_text_safe(text, strlen(text)) : NULL;
	if (safe)
		printf("%-9s %s\n", name, safe);
	free(safe);
}

/* v with the record that gave it. */
static int add_row(struct prov_table *t, const char *a, const char *b, const json_t *v)
{
	char seq[24], since[24];
	snprintf(seq, sizeof(seq), "%lld",
		(long long)json_integer_value(json_object_get(v, "record")));
	snprintf(since, sizeof(since), "%.19s", audit_text(v, "since"));
	return prov_table_add(t, (const char *[]){ a, b, since, seq, audit_text(v, "by") });
}

static int add_rows(struct prov_table *t, const char *kind, const json_t *set, const char *name)
{
	const char *key;
	json_t *v;
	int rc = 0;
	json_object_foreach((json_t *)set, key, v)
	{
		if (!rc)
			rc = add_row(t, kind, name ? audit_text(v, name) : key, v);
	}
	return rc;
}

/* The table, when it was made and has rows, and what is not certain. An exit status. */
static int print_rows(struct prov_table *t, int rc, const json_t *notes)
{
	if (!rc && prov_table_rows(t)) {
		putchar('\n');
		prov_table_print(t, stdout);
	}
	prov_table_free(&t);
	if (!rc)
		print_notes(notes);
	return rc ? ctl_nomem() : 0;
}

static int print_account(const struct replay_account *a, const char *at)
{
	static const char *const head[] = { "KIND", "WHAT", "SINCE", "RECORD", "BY" };
	char seen[128];
	struct prov_table *t = NULL;
	line("account", a->dn);
	line("at", at);
	line("state", a->state);
	line("since", a->state_since);
	snprintf(seen, sizeof(seen), "%s (record %llu, %.19s)", a->last_id,
		(unsigned long long)a->last, a->last_time);
	line("changed", seen);
	int rc = prov_table_new(5, head, &t);
	if (!rc)
		rc = add_rows(t, "role", a->roles, "dn");
	if (!rc)
		rc = add_rows(t, "group", a->groups, "dn");
	if (!rc)
		rc = add_rows(t, "entitlement", a->ents, "what");
	if (!rc)
		rc = add_rows(t, "written", a->attrs, NULL);
	return print_rows(t, rc, a->notes);
}

static int account_json(const struct replay_account *a, const char *at)
{
	json_t *o = json_pack("{s:s,s:s,s:s,s:s?,s:s?,s:o,s:o,s:o,s:o,s:I,s:s,s:b,s:O}", "dn",
		a->dn, "entryUUID", a->uuid, "at", at, "state", a->state, "stateSince",
		a->state_since, "roles", values_of(a->roles), "groups", values_of(a->groups),
		"entitlements", values_of(a->ents), "attributes", attributes_of(a->attrs), "record",
		(json_int_t)a->last, "change", a->last_id, "certain", a->certain, "notes",
		a->notes);
	if (a->uid)
		json_object_set_new(o, "uid", json_string(a->uid));
	return prov_json_line_take(stdout, o) ? ctl_nomem() : 0;
}

static int nobody(struct ctl *c, const struct replay_find *f, const char *who, const char *at)
{
	if (c->json) {
		json_t *o = json_pack("{s:s,s:s,s:b,s:I,s:I}", "asked", who, "at", at, "exists", 0,
			"firstRecord", (json_int_t)f->first, "endedByRecord", (json_int_t)f->gone);
		return prov_json_line_take(stdout, o) ? ctl_nomem() : PROV_EXIT_FINDINGS;
	}
	char *safe = prov_text_safe(who, strlen(who));
	printf("no account was called %s at %s\n", safe ? safe : "", at);
	free(safe);
	if (f->gone)
		printf("record %llu ended the one before, or gave it another name\n",
			(unsigned long long)f->gone);
	else if (f->first)
		printf("the first record of such an account is %llu\n",
			(unsigned long long)f->first);
	return PROV_EXIT_FINDINGS;
}

static int replay(struct ctl *c, struct audit_trail *t, const struct replay_find *f,
	const char *uuid, const char *at)
{
	struct prov_error err = { 0 };
	struct replay_account a;
	struct replay_skip words = { 0 };
	const char *name;
	json_t *v;
	int rc = replay_account_init(&a, uuid), st;
	if (!rc)
		rc = walk(t, (struct pass){ learn_names, skip_learn, &words, &a, f->cut }, &err);
	if (!rc)
		rc = replay_skip_add(&words, uuid);
	json_object_foreach(a.names, name, v)
	{
		if (!rc)
			rc = replay_skip_add(&words, name);
	}
	if (!rc)
		rc = note_place(a.notes, &a.certain, f->jumped);
	if (!rc)
		rc = walk(t, (struct pass){ see_account, skip_account, &words, &a, f->cut }, &err);
	if (rc)
		st = err.text[0] ? ctl_fail(&err) : ctl_nomem();
	else
		st = c->json ? account_json(&a, at) : print_account(&a, at);
	replay_account_dispose(&a);
	replay_skip_dispose(&words);
	return st;
}

/* The time that is asked for, in microseconds and as it is shown. */
static int moment(struct ctl *c, const char *text, int64_t *at, char when[PROV_TIME_TEXT])
{
	if (audit_usec(text, (int64_t)time(NULL), true, at))
		return prov_options_misuse(&c->opt, "not a time: %s", text);
	int64_t usec = (*at % 1000000 + 1000000) % 1000000;
	prov_time_rfc3339((*at - usec) / 1000000, (unsigned)usec, when);
	return 0;
}

int audit_at(struct ctl *c, int argc, char **argv)
{
	struct prov_error err = { 0 };
	struct audit_trail t = { 0 };
	struct replay_find f = { 0 };
	struct replay_skip words = { 0 };
	int64_t at = 0;
	char when[PROV_TIME_TEXT] = "";
	if (argc != 2)
		return prov_options_misuse(&c->opt, "audit at: want TIME and DN (or uid)");
	int st = moment(c, argv[0], &at, when);
	if (!st)
		st = audit_trail_open(c, &t);
	if (!st) {
		int rc = replay_find_init(&f, argv[1], at);
		if (!rc)
			rc = replay_skip_add(&words, f.key);
		if (!rc)
			rc = walk(&t, (struct pass){ find_account, skip_find, &words, &f, 0 },
				&err);
		if (rc)
			st = err.text[0] ? ctl_fail(&err) : ctl_nomem();
		else if (json_object_size(f.owner) > 1)
			st = ctl_say("%zu accounts had the uid %s then: give the DN",
				json_object_size(f.owner), argv[1]);
		else if (!json_object_size(f.owner))
			st = nobody(c, &f, argv[1], when);
		else
			st = replay(c, &t, &f, json_object_iter_key(json_object_iter(f.owner)),
				when);
	}
	replay_find_dispose(&f);
	replay_skip_dispose(&words);
	audit_trail_close(&t);
	return st;
}

static int find_group(void *ctx, uint64_t seq, const json_t *r)
{
	return replay_group_find(ctx, seq, r);
}

static bool skip_rename(void *ctx, const struct replay_skip *s, uint64_t seq, struct prov_val text)
{
	int64_t usec;
	bool write;
	(void)s;
	if (replay_skip_has(text, "\"newDn\":") || !replay_skip_time(text, &write, &usec))
		return false;
	if (write)
		replay_group_pass(ctx, seq, usec);
	return true;
}

static int learn_uids(void *ctx, uint64_t seq, const json_t *r)
{
	(void)seq;
	return replay_group_learn(ctx, r);
}

static bool skip_no_members(void *ctx, const struct replay_skip *s, uint64_t seq,
	struct prov_val text)
{
	(void)ctx;
	(void)s;
	(void)seq;
	return !replay_skip_has(text, "\"members\":");
}

static int see_group(void *ctx, uint64_t seq, const json_t *r)
{
	return replay_group_see(ctx, seq, r);
}

/* Members by uid need every account's records: who has the uid. */
static bool skip_group(void *ctx, const struct replay_skip *s, uint64_t seq, struct prov_val text)
{
	const struct replay_group *g = ctx;
	(void)seq;
	return !json_object_size(g->uids) && !replay_skip_groups(text) &&
		!replay_skip_named(s, text);
}

static int replay_members(struct audit_trail *t, struct replay_group *g, struct replay_skip *words,
	struct prov_error *err)
{
	size_t i;
	json_t *row;
	int rc = walk(t, (struct pass){ find_group, skip_rename, words, g, 0 }, err);
	if (!rc)
		rc = replay_group_named(g);
	json_array_foreach(g->names, i, row)
	{
		if (!rc)
			rc = replay_skip_add(words, json_string_value(json_array_get(row, 1)));
	}
	if (!rc)
		rc = note_place(g->notes, &g->certain, g->jumped);
	if (!rc && g->cut)
		rc = walk(t, (struct pass){ learn_uids, skip_no_members, words, g, g->cut }, err);
	if (!rc && g->cut)
		rc = walk(t, (struct pass){ see_group, skip_group, words, g, g->cut }, err);
	replay_group_finish(g);
	return rc;
}

static int print_group(const struct replay_group *g, const char *dn, const char *at)
{
	static const char *const head[] = { "MEMBER", "UID", "SINCE", "RECORD", "BY" };
	struct prov_table *t = NULL;
	const char *key;
	json_t *v;
	int rc = prov_table_new(5, head, &t);
	line("group", dn);
	line("at", at);
	printf("%-9s %zu\n", "members", json_object_size(g->members));
	json_object_foreach(g->members, key, v)
	{
		if (!rc)
			rc = add_row(t, audit_text(v, "dn"), audit_text(v, "uid"), v);
	}
	return print_rows(t, rc, g->notes);
}

static int answer(struct ctl *c, const struct replay_group *g, const char *dn, const char *at)
{
	if (c->json) {
		json_t *o = json_pack("{s:s,s:s,s:b,s:o,s:b,s:O}", "group", dn, "at", at, "exists",
			g->exists, "members", values_of(g->members), "certain", g->certain, "notes",
			g->notes);
		int st = prov_json_line_take(stdout, o) ? ctl_nomem() : 0;
		return st ? st : g->exists ? 0 : PROV_EXIT_FINDINGS;
	}
	if (g->exists)
		return print_group(g, dn, at);
	char *safe = prov_text_safe(dn, strlen(dn));
	printf("the trail knows no group called %s at %s\n", safe ? safe : "", at);
	free(safe);
	return PROV_EXIT_FINDINGS;
}

int audit_who(struct ctl *c, int argc, char **argv)
{
	struct prov_error err = { 0 };
	struct audit_trail t = { 0 };
	struct replay_group g = { 0 };
	struct replay_skip words = { 0 };
	int64_t at = 0;
	char when[PROV_TIME_TEXT] = "";
	if (argc != 2 || !strchr(argv[1], '='))
		return prov_options_misuse(&c->opt, "audit who: want TIME and the group's DN");
	int st = moment(c, argv[0], &at, when);
	if (!st)
		st = audit_trail_open(c, &t);
	if (!st) {
		int rc = replay_group_init(&g, argv[1], at);
		if (!rc)
			rc = replay_members(&t, &g, &words, &err);
		if (rc)
			st = err.text[0] ? ctl_fail(&err) : ctl_nomem();
		else
			st = answer(c, &g, argv[1], when);
	}
	replay_group_dispose(&g);
	replay_skip_dispose(&words);
	audit_trail_close(&t);
	return st;
}
