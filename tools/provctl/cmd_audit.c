/*
 * cmd_audit.c - provctl audit verify|show|export: the trail, read only.
 *
 * Needs no server when --state is given: the trail proves itself. Reading never
 * blocks slapd. A record that does not decode is shown as such, never passed over.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "audit_match.h"
#include "ctl.h"
#include "fold.h"
#include "jsonout.h"
#include "state.h"
#include "table.h"
#include "trail.h"

static struct {
	const char *key, *account, *actor, *since, *until, *change, *group, *reason;
	unsigned limit;
} arg;

static const struct prov_option option[] = {
	{ "key", 0, PROV_OPTION_TEXT, &arg.key, "PEM",
		"verify: public key that signed the checkpoints" },
	{ "account", 0, PROV_OPTION_TEXT, &arg.account, "DN|UID", "only changes of this account" },
	{ "actor", 0, PROV_OPTION_TEXT, &arg.actor, "DN", "only changes by this identity" },
	{ "since", 0, PROV_OPTION_TEXT, &arg.since, "TIME",
		"from this time on (2026-11-24, 20261124120000Z, 12h, 7d)" },
	{ "until", 0, PROV_OPTION_TEXT, &arg.until, "TIME", "up to this time" },
	{ "change", 0, PROV_OPTION_TEXT, &arg.change, "ID", "this change, with all there is" },
	{ "group", 0, PROV_OPTION_TEXT, &arg.group, "DN", "only changes of this group's members" },
	{ "reason", 0, PROV_OPTION_TEXT, &arg.reason, "TEXT", "only with this in the reason" },
	{ "limit", 0, PROV_OPTION_NUMBER, &arg.limit, "N", "only the newest N" },
};

struct trail_file {
	struct prov_statedir *dir;
	struct prov_kv_txn *txn;
};

static int open_trail(struct ctl *c, struct trail_file *t)
{
	struct prov_error err = { 0 };
	char *path = NULL;
	int st = ctl_state_dir(c, &path);
	if (st)
		return st;
	if (prov_statedir_open(path, false, &t->dir, &err) ||
		prov_kv_begin(prov_statedir_kv(t->dir), false, &t->txn, &err))
		st = ctl_fail(&err);
	free(path);
	return st;
}

static void close_trail(struct trail_file *t)
{
	prov_kv_abort(&t->txn);
	prov_statedir_close(&t->dir);
}

static void show_progress(void *ctx, uint64_t done)
{
	(void)ctx;
	fprintf(stderr, "\r%llu records ", (unsigned long long)done);
}

static int print_report(struct ctl *c, int rc, const struct prov_trail_report *r,
	const struct prov_error *err)
{
	if (c->json) {
		json_t *v = json_pack("{s:b,s:I,s:I,s:I,s:I,s:b}", "ok", !rc, "records",
			(json_int_t)r->records, "checkpoints", (json_int_t)r->checkpoints,
			"signedCheckpoints", (json_int_t)r->signed_checkpoints, "lastSigned",
			(json_int_t)r->last_signed, "signaturesChecked", arg.key != NULL);
		if (rc) {
			json_object_set_new(v, "badSeq", json_integer((json_int_t)r->bad_seq));
			json_object_set_new(v, "error", json_string(err->text));
		}
		return prov_json_line_take(stdout, v) ? ctl_nomem() : 0;
	}
	if (rc) {
		printf("BROKEN at record %llu: %s\n", (unsigned long long)r->bad_seq, err->text);
		return 0;
	}
	printf("%llu records, unbroken\n", (unsigned long long)r->records);
	printf("%llu checkpoints, %llu signed, the last at record %llu\n",
		(unsigned long long)r->checkpoints, (unsigned long long)r->signed_checkpoints,
		(unsigned long long)r->last_signed);
	if (!arg.key)
		puts("signatures not checked: no --key");
	return 0;
}

static int verify(struct ctl *c)
{
	struct prov_error err = { 0 };
	struct prov_key *key = NULL;
	struct prov_trail_report report = { 0 };
	struct trail_file t = { 0 };
	int rc, st;
	if (arg.key && prov_key_load(arg.key, false, &key, &err))
		return ctl_fail(&err);
	st = open_trail(c, &t);
	if (!st) {
		bool tty = isatty(STDERR_FILENO);
		rc = prov_trail_verify(t.txn, key, tty ? show_progress : NULL, NULL, &report, &err);
		if (tty)
			fputs("\r                              \r", stderr);
		if (rc && rc != PROV_ECORRUPT)
			st = ctl_fail(&err);
		else
			st = print_report(c, rc, &report, &err);
		if (!st && rc)
			st = PROV_EXIT_FINDINGS;
	}
	close_trail(&t);
	prov_key_free(&key);
	return st;
}

/* The filter from the options. 0 or an exit status. */
static int make_filter(struct ctl *c, struct audit_filter *f)
{
	int64_t now = (int64_t)time(NULL);
	if (arg.since && audit_time(arg.since, now, &f->since))
		return prov_options_misuse(&c->opt, "--since: not a time: %s", arg.since);
	if (arg.until && audit_time(arg.until, now, &f->until))
		return prov_options_misuse(&c->opt, "--until: not a time: %s", arg.until);
	f->has_since = arg.since != NULL;
	f->has_until = arg.until != NULL;
	f->change = arg.change;
	f->reason = arg.reason;
	if (arg.account) {
		f->account_is_uid = !strchr(arg.account, '=');
		f->account = f->account_is_uid ? prov_fold_text(arg.account, strlen(arg.account))
					       : prov_fold_dn(arg.account, strlen(arg.account));
	}
	if (arg.actor)
		f->actor = prov_fold_dn(arg.actor, strlen(arg.actor));
	if (arg.group)
		f->group = prov_fold_dn(arg.group, strlen(arg.group));
	if ((arg.account && !f->account) || (arg.actor && !f->actor) || (arg.group && !f->group))
		return ctl_nomem();
	return 0;
}

struct shown {
	uint64_t seq;
	json_t *record;
};

/* The records that match; with a limit, a ring of the newest. */
struct showing {
	const struct audit_filter *filter;
	size_t limit, n, at, room;
	struct shown *row;
};

static int keep_row(struct showing *s, uint64_t seq, json_t *record)
{
	if (s->limit && s->n == s->limit) {
		json_decref(s->row[s->at].record);
		s->row[s->at] = (struct shown){ seq, record };
		s->at = (s->at + 1) % s->limit;
		return 0;
	}
	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		struct shown *row = reallocarray(s->row, room, sizeof(*row));
		if (!row) {
			json_decref(record);
			return PROV_ENOMEM;
		}
		s->row = row;
		s->room = room;
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
	if (!rc && t && arg.change)
		for (size_t k = 0; k < s->n; k++)
			print_detail(&s->row[k]);
	else if (!rc && t)
		prov_table_print(t, stdout);
	prov_table_free(&t);
	return rc ? ctl_nomem() : 0;
}

static int show(struct ctl *c)
{
	struct prov_error err = { 0 };
	struct audit_filter f = { 0 };
	struct showing s = { .filter = &f, .limit = arg.limit };
	struct trail_file t = { 0 };
	int st = make_filter(c, &f);
	if (!st)
		st = open_trail(c, &t);
	if (!st && prov_trail_walk(t.txn, 1, see_record, &s, &err))
		st = ctl_fail(&err);
	close_trail(&t);
	if (!st)
		st = print_rows(c, &s);
	if (!st && !s.n && !c->json)
		puts("nothing in the trail matches");
	for (size_t i = 0; i < s.n; i++)
		json_decref(s.row[i].record);
	free(s.row);
	audit_filter_dispose(&f);
	return st;
}

struct exporting {
	const struct audit_filter *filter;
	struct prov_kv_txn *txn;
	bool broken; /* a row whose hash could not be read */
};

static int export_record(void *ctx, uint64_t seq, struct prov_val text)
{
	struct exporting *x = ctx;
	unsigned char be[8];
	struct prov_val key = { (char *)be, sizeof(be) }, row = { NULL, 0 };
	char hex[65] = "";
	json_t *r = json_loadb(text.data, text.len, 0, NULL);
	if (r && !audit_match(x->filter, r)) {
		json_decref(r);
		return 0;
	}
	/* trail.h: version byte, hash, record */
	prov_be64_put(be, seq);
	if (prov_kv_get(x->txn, PROV_T_TRAIL, key, &row) || row.len < 33)
		x->broken = true;
	else
		for (int i = 0; i < 32; i++)
			sprintf(hex + 2 * i, "%02x", (unsigned char)row.data[1 + i]);
	json_t *v = json_pack("{s:I,s:s,s:o*}", "seq", (json_int_t)seq, "hash", hex, "record",
		r ? r : prov_json_text(text.data, text.len));
	return prov_json_line_take(stdout, v);
}

static int export(struct ctl *c)
{
	struct prov_error err = { 0 };
	struct audit_filter f = { 0 };
	struct trail_file t = { 0 };
	struct exporting x = { .filter = &f };
	int st = make_filter(c, &f);
	if (!st)
		st = open_trail(c, &t);
	x.txn = t.txn;
	if (!st && prov_trail_walk(t.txn, 1, export_record, &x, &err))
		st = ctl_fail(&err);
	if (!st && x.broken) {
		ctl_say("some rows could not be read whole: run audit verify");
		st = PROV_EXIT_FINDINGS;
	}
	close_trail(&t);
	audit_filter_dispose(&f);
	return st;
}

static int run(struct ctl *c, int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";
	if (!strcmp(what, "verify"))
		return verify(c);
	if (!strcmp(what, "show"))
		return show(c);
	if (!strcmp(what, "export"))
		return export(c);
	return prov_options_misuse(&c->opt, "audit: want verify, show or export");
}

const struct ctl_command cmd_audit = {
	"audit",
	"[options] audit verify [--key PUBLIC.pem]\n"
	"[options] audit show [--account DN|UID] [--actor DN] [--since T] [--until T] ...\n"
	"[options] audit export [the same filters]",
	"verify, read and export the trail",
	"\nverify exits with 1 and says where when the chain or a signature is broken.\n"
	"With --state DIR no server is needed.\n",
	option,
	sizeof(option) / sizeof(option[0]),
	run,
};
