/* sync_guard.c - what a run must not do without being told to. See sync_run.h. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sync_run.h"

enum { SMALL = 5 }; /* so many rows fewer are no shrinking */

static int number(const char *text, const char **rest, unsigned *out)
{
	char *end = NULL;
	if (!isdigit((unsigned char)*text))
		return PROV_EINVAL;
	errno = 0;
	unsigned long v = strtoul(text, &end, 10);
	if (errno || v > 0x7fffffffUL)
		return PROV_EINVAL;
	*out = (unsigned)v;
	*rest = end;
	return 0;
}

int sync_limit_parse(const char *text, struct sync_limit *out)
{
	const char *rest;
	if (number(text, &rest, &out->n))
		return PROV_EINVAL;
	out->share = *rest == '%';
	rest += out->share;
	return *rest || (out->share && out->n > 100) ? PROV_EINVAL : 0;
}

int sync_grace_parse(const char *text, struct sync_grace *out)
{
	const char *rest;
	if (number(text, &rest, &out->n) || out->n > 36500)
		return PROV_EINVAL;
	out->days = *rest == 'd';
	return rest[out->days] ? PROV_EINVAL : 0;
}

void sync_guard_feed(struct sync_run *r, const struct sync_feed *feed, const struct sync_guards *g)
{
	struct sync_problems *no = &r->refused;
	if (!r->broken.n && !r->rows->n)
		sync_problem_add(no, 0, "the feed has no rows: an empty feed is refused");
	if (!r->state || !r->state->known)
		return;
	char *columns =
		g->new_columns || !feed->head ? NULL : sync_state_columns(r->state, feed->head);
	if (columns)
		sync_problem_add(no, 0,
			"the columns are not those of the last run: %s (--new-columns takes them)",
			columns);
	free(columns);
	size_t was = r->state->rows, is = feed->rows;
	if (is < was && was - is > SMALL && (was - is) * 100 > (size_t)g->shrink * was)
		sync_problem_add(no, 0,
			"the feed shrank from %zu rows to %zu, more than %u %% (--max-shrink)", was,
			is, g->shrink);
}

size_t sync_limit_most(const struct sync_limit *l, size_t of)
{
	size_t n = l->share ? of * l->n / 100 : l->n;
	return l->share && n < l->least ? l->least : n;
}

static void check(struct sync_run *r, const char *what, const char *option, size_t n, size_t of,
	const struct sync_limit *l)
{
	size_t limit = sync_limit_most(l, of);
	if (n <= limit)
		return;
	sync_problem_add(&r->refused, 0, "%zu %s of %zu accounts, more than %zu (%s %u%s)", n, what,
		of, limit, option, l->n, l->share ? "%" : "");
}

void sync_guard_changes(struct sync_run *r, const struct sync_guards *g)
{
	size_t leavers = r->count[SYNC_LEAVER] + r->count[SYNC_AWAYER];
	size_t changes = leavers + r->count[SYNC_MOVER] + r->count[SYNC_REHIRE];
	if (r->bad.n > g->skip_bad)
		sync_problem_add(&r->refused, 0, "%zu rows that are wrong or disputed%s", r->bad.n,
			g->skip_bad ? ", more than --skip-bad lets through" : "");
	/* an end date that is wrong ends an account as well as a status, only later */
	check(r, "leavers, suspensions and ends within a week", "--max-leavers",
		leavers + r->ending, r->known, &g->leavers);
	/* the first run has nothing to compare with; one that was cut off is still the first */
	bool first = r->state && r->state->known && !r->state->complete ? !r->state->accounts
									: !r->known;
	if (!first) {
		check(r, "changes", "--max-changes", changes, r->known, &g->changes);
		check(r, "joiners", "--max-joiners", r->count[SYNC_JOINER], r->known, &g->joiners);
	} else if (r->keyless > r->count[SYNC_MOVER]) {
		/* people who are there, and whom no row adopts, would all come once more */
		check(r, "joiners beside accounts that no row matches, in a directory",
			"--max-joiners", r->count[SYNC_JOINER], r->keyless, &g->joiners);
	}
}
