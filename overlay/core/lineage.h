/*
 * lineage.h - was an environment put back to an older copy? Pure.
 *
 * An environment has a counter that only grows (rows, events, saves). Whoever writes it begins a
 * new stretch of numbers, with a random id, each time it is opened; the list of stretches is its
 * lineage. Who reads it keeps a copy. Where the copy and the lineage part, numbers mean different
 * things: the environment was put back, and went on another way. An environment that was put
 * back and has not gone on yet is only shorter.
 *
 * Stored: byte 1, then for each stretch its first number (be64) and its id (16 bytes). The oldest
 * of more than PROV_LINEAGE_MOST are forgotten.
 */
#ifndef PROV_LINEAGE_H
#define PROV_LINEAGE_H

#include <stdint.h>

#include "entry.h" /* struct prov_val */
#include "error.h"

#define PROV_LINEAGE_MOST 256
#define PROV_LINEAGE_ID 16
#define PROV_LINEAGE_BYTES (1 + PROV_LINEAGE_MOST * (8 + PROV_LINEAGE_ID))

struct prov_stretch {
	uint64_t from;
	unsigned char id[PROV_LINEAGE_ID];
};

struct prov_lineage {
	size_t n;
	struct prov_stretch at[PROV_LINEAGE_MOST];
};

/* Nothing stored (length 0): an empty one. PROV_ECORRUPT. */
int prov_lineage_decode(struct prov_val stored, struct prov_lineage *out);
/* Returns how many bytes of out are used. */
size_t prov_lineage_encode(const struct prov_lineage *l, char out[PROV_LINEAGE_BYTES]);

/* A stretch that begins with this number; it replaces one in which no number was given. */
void prov_lineage_begin(struct prov_lineage *l, uint64_t from,
	const unsigned char id[PROV_LINEAGE_ID]);

/* The first number that may mean something else in the other: 0 when they have nothing in common,
 * UINT64_MAX when they are the same. */
uint64_t prov_lineage_fork(const struct prov_lineage *a, const struct prov_lineage *b);

#endif
