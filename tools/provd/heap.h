/*
 * heap.h - a binary heap of (due, seq), the smallest on top, with removal from the middle.
 *
 * Owns only its array; nodes belong to the caller and are embedded in his things.
 */
#ifndef PROVD_HEAP_H
#define PROVD_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_node {
	int64_t due;
	uint64_t seq;
	size_t at; /* place in the array, from 1; 0: not in the heap */
};

struct heap {
	struct heap_node **node;
	size_t n, room;
};

int heap_init(struct heap *h, size_t room); /* PROV_ENOMEM; room: the most nodes ever */
void heap_dispose(struct heap *h);
void heap_push(struct heap *h, struct heap_node *x);
void heap_remove(struct heap *h, struct heap_node *x); /* not there: does nothing */
struct heap_node *heap_top(const struct heap *h);      /* NULL when empty */

#endif
