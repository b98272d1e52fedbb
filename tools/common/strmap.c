/*
 * strmap.c - open addressing over an array of texts; see strmap.h.
 *
 * At most half full, so that probing stays short; grows by doubling.
 */
#include "strmap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "error.h"

struct prov_strmap {
	size_t n, room; /* texts */
	char **text;
	uint64_t *hash; /* of each text */
	size_t nslot;   /* a power of two */
	size_t *slot;   /* index + 1, 0 is free */
	uint64_t seed[2];
};

/* Two rounds of multiply and fold per 8 bytes, keyed; quality enough for a table. */
static uint64_t fold(uint64_t a, uint64_t b)
{
	__uint128_t p = (__uint128_t)a * b;
	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static uint64_t hash_of(const struct prov_strmap *m, const char *s, size_t len)
{
	uint64_t h = m->seed[0] ^ len;
	for (; len >= 8; s += 8, len -= 8) {
		uint64_t w;
		memcpy(&w, s, 8);
		h = fold(h ^ w, m->seed[1]);
	}
	uint64_t w = 0;
	memcpy(&w, s, len);
	h = fold(h ^ w, m->seed[1]);
	return fold(h ^ m->seed[0], 0x9e3779b97f4a7c15u);
}

int prov_strmap_new(struct prov_strmap **out)
{
	struct prov_strmap *m = calloc(1, sizeof(*m));
	*out = m;
	if (!m)
		return PROV_ENOMEM;
	/* without randomness it still works, only unkeyed */
	if (getrandom(m->seed, sizeof(m->seed), GRND_NONBLOCK) != (ssize_t)sizeof(m->seed))
		m->seed[0] = 0x243f6a8885a308d3u;
	m->seed[1] |= (uint64_t)1 << 63 | 1; /* never a weak multiplier */
	return 0;
}

void prov_strmap_free(struct prov_strmap **mp)
{
	struct prov_strmap *m = *mp;
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		free(m->text[i]);
	free(m->text);
	free(m->hash);
	free(m->slot);
	free(m);
	*mp = NULL;
}

/* The slot that holds s, or the free one where it belongs. */
static size_t probe(const struct prov_strmap *m, const char *s, uint64_t h)
{
	size_t at = (size_t)h & (m->nslot - 1);
	while (m->slot[at]) {
		size_t i = m->slot[at] - 1;
		if (m->hash[i] == h && !strcmp(m->text[i], s))
			break;
		at = (at + 1) & (m->nslot - 1);
	}
	return at;
}

static int grow(struct prov_strmap *m)
{
	if (m->n == m->room) {
		size_t room = m->room ? 2 * m->room : 64;
		char **text = reallocarray(m->text, room, sizeof(*text));
		if (!text)
			return PROV_ENOMEM;
		m->text = text;
		uint64_t *hash = reallocarray(m->hash, room, sizeof(*hash));
		if (!hash)
			return PROV_ENOMEM;
		m->hash = hash;
		m->room = room;
	}
	if (2 * (m->n + 1) <= m->nslot)
		return 0;
	size_t nslot = m->nslot ? 2 * m->nslot : 256;
	size_t *slot = calloc(nslot, sizeof(*slot));
	if (!slot)
		return PROV_ENOMEM;
	for (size_t i = 0; i < m->n; i++) {
		size_t at = (size_t)m->hash[i] & (nslot - 1);
		while (slot[at])
			at = (at + 1) & (nslot - 1);
		slot[at] = i + 1;
	}
	free(m->slot);
	m->slot = slot;
	m->nslot = nslot;
	return 0;
}

int prov_strmap_add(struct prov_strmap *m, const char *s, size_t *index, int *fresh)
{
	if (grow(m))
		return PROV_ENOMEM;
	size_t len = strlen(s);
	uint64_t h = hash_of(m, s, len);
	size_t at = probe(m, s, h);
	if (fresh)
		*fresh = !m->slot[at];
	if (!m->slot[at]) {
		char *copy = strdup(s);
		if (!copy)
			return PROV_ENOMEM;
		m->text[m->n] = copy;
		m->hash[m->n] = h;
		m->slot[at] = ++m->n;
	}
	*index = m->slot[at] - 1;
	return 0;
}

size_t prov_strmap_find(const struct prov_strmap *m, const char *s)
{
	if (!m->nslot)
		return PROV_STRMAP_NONE;
	size_t at = probe(m, s, hash_of(m, s, strlen(s)));
	return m->slot[at] ? m->slot[at] - 1 : PROV_STRMAP_NONE;
}

size_t prov_strmap_count(const struct prov_strmap *m)
{
	return m->n;
}

const char *prov_strmap_text(const struct prov_strmap *m, size_t index)
{
	return index < m->n ? m->text[index] : NULL;
}
