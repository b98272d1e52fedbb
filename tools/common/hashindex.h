/*
 * hashindex.h - many texts to numbers in a few bytes each: keyed 64-bit hashes, not texts.
 *
 * Every distinct hash gets the next number, from 0. The key is random for each process, so nobody
 * can choose names that collide; two of a million texts do so by chance once in 30 million
 * runs, and count as one then. 16 to 24 bytes a text. Not thread-safe.
 */
#ifndef PROV_HASHINDEX_H
#define PROV_HASHINDEX_H

#include <stddef.h>
#include <stdint.h>

#define PROV_HASHINDEX_NONE UINT32_MAX

struct prov_hashindex {
	size_t n, room;
	uint64_t *hash;
	size_t nslot;   /* a power of two */
	uint32_t *slot; /* number + 1; 0 is free */
};

/* Of bytes; the same within one process only. Never 0. */
uint64_t prov_hash(const void *s, size_t len);
/* Of a text or DN folded as in fold.h; 0: no memory. */
uint64_t prov_hash_text(const char *s, size_t len);
uint64_t prov_hash_dn(const char *s, size_t len);
/* Of a person's name folded as in fold.h; 0: it has no letters, too. */
uint64_t prov_hash_name(const char *s, size_t len);
/* Of a and then b. */
uint64_t prov_hash_join(uint64_t a, uint64_t b);

/* *fresh (may be NULL): was it new? PROV_ENOMEM. */
int prov_hashindex_add(struct prov_hashindex *x, uint64_t hash, uint32_t *number, int *fresh);
/* PROV_HASHINDEX_NONE: not there. */
uint32_t prov_hashindex_find(const struct prov_hashindex *x, uint64_t hash);
void prov_hashindex_dispose(struct prov_hashindex *x);

#endif
