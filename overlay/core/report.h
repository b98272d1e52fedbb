/*
 * report.h - what became of an event at a connected system, as a record for the trail. Pure.
 *
 * provd and provctl write such records into the delivery environment (store/reports.h); the relay
 * takes them into the trail. Canonical JSON, as in record.h.
 */
#ifndef PROV_REPORT_H
#define PROV_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum prov_report_outcome {
	PROV_REPORT_PROVEN,     /* access was taken away, and it was looked that it is gone */
	PROV_REPORT_DELIVERED,  /* the destination was told; it alone knows what it did */
	PROV_REPORT_SUPERSEDED, /* not sent: a later event of the account was carried out */
	PROV_REPORT_UNPROVEN,   /* given up (parked): nobody knows whether access is gone */
	PROV_REPORT_DROPPED,    /* by an admin */
	PROV_REPORT_FORGOTTEN,  /* the connector's progress was thrown away by an admin */
};

/* Does an event of this type (without its prefix) take access away? What became of it is told,
 * and is missing from the evidence when it is not. */
bool prov_report_takes_away(const char *type);

struct prov_report {
	const char *id;    /* UUIDv7 of this record */
	int64_t ms;        /* when, milliseconds since the epoch */
	const char *actor; /* DN of who did it; NULL: the daemon by itself */
	enum prov_report_outcome outcome;
	const char *connector;
	const char *reason; /* an admin's; or NULL */
	const char *note;   /* what was found; or NULL */
	uint64_t seq;       /* of the event; 0: about none */
	/* The event as it is in the outbox (record.h); len 0: it is not there any more. */
	const char *event;
	size_t len;
};

/* malloc'ed *out (free()). PROV_ENOMEM. An event that does not parse is left out. */
int prov_report_encode(const struct prov_report *r, char **out, struct prov_error *err);

/*
 * An event of another server that takes its place in our outbox. event: as exported, with
 * "route" and perhaps "values". PROV_EINVAL: it is no event; the text says what is missing.
 */
struct prov_import {
	const char *id, *actor, *source; /* of the record; who; LDAP URL of where it comes from */
	int64_t ms;
	const char *event;
	size_t len;
};
int prov_import_encode(const struct prov_import *i, char **out, struct prov_error *err);

/*
 * A record that something was put back to an older copy, or replaced. actor: "slapd" or "provd",
 * who has noticed; reason: what, and what follows from it; missing: how many changes of the database
 * have no record.
 */
int prov_restore_encode(const char *id, int64_t ms, const char *actor, const char *reason,
	uint64_t missing, char **out, struct prov_error *err);

/*
 * In the relay: is this such a record? *event: malloc'ed, an imported event with its new
 * sequence, to be put into the outbox; NULL: there is none. PROV_ECORRUPT.
 */
int prov_report_take(const char *record, size_t len, uint64_t sequence, char **event,
	struct prov_error *err);

#endif
