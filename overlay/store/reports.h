/*
 * reports.h - what delivery has to say for the trail: rows of the delivery environment,
 * written with the progress that they tell of, taken by the relay, then trimmed.
 *
 * Key be64 number, value version byte 1 then a record of core/report.h. The relay notes in
 * the state environment (meta "report") which it has; so each record gets into the trail
 * once, whatever dies in between, and neither side writes the other's environment.
 */
#ifndef PROV_REPORTS_H
#define PROV_REPORTS_H

#include "kv.h"
#include "report.h"

/* A UUIDv7 for a record. PROV_EIO: no random bytes. out: PROV_UUID_TEXT bytes. */
int prov_report_new_id(int64_t ms, char *out);

/* t: of the delivery environment. noted: the newest that the relay has (prov_reports_noted), so
 * that numbers go on when the environment was made anew. */
int prov_reports_put(struct prov_kv_txn *t, uint64_t noted, const char *record);
/* t: of the state environment. */
int prov_reports_noted(struct prov_kv_txn *t, uint64_t *noted);
/* Rows after `after`, oldest first; a nonzero return stops and is returned. */
int prov_reports_each(struct prov_kv_txn *t, uint64_t after,
	int (*see)(void *ctx, uint64_t number, struct prov_val record), void *ctx);
/* Delete rows up to that number. */
int prov_reports_trim(struct prov_kv_txn *t, uint64_t upto);

/* In the relay: the record into the trail, an imported event into the outbox, and noted.
 * A row that is no report is noted and left out: err says so, *fresh is false. */
int prov_state_take_report(struct prov_kv_txn *t, uint64_t number, struct prov_val record,
	bool *fresh, struct prov_error *err);

#endif
