/*
 * sync_map.h - the mapping: what the columns of a feed mean for an account.
 *
 * A text file of lines, "keyword argument"; "#" starts a comment line. Expressions are those
 * of provTemplate (template.h) with the names of columns where a template has attributes, so
 * a line of a mapping reads like a line of a role. docs/hr-feed.md lists the keywords.
 *
 * An expression that reads an empty column gives no value, unless it has or:. A cell of
 * blanks alone, or of a text that the mapping calls empty, is empty.
 *
 * A mapping is immutable once it is read, except that expanding a row uses the memory that
 * the caller gives. One thread.
 */
#ifndef PROV_SYNC_MAP_H
#define PROV_SYNC_MAP_H

#include <stdint.h>
#include <stdio.h>

#include "entry.h"
#include "error.h"
#include "template.h"

enum { SYNC_MOST_COLUMNS = 256, SYNC_MOST_TARGETS = 128, SYNC_MOST_MATCHES = 8 };

/* What the feed says of somebody. */
enum sync_said { SYNC_HERE, SYNC_AWAY, SYNC_LEFT };

enum sync_mode {
	SYNC_DEFAULT, /* only while the account has no value */
	SYNC_ENFORCE, /* the feed's value, or none */
	SYNC_REQUIRE  /* the same, and a row without a value is wrong */
};

struct sync_target {
	const char *attr;
	enum sync_mode mode;
	const struct prov_template *t;
	size_t at; /* of attr among the names below */
};

/* Attributes that are read of every account; the first ones always. */
enum sync_name {
	SYNC_N_CLASS,
	SYNC_N_SOURCE,
	SYNC_N_KEY,
	SYNC_N_STATE,
	SYNC_N_START,
	SYNC_N_END,
	SYNC_N_SINCE,
	SYNC_N_FIXED
};
enum { SYNC_MOST_NAMES = SYNC_N_FIXED + SYNC_MOST_TARGETS + SYNC_MOST_MATCHES + 2 };

struct sync_map {
	struct prov_arena arena;
	char *source; /* provSource */
	char delimiter;
	const char *dates, *zone;
	int start_minute, end_minute;
	const struct prov_template *key, *status, *start, *end, *manager, *manager_id;
	struct sync_target rdn;
	const struct prov_template *parent;
	bool parent_enforce;
	const char *manager_attr;
	size_t manager_at;
	size_t nmatch, ntarget, nclass, nstatus, nempty;
	struct sync_target match[SYNC_MOST_MATCHES];
	struct sync_target target[SYNC_MOST_TARGETS];
	const char **class;
	struct sync_status {
		const char *text; /* folded */
		enum sync_said said;
	} * status_text;
	const char **empty;
	/* columns that are read, in the order of cells */
	size_t ncolumn;
	const char *column[SYNC_MOST_COLUMNS];
	const struct prov_type *column_type[SYNC_MOST_COLUMNS];
	/* attributes that are read; ends with NULL */
	size_t nname;
	const char *name[SYNC_MOST_NAMES + 1];
};

/* PROV_EIO: it cannot be read; PROV_EINVAL: the text names file, line and what is wrong. */
int sync_map_read(const char *path, struct sync_map **out, struct prov_error *err);
int sync_map_parse(FILE *in, const char *name, struct sync_map **out, struct prov_error *err);
void sync_map_free(struct sync_map **map);

/* A row, understood. Values without data are not there; they live in the arena. */
struct sync_wish {
	struct prov_val key;
	enum sync_said said;
	bool starts, ends;
	int64_t start, end;
	struct prov_val manager, id; /* key of the manager; what others call this row */
	struct prov_val match[SYNC_MOST_MATCHES];
	struct prov_val value[SYNC_MOST_TARGETS];
};

/*
 * cell: as many as the mapping has columns. PROV_ENOENT: no key. PROV_EINVAL: something
 * else is wrong with the row, and the key is there. The text says what.
 */
int sync_map_row(const struct sync_map *map, const struct prov_val *cell, struct prov_arena *arena,
	struct sync_wish *out, struct prov_error *err);

/*
 * Where the account shall be: value of the naming attribute, and its RDN and parent as DN
 * texts. taken may be NULL when {unique} need not be looked at; it is asked with a
 * value of the naming attribute.
 */
struct sync_place {
	struct prov_val value;
	const char *rdn, *parent;
};
int sync_map_place(const struct sync_map *map, const struct prov_val *cell,
	bool (*taken)(void *ctx, struct prov_val value), void *ctx, struct prov_arena *arena,
	struct sync_place *out, struct prov_error *err);

#endif
