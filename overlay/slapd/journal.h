/* journal.h - the record and the events of a write, put into its own transaction. */
#ifndef PROV_SLAPD_JOURNAL_H
#define PROV_SLAPD_JOURNAL_H

#include "write.h"

/* entry: the account (or group, or policy entry) after the write, before it for a
 * delete. 0 or a prov_err with w->err filled. */
int prov_journal_capture(struct prov_write *w, Entry *entry);

#endif
