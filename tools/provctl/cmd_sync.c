/*
 * cmd_sync.c - provctl sync: the HR feed becomes joiners, movers, leavers, rehires.
 *
 * Owns the options and the order of things: read all of the feed, look at all accounts, show
 * the difference, let the guards judge it, and only then write. sync_run.h has the steps.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "sync_run.h"

static struct {
	const char *feed, *map, *encoding, *grace, *state_file;
	const char *max_leavers, *max_changes, *max_joiners;
	const char *feed_dn, *feed_pw;
	unsigned shrink, skip_bad, batch, feed_tls;
	bool apply, plan, new_columns, reactivate, override;
} arg = { .grace = "3d", .shrink = 10, .batch = 50 };

static const struct prov_option option[] = {
	{ "feed", 0, PROV_OPTION_TEXT, &arg.feed, "FEED", "csv:FILE, ldif:FILE or ldap:URL" },
	{ "map", 0, PROV_OPTION_TEXT, &arg.map, "FILE", "what its columns mean" },
	{ "apply", 0, PROV_OPTION_FLAG, &arg.apply, NULL, "do it; else only show it" },
	{ "plan", 0, PROV_OPTION_FLAG, &arg.plan, NULL, "show what the policy would do, too" },
	{ "state-file", 0, PROV_OPTION_TEXT, &arg.state_file, "FILE",
		"what one run leaves for the next one" },
	{ "grace", 0, PROV_OPTION_TEXT, &arg.grace, "N|Nd",
		"a missing row is a leaver after N runs or days (3d)" },
	{ "max-leavers", 0, PROV_OPTION_TEXT, &arg.max_leavers, "N|P%",
		"most leavers and suspensions (5%, at least 5)" },
	{ "max-changes", 0, PROV_OPTION_TEXT, &arg.max_changes, "N|P%",
		"most changed accounts (25%, at least 50)" },
	{ "max-joiners", 0, PROV_OPTION_TEXT, &arg.max_joiners, "N|P%",
		"most joiners (25%, at least 50)" },
	{ "max-shrink", 0, PROV_OPTION_NUMBER, &arg.shrink, "P",
		"percent of rows that the feed may lose from run to run (10)" },
	{ "skip-bad", 0, PROV_OPTION_NUMBER, &arg.skip_bad, "N",
		"leave up to N wrong or disputed rows alone (0)" },
	{ "new-columns", 0, PROV_OPTION_FLAG, &arg.new_columns, NULL,
		"the columns may differ from the last run's" },
	{ "reactivate", 0, PROV_OPTION_FLAG, &arg.reactivate, NULL,
		"also accounts that were ended or suspended by somebody else" },
	{ "override", 0, PROV_OPTION_FLAG, &arg.override, NULL, "go on past the server's breaker" },
	{ "encoding", 0, PROV_OPTION_TEXT, &arg.encoding, "NAME", "of a CSV file (UTF-8)" },
	{ "batch", 0, PROV_OPTION_NUMBER, &arg.batch, "N",
		"how many writes are on their way (50)" },
	{ "feed-bind-dn", 0, PROV_OPTION_TEXT, &arg.feed_dn, "DN", "bind to the feed's server" },
	{ "feed-password-file", 0, PROV_OPTION_TEXT, &arg.feed_pw, "FILE",
		"the whole file is its password" },
	{ "feed-starttls", 0, PROV_OPTION_COUNT, &arg.feed_tls, NULL,
		"StartTLS to the feed's server; twice: it must succeed" },
};

/* Thresholds and grace from their options. */
static int read_limits(struct ctl *c, struct sync_guards *g, struct sync_grace *grace)
{
	*g = (struct sync_guards){ .leavers = { true, 5, 5 },
		.changes = { true, 25, 50 },
		.joiners = { true, 25, 50 },
		.shrink = arg.shrink,
		.skip_bad = arg.skip_bad,
		.new_columns = arg.new_columns };
	if ((arg.max_leavers && sync_limit_parse(arg.max_leavers, &g->leavers)) ||
		(arg.max_changes && sync_limit_parse(arg.max_changes, &g->changes)) ||
		(arg.max_joiners && sync_limit_parse(arg.max_joiners, &g->joiners)))
		return prov_options_misuse(&c->opt, "a threshold is a number, or a share like 5%%");
	if (sync_grace_parse(arg.grace, grace))
		return prov_options_misuse(&c->opt,
			"--grace wants a number of runs, or of days: 3d");
	if (arg.shrink > 100)
		return prov_options_misuse(&c->opt, "--max-shrink wants percent");
	if (!arg.batch || arg.batch > 1000)
		return prov_options_misuse(&c->opt, "--batch wants 1 to 1000");
	return 0;
}

static int take_row(void *ctx, size_t line, const struct prov_val *cell, struct prov_error *err)
{
	struct sync_run *r = ctx;
	return sync_rows_add(r->rows, line, cell, &r->broken, &r->bad, err);
}

static int read_feed(struct sync_run *r, struct sync_feed *f, struct prov_error *err)
{
	const struct prov_ldap_options server = { .bind_dn = arg.feed_dn,
		.password_file = arg.feed_pw,
		.starttls = arg.feed_tls,
		.timeout = r->c->common.ldap.timeout,
		.quiet = true };
	*f = (struct sync_feed){ .name = r->feed,
		.delimiter = r->map->delimiter,
		.encoding = arg.encoding,
		.ncolumn = r->map->ncolumn,
		.column = r->map->column,
		.take = take_row,
		.ctx = r,
		.bad = &r->broken };
	if (!strncmp(arg.feed, "csv:", 4))
		return sync_feed_csv(f, arg.feed + 4, err);
	if (!strncmp(arg.feed, "ldif:", 5))
		return sync_feed_ldif(f, arg.feed + 5, err);
	return sync_feed_ldap(f,
		strncmp(arg.feed, "ldap:", 5) || !strncmp(arg.feed, "ldap://", 7) ? arg.feed
										  : arg.feed + 5,
		r->c, &server, err);
}

/* The file's last part; a URL as it is. */
static const char *feed_name(const char *feed)
{
	if (strncmp(feed, "csv:", 4) != 0 && strncmp(feed, "ldif:", 5) != 0)
		return feed;
	const char *slash = strrchr(feed, '/');
	return slash ? slash + 1 : strchr(feed, ':') + 1;
}

static bool is_feed(const char *s)
{
	return !strncmp(s, "csv:", 4) || !strncmp(s, "ldif:", 5) || !strncmp(s, "ldap:", 5) ||
		!strncmp(s, "ldaps://", 8) || !strncmp(s, "ldapi://", 8);
}

static int open_all(struct sync_run *r, struct prov_error *err)
{
	int rc = sync_map_read(arg.map, &r->map, err);
	if (rc)
		return rc;
	if (sync_rows_new(r->map, &r->rows) || prov_strmap_new(&r->missing_key) ||
		(prov_template_volatile(r->map->rdn.t) && prov_strmap_new(&r->taken)))
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	return arg.state_file
		? sync_state_open(arg.state_file, r->map->source, arg.apply, &r->state, err)
		: 0;
}

static void close_all(struct sync_run *r)
{
	for (size_t i = 0; i < r->nchange; i++) {
		json_decref(r->change[i].plan);
		free(r->change[i].why);
	}
	free(r->change);
	free(r->candidate);
	free(r->missing);
	free(r->note);
	sync_rows_free(&r->rows);
	sync_state_close(&r->state);
	sync_problems_dispose(&r->broken);
	sync_problems_dispose(&r->bad);
	sync_problems_dispose(&r->refused);
	prov_strmap_free(&r->taken);
	prov_strmap_free(&r->missing_key);
	sync_map_free(&r->map);
	prov_arena_dispose(&r->arena);
}

/* What this run knows, for the next one; before anything is written, and again at the end. */
static int remember(struct sync_run *r, const struct sync_feed *f, struct prov_error *err)
{
	struct sync_state *s = r->state;
	int rc = sync_state_feed(s, f->rows, f->head, r->known, r->now);
	sync_state_keep_missing(s, r->missing_key);
	for (size_t i = 0; !rc && i < r->nmissing; i++) {
		const struct sync_missing *m = &r->missing[i];
		if (m->over)
			sync_state_not_missing(s, m->key);
		else
			rc = sync_state_set_missing(s, m->key, m->since, m->runs);
		/* back one day, it is the feed that ended it */
		if (!rc && !m->over && m->due)
			rc = sync_state_say(s, m->key, "left");
	}
	for (size_t i = 0; !rc && i < r->rows->n; i++) {
		const struct sync_row *row = &r->rows->row[i];
		const char *key = sync_rows_key(r->rows, i);
		if (row->bad)
			continue;
		if (row->left || row->away)
			rc = sync_state_say(s, key, row->left ? "left" : "away");
		else if (!row->idle)
			rc = sync_state_say(s, key, NULL);
	}
	if (rc)
		return prov_error_set(err, rc, "no memory");
	return sync_state_write(s, false, err);
}

static int apply(struct sync_run *r, const struct sync_feed *f, const struct sync_doing *d)
{
	struct prov_error err = { 0 };
	if (r->state && remember(r, f, &err))
		return ctl_fail(&err);
	fflush(stdout);
	int st = sync_apply(r, d);
	if (!st && r->state && sync_state_write(r->state, true, &err))
		st = ctl_fail(&err);
	return st;
}

/* The feed is in memory and good so far: compare, show, judge, do. */
static int compare(struct sync_run *r, const struct sync_feed *f, const struct sync_guards *g)
{
	struct prov_error err = { 0 };
	const struct sync_doing d = { arg.batch, arg.override, !isatty(STDERR_FILENO) };
	if (sync_run_pass(r, &err))
		return ctl_fail(&err);
	sync_guard_changes(r, g);
	int st = 0;
	if (arg.plan && !r->refused.n)
		st = sync_plan(r, &d);
	if (!st)
		st = sync_report_changes(r);
	if (!st)
		st = sync_report_refusal(r);
	if (st)
		return st;
	bool doing = arg.apply && !r->refused.n;
	size_t planned = r->failed;
	r->failed = 0;
	if (doing)
		st = apply(r, f, &d);
	int said = sync_report_summary(r, doing);
	if (st || said)
		return st ? st : said;
	if (r->refused.n)
		return PROV_EXIT_GUARD;
	return r->failed || r->bad.n || (!doing && planned) ? PROV_EXIT_FINDINGS : 0;
}

static int sync_all(struct sync_run *r, const struct sync_guards *g)
{
	struct prov_error err = { 0 };
	struct sync_feed f = { 0 };
	int st = 0;
	if (open_all(r, &err))
		return ctl_fail(&err);
	/* the feed may be in this directory too; else a broken one costs no connection */
	bool here = strncmp(arg.feed, "csv:", 4) != 0 && strncmp(arg.feed, "ldif:", 5) != 0;
	if (here)
		st = ctl_site(r->c);
	if (!st && read_feed(r, &f, &err))
		st = ctl_fail(&err);
	if (!st)
		sync_guard_feed(r, &f, g);
	if (!st && (r->broken.n || r->refused.n)) {
		st = sync_report_refusal(r);
		st = st ? st : PROV_EXIT_GUARD;
	}
	if (!st)
		st = ctl_site(r->c);
	if (!st)
		st = compare(r, &f, g);
	sync_feed_dispose(&f);
	return st;
}

static int run(struct ctl *c, int argc, char **argv)
{
	struct sync_run r = { .c = c, .now = time(NULL), .revive = arg.reactivate };
	struct sync_guards g;
	(void)argv;
	if (argc > 1 || !arg.feed || !arg.map)
		return prov_options_misuse(&c->opt, "sync: want --feed and --map, and no operands");
	if (!is_feed(arg.feed))
		return prov_options_misuse(&c->opt, "--feed wants csv:FILE, ldif:FILE or ldap:URL");
	int st = read_limits(c, &g, &r.grace);
	if (st)
		return st;
	r.feed = feed_name(arg.feed);
	st = sync_all(&r, &g);
	close_all(&r);
	return st;
}

const struct ctl_command cmd_sync = {
	"sync",
	"[options] sync --feed FEED --map FILE [--apply] [--plan] [--state-file FILE] ...",
	"bring accounts in line with a feed of the source of truth (HR)",
	"\nWithout --apply it shows the difference and changes nothing. Exit status: 1 some changes "
	"failed\nor rows were left alone, 3 a guard refused and nothing was applied (or the server's "
	"breaker stopped it).\n",
	option,
	sizeof(option) / sizeof(option[0]),
	run,
};
