/*
 * sync_rows.h - the rows of a feed in memory, found by key.
 *
 * A row keeps its cells (those that the mapping reads), packed into one piece of memory, and is
 * put through the mapping whenever it is looked at: what it costs is its text and about a
 * hundred bytes. Owns everything; rows do not move once all are in.
 */
#ifndef PROV_SYNC_ROWS_H
#define PROV_SYNC_ROWS_H

#include "strmap.h"
#include "sync_map.h"
#include "sync_problem.h"

#define SYNC_NO_ROW ((size_t)-1)

struct sync_row {
	size_t line;
	char *packed;       /* the cells, each with a NUL behind */
	char *dn;           /* of its account, once that is known; malloc'ed */
	char *conflict;     /* an account of somebody else with a value to match by; malloc'ed */
	size_t manager;     /* row of the manager, or SYNC_NO_ROW */
	const char *has;    /* DN that the account has as manager now; malloc'ed */
	unsigned bad : 1;   /* something is wrong with it: it is left alone */
	unsigned found : 1; /* there is an account with its key */
	unsigned disputed : 1;
	unsigned joins : 1;
	unsigned failed : 1;
	unsigned left : 1;   /* the feed says so */
	unsigned away : 1;   /* the same */
	unsigned idle : 1;   /* its account is ended or suspended now */
	unsigned over : 1;   /* ended */
	unsigned change : 1; /* there is one in the list of changes, at: */
	size_t change_at;
};

struct sync_rows {
	const struct sync_map *map;
	size_t n, room;
	struct sync_row *row;
	struct prov_strmap *key; /* folded; the number of a key is that of its row */
	struct prov_strmap *id;  /* the same for what managers are named by; NULL: the key */
	size_t *id_row, id_room;
	struct {
		struct prov_strmap *value; /* folded */
		size_t *row, room;         /* the first that has it */
		unsigned char *twice;      /* 1: several rows have it; 2: and an account */
	} match[SYNC_MOST_MATCHES];
};

int sync_rows_new(const struct sync_map *map, struct sync_rows **out);
void sync_rows_free(struct sync_rows **rows);

/*
 * Take a row. What is wrong with it alone goes into bad, and the row is marked; without a
 * key, or with one that was there, into broken: then the feed is not to be used. 0 or PROV_ENOMEM.
 */
int sync_rows_add(struct sync_rows *rows, size_t line, const struct prov_val *cell,
	struct sync_problems *broken, struct sync_problems *bad, struct prov_error *err);

/* The row's cells again: as many as the mapping has columns, in the arena. NULL: no memory. */
const struct prov_val *sync_rows_cells(const struct sync_rows *rows, size_t i,
	struct prov_arena *arena);
/* Its wish. 0 for every row that is not bad, else PROV_ENOMEM. */
int sync_rows_wish(const struct sync_rows *rows, size_t i, struct prov_arena *arena,
	struct sync_wish *out, struct prov_error *err);
/* SYNC_NO_ROW when there is none. PROV_ENOMEM only by *out SYNC_NO_ROW and rc. */
int sync_rows_by_key(const struct sync_rows *rows, struct prov_val key, size_t *out);
int sync_rows_by_id(const struct sync_rows *rows, struct prov_val id, size_t *out);
const char *sync_rows_key(const struct sync_rows *rows, size_t i); /* folded */

#endif
