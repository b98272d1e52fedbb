/*
 * actor.h - who makes a write, from where and how, its id and its time; and the
 * audit attributes that say so on the account.
 */
#ifndef PROV_SLAPD_ACTOR_H
#define PROV_SLAPD_ACTOR_H

#include "slapd.h"

#include "record.h"
#include "timefmt.h"
#include "uuid.h"

struct prov_stamp {
	char id[PROV_UUID_TEXT];
	int64_t secs;
	unsigned usec;
	char time[PROV_TIME_TEXT];  /* RFC 3339 */
	char gtime[PROV_TIME_TEXT]; /* generalized */
	struct prov_actor actor;    /* borrows from the operation and from below */
	struct berval authc;
	struct prov_val reason;
	char via[128];
};

/* A fresh UUIDv7; falls back to slapd's own randomness. */
void prov_stamp_uuid(char out[PROV_UUID_TEXT]);
void prov_stamp_now(struct prov_stamp *s, Operation *op);
void prov_stamp_dispose(struct prov_stamp *s); /* one of zeroes, too */

/* Is it done as whom the connection is bound as now? op->o_conn is there. */
bool prov_actor_is_bound(Operation *op);
/* Is it done, by an overlay above, as somebody else, with no control that says so? */
bool prov_actor_is_other(Operation *op);

/* Append provChange... (and provCreate... for an add) to the list. before: the entry
 * as it was, NULL for an add. LDAP result code. */
int prov_stamp_mods(const struct prov_stamp *s, Operation *op, Entry *before, Modifications **list,
	struct prov_error *err);

#endif
