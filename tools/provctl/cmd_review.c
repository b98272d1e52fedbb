/*
 * cmd_review.c - provctl review: access reviews. list writes the sheet, apply takes it back.
 *
 * Owns the options and the order of things: read all of the file, hold it against the directory,
 * show what would be done, let the guards judge it, and only then write.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "jsonout.h"
#include "review.h"
#include "table.h"

static struct {
	struct review_list_args list;
	const char *name, *max_revoke, *encoding, *delimiter;
	bool apply;
} arg;

static const struct prov_option option[] = {
	{ "role", 0, PROV_OPTION_LIST, &arg.list.role, "ROLE", "list: only this role (DN or cn)" },
	{ "manager", 0, PROV_OPTION_LIST, &arg.list.manager, "DN",
		"list: only accounts with this manager" },
	{ "base", 0, PROV_OPTION_TEXT, &arg.list.base, "DN", "list: only accounts below this" },
	{ "filter", 0, PROV_OPTION_TEXT, &arg.list.filter, "FILTER",
		"list: only accounts that match" },
	{ "before", 0, PROV_OPTION_NUMBER, &arg.list.before, "DAYS",
		"list: only roles that are held for so long, or nobody knows how long" },
	{ "name", 0, PROV_OPTION_TEXT, &arg.name, "NAME", "apply: what the review is called" },
	{ "apply", 0, PROV_OPTION_FLAG, &arg.apply, NULL, "apply: do it; else only show it" },
	{ "max-revoke", 0, PROV_OPTION_TEXT, &arg.max_revoke, "N|P%",
		"apply: most roles to be revoked (25% of the rows, at least 5)" },
	{ "encoding", 0, PROV_OPTION_TEXT, &arg.encoding, "NAME", "apply: of the file (UTF-8)" },
	{ "delimiter", 0, PROV_OPTION_TEXT, &arg.delimiter, "C", "apply: between cells (,)" },
};

/* -- what is shown ---------------------------------------------------------------------------- */

static const char *fate_name(const struct review_row *row)
{
	static const char *const name[] = { "", "recorded already", "not held any more",
		"cannot be revoked here", "done", "failed" };
	return row->fate == REVIEW_DUE ? review_decision_name(row->decision) : name[row->fate];
}

static int row_json(const struct review_row *row)
{
	json_t *o = json_pack("{s:I,s:s,s:o,s:o,s:s}", "row", (json_int_t)row->line, "decision",
		review_decision_name(row->decision), "account",
		prov_json_text(row->account, strlen(row->account)), "role",
		prov_json_text(row->role, strlen(row->role)), "outcome", fate_name(row));
	if (row->why && *row->why)
		json_object_set_new(o, "text", prov_json_text(row->why, strlen(row->why)));
	return prov_json_line_take(stdout, o) ? ctl_nomem() : 0;
}

/* Roles that are kept are counted only. */
static int show_row(const struct review *r, const struct review_row *row)
{
	if (r->c->json)
		return row_json(row);
	if (row->decision == REVIEW_KEEP && row->fate != REVIEW_NOT_HELD)
		return 0;
	char *account = prov_text_safe(row->account, strlen(row->account)),
	     *role = prov_text_safe(row->role, strlen(row->role)),
	     *why = row->why ? prov_text_safe(row->why, strlen(row->why)) : NULL;
	printf("%s  row %zu: %s: %s%s%s\n", fate_name(row), row->line, account ? account : "",
		role ? role : "", why ? ": " : "", why ? why : "");
	free(account);
	free(role);
	free(why);
	return 0;
}

static size_t count(const struct review *r, enum review_decision d, int fate)
{
	size_t n = 0;
	for (size_t i = 0; i < r->nrow; i++)
		n += r->row[i].decision == d && (fate < 0 || r->row[i].fate == (unsigned)fate);
	return n;
}

static size_t both(const struct review *r, enum review_fate fate)
{
	return count(r, REVIEW_KEEP, fate) + count(r, REVIEW_REVOKE, fate);
}

static int show_plan(const struct review *r)
{
	const struct {
		const char *name, *text;
		size_t n;
	} figure[] = {
		{ "keep", "keep", count(r, REVIEW_KEEP, REVIEW_DUE) },
		{ "revoke", "revoke", count(r, REVIEW_REVOKE, REVIEW_DUE) },
		{ "undecided", "undecided", count(r, REVIEW_NONE, -1) },
		{ "recorded", "recorded already", both(r, REVIEW_RECORDED) },
		{ "notHeld", "not held any more", both(r, REVIEW_NOT_HELD) },
		{ "stays", "cannot be revoked here", both(r, REVIEW_STAYS) },
		{ "unknown", "with an unknown decision", r->unknown },
		{ "twice", "there twice", r->twice },
	};
	json_t *o = json_object();
	int st = 0;
	for (size_t i = 0; !st && i < r->nrow; i++)
		if (r->row[i].decision)
			st = show_row(r, &r->row[i]);
	for (size_t i = 0; !st && i < sizeof(figure) / sizeof(figure[0]); i++) {
		json_object_set_new(o, figure[i].name, json_integer((json_int_t)figure[i].n));
		if (!r->c->json)
			printf("%s%zu %s", i ? ", " : "", figure[i].n, figure[i].text);
	}
	if (!r->c->json)
		putchar('\n');
	else if (!st && prov_json_line_take(stdout, json_pack("{s:O}", "plan", o)))
		st = ctl_nomem();
	json_decref(o);
	return st;
}

static int show_failure(const struct review *r, const struct review_row *row)
{
	if (r->c->json)
		return row_json(row);
	ctl_say("row %zu: %s: %s: %s: %s", row->line, review_decision_name(row->decision),
		row->account, row->role, row->why ? row->why : "no memory");
	return 0;
}

static int show_outcome(const struct review *r, bool applied)
{
	size_t failed = both(r, REVIEW_FAILED), stays = both(r, REVIEW_STAYS);
	int st = 0;
	for (size_t i = 0; !st && i < r->nrow; i++)
		if (r->row[i].decision && r->row[i].fate == REVIEW_FAILED)
			st = show_failure(r, &r->row[i]);
	if (!st && applied && r->c->json)
		st = prov_json_line_take(stdout,
			     json_pack("{s:{s:I,s:I,s:I,s:I}}", "applied", "kept",
				     (json_int_t)count(r, REVIEW_KEEP, REVIEW_DONE), "revoked",
				     (json_int_t)count(r, REVIEW_REVOKE, REVIEW_DONE), "failed",
				     (json_int_t)failed, "stays", (json_int_t)stays))
			? ctl_nomem()
			: 0;
	else if (!st && applied)
		printf("%zu kept, %zu revoked, %zu failed\n", count(r, REVIEW_KEEP, REVIEW_DONE),
			count(r, REVIEW_REVOKE, REVIEW_DONE), failed);
	else if (!st && !r->c->json && both(r, REVIEW_DUE))
		puts("nothing is done yet; --apply does it");
	return st ? st : failed || stays ? PROV_EXIT_FINDINGS : 0;
}

static int refuse(const struct review *r)
{
	int st = sync_report_problems(r->c, r->file, &r->broken, "file");
	if (!st)
		st = sync_report_problems(r->c, r->file, &r->refused, "guard");
	if (!st && !r->c->json)
		ctl_say("nothing is applied");
	return st ? st : PROV_EXIT_GUARD;
}

/* -- apply -------------------------------------------------------------------------------------- */

static int judge_and_do(struct review *r)
{
	struct prov_error err = { 0 };
	if (review_plan(r, &err))
		return ctl_fail(&err);
	int st = show_plan(r);
	if (st)
		return st;
	if (r->refused.n)
		return refuse(r);
	fflush(stdout);
	if (arg.apply)
		st = review_apply(r);
	int shown = show_outcome(r, arg.apply);
	return st ? st : shown;
}

static int apply_file(struct ctl *c, struct review *r, const char *path)
{
	struct prov_error err = { 0 };
	const char *slash = strrchr(path, '/');
	r->file = slash ? slash + 1 : path;
	if (review_file_read(r, path, arg.delimiter ? *arg.delimiter : ',', arg.encoding, &err))
		return ctl_fail(&err);
	if (r->broken.n)
		return refuse(r);
	int st = ctl_site(c);
	return st ? st : judge_and_do(r);
}

static int run_apply(struct ctl *c, int argc, char **argv)
{
	struct review r = { .c = c, .name = arg.name, .most = { true, 25, 5 }, .now = time(NULL) };
	if (argc != 1 || !arg.name)
		return prov_options_misuse(&c->opt, "review apply: want --name and one file");
	if (!review_name_ok(arg.name))
		return prov_options_misuse(&c->opt,
			"--name: want up to %d letters, digits, dots, dashes and underscores",
			REVIEW_NAME_MOST);
	if (arg.max_revoke && sync_limit_parse(arg.max_revoke, &r.most))
		return prov_options_misuse(&c->opt, "a threshold is a number, or a share like 5%%");
	if (arg.delimiter && (strlen(arg.delimiter) != 1 || strchr("\"\r\n", *arg.delimiter)))
		return prov_options_misuse(&c->opt, "--delimiter wants one character");
	int st = apply_file(c, &r, argv[0]);
	review_dispose(&r);
	return st;
}

static int run(struct ctl *c, int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "list"))
		return review_list(c, &arg.list);
	if (argc >= 2 && !strcmp(argv[1], "apply"))
		return run_apply(c, argc - 2, argv + 2);
	return prov_options_misuse(&c->opt, "review: want list, or apply FILE");
}

const struct ctl_command cmd_review = {
	"review",
	"[options] review list [--role ROLE] [--manager DN] [--base DN] [--filter F] [--before DAYS]\n"
	"[options] review apply --name NAME FILE [--apply] [--max-revoke N|P%] ...",
	"access reviews: who has which role, and what reviewers decided",
	"\nlist writes a sheet (CSV); the reviewer fills in its columns decision (keep, revoke) and "
	"reason.\napply shows what that means, and with --apply does it. Exit status: 1 some failed "
	"or cannot be\nrevoked here, 3 a guard refused and nothing was applied.\n",
	option,
	sizeof(option) / sizeof(option[0]),
	run,
};
