/*
 * risk.h - how bad it is: a figure for each entry that findings are about, and one for the
 * directory, and what they are made up of.
 *
 * An entry's risk is the weight of its heaviest finding and a tenth of each other's, 100 at most.
 * The directory's is the sum of these over the accounts that were looked at, 100 at most: their
 * mean. Weights: finding_about(). All in whole tenths of a point, so that parts add up. Pure.
 */
#ifndef PROV_CTL_RISK_H
#define PROV_CTL_RISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "finding.h"

#define RISK_MOST 1000 /* tenths */

struct risk_part {
	size_t finding;  /* number in the list */
	unsigned points; /* tenths */
};

struct risk_entry {
	const char *dn, *uid; /* of its first finding; borrowed */
	unsigned risk;        /* tenths */
	size_t first, n;      /* in risk.part, heaviest first */
};

struct risk {
	size_t n; /* entries, worst first */
	struct risk_entry *entry;
	size_t nparts;
	struct risk_part *part;
	uint64_t total;                    /* tenths, over all entries */
	uint64_t by_check[FINDING_CHECKS]; /* tenths; they add up to total */
	size_t band[FINDING_CRITICAL + 1]; /* entries by risk_band() */
	size_t accounts;                   /* looked at */
};

/* counts: a flag for each finding of the list, or NULL: all count. Keeps borrowed texts of the list.
 * PROV_ENOMEM. */
int risk_make(const struct findings *list, const bool *counts, struct risk *out);
void risk_dispose(struct risk *r);

/* The directory's figure in thousandths of a point, 0 to 100,000; so for a part of the total. */
unsigned risk_share(const struct risk *r, uint64_t tenths);
/* From 90 points critical, from 50 high, from 20 medium, else low. */
enum finding_severity risk_band(unsigned tenths);

#endif
