/* scan.c - one scan from its options to its findings; see scan.h. */
#include "scan.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

bool scan_wants(const struct scan *s, enum finding_check check)
{
	return s->checks >> check & 1;
}

/* A line on a terminal, five times a second. NULL ends it. */
void scan_progress(struct scan *s, const char *what, size_t n)
{
	struct timespec t;
	if (what && n % 256) /* the clock is not asked for every entry */
		return;
	if (s->progress_at < 0)
		return;
	if (!s->progress_at && !isatty(STDERR_FILENO)) {
		s->progress_at = -1;
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &t);
	int64_t ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
	if (what && ms - s->progress_at < 200)
		return;
	s->progress_at = ms;
	if (what)
		fprintf(stderr, "\rscan: %zu %s\033[K", n, what);
	else
		fprintf(stderr, "\r\033[K");
	fflush(stderr);
}

static const struct {
	int (*run)(struct scan *s, struct prov_error *err);
	bool guards; /* it may refuse a source */
} step[] = {
	{ scan_source_load, true },
	{ scan_logins_load, true },
	{ scan_policy, false },
	{ scan_glass, false },
	{ scan_people, false },
	{ scan_source_join, true },
	{ scan_groups, false },
	{ scan_refs, false },
	{ scan_settle, false },
	{ scan_settle_members, false },
	{ scan_settle_grants, false },
	{ scan_pairs, false },
	{ scan_source_missing, false },
	{ scan_targets, true },
	{ scan_outbox, false },
};

static int steps(struct scan *s, struct prov_error *err)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < sizeof(step) / sizeof(step[0]); i++) {
		rc = step[i].run(s, err);
		/* what a server refuses us is no guard */
		if (rc == PROV_EREFUSED && !step[i].guards)
			rc = PROV_EIO;
	}
	if (!rc && s->source.place)
		rc = scan_history_keep(s, s->opt->source, s->keys.n, err);
	scan_progress(s, NULL, 0);
	return rc;
}

int scan_run(struct ctl *c, const struct scan_options *o, struct findings *found)
{
	struct scan s = { .ctl = c, .opt = o, .found = found };
	struct prov_error err = { 0 };
	int st, rc = scan_set_up(&s, &err);
	if (rc) {
		st = rc == PROV_EINVAL ? prov_options_misuse(&c->opt, "%s", err.text)
				       : ctl_fail(&err);
		scan_dispose(&s);
		return st;
	}
	st = ctl_site(c);
	rc = st ? 0 : steps(&s, &err);
	if (rc) {
		st = ctl_fail(&err);
		if (rc == PROV_EREFUSED)
			st = PROV_EXIT_GUARD;
		findings_dispose(found); /* nothing is told of half a scan */
	}
	found->ran = rc ? 0 : s.checks;
	scan_dispose(&s);
	return st;
}
