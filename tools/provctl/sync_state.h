/*
 * sync_state.h - what a run leaves for the next one, in one file.
 *
 * JSON, replaced as a whole (written beside, synced, renamed), so that it is always one
 * or the other run's; a lock beside it keeps two runs apart. It holds how large the feed
 * was and which columns it had, the keys that were missing and since when, and for whom the feed
 * said last that they had left or were away. Keys are folded. Nothing in it is needed to find
 * accounts: without it, missing rows are counted anew, and nobody who was ended is made active.
 */
#ifndef PROV_SYNC_STATE_H
#define PROV_SYNC_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "strmap.h"

struct sync_state {
	char *path;
	int lock;
	json_t *root;
	bool known;    /* there was a run before */
	bool complete; /* and it came to its end */
	size_t rows;
	/* accounts that the source had when the run began; one that takes up a run that was cut
	 * off began with that one */
	size_t accounts;
};

/*
 * Open it, and lock it when it is going to be written. A file that is not there is a first run. PROV_EBUSY: another run has it;
 * PROV_EIO; PROV_ECORRUPT: it is not such a file; PROV_EINVAL: of another source.
 */
int sync_state_open(const char *path, const char *source, bool lock, struct sync_state **out,
	struct prov_error *err);
/* Write it; `complete`: everything was done, else it is written before something is done. */
int sync_state_write(struct sync_state *s, bool complete, struct prov_error *err);
void sync_state_close(struct sync_state **s);

/* This run's size and columns (NULL: a feed without a head), and how many accounts the source
 * has. PROV_ENOMEM. */
int sync_state_feed(struct sync_state *s, size_t rows, const struct prov_strmap *head,
	size_t accounts, int64_t now);
/* Columns of the last run that are not there now, and new ones, as a text; NULL: none of
 * either. malloc'ed. */
char *sync_state_columns(const struct sync_state *s, const struct prov_strmap *head);

/* The key was missing in so many runs before this, since then. false: it was not. */
bool sync_state_missing(const struct sync_state *s, const char *key, int64_t *since,
	unsigned *runs);
int sync_state_set_missing(struct sync_state *s, const char *key, int64_t since, unsigned runs);
void sync_state_not_missing(struct sync_state *s, const char *key);
/* Forget whoever was missing but is not in this map of keys any more. */
void sync_state_keep_missing(struct sync_state *s, const struct prov_strmap *keys);

/* "left", "away" or NULL. */
const char *sync_state_said(const struct sync_state *s, const char *key);
int sync_state_say(struct sync_state *s, const char *key, const char *what); /* NULL: forget */

#endif
