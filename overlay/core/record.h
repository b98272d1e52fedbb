/*
 * record.h - the change record: what one committed write did, as canonical JSON.
 *
 * Canonical: UTF-8, keys sorted, no white space (jansson JSON_COMPACT |
 * JSON_SORT_KEYS). The same bytes are captured in the database, chained in the
 * trail and cut into events. See docs/formats.md for every field.
 */
#ifndef PROV_RECORD_H
#define PROV_RECORD_H

#include <stdint.h>

#include "entry.h"
#include "error.h"
#include "evaluate.h"

struct prov_actor {
	struct prov_val authz, authc, from, via; /* DN, DN, peer, mechanism;tls;ssf */
};

struct prov_record_event {
	enum prov_event type;
	const char *id; /* UUIDv7 text */
	size_t nroute;
	const char **route; /* connector names */
};

struct prov_record {
	const char *op; /* add modify rename delete follow adopt group policy */
	struct prov_val change_id, time /* RFC 3339, microseconds, Z */, csn;
	struct prov_val dn, new_dn /* after a rename */, uuid, uid;
	struct prov_actor actor;
	struct prov_val reason;
	const struct prov_plan *plan; /* or NULL */
	size_t nattr;
	const char **attr; /* names of the attributes that changed */
	size_t nmember_change;
	const struct prov_member *member_change; /* group writes: dn is the member, add or not */
	size_t nevent;
	const struct prov_record_event *event;
	size_t nvalue;
	const struct prov_attr
		*value; /* that connectors may have; of a policy's record: its rules */
};

/* Encode into malloc'ed *out (the caller's, free()). */
int prov_record_encode(const struct prov_record *r, char **out, size_t *len,
	struct prov_error *err);

/* A record taken apart, to cut events out of it. One thread's own. */
struct prov_record_doc;

/* PROV_ECORRUPT: not a JSON object. *out is the caller's, prov_record_free(). */
int prov_record_parse(const char *record, size_t len, struct prov_record_doc **out,
	struct prov_error *err);
void prov_record_free(struct prov_record_doc **doc);
size_t prov_record_events(const struct prov_record_doc *doc);

/*
 * Cut the n-th event (0-based) out of a record as a CloudEvents 1.0 JSON object
 * (the body design, with a member "route": [...] and "values": {...} beside
 * "data", which provd takes off before sending). source: LDAP URL of server and
 * suffix. sequence: the outbox sequence. malloc'ed. PROV_ENOENT past the last.
 */
int prov_record_event_json(const struct prov_record_doc *doc, size_t n, const char *source,
	uint64_t sequence, char **out, size_t *outlen, struct prov_error *err);

#endif
