/*
 * findings_history.h - what scans before this one found: a file of JSON Lines.
 *
 * First {"format":"slapo-provision scan history","v":1,"suffix":…,"time":…,"findings":N}, then a
 * finding a line: key (finding_key), check, first (when a scan first found it), and when true
 * exempt and sent. No names of people. Mode 0600, and always whole: it is written aside, synced and
 * renamed. Findings of checks that a scan leaves out are carried over. Not thread-safe; of two
 * scans at a time the last one to end is remembered.
 */
#ifndef PROV_CTL_FINDINGS_HISTORY_H
#define PROV_CTL_FINDINGS_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "finding.h"

struct history_row {
	char key[33];
	unsigned char check;
	bool exempt; /* somebody had answered for it */
	bool sent;   /* connectors were told */
	int64_t first;
};

struct history {
	int64_t last; /* when the last scan was; 0: there was none */
	size_t n, room;
	struct history_row *row; /* by key, once read */
};

/*
 * No file is an empty history. PROV_ECORRUPT, PROV_EVERSION: not one of ours, or not whole.
 * PROV_EINVAL: of another directory than suffix. PROV_EIO, PROV_ENOMEM.
 */
int history_read(const char *file, const char *suffix, struct history *out, struct prov_error *err);
/* NULL: not there. */
const struct history_row *history_find(const struct history *h, const char *key);
/* PROV_ENOMEM. Does not keep the order: for one that is going to be written. */
int history_add(struct history *h, const struct history_row *row);
/* h->last is the time of this scan. PROV_EIO. */
int history_write(const char *file, const char *suffix, const struct history *h,
	struct prov_error *err);
void history_dispose(struct history *h);

#endif
