/*
 * exemptions.h - findings that somebody has answered for, until a day.
 *
 * A file of CSV (RFC 4180, the first row names the columns) or of JSON Lines (the first
 * character is "{"). Columns or members: check (an id, or "*"), dn or pattern ("*" and "?" stand
 * for anything, case does not matter), related (optional), reason, owner, expires (RFC 3339,
 * generalized time, or a date: to its end in UTC). All but related must be filled. Owns copies
 * of everything. Not thread-safe.
 */
#ifndef PROV_CTL_EXEMPTIONS_H
#define PROV_CTL_EXEMPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "finding.h"
#include "strmap.h"

struct exemption {
	enum finding_check check; /* FINDING_CHECKS: all */
	char *dn;                 /* folded; NULL: pattern */
	char *pattern;            /* folded as a text */
	char *related;            /* folded, or NULL: any */
	char *reason, *owner;
	int64_t expires; /* the first second in which it does not hold any more */
	size_t line;     /* in the file, from 1; of CSV: the row */
	size_t used;     /* findings that it excuses */
	size_t next;     /* of the same DN; (size_t)-1: none */
};

struct exemptions {
	const char *file; /* borrowed */
	size_t n, room;
	struct exemption *item;
	struct prov_strmap *dns; /* of the exact ones: number to first */
	size_t *first;
	size_t npattern;
	size_t *pattern;
};

/* PROV_EINVAL names file, line and reason, and then nothing is exempt: half a list of exceptions
 * would be somebody's surprise. PROV_EIO, PROV_ENOMEM. */
int exemptions_read(const char *file, struct exemptions *out, struct prov_error *err);

/*
 * The exemption of a finding that holds at now (seconds), else NULL; *expired: one that would
 * have, and is over, else NULL. Counts the use of the one that holds. PROV_ENOMEM.
 */
int exemptions_find(struct exemptions *x, const struct finding *f, int64_t now,
	const struct exemption **holds, const struct exemption **expired);
/* Holds, is for a check that ran (ran: as in struct findings), and yet excused nothing? */
bool exemption_idle(const struct exemption *e, uint32_t ran, int64_t now);
void exemptions_dispose(struct exemptions *x);

#endif
