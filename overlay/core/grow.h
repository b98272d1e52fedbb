/* grow.h - arrays that grow by doubling. */
#ifndef PROV_GROW_H
#define PROV_GROW_H

#include <stddef.h>

/* array: the address of the pointer, of whatever type. Room for one more of `size` bytes behind
 * the n that are there. Pages that are not used yet cost nothing. PROV_ENOMEM: it is as it was. */
int prov_grow(void *array, size_t n, size_t *room, size_t size);

#endif
