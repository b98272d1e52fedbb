/*
 * replay_skip.h - which records a replay need not decode. Pure.
 *
 * Decoding is nearly all that a walk costs. Records are canonical JSON, so a member's name in
 * quotes stands only where the member is. A name is looked for without regard to case; where
 * a record or the name has anything that could be spelled in another way (a backslash, a byte that
 * is not ASCII), the record is decoded.
 */
#ifndef PROV_CTL_REPLAY_SKIP_H
#define PROV_CTL_REPLAY_SKIP_H

#include "entry.h" /* struct prov_val */
#include "replay.h"

struct replay_skip {
	size_t n;
	char **word;
	bool off; /* a name that cannot be looked for: nothing is skipped */
};
/* A folded DN (its first value counts) or uid, or an entryUUID. PROV_ENOMEM. */
int replay_skip_add(struct replay_skip *s, const char *name);
void replay_skip_dispose(struct replay_skip *s);
/* May it name one of them? */
bool replay_skip_named(const struct replay_skip *s, struct prov_val text);
bool replay_skip_has(struct prov_val text, const char *part);
/* Can it change who is in which group, whoever it names? Also what makes the rest uncertain. */
bool replay_skip_groups(struct prov_val text);
/* Kind and time of a record without decoding it; false: decode it. */
bool replay_skip_time(struct prov_val text, bool *write, int64_t *usec);

#endif
