/* heap.c - a binary heap. See heap.h. */
#include "heap.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "error.h"

int heap_init(struct heap *h, size_t room)
{
	h->node = calloc(room + 1, sizeof(struct heap_node *));
	h->n = 0;
	h->room = room;
	return h->node ? 0 : PROV_ENOMEM;
}

void heap_dispose(struct heap *h)
{
	free(h->node);
	h->node = NULL;
	h->n = h->room = 0;
}

static bool before(const struct heap_node *a, const struct heap_node *b)
{
	return a->due != b->due ? a->due < b->due : a->seq < b->seq;
}

static void place(struct heap *h, size_t at, struct heap_node *x)
{
	h->node[at] = x;
	x->at = at;
}

static void sift_up(struct heap *h, size_t at, struct heap_node *x)
{
	for (; at > 1 && before(x, h->node[at / 2]); at /= 2)
		place(h, at, h->node[at / 2]);
	place(h, at, x);
}

static void sift_down(struct heap *h, size_t at, struct heap_node *x)
{
	for (size_t child = 2 * at; child <= h->n; child = 2 * at) {
		if (child < h->n && before(h->node[child + 1], h->node[child]))
			child++;
		if (!before(h->node[child], x))
			break;
		place(h, at, h->node[child]);
		at = child;
	}
	place(h, at, x);
}

void heap_push(struct heap *h, struct heap_node *x)
{
	assert(!x->at && h->n < h->room);
	sift_up(h, ++h->n, x);
}

void heap_remove(struct heap *h, struct heap_node *x)
{
	size_t at = x->at;
	if (!at)
		return;
	struct heap_node *last = h->node[h->n--];
	x->at = 0;
	if (last == x)
		return;
	if (at > 1 && before(last, h->node[at / 2]))
		sift_up(h, at, last);
	else
		sift_down(h, at, last);
}

struct heap_node *heap_top(const struct heap *h)
{
	return h->n ? h->node[1] : NULL;
}
