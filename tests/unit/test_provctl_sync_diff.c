/* Differences: what an account, a row and a moment give; and the guards' thresholds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sync_diff.h"
#include "sync_run.h"

#define NOW 1795564800 /* 2026-11-25 00:00 UTC */

static const char mapping[] =
	"source hr\nkey {Nr}\nrdn enforce uid: {Uid}\nparent default ou=p,dc=x\nclass person\n"
	"require sn: {Sn}\nenforce title: {Title}\ndefault mail: {Mail}\nenforce seeAlso: {Dn}\n"
	"status {S|or:in}\nactive in\nsuspended away\nterminated out\ndates YYYY-MM-DD\n"
	"start {From}\nend {To}\n";
/* columns: Nr, Uid, Sn, Title, Mail, Dn, S, From, To */
enum { NCELL = 9 };

static struct sync_map *map;
static struct prov_arena arena;

static int set_up(void **state)
{
	struct prov_error err = { 0 };
	FILE *in = fmemopen((void *)mapping, sizeof(mapping) - 1, "r");
	(void)state;
	assert_int_equal(sync_map_parse(in, "m", &map, &err), 0);
	fclose(in);
	assert_int_equal(map->ncolumn, NCELL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	prov_arena_dispose(&arena);
	sync_map_free(&map);
	return 0;
}

/* "attr: value" lines, NULL at the end; the account of key 1 when nothing else is said. */
static struct sync_account account(const char *const *line)
{
	struct sync_values *attr = prov_arena_array(&arena, map->nname, sizeof(*attr));
	assert_non_null(attr);
	for (size_t i = 0; i < map->nname; i++) {
		struct prov_val *v = prov_arena_array(&arena, 8, sizeof(*v));
		size_t n = 0, len = strlen(map->name[i]);
		for (size_t k = 0; line[k]; k++)
			if (!strncasecmp(line[k], map->name[i], len) && line[k][len] == ':')
				v[n++] = prov_val_str(line[k] + len + 2);
		attr[i] = (struct sync_values){ n, v };
	}
	return (struct sync_account){ "uid=ann,ou=p,dc=x", attr };
}

#define USUAL \
	"objectClass: person", "objectClass: provAccount", "provSource: hr", "provSourceKey: 1", \
		"sn: Roe"

/* The change as "kind attr=value attr-" in one text; "held" when it is left alone. */
static const char *diff(const char *const *line, const char *const *cells,
	const struct sync_when *when)
{
	static char text[1024];
	struct sync_account a = account(line);
	struct prov_val cell[NCELL];
	struct sync_wish w;
	struct sync_change c;
	struct prov_error err = { 0 };
	const char *held;
	for (int i = 0; i < NCELL; i++)
		cell[i] = prov_val_str(cells[i]);
	assert_int_equal(sync_map_row(map, cell, &arena, &w, &err), 0);
	assert_int_equal(sync_diff_account(map, cell, &w, &a, when, &arena, &c, &held, &err), 0);
	size_t at = (size_t)snprintf(text, sizeof(text), "%s%s", held ? "held " : "",
		sync_change_empty(&c) ? "" : sync_kind_name(c.kind));
	for (size_t i = 0; i < c.nmod; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, " %s%s%.*s", c.mod[i].attr,
			c.mod[i].op == SYNC_DROP          ? "-"
				: c.mod[i].op == SYNC_ADD ? "+"
							  : "=",
			(int)c.mod[i].value.len, c.mod[i].value.data ? c.mod[i].value.data : "");
	if (c.new_rdn)
		snprintf(text + at, sizeof(text) - at, " > %s%s%s", c.new_rdn,
			c.new_parent ? "," : "", c.new_parent ? c.new_parent : "");
	return text;
}

struct diff_case {
	const char *line[14], *cell[NCELL];
	bool revive, lift;
	const char *want;
};

static const struct diff_case cases[] = {
	{ { USUAL }, { "1", "ann", "Roe", "", "", "", "", "", "" }, 0, 0, "" },
	{ { USUAL, "title: a" }, { "1", "ANN", "Roe", "a", "", "", "", "", "" }, 0, 0, "" },
	{ { USUAL, "title: a" }, { "1", "ann", "Roe", "b", "", "", "", "", "" }, 0, 0,
		"mover title=b" },
	{ { USUAL, "title: a", "title: b" }, { "1", "ann", "Roe", "b", "", "", "", "", "" }, 0, 0,
		"mover title=b" },
	{ { USUAL, "title: a" }, { "1", "ann", "Roe", "", "", "", "", "", "" }, 0, 0,
		"mover title-" },
	{ { USUAL, "mail: a" }, { "1", "ann", "Roe", "", "b", "", "", "", "" }, 0, 0, "" },
	{ { USUAL }, { "1", "ann", "Roe", "", "b", "", "", "", "" }, 0, 0, "mover mail+b" },
	{ { USUAL, "seeAlso: cn=A,dc=x" }, { "1", "ann", "Roe", "", "", "CN=a, dc=x", "", "", "" },
		0, 0, "" },
	{ { USUAL }, { "1", "bea", "Roe", "", "", "", "", "", "" }, 0, 0, "mover > uid=bea" },
	{ { USUAL }, { "1", "ann", "Roe", "x", "", "", "out", "", "2026-01-01" }, 0, 0,
		"leaver provState=terminated provEndTime=20260102000000Z" },
	{ { USUAL }, { "1", "ann", "Roe", "", "", "", "in", "", "2026-01-01" }, 0, 0,
		"leaver provState=terminated provEndTime=20260102000000Z" },
	{ { USUAL, "provState: terminated" }, { "1", "ann", "Roe", "x", "", "", "out", "", "" }, 0,
		0, "" },
	{ { USUAL, "provState: archived" }, { "1", "ann", "Roe", "x", "", "", "out", "", "" }, 0, 0,
		"" },
	{ { USUAL, "provState: terminated" }, { "1", "ann", "Roe", "x", "", "", "", "", "" }, 0, 0,
		"held " },
	{ { USUAL, "provState: terminated", "provEndTime: 20250101000000Z" },
		{ "1", "ann", "Roe", "", "", "", "", "", "" }, 1, 0,
		"rehire provState=active provEndTime-" },
	{ { USUAL, "provState: terminated" },
		{ "1", "ann", "Roe", "", "", "", "", "2027-01-01", "" }, 1, 0,
		"rehire provState=pending provStartTime=20270101000000Z" },
	{ { USUAL, "provState: terminated" }, { "1", "ann", "Roe", "", "", "", "away", "", "" }, 1,
		0, "rehire provState=suspended" },
	{ { USUAL }, { "1", "ann", "Roe", "", "", "", "away", "", "" }, 0, 0,
		"suspended provState=suspended" },
	{ { USUAL, "provState: suspended" }, { "1", "ann", "Roe", "x", "", "", "", "", "" }, 0, 0,
		"held mover title=x" },
	{ { USUAL, "provState: suspended" }, { "1", "ann", "Roe", "", "", "", "", "", "" }, 0, 1,
		"mover provState=active" },
	{ { USUAL, "provState: pending", "provStartTime: 20270101000000Z" },
		{ "1", "ann", "Roe", "", "", "", "", "2027-01-01", "" }, 0, 0, "" },
	{ { USUAL, "provState: pending", "provStartTime: 20270101000000Z" },
		{ "1", "ann", "Roe", "", "", "", "", "2026-01-01", "" }, 0, 0,
		"mover provState=active provStartTime=20260101000000Z" },
	/* who works already is not put on hold by a date that was mistyped */
	{ { USUAL, "provState: active" }, { "1", "ann", "Roe", "", "", "", "", "2027-01-01", "" },
		0, 0, "mover provStartTime=20270101000000Z" },
	{ { "objectClass: person", "sn: Roe" }, { "1", "ann", "Roe", "", "", "", "", "", "" }, 0, 0,
		"mover objectClass+provAccount provSource=hr provSourceKey=1" },
	{ { "objectClass: person", "sn: Roe" }, { "1", "ann", "Roe", "", "", "", "out", "", "" }, 0,
		0,
		"leaver objectClass+provAccount provSource=hr provSourceKey=1 provState=terminated" },
	{ { "objectClass: provAccount", "provSource: HR", "provSourceKey: 1", "sn: Roe" },
		{ "1", "ann", "Roe", "", "", "", "", "", "" }, 0, 0, "mover objectClass+person" },
};

static void only_what_differs_is_changed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sync_when when = { NOW, cases[i].revive, cases[i].lift };
		const char *got = diff(cases[i].line, cases[i].cell, &when);
		if (strcmp(got, cases[i].want) != 0)
			print_message("case %zu\n", i);
		assert_string_equal(got, cases[i].want);
	}
}

static void an_end_that_the_clock_kept_is_known(void **state)
{
	static const char *const by_clock[] = { USUAL, "provState: terminated",
		"provEndTime: 20260101000000Z", "provStateSince: 20260101000001Z", NULL };
	static const char *const before[] = { USUAL, "provState: terminated",
		"provEndTime: 20260101000000Z", "provStateSince: 20251224000000Z", NULL };
	static const char *const to_come[] = { USUAL, "provState: terminated",
		"provEndTime: 20270101000000Z", "provStateSince: 20251224000000Z", NULL };
	(void)state;
	struct sync_account a = account(by_clock), b = account(before), c = account(to_come);
	assert_true(sync_account_ended_in_time(&a, NOW));
	assert_false(sync_account_ended_in_time(&b, NOW));
	assert_false(sync_account_ended_in_time(&c, NOW));
}

static void limits_and_graces_are_read(void **state)
{
	static const char *const bad[] = { "", "x", "-1", "5%%", "101%", "5 %", "99999999999",
		"1d" };
	struct sync_limit l = { .least = 5 };
	struct sync_grace g;
	(void)state;
	assert_int_equal(sync_limit_parse("7", &l), 0);
	assert_true(!l.share && l.n == 7);
	assert_int_equal(sync_limit_parse("7%", &l), 0);
	assert_true(l.share && l.n == 7);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(sync_limit_parse(bad[i], &l), PROV_EINVAL);
	assert_int_equal(sync_grace_parse("3", &g), 0);
	assert_true(!g.days && g.n == 3);
	assert_int_equal(sync_grace_parse("3d", &g), 0);
	assert_true(g.days && g.n == 3);
	assert_int_equal(sync_grace_parse("3w", &g), PROV_EINVAL);
	assert_int_equal(sync_grace_parse("3dd", &g), PROV_EINVAL);
	assert_int_equal(sync_grace_parse("", &g), PROV_EINVAL);
}

/* known accounts, then leavers, suspensions, movers, joiners; how many guards say no */
static void thresholds_hold_at_their_edge(void **state)
{
	static const struct {
		size_t known, leaver, away, mover, joiner, refusals;
	} t[] = {
		{ 0, 0, 0, 0, 100000, 0 },
		{ 0, 5, 0, 9999, 0, 0 },
		{ 0, 6, 0, 0, 0, 1 },
		{ 10, 5, 0, 0, 0, 0 },
		{ 10, 6, 0, 0, 0, 1 },
		{ 10, 3, 3, 0, 0, 1 },
		{ 1000, 50, 0, 0, 0, 0 },
		{ 1000, 51, 0, 0, 0, 1 },
		{ 1000, 50, 0, 200, 250, 0 },
		{ 1000, 50, 0, 201, 250, 1 },
		{ 1000, 0, 0, 0, 251, 1 },
		{ 10, 0, 0, 50, 50, 0 },
		{ 10, 0, 0, 51, 51, 2 },
	};
	const struct sync_guards g = { .leavers = { true, 5, 5 },
		.changes = { true, 25, 50 },
		.joiners = { true, 25, 50 } };
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct sync_run r = { .known = t[i].known };
		r.count[SYNC_LEAVER] = t[i].leaver;
		r.count[SYNC_AWAYER] = t[i].away;
		r.count[SYNC_MOVER] = t[i].mover;
		r.count[SYNC_JOINER] = t[i].joiner;
		sync_guard_changes(&r, &g);
		if (r.refused.n != t[i].refusals)
			print_message("case %zu\n", i);
		assert_int_equal(r.refused.n, t[i].refusals);
		sync_problems_dispose(&r.refused);
	}
}

static void the_state_file_is_one_run_or_the_other(void **state)
{
	char folder[] = "/tmp/syncXXXXXX", path[64], lock[64];
	struct sync_state *s = NULL, *other = NULL;
	struct prov_error err = { 0 };
	struct prov_strmap *head = NULL, *less = NULL;
	size_t at;
	int64_t since;
	unsigned runs;
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
	snprintf(lock, sizeof(lock), "%s/s.lock", folder);
	assert_int_equal(prov_strmap_new(&head), 0);
	assert_int_equal(prov_strmap_new(&less), 0);
	prov_strmap_add(head, "nr", &at, NULL);
	prov_strmap_add(head, "name", &at, NULL);
	prov_strmap_add(less, "name", &at, NULL);
	assert_int_equal(sync_state_open(path, "hr", true, &s, &err), 0);
	assert_false(s->known);
	assert_int_equal(sync_state_open(path, "hr", true, &other, &err), PROV_EBUSY);
	assert_int_equal(sync_state_feed(s, 7, head, 5, NOW), 0);
	assert_int_equal(sync_state_set_missing(s, "e1", NOW, 2), 0);
	assert_int_equal(sync_state_say(s, "e2", "left"), 0);
	assert_int_equal(sync_state_write(s, false, &err), 0);
	sync_state_close(&s);
	assert_int_equal(sync_state_open(path, "hr", false, &s, &err), 0);
	assert_true(s->known && !s->complete && s->rows == 7 && s->accounts == 5);
	assert_true(sync_state_missing(s, "e1", &since, &runs) && since == NOW && runs == 2);
	assert_false(sync_state_missing(s, "e2", &since, &runs));
	assert_string_equal(sync_state_said(s, "e2"), "left");
	assert_null(sync_state_columns(s, head));
	char *text = sync_state_columns(s, less);
	assert_string_equal(text, "\"nr\" is gone");
	free(text);
	/* a run that takes this one up began with the same accounts */
	assert_int_equal(sync_state_feed(s, 7, head, 6, NOW), 0);
	assert_int_equal(s->accounts, 5);
	sync_state_keep_missing(s, less);
	assert_false(sync_state_missing(s, "e1", &since, &runs));
	sync_state_close(&s);
	assert_int_equal(sync_state_open(path, "other", false, &s, &err), PROV_EINVAL);
	prov_strmap_free(&head);
	prov_strmap_free(&less);
	unlink(path);
	unlink(lock);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_differs_is_changed),
		cmocka_unit_test(an_end_that_the_clock_kept_is_known),
		cmocka_unit_test(limits_and_graces_are_read),
		cmocka_unit_test(thresholds_hold_at_their_edge),
		cmocka_unit_test(the_state_file_is_one_run_or_the_other),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
