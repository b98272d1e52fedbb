/*
 * sync_run.h - one run of provctl sync, and its steps in their order.
 *
 * feed -> rows -> one pass over the accounts -> changes -> guards -> report -> apply.
 * Rows and changes are in memory; accounts are not: they go by, and only those without a key
 * that a row might adopt are kept until the end of the pass. One thread.
 */
#ifndef PROV_SYNC_RUN_H
#define PROV_SYNC_RUN_H

#include "ctl.h"
#include "sync_diff.h"
#include "sync_feed.h"
#include "sync_problem.h"
#include "sync_rows.h"
#include "sync_state.h"

/* A threshold: a number, or a share of the accounts of the source. */
struct sync_limit {
	bool share;
	unsigned n;     /* accounts, or percent */
	unsigned least; /* a share always lets so many through */
};

/* --grace: a missing row is a leaver after so many runs, or so many days. */
struct sync_grace {
	bool days;
	unsigned n;
};

struct sync_candidate { /* an account without a key, and a row that it matches */
	size_t row;
	struct sync_account *account;
};

struct sync_missing { /* an account of the source whose row is not there (any more) */
	const char *key, *dn;
	bool over, due;
	int64_t since;
	unsigned runs;
	struct sync_account *account;
};

struct sync_note { /* something to know that stops nothing */
	size_t line;
	const char *text;
};

struct sync_run {
	struct ctl *c;
	struct sync_map *map;
	const char *feed; /* for texts */
	int64_t now;
	struct sync_grace grace;
	bool revive; /* --reactivate */
	struct prov_arena arena;
	struct sync_rows *rows;
	struct sync_state *state; /* NULL: none */
	struct sync_problems broken, bad, refused;
	struct prov_strmap *taken; /* {unique}: values of the naming attribute, folded */
	struct prov_strmap *missing_key;
	size_t known;   /* accounts of the source that are not over */
	size_t keyless; /* accounts of no source, the same */
	size_t ncandidate, nmissing, nchange, nnote;
	struct sync_candidate *candidate;
	struct sync_missing *missing;
	struct sync_change *change;
	struct sync_note *note;
	/* for the report */
	size_t unchanged, gone, ending, count[SYNC_NKIND]; /* ending: movers who end soon */
	size_t done, failed;
};

/* -- the pass (sync_pass.c, sync_match.c) -- */
/* One account. PROV_ENOMEM. */
int sync_run_see(struct sync_run *r, const struct sync_account *a, struct prov_arena *scratch,
	struct prov_error *err);
/* After the last one: who of the rest is to be adopted. */
int sync_run_match_rest(struct sync_run *r, struct prov_error *err);
/* All accounts of the directory, and the end. */
int sync_run_pass(struct sync_run *r, struct prov_error *err);
int sync_run_note(struct sync_run *r, size_t line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int sync_run_push(struct sync_run *r, const struct sync_change *c, size_t row,
	struct prov_error *err);
int sync_run_diff(struct sync_run *r, size_t row, const struct sync_account *a,
	struct prov_arena *scratch, struct prov_error *err);

/* -- guards (sync_guard.c) -- */
struct sync_guards {
	struct sync_limit leavers, changes, joiners;
	unsigned shrink; /* percent */
	unsigned skip_bad;
	bool new_columns;
};
/* "10" or "5%". PROV_EINVAL. */
int sync_limit_parse(const char *text, struct sync_limit *out);
/* How many that is, of so many. */
size_t sync_limit_most(const struct sync_limit *l, size_t of);
/* "3" or "3d". PROV_EINVAL. */
int sync_grace_parse(const char *text, struct sync_grace *out);
/* Fills r->refused: when it stays empty, all is well. Rows that are left alone under skip_bad
 * are no refusal. */
void sync_guard_feed(struct sync_run *r, const struct sync_feed *feed, const struct sync_guards *g);
void sync_guard_changes(struct sync_run *r, const struct sync_guards *g);

/* -- showing (sync_report.c): 0 or an exit status -- */
int sync_report_changes(struct sync_run *r);
int sync_report_refusal(struct sync_run *r);
/* what: the kind of problem, for JSON. */
int sync_report_problems(const struct ctl *c, const char *feed, const struct sync_problems *p,
	const char *what);
int sync_report_failure(struct sync_run *r, const struct sync_change *c);
int sync_report_summary(struct sync_run *r, bool applied);
const char *sync_kind_name(enum sync_kind k);

/* -- doing (sync_apply.c): 0 or an exit status -- */
struct sync_doing {
	unsigned batch;
	bool override, quiet;
};
int sync_plan(struct sync_run *r, const struct sync_doing *d);
int sync_apply(struct sync_run *r, const struct sync_doing *d);

#endif
