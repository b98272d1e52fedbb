/*
 * audit_show.c - provctl audit show: the records that match, as a table, with --change whole.
 *
 * A record that does not decode is shown as such, never passed over.
 */
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "grow.h"
#include "jsonout.h"
#include "table.h"

struct shown {
	uint64_t seq;
	json_t *record;
};

/* The records that match; with a limit, a ring of the newest. */
struct showing {
	const struct audit_filter *filter;
	bool at_once; /* JSON without a limit: nothing is kept */
	size_t limit, n, at, room;
	struct shown *row;
	bool seen;
};

static int keep_row(struct showing *s, uint64_t seq, json_t *record)
{
	if (s->limit && s->n == s->limit) {
		json_decref(s->row[s->at].record);
		s->row[s->at] = (struct shown){ seq, record };
		s->at = (s->at + 1) % s->limit;
		return 0;
	}
	if (prov_grow(&s->row, s->n, &s->room, sizeof(*s->row))) {
		json_decref(record);
		return PROV_ENOMEM;
	}
	s->row[s->n++] = (struct shown){ seq, record };
	return 0;
}

static int see_record(void *ctx, uint64_t seq, struct prov_val text)
{
	struct showing *s = ctx;
	json_t *r = json_loadb(text.data, text.len, 0, NULL);
	if (!r)
		r = json_pack("{s:s}", "op", "undecodable");
	if (!r)
		return PROV_ENOMEM;
	if (!audit_match(s->filter, r)) {
		json_decref(r);
		return 0;
	}
	s->seen = true;
	if (s->at_once)
		return prov_json_line_take(stdout,
			json_pack("{s:I,s:o}", "seq", (json_int_t)seq, "record", r));
	return keep_row(s, seq, r);
}

static void print_detail(const struct shown *row)
{
	char *text = json_dumps(row->record, JSON_INDENT(2) | JSON_SORT_KEYS);
	char *safe = NULL;
	printf("record %llu\n", (unsigned long long)row->seq);
	for (char *line = text; line && *line;) { /* line by line: a newline is not a danger */
		size_t len = strcspn(line, "\n");
		safe = prov_text_safe(line, len);
		puts(safe ? safe : "");
		free(safe);
		line += len + (line[len] != 0);
	}
	free(text);
}

static int print_rows(struct ctl *c, const struct showing *s)
{
	static const char *const head[] = { "SEQ", "TIME", "OP", "ENTRY", "BY", "WHAT", "REASON" };
	struct prov_table *t = NULL;
	int rc = c->json ? 0 : prov_table_new(7, head, &t);
	for (size_t k = 0; !rc && k < s->n; k++) {
		const struct shown *row = &s->row[(s->at + k) % s->n];
		if (c->json) {
			json_t *v = json_pack("{s:I,s:O}", "seq", (json_int_t)row->seq, "record",
				row->record);
			rc = prov_json_line_take(stdout, v);
			continue;
		}
		char seq[24], when[24];
		const char *by = audit_text(json_object_get(row->record, "actor"), "authz");
		char *what = audit_summary(row->record);
		snprintf(seq, sizeof(seq), "%llu", (unsigned long long)row->seq);
		snprintf(when, sizeof(when), "%.19s", audit_text(row->record, "time"));
		rc = what ? prov_table_add(t,
				    (const char *[]){ seq, when, audit_text(row->record, "op"),
					    audit_text(row->record, "dn"), *by ? by : "anonymous",
					    what, audit_text(row->record, "reason") })
			  : PROV_ENOMEM;
		free(what);
	}
	if (!rc && t && audit_arg.change)
		for (size_t k = 0; k < s->n; k++)
			print_detail(&s->row[k]);
	else if (!rc && t)
		prov_table_print(t, stdout);
	prov_table_free(&t);
	return rc ? ctl_nomem() : 0;
}

int audit_show(struct ctl *c, int argc, char **argv)
{
	struct prov_error err = { 0 };
	struct audit_filter f = { 0 };
	struct showing s = { .filter = &f,
		.limit = audit_arg.limit,
		.at_once = c->json && !audit_arg.limit };
	struct audit_trail t = { 0 };
	(void)argv;
	int st = argc ? prov_options_misuse(&c->opt, "audit show takes no operand")
		      : audit_filter_make(c, &f);
	if (!st)
		st = audit_trail_open(c, &t);
	if (!st && prov_trail_walk(t.txn, 1, see_record, &s, &err))
		st = ctl_fail(&err);
	audit_trail_close(&t);
	if (!st)
		st = print_rows(c, &s);
	if (!st && !s.seen && !c->json)
		puts("nothing in the trail matches");
	for (size_t i = 0; i < s.n; i++)
		json_decref(s.row[i].record);
	free(s.row);
	audit_filter_dispose(&f);
	return st;
}
