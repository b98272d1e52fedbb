/*
 * against.h - one account's stamps against the trail: what does not agree. Reads single records
 * of the trail, not the directory.
 */
#ifndef PROV_CTL_AGAINST_H
#define PROV_CTL_AGAINST_H

#include "audit.h"
#include "stamps.h"

/* What the directory says of an account. */
struct against_entry {
	char *dn, *uuid, *uid, *id, *csn, *created;
	char state[12];
	int64_t time, since; /* seconds; 0: the stamp is not there */
	uint64_t roles;
};
/* *e is filled anew; PROV_ENOMEM. */
int against_entry_read(LDAP *ld, LDAPMessage *m, struct against_entry *e);
void against_entry_dispose(struct against_entry *e);
extern const char *const against_attrs[];

enum against_kind {
	AGAINST_AGREES,
	AGAINST_BEFORE,    /* older than the trail and never written since: no finding */
	AGAINST_ELSEWHERE, /* written last at another server: no finding */
	AGAINST_ADDED,
	AGAINST_CHANGED,
	AGAINST_DIFFERS,
	AGAINST_MISSING,
	AGAINST_CUT,
	AGAINST_OLDER,
	AGAINST_GONE,
};
const char *against_name(enum against_kind k);

/* Judge. text: why, for people (room bytes); *record: the one that it is about, 0: none. */
enum against_kind against_judge(struct audit_trail *t, const struct stamps *s,
	const struct against_entry *e, char *text, size_t room, uint64_t *record);

/* The record, decoded; NULL when it is not there or cannot be read. The caller's. */
json_t *against_record(struct audit_trail *t, uint64_t seq);

#endif
