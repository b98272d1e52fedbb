/*
 * hashindex.c - open addressing over an array of hashes; see hashindex.h.
 *
 * At most three quarters full; grows by doubling. The key is drawn once.
 */
#include "hashindex.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "error.h"
#include "fold.h"
#include "grow.h"

static uint64_t seed[2] = { 0x243f6a8885a308d3u, 0x9e3779b97f4a7c15u };
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void draw_seed(void)
{
	uint64_t got[2];
	/* without randomness it still works, only unkeyed */
	if (getrandom(got, sizeof(got), GRND_NONBLOCK) == (ssize_t)sizeof(got))
		memcpy(seed, got, sizeof(seed));
	seed[1] |= (uint64_t)1 << 63 | 1; /* never a weak multiplier */
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t p = (__uint128_t)a * b;
	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

uint64_t prov_hash(const void *data, size_t len)
{
	const char *s = data;
	pthread_once(&once, draw_seed);
	uint64_t h = seed[0] ^ len;
	for (; len >= 8; s += 8, len -= 8) {
		uint64_t w;
		memcpy(&w, s, 8);
		h = mix(h ^ w, seed[1]) + seed[0];
	}
	uint64_t w = 0;
	memcpy(&w, s, len);
	h = mix(h ^ w, seed[1]);
	h = mix(h ^ seed[0], 0x9e3779b97f4a7c15u);
	return h ? h : 1;
}

uint64_t prov_hash_join(uint64_t a, uint64_t b)
{
	uint64_t both[2] = { a, b };
	return prov_hash(both, sizeof(both));
}

enum { QUICK = 512 };

uint64_t prov_hash_text(const char *s, size_t len)
{
	char quick[QUICK];
	size_t n;
	if (prov_fold_text_quick(s, len, quick, sizeof(quick), &n))
		return prov_hash(quick, n);
	char *text = prov_fold_text(s, len);
	uint64_t h = text ? prov_hash(text, strlen(text)) : 0;
	free(text);
	return h;
}

uint64_t prov_hash_name(const char *s, size_t len)
{
	char quick[QUICK];
	size_t n;
	if (prov_fold_name_quick(s, len, quick, sizeof(quick), &n))
		return n ? prov_hash(quick, n) : 0;
	char *text = prov_fold_name(s, len);
	uint64_t h = text && *text ? prov_hash(text, strlen(text)) : 0;
	free(text);
	return h;
}

uint64_t prov_hash_dn(const char *s, size_t len)
{
	char quick[QUICK];
	size_t n;
	if (len <= QUICK && prov_fold_dn_quick(s, len, quick, &n))
		return prov_hash(quick, n);
	char *text = prov_fold_dn(s, len);
	uint64_t h = text ? prov_hash(text, strlen(text)) : 0;
	free(text);
	return h;
}

/* The slot that holds the hash, or the free one where it belongs. */
static size_t probe(const struct prov_hashindex *x, uint64_t hash)
{
	size_t at = (size_t)hash & (x->nslot - 1);
	while (x->slot[at] && x->hash[x->slot[at] - 1] != hash)
		at = (at + 1) & (x->nslot - 1);
	return at;
}

static int more_slots(struct prov_hashindex *x)
{
	if (4 * (x->n + 1) <= 3 * x->nslot)
		return 0;
	size_t nslot = x->nslot ? 2 * x->nslot : 256;
	uint32_t *slot = calloc(nslot, sizeof(*slot));
	if (!slot)
		return PROV_ENOMEM;
	free(x->slot);
	x->slot = slot;
	x->nslot = nslot;
	for (size_t i = 0; i < x->n; i++)
		slot[probe(x, x->hash[i])] = (uint32_t)i + 1;
	return 0;
}

int prov_hashindex_add(struct prov_hashindex *x, uint64_t hash, uint32_t *number, int *fresh)
{
	if (x->n >= PROV_HASHINDEX_NONE - 1 || more_slots(x) ||
		prov_grow(&x->hash, x->n, &x->room, sizeof(*x->hash)))
		return PROV_ENOMEM;
	size_t at = probe(x, hash);
	if (fresh)
		*fresh = !x->slot[at];
	if (!x->slot[at]) {
		x->hash[x->n++] = hash;
		x->slot[at] = (uint32_t)x->n;
	}
	*number = x->slot[at] - 1;
	return 0;
}

uint32_t prov_hashindex_find(const struct prov_hashindex *x, uint64_t hash)
{
	if (!x->nslot)
		return PROV_HASHINDEX_NONE;
	size_t at = probe(x, hash);
	return x->slot[at] ? x->slot[at] - 1 : PROV_HASHINDEX_NONE;
}

void prov_hashindex_dispose(struct prov_hashindex *x)
{
	free(x->hash);
	free(x->slot);
	memset(x, 0, sizeof(*x));
}
