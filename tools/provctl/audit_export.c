/*
 * audit_export.c - provctl audit export: the records that match, for other programs.
 *
 * One record at a time; nothing is kept. JSON Lines have all of a record, so the chain can be
 * checked from them; CSV and CEF are for reading.
 */
#include <string.h>

#include "audit.h"
#include "audit_format.h"
#include "jsonout.h"

struct exporting {
	const struct audit_filter *filter;
	struct audit_trail *trail;
	bool csv;
	int cef;     /* version, -1: not */
	bool broken; /* a row whose hash could not be read */
};

static int export_record(void *ctx, uint64_t seq, struct prov_val text)
{
	struct exporting *x = ctx;
	char hex[65];
	json_t *r = json_loadb(text.data, text.len, 0, NULL);
	if (r && !audit_match(x->filter, r)) {
		json_decref(r);
		return 0;
	}
	audit_trail_hash(x->trail, seq, hex);
	x->broken = x->broken || !*hex;
	if (!x->csv && x->cef < 0)
		return prov_json_line_take(stdout,
			json_pack("{s:I,s:s,s:o*}", "seq", (json_int_t)seq, "hash", hex, "record",
				r ? r : prov_json_text(text.data, text.len)));
	if (!r)
		r = json_pack("{s:s}", "op", "undecodable");
	if (!r)
		return PROV_ENOMEM;
	if (x->csv)
		audit_csv_row(stdout, seq, hex, r);
	else
		audit_cef_line(stdout, x->cef, seq, hex, r);
	json_decref(r);
	return ferror(stdout) ? PROV_EIO : 0;
}

static int choose(struct ctl *c, struct exporting *x)
{
	const char *f = audit_arg.format ? audit_arg.format : "jsonl";
	x->csv = !strcmp(f, "csv");
	x->cef = !strcmp(f, "cef") ? 0 : !strcmp(f, "cef1") ? 1 : -1;
	if (!x->csv && x->cef < 0 && strcmp(f, "jsonl"))
		return prov_options_misuse(&c->opt, "--format: want jsonl, csv, cef or cef1");
	return 0;
}

int audit_export(struct ctl *c, int argc, char **argv)
{
	struct prov_error err = { 0 };
	struct audit_filter f = { 0 };
	struct audit_trail t = { 0 };
	struct exporting x = { .filter = &f, .trail = &t };
	(void)argv;
	int st = argc ? prov_options_misuse(&c->opt, "audit export takes no operand")
		      : choose(c, &x);
	if (!st)
		st = audit_filter_make(c, &f);
	if (!st)
		st = audit_trail_open(c, &t);
	if (!st && x.csv)
		audit_csv_head(stdout);
	if (!st && prov_trail_walk(t.txn, 1, export_record, &x, &err))
		st = ctl_fail(&err);
	if (!st && x.broken) {
		ctl_say("some rows could not be read whole: run audit verify");
		st = PROV_EXIT_FINDINGS;
	}
	audit_trail_close(&t);
	audit_filter_dispose(&f);
	return st;
}
