/* findings_out.c - see findings_out.h. */
#include "findings_out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit_match.h" /* audit_time() */
#include "findings_emit.h"
#include "findings_report.h"
#include "wholefile.h"

static struct {
	bool csv, ldif, summary, scorecard, quiet, only_new, emit;
	const char *html, *history, *since, *exemptions, *fail_on, *metrics_file;
} arg;

const struct prov_option findings_option[] = {
	{ "csv", 0, PROV_OPTION_FLAG, &arg.csv, NULL, "findings as CSV, for a spreadsheet" },
	{ "ldif", 0, PROV_OPTION_FLAG, &arg.ldif, NULL, "the remedy as LDIF, for ldapmodify" },
	{ "html", 0, PROV_OPTION_TEXT, &arg.html, "FILE",
		"a page to read and to print; - for standard output" },
	{ "summary", 0, PROV_OPTION_FLAG, &arg.summary, NULL,
		"a mail: its first line is the subject" },
	{ "scorecard", 0, PROV_OPTION_FLAG, &arg.scorecard, NULL,
		"risk of each entry, and what it is made up of" },
	{ "quiet", 0, PROV_OPTION_FLAG, &arg.quiet, NULL, "print nothing: exit status and files" },
	{ "metrics-file", 0, PROV_OPTION_TEXT, &arg.metrics_file, "FILE",
		"figures for Prometheus' textfile collector" },
	{ "new", 0, PROV_OPTION_FLAG, &arg.only_new, NULL, "only what the last scan did not have" },
	{ "since", 0, PROV_OPTION_TEXT, &arg.since, "TIME",
		"only what was first found then or later (2026-11-24, 7d, ...)" },
	{ "history", 0, PROV_OPTION_TEXT, &arg.history, "FILE",
		"where scans are remembered (scan-history.jsonl in the state directory)" },
	{ "exemptions", 0, PROV_OPTION_TEXT, &arg.exemptions, "FILE",
		"findings that somebody answers for, with reason, owner and end" },
	{ "fail-on", 0, PROV_OPTION_TEXT, &arg.fail_on, "SEVERITY",
		"exit status 1 only from low, medium, high or critical on" },
	{ "emit", 0, PROV_OPTION_FLAG, &arg.emit, NULL,
		"tell connectors that want scan.* of each finding, once" },
	{ NULL, 0, PROV_OPTION_FLAG, NULL, NULL, NULL },
};

static double clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int check_options(struct ctl *c, struct findings_out *o)
{
	bool html = arg.html && strcmp(arg.html, "-") == 0;
	int forms = c->json + arg.csv + arg.ldif + arg.summary + arg.quiet + html +
		(arg.scorecard && !c->json);

	if (forms > 1)
		return prov_options_misuse(&c->opt,
			"only one of --json, --csv, --ldif, --summary, --scorecard, --quiet and "
			"--html - can have standard output (--scorecard goes with --json)");
	o->worst_wanted = arg.fail_on ? finding_severity_parse(arg.fail_on) : FINDING_LOW;
	if (o->worst_wanted < 0)
		return prov_options_misuse(&c->opt,
			"--fail-on: want low, medium, high or critical, not %s", arg.fail_on);
	if (arg.since && audit_time(arg.since, o->now, &o->since))
		return prov_options_misuse(&c->opt, "--since: not a time: %s", arg.since);
	return 0;
}

static int open_history(struct ctl *c, struct findings_out *o)
{
	struct prov_error err = { 0 };
	char *dir = NULL;
	int st = ctl_site(c);

	if (!st && arg.history)
		o->history_file = strdup(arg.history);
	else if (!st)
		st = ctl_state_dir(c, &dir);
	if (dir && asprintf(&o->history_file, "%s/scan-history.jsonl", dir) < 0)
		o->history_file = NULL;
	free(dir);
	if (st)
		return st;
	if (!o->history_file)
		return ctl_nomem();
	return history_read(o->history_file, c->server.suffix, &o->history, &err) ? ctl_fail(&err)
										  : 0;
}

int findings_out_begin(struct ctl *c, struct findings_out *o)
{
	struct prov_error err = { 0 };

	memset(o, 0, sizeof(*o));
	o->now = time(NULL);
	o->began = clock_now();
	int st = check_options(c, o);
	if (!st && arg.exemptions) {
		if (exemptions_read(arg.exemptions, &o->exemptions, &err))
			return ctl_fail(&err);
		o->exempts = true;
	}
	if (!st && (arg.only_new || arg.since || arg.history || arg.emit))
		st = open_history(c, o);
	return st;
}

static void warn_unused(const struct findings_out *o, const struct findings *found)
{
	for (size_t i = 0; i < o->exemptions.n; i++) {
		const struct exemption *e = &o->exemptions.item[i];
		if (exemption_idle(e, found->ran, o->now))
			ctl_say("%s: line %zu excuses nothing any more", o->exemptions.file,
				e->line);
	}
}

static int print(struct ctl *c, const struct report *r)
{
	if (arg.quiet)
		return 0;
	if (arg.html && strcmp(arg.html, "-") == 0)
		return findings_as_html(r, stdout);
	if (c->json)
		return arg.scorecard ? findings_as_json_scorecard(r, stdout)
				     : findings_as_json(r, stdout);
	return arg.csv          ? findings_as_csv(r, stdout)
		: arg.ldif      ? findings_as_ldif(r, stdout)
		: arg.summary   ? findings_as_summary(r, stdout)
		: arg.scorecard ? findings_as_scorecard(r, stdout)
				: findings_as_table(r, stdout);
}

static int write_html(void *ctx, FILE *f)
{
	return findings_as_html(ctx, f);
}

static int write_metrics(void *ctx, FILE *f)
{
	return findings_as_metrics(ctx, f);
}

/* A page names people; figures do not, and another user reads them. */
static int write_files(struct report *r)
{
	struct prov_error err = { 0 };

	if (arg.html && strcmp(arg.html, "-") != 0 &&
		prov_wholefile(arg.html, 0600, write_html, r, &err))
		return ctl_fail(&err);
	if (arg.metrics_file && prov_wholefile(arg.metrics_file, 0644, write_metrics, r, &err))
		return ctl_fail(&err);
	return 0;
}

static int remember(const struct findings_out *o, const struct report *r, const char *suffix,
	bool sent)
{
	struct prov_error err = { 0 };
	struct history h = { 0 };

	if (!o->history_file)
		return 0;
	if (report_remember(r, sent, &h))
		return ctl_nomem();
	int rc = history_write(o->history_file, suffix, &h, &err);
	history_dispose(&h);
	return rc ? ctl_fail(&err) : 0;
}

static int tell(struct ctl *c, const struct findings_out *o, struct report *r)
{
	int st = print(c, r) ? ctl_nomem() : write_files(r);

	if (!st && (fflush(stdout) || ferror(stdout)))
		st = ctl_say("cannot write the output: %s", strerror(errno));
	if (!arg.quiet)
		warn_unused(o, r->found);
	if (!st)
		st = remember(o, r, c->server.suffix, false);
	if (!st && arg.emit) { /* an event's id holds when it was first found: that is kept first */
		st = findings_emit(c, r);
		if (!st)
			st = remember(o, r, c->server.suffix, true);
	}
	return st;
}

int findings_out_end(struct ctl *c, struct findings_out *o, struct findings *found)
{
	const struct report_ask ask = {
		.suffix = c->server.suffix ? c->server.suffix : "",
		.at = o->now,
		.seconds = clock_now() - o->began,
		.history = o->history_file ? &o->history : NULL,
		.only_fresh = arg.only_new,
		.since = o->since,
		.exemptions = o->exempts ? &o->exemptions : NULL,
	};
	struct report r;

	findings_sort(found);
	if (report_make(found, &ask, &r))
		return ctl_nomem();
	int st = tell(c, o, &r);
	if (!st && report_worst(&r) >= o->worst_wanted)
		st = PROV_EXIT_FINDINGS;
	report_dispose(&r);
	return st;
}

void findings_out_dispose(struct findings_out *o)
{
	free(o->history_file);
	history_dispose(&o->history);
	exemptions_dispose(&o->exemptions);
}
