/*
 * telling.h - what deliveries say for the trail (store/reports.h): which ends of an attempt
 * are worth a record, and the records until they are saved with the progress they tell of.
 *
 * Main thread. As many wait in memory as attempts ended since the last save.
 */
#ifndef PROVD_TELLING_H
#define PROVD_TELLING_H

#include "daemon.h"
#include "report.h"

/* The event ended for this connector (done or parked). Only the ends of events that take access
 * away are told. Out of memory: logged, the delivery goes on. */
void provd_report_end(struct provd *p, const struct channel *ch, const struct prov_delivery *d,
	const char *type, const struct prov_result *r, bool superseded);
void provd_reports_saved(struct provd *p); /* they are on disk: forget them */

#endif
