/*
 * stamps.h - what the accounts' stamps have to be, from the trail. Pure.
 *
 * One row of about 100 bytes per account that the trail has ever named, 24 bytes per group
 * that somebody was taken out of by hand, whatever the length of the trail.
 */
#ifndef PROV_CTL_STAMPS_H
#define PROV_CTL_STAMPS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct stamp {
	unsigned char uuid[16];
	unsigned char id[16]; /* change id of the newest record that stamps the entry */
	uint64_t seq;         /* of that record */
	uint64_t roles;       /* those in force, as one number */
	int64_t time;         /* of that record, seconds */
	int64_t since;        /* of the record that changed the state last; 0: not known */
	int64_t csn;          /* of that record, us */
	char state[12];       /* "" when it ended */
	bool seen;            /* for the caller: it is in the directory */
	bool used;
};

struct stamps;

int stamps_new(struct stamps **out); /* PROV_ENOMEM */
void stamps_free(struct stamps **s);
/* The next record. PROV_ENOMEM. */
int stamps_see(struct stamps *s, uint64_t seq, const json_t *r);
/* NULL: the trail has no record of its own about it. Valid until the next record. */
struct stamp *stamps_find(const struct stamps *s, const char *uuid);
/* The record of a group that somebody was taken out of, with this change id; 0: none. */
uint64_t stamps_taken(const struct stamps *s, const unsigned char id[16]);
/* Each account; a nonzero return stops. */
int stamps_each(struct stamps *s, int (*see)(void *ctx, struct stamp *st), void *ctx);

uint64_t stamps_last(const struct stamps *s);      /* number of the last record seen */
int64_t stamps_first_time(const struct stamps *s); /* of the first one with a time, seconds */
/* The bytes of a change id that are in order: UUIDv7's milliseconds (RFC 9562, 5.7); the rest is random. */
enum { STAMPS_TIME = 6 };
/* Is a change with this id not newer than the newest that is known, to the millisecond? */
bool stamps_knows_until(const struct stamps *s, const unsigned char id[16]);
/* Does a write of this server's have a CSN with this server number? (CSN: see below) */
bool stamps_knows_server(const struct stamps *s, unsigned sid);

/* There were writes that no record here tells of: another server's, or lost in a restore. Then what only the
 * sum of all records tells (roles, since when) is not known. A record with "missing" says so, too. */
void stamps_set_gaps(struct stamps *s);
bool stamps_gaps(const struct stamps *s);

/* A role as a number: roles in force are the exclusive or of all. */
uint64_t stamps_role(const char *dn);
/* A UUID as text to bytes; false when it is none. */
bool stamps_uuid(const char *text, unsigned char out[16]);
/* "20261125020238.094281Z#000000#000#000000" to microseconds and server number. */
bool stamps_csn(const char *text, int64_t *usec, unsigned *sid);

#endif
