/*
 * monitor.h - our figures on the database's entry below cn=Databases,cn=Monitor.
 *
 * Present when back-monitor is configured and the database is monitored; otherwise
 * opening does nothing. Read each time somebody searches there.
 */
#ifndef PROV_SLAPD_MONITOR_H
#define PROV_SLAPD_MONITOR_H

#include "instance.h"

struct prov_monitor; /* opaque */

struct prov_figures {
	uint64_t follow_done, follow_total; /* accounts of the job at hand, or the last one */
	uint64_t follow_pending; /* still to do there; at least 1 while any job is stored */
	uint64_t backlog;        /* capture rows that are not yet relayed */
	uint64_t relayed;        /* capture rows that are */
	uint64_t policy_generation;
	char policy_error[256]; /* empty: the policy is in force */
	char info[512];         /* empty: nothing to tell */
};

/* Sets pi->monitor. 0 when there is no back-monitor, too. Nonzero: logged. */
int prov_monitor_open(struct prov_instance *pi);
void prov_monitor_close(struct prov_instance *pi);

/* In runtime.c: may be called at any time between open and close, from any thread. */
void prov_runtime_figures(struct prov_instance *pi, struct prov_figures *out);

#endif
