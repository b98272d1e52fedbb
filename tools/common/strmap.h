/*
 * strmap.h - texts to numbers, in memory: the join table of a scan.
 *
 * Every distinct text gets the next number, from 0, in the order of coming; a
 * number finds its text again. Owns copies of the texts. Texts come from the
 * directory, so the hash is keyed with a random seed: nobody can choose names that
 * collide. Not thread-safe.
 */
#ifndef PROV_STRMAP_H
#define PROV_STRMAP_H

#include <stddef.h>

#define PROV_STRMAP_NONE ((size_t)-1)

struct prov_strmap;

int prov_strmap_new(struct prov_strmap **out); /* PROV_ENOMEM */
void prov_strmap_free(struct prov_strmap **m);
/* The text's number; *fresh (may be NULL) tells whether it was new. PROV_ENOMEM. */
int prov_strmap_add(struct prov_strmap *m, const char *s, size_t *index, int *fresh);
/* PROV_STRMAP_NONE when it is not there. */
size_t prov_strmap_find(const struct prov_strmap *m, const char *s);
size_t prov_strmap_count(const struct prov_strmap *m);
const char *prov_strmap_text(const struct prov_strmap *m, size_t index);

#endif
