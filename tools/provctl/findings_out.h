/*
 * findings_out.h - what becomes of a scan's findings: the options of the outputs, and the two calls
 * around a scan. Progress and the scan itself are elsewhere.
 *
 * One run per process: the options are read into one struct.
 */
#ifndef PROV_CTL_FINDINGS_OUT_H
#define PROV_CTL_FINDINGS_OUT_H

#include "ctl.h"
#include "exemptions.h"
#include "finding.h"
#include "findings_history.h"

extern const struct prov_option findings_option[]; /* ends with an entry without a name */

struct findings_out {
	int worst_wanted;   /* a severity that counts for the exit status */
	char *history_file; /* NULL: none is kept */
	struct history history;
	struct exemptions exemptions;
	bool exempts;
	int64_t now, since;
	double began; /* seconds of a clock that does not jump */
};

/* Before the scan: what is wrong with options, exemptions and history is said before an hour is
 * spent. 0 or an exit status. */
int findings_out_begin(struct ctl *c, struct findings_out *o);
/*
 * After it: sorts, prints, writes the files, remembers, and tells connectors, in this order: what
 * was not printed is not remembered. PROV_EXIT_OK, PROV_EXIT_FINDINGS or PROV_EXIT_CANNOT.
 */
int findings_out_end(struct ctl *c, struct findings_out *o, struct findings *found);
void findings_out_dispose(struct findings_out *o);

#endif
