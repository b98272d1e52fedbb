/*
 * sync_feed.h - the rows of a feed, one at a time: CSV (RFC 4180), LDIF (RFC 2849), LDAP.
 *
 * The caller names the columns that it wants; each row comes as so many cells, in that
 * order, and lives during the call. Nothing else is kept. Rows are numbered as an editor
 * numbers lines: a row is the line that it begins on (the head of a CSV is row 1); entries of an
 * LDAP search are counted from 1.
 *
 * What is wrong with the feed goes into a list with its rows, and reading goes on where that
 * makes sense, so that one run shows all of it. A feed with a problem is not to be used.
 * Refused so: text that is not UTF-8, is in another encoding than was said, was encoded twice
 * or has lost characters (U+FFFD); control characters; a number of fields that is not
 * the head's; a quote in the wrong place or without an end; a column that is there twice
 * or not at all; a row without a key in an LDIF file is the caller's matter.
 */
#ifndef PROV_SYNC_FEED_H
#define PROV_SYNC_FEED_H

#include <stdio.h>
#include <stdint.h>

#include "ctl.h"
#include "entry.h"
#include "error.h"
#include "strmap.h"
#include "sync_problem.h"

struct sync_feed {
	/* what is asked for */
	const char *name; /* for texts: the file's last part, or the URL */
	char delimiter;
	const char *encoding; /* NULL: UTF-8 */
	size_t ncolumn;
	const char *const *column;
	int (*take)(void *ctx, size_t row, const struct prov_val *cell, struct prov_error *err);
	void *ctx;
	struct sync_problems *bad;
	/* what was seen: start with zeroes; sync_feed_dispose() */
	size_t rows;
	struct prov_strmap *head; /* folded names of the columns, in their order; CSV only */
};

/* 0 also when there are problems. PROV_EIO, PROV_EINVAL (a bad URL), PROV_ENOMEM, or what
 * take() returned; the text says what. */
int sync_feed_csv(struct sync_feed *f, const char *path, struct prov_error *err);
int sync_feed_ldif(struct sync_feed *f, const char *path, struct prov_error *err);
/* url without host: the connection of c. Else one of its own, with the options of o. */
int sync_feed_ldap(struct sync_feed *f, const char *url, struct ctl *c,
	const struct prov_ldap_options *o, struct prov_error *err);
void sync_feed_dispose(struct sync_feed *f);

/* Put a problem of this text into the list, if there is one. true: it is good. */
bool sync_feed_text(struct sync_feed *f, size_t row, const char *what, const char *s, size_t len);

/* -- the bytes of a file as UTF-8 (sync_text.c) -- */

struct sync_text;
/* encoding NULL: UTF-8. A byte order mark is taken off. PROV_EIO, PROV_EINVAL (unknown
 * encoding), PROV_EREFUSED: it is in another encoding than that; the text has a hint. */
int sync_text_open(const char *path, const char *encoding, struct sync_text **out,
	struct prov_error *err);
/* Some bytes into buf: their number, 0 at the end, or a PROV_ code. */
long sync_text_read(struct sync_text *t, char *buf, size_t room, struct prov_error *err);
void sync_text_close(struct sync_text **t);

#endif
