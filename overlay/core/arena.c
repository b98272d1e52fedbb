/*
 * arena.c - a list of blocks, filled from the front, freed together.
 */
#include "arena.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 4096
#define ALIGN alignof(max_align_t)

struct prov_arena_block {
	struct prov_arena_block *next;
	size_t used, size;
	alignas(max_align_t) unsigned char data[];
};

void *prov_arena_alloc(struct prov_arena *a, size_t size)
{
	struct prov_arena_block *b = a->head;

	if (size > SIZE_MAX - ALIGN - sizeof(*b))
		return NULL;
	size = (size + ALIGN - 1) / ALIGN * ALIGN;
	if (!b || b->size - b->used < size) {
		size_t room = size > BLOCK ? size : BLOCK;
		struct prov_arena_block *fresh = malloc(sizeof(*fresh) + room);
		if (!fresh)
			return NULL;
		fresh->size = room;
		fresh->used = 0;
		fresh->next = b;
		a->head = b = fresh;
	}
	void *p = b->data + b->used;
	b->used += size;
	memset(p, 0, size);
	return p;
}

void *prov_arena_array(struct prov_arena *a, size_t n, size_t size)
{
	if (size && n > SIZE_MAX / size)
		return NULL;
	return prov_arena_alloc(a, n * size);
}

char *prov_arena_strndup(struct prov_arena *a, const char *s, size_t len)
{
	char *p = len < SIZE_MAX ? prov_arena_alloc(a, len + 1) : NULL;

	if (p && len)
		memcpy(p, s, len);
	return p;
}

char *prov_arena_printf(struct prov_arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *p = NULL;

	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	if (n >= 0 && (p = prov_arena_alloc(a, (size_t)n + 1)))
		vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return p;
}

void prov_arena_dispose(struct prov_arena *a)
{
	while (a->head) {
		struct prov_arena_block *b = a->head;
		a->head = b->next;
		free(b);
	}
}
