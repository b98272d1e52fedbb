/*
 * breaker.c - per identity the times of the last `count` events, as a ring.
 */
#include "breaker.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

#define MOST_IDENTITIES 1024

struct identity {
	struct identity *next; /* most recently counted first */
	char *name;
	size_t len;
	unsigned room, n, head; /* ring: n times, the oldest at head */
	int64_t *time;
};

struct prov_breaker {
	struct identity *first;
	unsigned n;
};

struct prov_breaker *prov_breaker_new(void)
{
	return calloc(1, sizeof(struct prov_breaker));
}

static void identity_free(struct identity *i)
{
	free(i->name);
	free(i->time);
	free(i);
}

void prov_breaker_free(struct prov_breaker **b)
{
	if (!*b)
		return;
	for (struct identity *i = (*b)->first, *next; i; i = next) {
		next = i->next;
		identity_free(i);
	}
	free(*b);
	*b = NULL;
}

static struct identity *find(const struct prov_breaker *b, struct prov_val name)
{
	struct identity *i = b->first;

	while (i && (i->len != name.len || (name.len && memcmp(i->name, name.data, name.len))))
		i = i->next;
	return i;
}

static unsigned within(const struct identity *i, int64_t now, unsigned seconds)
{
	unsigned n = 0;

	/* a clock that went back does not forgive: times in the future count */
	for (unsigned k = 0; k < i->n; k++)
		n += i->time[(i->head + k) % i->room] > now - (int64_t)seconds;
	return n;
}

bool prov_breaker_allows(const struct prov_breaker *b, struct prov_val identity, int64_t now,
	unsigned count, unsigned seconds)
{
	const struct identity *i = count ? find(b, identity) : NULL;

	return !i || within(i, now, seconds) < count;
}

/* Room for `room` times, keeping the newest. */
static int resize(struct identity *i, unsigned room)
{
	if (i->room == room)
		return 0;
	int64_t *t = calloc(room, sizeof(*t));
	if (!t)
		return PROV_ENOMEM;
	unsigned keep = i->n < room ? i->n : room;
	for (unsigned k = 0; k < keep; k++)
		t[k] = i->time[(i->head + i->n - keep + k) % i->room];
	free(i->time);
	i->time = t;
	i->room = room;
	i->n = keep;
	i->head = 0;
	return 0;
}

static struct identity *to_front(struct prov_breaker *b, struct identity *i)
{
	for (struct identity **p = &b->first; *p; p = &(*p)->next)
		if (*p == i) {
			*p = i->next;
			break;
		}
	i->next = b->first;
	b->first = i;
	return i;
}

static struct identity *add(struct prov_breaker *b, struct prov_val name)
{
	struct identity *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	i->name = malloc(name.len + 1);
	if (!i->name) {
		free(i);
		return NULL;
	}
	if (name.len)
		memcpy(i->name, name.data, name.len);
	i->len = name.len;
	i->next = b->first;
	b->first = i;
	b->n++;
	return i;
}

/* Too many identities: the one not counted for longest that is under its limit goes. */
static void forget(struct prov_breaker *b, int64_t now, unsigned count, unsigned seconds)
{
	struct identity **victim = NULL;

	for (struct identity **p = &b->first; *p; p = &(*p)->next)
		if (within(*p, now, seconds) < count)
			victim = p;
	if (victim && *victim != b->first) {
		struct identity *i = *victim;
		*victim = i->next;
		identity_free(i);
		b->n--;
	}
}

int prov_breaker_count(struct prov_breaker *b, struct prov_val identity, int64_t now,
	unsigned count, unsigned seconds)
{
	struct identity *i;

	if (!count)
		return 0;
	i = find(b, identity);
	i = i ? to_front(b, i) : add(b, identity);
	if (!i || resize(i, count))
		return PROV_ENOMEM;
	i->time[(i->head + i->n) % i->room] = now;
	if (i->n < i->room)
		i->n++;
	else
		i->head = (i->head + 1) % i->room;
	if (b->n > MOST_IDENTITIES)
		forget(b, now, count, seconds);
	return 0;
}
