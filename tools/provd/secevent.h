/*
 * secevent.h - what an event of ours is as a security event: the claims of a Security Event
 * Token (RFC 8417) as the Shared Signals Framework 1.0 profiles it. Pure.
 *
 *   account.suspended, .terminated  RISC 1.0 account-disabled
 *   account.restored                RISC 1.0 account-enabled
 *   account.deleted                 RISC 1.0 account-purged
 *   session.revoked                 CAEP 1.0 session-revoked
 *   account.updated, the password   CAEP 1.0 credential-change
 *   connector.test                  SSF 1.0 verification
 *
 * The others are none.
 */
#ifndef PROVD_SECEVENT_H
#define PROVD_SECEVENT_H

#include <jansson.h>
#include <stdint.h>

#include "error.h"

enum prov_subject_format {    /* RFC 9493, 3.2 */
	PROV_SUBJECT_OPAQUE,  /* the entryUUID */
	PROV_SUBJECT_EMAIL,   /* a mail address */
	PROV_SUBJECT_ISS_SUB, /* who names it, and the name */
};

struct prov_secevent_profile {
	const char *issuer, *audience; /* audience NULL: no claim */
	enum prov_subject_format format;
	const char *attribute;      /* with the mail address or the name */
	const char *subject_issuer; /* of iss_sub */
};

/*
 * *claims: the caller's, or NULL when it is no security event. now: seconds, for iat; the
 * event's own time is in toe and event_timestamp. PROV_EINVAL: the account has no such attribute.
 */
int prov_secevent_claims(const struct prov_secevent_profile *p, const json_t *event, int64_t now,
	json_t **claims, struct prov_error *err);

#endif
