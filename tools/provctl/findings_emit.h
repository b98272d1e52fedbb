/*
 * findings_emit.h - findings as events to connectors, on the way that imported events take.
 *
 * An event scan.finding of each finding that is not exempt and was not told before (whatever
 * --new leaves out: telling may have failed the last time), for the connectors
 * whose provEvent has a pattern that begins with "scan." (one that wants everything, or has no
 * provEvent, wants what happens to accounts). Kinds that keep accounts (scim, ldap, caep) have no use
 * for it and are passed over. A connector's provFilter holds for the entry. The event's id is made
 * of the finding's key and of when it was first found, so telling it twice is known as such.
 */
#ifndef PROV_CTL_FINDINGS_EMIT_H
#define PROV_CTL_FINDINGS_EMIT_H

#include "ctl.h"
#include "findings_report.h"

/* 0, or PROV_EXIT_CANNOT after saying why; no connector that wants them is such a reason. */
int findings_emit(struct ctl *c, const struct report *r);

/* "xxxxxxxx-xxxx-8xxx-yxxx-xxxxxxxxxxxx": UUIDv8 (RFC 9562, section 5.8). */
void findings_event_id(const struct report_item *it, char out[37]);

#endif
