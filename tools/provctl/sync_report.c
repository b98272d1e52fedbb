/*
 * sync_report.c - what a run would do, did, and did not: lines for people, JSON for programs.
 */
#include <stdlib.h>
#include <string.h>

#include "jsonout.h"
#include "planview.h"
#include "sync_run.h"
#include "table.h"

const char *sync_kind_name(enum sync_kind k)
{
	static const char *const name[] = { "joiner", "rehire", "mover", "suspended", "leaver" };
	return k < SYNC_NKIND ? name[k] : "?";
}

static void put(FILE *out, const char *s, size_t len)
{
	char *safe = prov_text_safe(s, len);
	fputs(safe ? safe : "", out);
	free(safe);
}

static void put_text(FILE *out, const char *s)
{
	put(out, s, strlen(s));
}

static void put_val(FILE *out, struct prov_val v)
{
	put(out, v.data ? v.data : "", v.len);
}

static const char *manager_dn(const struct sync_run *r, const struct sync_change *c)
{
	const struct sync_row *row = &r->rows->row[c->row];
	const char *dn = c->set_manager ? r->rows->row[row->manager].dn : NULL;
	return dn ? dn : "";
}

/* "attr: old -> new" */
static void print_mod(const struct sync_mod *m)
{
	printf("    %c ", m->op == SYNC_DROP ? '-' : m->old.n ? '=' : '+');
	put_text(stdout, m->attr);
	fputs(": ", stdout);
	for (size_t i = 0; i < m->old.n; i++) {
		fputs(i ? ", " : "", stdout);
		put_val(stdout, m->old.v[i]);
	}
	if (m->op != SYNC_DROP) {
		fputs(m->old.n ? " -> " : "", stdout);
		put_val(stdout, m->value);
	}
	putchar('\n');
}

static void print_change(const struct sync_run *r, const struct sync_change *c)
{
	printf("%s%s%s%s  ", sync_kind_name(c->kind), c->adopts ? ", adopted" : "",
		c->later ? ", later" : "", c->ends_soon ? ", ends soon" : "");
	put_text(stdout, c->dn);
	fputs("  (", stdout);
	if (c->missing)
		fputs("no row, ", stdout);
	else
		printf("row %zu, ", c->line);
	fputs("key ", stdout);
	put_text(stdout, c->key);
	fputs(")\n", stdout);
	if (c->new_rdn) {
		fputs("    = name: ", stdout);
		put_text(stdout, c->new_rdn);
		if (c->new_parent) {
			putchar(',');
			put_text(stdout, c->new_parent);
		}
		putchar('\n');
	}
	for (size_t i = 0; i < c->nmod; i++)
		print_mod(&c->mod[i]);
	if (c->set_manager || c->drop_manager) {
		const char *has = r->rows->row[c->row].has;
		printf("    %c %s: ",
			c->drop_manager ? '-'
				: has   ? '='
					: '+',
			r->map->manager_attr);
		put_text(stdout, has ? has : "");
		fputs(has && c->set_manager ? " -> " : "", stdout);
		put_text(stdout, manager_dn(r, c));
		putchar('\n');
	}
	if (c->plan && !planview_empty(c->plan))
		planview_print(stdout, c->plan);
	if (c->why && c->outcome != SYNC_FAILED) {
		fputs("  REFUSED: ", stdout);
		put_text(stdout, c->why);
		putchar('\n');
	}
}

static json_t *values_json(const struct sync_values *v)
{
	json_t *list = json_array();
	for (size_t i = 0; i < v->n; i++)
		json_array_append_new(list, prov_json_text(v->v[i].data, v->v[i].len));
	return list;
}

static json_t *mod_json(const struct sync_mod *m)
{
	static const char *const op[] = { "set", "add", "drop" };
	json_t *o = json_pack("{s:s,s:s}", "op", op[m->op], "attr", m->attr);
	if (m->old.n)
		json_object_set_new(o, "before", values_json(&m->old));
	if (m->op != SYNC_DROP)
		json_object_set_new(o, "after", prov_json_text(m->value.data, m->value.len));
	return o;
}

static json_t *mods_json(const struct sync_run *r, const struct sync_change *c)
{
	json_t *list = json_array();
	for (size_t i = 0; i < c->nmod; i++)
		json_array_append_new(list, mod_json(&c->mod[i]));
	if (c->set_manager || c->drop_manager) {
		const char *has = r->rows->row[c->row].has;
		json_t *o = json_pack("{s:s,s:s}", "op", c->set_manager ? "set" : "drop", "attr",
			r->map->manager_attr);
		if (has)
			json_object_set_new(o, "before",
				json_pack("[o]", prov_json_text(has, strlen(has))));
		if (c->set_manager)
			json_object_set_new(o, "after",
				prov_json_text(manager_dn(r, c), strlen(manager_dn(r, c))));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *change_json(const struct sync_run *r, const struct sync_change *c)
{
	json_t *o = json_pack("{s:s,s:o,s:o,s:o}", "change", sync_kind_name(c->kind), "dn",
		prov_json_text(c->dn, strlen(c->dn)), "key", prov_json_text(c->key, strlen(c->key)),
		"mods", mods_json(r, c));
	if (!o)
		return NULL;
	json_object_set_new(o, "row", c->missing ? json_null() : json_integer((json_int_t)c->line));
	if (c->adopts)
		json_object_set_new(o, "adopts", json_true());
	if (c->later)
		json_object_set_new(o, "later", json_true());
	if (c->ends_soon)
		json_object_set_new(o, "ends_soon", json_true());
	if (c->new_rdn)
		json_object_set_new(o, "rdn", json_string(c->new_rdn));
	if (c->new_parent)
		json_object_set_new(o, "parent", json_string(c->new_parent));
	if (c->plan)
		json_object_set(o, "plan", c->plan);
	if (c->why)
		json_object_set_new(o, "refused", json_string(c->why));
	return o;
}

static int line_json(json_t *v)
{
	return prov_json_line_take(stdout, v) ? ctl_nomem() : 0;
}

static int print_missing(const struct sync_run *r, const struct sync_missing *m)
{
	if (r->c->json)
		return line_json(json_pack("{s:o,s:o,s:i,s:I}", "missing",
			prov_json_text(m->key, strlen(m->key)), "dn",
			prov_json_text(m->dn, strlen(m->dn)), "runs", (int)m->runs, "days",
			(json_int_t)((r->now - m->since) / 86400)));
	fputs("missing  ", stdout);
	put_text(stdout, m->dn);
	fputs("  (key ", stdout);
	put_text(stdout, m->key);
	if (r->state)
		printf("; run %u, day %lld; a leaver after %u %s)\n", m->runs,
			(long long)((r->now - m->since) / 86400), r->grace.n,
			r->grace.days ? "days" : "runs");
	else
		fputs("; without --state-file nobody becomes a leaver so)\n", stdout);
	return 0;
}

static int print_note(const struct sync_run *r, const struct sync_note *n)
{
	if (r->c->json)
		return line_json(json_pack("{s:o,s:I}", "note",
			prov_json_text(n->text, strlen(n->text)), "row", (json_int_t)n->line));
	printf("note: row %zu: ", n->line);
	put_text(stdout, n->text);
	putchar('\n');
	return 0;
}

int sync_report_changes(struct sync_run *r)
{
	int st = 0;
	for (size_t i = 0; !st && i < r->nchange; i++) {
		if (r->c->json)
			st = line_json(change_json(r, &r->change[i]));
		else
			print_change(r, &r->change[i]);
	}
	for (size_t i = 0; !st && i < r->nmissing; i++)
		if (!r->missing[i].over && !r->missing[i].due)
			st = print_missing(r, &r->missing[i]);
	for (size_t i = 0; !st && i < r->nnote; i++)
		st = print_note(r, &r->note[i]);
	return st;
}

int sync_report_problems(const struct ctl *c, const char *feed, const struct sync_problems *p,
	const char *what)
{
	int st = 0;
	for (size_t i = 0; !st && i < p->kept; i++) {
		const struct sync_problem *one = &p->list[i];
		if (c->json)
			st = line_json(json_pack("{s:s,s:I,s:o}", "problem", what, "row",
				(json_int_t)one->row, "text",
				prov_json_text(one->text, strlen(one->text))));
		else if (one->row)
			ctl_say("%s: row %zu: %s", feed, one->row, one->text);
		else
			ctl_say("%s: %s", feed, one->text);
	}
	if (p->n > p->kept && !c->json)
		ctl_say("%s: and %zu more", feed, p->n - p->kept);
	return st;
}

int sync_report_refusal(struct sync_run *r)
{
	int st = sync_report_problems(r->c, r->feed, &r->broken, "feed");
	if (!st)
		st = sync_report_problems(r->c, r->feed, &r->bad, "row");
	if (!st)
		st = sync_report_problems(r->c, r->feed, &r->refused, "guard");
	if (!st && !r->c->json && (r->broken.n || r->refused.n))
		ctl_say("nothing is applied");
	return st;
}

int sync_report_failure(struct sync_run *r, const struct sync_change *c)
{
	if (r->c->json)
		return line_json(json_pack("{s:o,s:o,s:I,s:o}", "failed",
			prov_json_text(c->dn, strlen(c->dn)), "key",
			prov_json_text(c->key, strlen(c->key)), "row", (json_int_t)c->line, "text",
			prov_json_text(c->why, strlen(c->why))));
	if (c->missing)
		ctl_say("no row, key %s: %s: %s", c->key, c->dn, c->why);
	else
		ctl_say("row %zu, key %s: %s: %s", c->line, c->key, c->dn, c->why);
	return 0;
}

static size_t still_missing(const struct sync_run *r)
{
	size_t n = 0;
	for (size_t i = 0; i < r->nmissing; i++)
		n += !r->missing[i].over && !r->missing[i].due;
	return n;
}

/* How much the policy gives and takes, over all changes. */
static void plan_totals(const struct sync_run *r, size_t gained[2], size_t lost[2])
{
	static const char *const what[] = { "roles", "groups" };
	for (size_t i = 0; i < r->nchange; i++)
		for (int k = 0; k < 2; k++) {
			const json_t *o = json_object_get(r->change[i].plan, what[k]);
			gained[k] += json_array_size(json_object_get(o, "gained"));
			lost[k] += json_array_size(json_object_get(o, "lost"));
		}
}

int sync_report_summary(struct sync_run *r, bool applied)
{
	size_t gained[2] = { 0, 0 }, lost[2] = { 0, 0 };
	bool planned = r->nchange && r->change[0].plan;
	plan_totals(r, gained, lost);
	if (r->c->json) {
		json_t *o = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "rows",
			(json_int_t)r->rows->n, "joiners", (json_int_t)r->count[SYNC_JOINER],
			"rehires", (json_int_t)r->count[SYNC_REHIRE], "movers",
			(json_int_t)r->count[SYNC_MOVER], "suspended",
			(json_int_t)r->count[SYNC_AWAYER], "leavers",
			(json_int_t)r->count[SYNC_LEAVER], "unchanged", (json_int_t)r->unchanged,
			"missing", (json_int_t)still_missing(r), "gone", (json_int_t)r->gone, "bad",
			(json_int_t)r->bad.n);
		if (applied)
			json_object_set_new(o, "applied",
				json_pack("{s:I,s:I}", "done", (json_int_t)r->done, "failed",
					(json_int_t)r->failed));
		json_t *line = json_pack("{s:o}", "summary", o);
		return line_json(line);
	}
	printf("%s%zu rows: %zu joiners, %zu rehires, %zu movers, %zu suspended, %zu leavers, "
	       "%zu unchanged, %zu missing\n",
		r->nchange ? "\n" : "", r->rows->n, r->count[SYNC_JOINER], r->count[SYNC_REHIRE],
		r->count[SYNC_MOVER], r->count[SYNC_AWAYER], r->count[SYNC_LEAVER], r->unchanged,
		still_missing(r));
	if (planned)
		printf("the policy: %zu roles and %zu groups given, %zu and %zu taken\n", gained[0],
			gained[1], lost[0], lost[1]);
	if (applied)
		printf("%zu applied, %zu failed\n", r->done, r->failed);
	else if (r->nchange)
		printf("nothing is done yet; --apply does it\n");
	return 0;
}
