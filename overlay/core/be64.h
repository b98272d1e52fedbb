/* be64.h - numbers as 8 bytes, big-endian: the order of the bytes is the order of the numbers. */
#ifndef PROV_BE64_H
#define PROV_BE64_H

#include <stdint.h>

#include "entry.h" /* struct prov_val */

void prov_be64_put(unsigned char out[8], uint64_t v);
int prov_be64_get(struct prov_val in, uint64_t *v); /* PROV_ECORRUPT unless 8 bytes */

#endif
