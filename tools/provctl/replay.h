/*
 * replay.h - what was so at a time, from the records of the trail alone. Pure: no I/O.
 *
 * The caller walks the trail and hands in the records in order. A time is a place in the
 * trail: after the last record of a write whose time is not later. Memory: one account's
 * things, or one group's members, and for a group also the renames of entries that are no
 * accounts; never more, however long the trail is.
 *
 * The trail knows what this server wrote. What it cannot know it says in notes: texts
 * for people; `certain` is then false.
 */
#ifndef PROV_CTL_REPLAY_H
#define PROV_CTL_REPLAY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

/* Does the record tell of a write (and not of a delivery, a policy or the trail itself)? */
bool replay_is_write(const json_t *r);
/* A DN at or below `from` with that end replaced by `to`; malloc'ed, NULL: no memory. */
char *replay_moved(const char *dn, const char *from, const char *to);
/* A member's value as a DN: without the bits that a uniqueMember may have (RFC 4517, 3.3.21);
 * folded. A value without "=" is a uid, folded as a text. malloc'ed. */
char *replay_member_key(const char *value);

/* -- which account is meant, and where the time is ------------------------------------------ */

struct replay_find {
	char *key; /* folded DN or uid that is looked for */
	bool is_uid;
	int64_t at; /* us */
	/* filled */
	uint64_t cut;    /* the last record that counts; 0: none */
	json_t *owner;   /* entryUUID to DN, at the cut */
	json_t *now;     /* the same at the record seen last */
	uint64_t first;  /* the first record at all that names it */
	uint64_t gone;   /* the record that ended or renamed the newest owner before the cut */
	uint64_t jumped; /* a record before the cut whose time is more than a minute after it */
	bool dirty;
	uint64_t gone_now, jumped_now;
};
/* who: a DN or a uid. PROV_ENOMEM. */
int replay_find_init(struct replay_find *f, const char *who, int64_t at);
int replay_find_see(struct replay_find *f, uint64_t seq, const json_t *r);
/* A write at this time that concerns nobody who is looked for. PROV_ENOMEM. */
int replay_find_pass(struct replay_find *f, uint64_t seq, int64_t usec);
void replay_find_dispose(struct replay_find *f);

/* -- one account ----------------------------------------------------------------------------- */

struct replay_account {
	char *uuid;
	char *dn, *key, *uid, *uid_key; /* names at the record seen last */
	char *state, *state_since;
	json_t *roles, *groups, *ents; /* folded name to {"dn"|"what", "since", "record", "by"} */
	json_t *attrs;                 /* name to {"since", "record"}: written last */
	json_t *names; /* folded DN or uid to {"owner", "groups"}: of names that are not its own now */
	json_t *notes;
	uint64_t first, last; /* records of its own */
	char *last_time, *last_id;
	bool certain, exists;
};
int replay_account_init(struct replay_account *a, const char *uuid);
/* First pass, up to the cut: all names that it ever had. Groups may have had them before. */
int replay_account_learn(struct replay_account *a, const json_t *r);
int replay_account_see(struct replay_account *a, uint64_t seq, const json_t *r);
void replay_account_dispose(struct replay_account *a);

/* -- one group ------------------------------------------------------------------------------- */

struct replay_group {
	char *target; /* folded DN at the cut */
	int64_t at;   /* us */
	uint64_t cut, jumped, jumped_now;
	json_t *renames; /* of entries that are no accounts: [seq, from, to], folded */
	/* second and third pass */
	json_t *names;   /* [[until seq, folded DN]], oldest first */
	json_t *members; /* key to {"dn", "uid", "entryUUID", "since", "record", "by"} */
	json_t *uids;    /* keys of all uids that people ever put into groups by name */
	json_t *owners;  /* entryUUID to {"key", "dn"}: who has such a uid */
	json_t *notes;
	uint64_t first;
	bool certain, exists;
};
int replay_group_init(struct replay_group *g, const char *dn, int64_t at);
int replay_group_find(struct replay_group *g, uint64_t seq, const json_t *r); /* first pass */
void replay_group_pass(struct replay_group *g, uint64_t seq, int64_t usec);   /* no rename */
int replay_group_named(struct replay_group *g);                  /* between the passes */
int replay_group_learn(struct replay_group *g, const json_t *r); /* second, up to the cut */
int replay_group_see(struct replay_group *g, uint64_t seq, const json_t *r); /* third */
void replay_group_finish(struct replay_group *g); /* at the end: the DNs of members by uid */
void replay_group_dispose(struct replay_group *g);

/* replay.c, for the other two files */
int replay_note(json_t *notes, bool *certain, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* What makes everything after it uncertain: restore, undecodable. */
int replay_doubt(json_t *notes, bool *certain, uint64_t seq, const json_t *r);
bool replay_jumped(int64_t when, int64_t at);
bool replay_group_gone(const json_t *r);
char *replay_fold_dn(const char *dn);
char *replay_fold_text(const char *text);
/* Replace *at with a copy; PROV_ENOMEM. NULL text: becomes NULL. */
int replay_set(char **at, const char *text);
json_t *replay_item(const char *name, const char *text, uint64_t seq, const json_t *r,
	const char *by);

#endif
