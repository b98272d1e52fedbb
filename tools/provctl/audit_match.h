/*
 * audit_match.h - which trail records a question asks for. Pure: no I/O.
 *
 * Records are the JSON of record.h. A filter that is not given matches everything.
 * DNs are compared folded (fold.h).
 */
#ifndef PROV_CTL_AUDIT_MATCH_H
#define PROV_CTL_AUDIT_MATCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct audit_filter {
	char *account; /* folded DN, or folded uid or entryUUID when account_is_uid */
	bool account_is_uid;
	char *actor;                 /* folded DN */
	char *group;                 /* folded DN */
	const char *change, *reason; /* reason: a part of it, any case */
	const char *op;
	const char *connector, *outcome; /* of records about deliveries */
	bool has_since, has_until;
	int64_t since, until; /* seconds; both inclusive */
};

/*
 * A point in time: generalized time, RFC 3339, a date (2026-11-24, its start in UTC),
 * or "90m" "12h" "7d" "2w" before now. PROV_EINVAL.
 */
int audit_time(const char *text, int64_t now, int64_t *out);
/* The same in microseconds, with a fraction where there is one. A time without a fraction is the
 * end of its second when `late`, as people mean it by "at" and "until". */
int audit_usec(const char *text, int64_t now, bool late, int64_t *out);
bool audit_match(const struct audit_filter *f, const json_t *record);
void audit_filter_dispose(struct audit_filter *f);

/* Member of a record as text, "" when it is not a string. */
const char *audit_text(const json_t *record, const char *name);
/* One line that says what a record did: "+cn=x -cn=y active->terminated mail, title". malloc'ed. */
char *audit_summary(const json_t *record);

#endif
