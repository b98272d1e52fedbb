/*
 * scan_options.h - what a scan is asked to look for, and the call that looks.
 *
 * One table of options and one struct that they are read into, both for one run of
 * one process. The outputs' own options are elsewhere: they are no part of a scan.
 */
#ifndef PROV_CTL_SCAN_OPTIONS_H
#define PROV_CTL_SCAN_OPTIONS_H

#include "ctl.h"
#include "finding.h"

struct scan_options {
	const char *source, *logins, *break_glass, *birth, *sizes;
	struct prov_option_list check; /* ids; none: all that can be looked for */
	struct prov_option_list match, require, target;
	unsigned max_missing, max_shrink;                                /* percent */
	unsigned dormant, dormant_service, dormant_admin, dormant_glass; /* days; 0: never */
	unsigned stale_suspended;                                        /* days; 0: never */
	unsigned undelivered;                                            /* minutes */
	unsigned min_uid;
};

extern struct scan_options scan_options;
extern const struct prov_option scan_option[]; /* ends with an entry without a name */

/*
 * scan.c: connect, look, fill *found (unsorted; the caller's, also after an error).
 * 0 or an exit status after saying why: PROV_EXIT_GUARD when a source is refused, and
 * then nothing was found.
 */
int scan_run(struct ctl *c, const struct scan_options *o, struct findings *found);

#endif
