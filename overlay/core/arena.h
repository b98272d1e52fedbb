/*
 * arena.h - memory that lives as long as one evaluation (or one policy).
 *
 * Allocations are never freed one by one; prov_arena_dispose() frees all. Not
 * thread-safe: one arena belongs to one thread at a time. A failed allocation
 * returns NULL and leaves the arena usable.
 */
#ifndef PROV_ARENA_H
#define PROV_ARENA_H

#include <stddef.h>

struct prov_arena_block;
struct prov_arena {
	struct prov_arena_block *head;
};

#define PROV_ARENA_INIT \
	{ \
		NULL \
	}

void *prov_arena_alloc(struct prov_arena *a, size_t size); /* zeroed, aligned for any type */
void *prov_arena_array(struct prov_arena *a, size_t n, size_t size);       /* overflow-checked */
char *prov_arena_strndup(struct prov_arena *a, const char *s, size_t len); /* terminated */
char *prov_arena_printf(struct prov_arena *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void prov_arena_dispose(struct prov_arena *a); /* an empty arena is fine */

#endif
