/* lineage.c - see lineage.h. */
#include "lineage.h"

#include <string.h>

#include "be64.h"

#define VERSION 1
#define STRETCH (8 + PROV_LINEAGE_ID)

int prov_lineage_decode(struct prov_val v, struct prov_lineage *out)
{
	out->n = 0;
	if (v.len == 0)
		return 0;
	size_t n = (v.len - 1) / STRETCH;
	if (v.data[0] != VERSION || n > PROV_LINEAGE_MOST || v.len != 1 + n * STRETCH)
		return PROV_ECORRUPT;
	for (const char *p = v.data + 1; out->n < n; out->n++, p += STRETCH) {
		struct prov_stretch *s = &out->at[out->n];
		prov_be64_get((struct prov_val){ p, 8 }, &s->from);
		memcpy(s->id, p + 8, PROV_LINEAGE_ID);
	}
	return 0;
}

size_t prov_lineage_encode(const struct prov_lineage *l, char out[PROV_LINEAGE_BYTES])
{
	unsigned char *p = (unsigned char *)out;

	*p++ = VERSION;
	for (size_t i = 0; i < l->n; i++, p += STRETCH) {
		prov_be64_put(p, l->at[i].from);
		memcpy(p + 8, l->at[i].id, PROV_LINEAGE_ID);
	}
	return 1 + l->n * STRETCH;
}

void prov_lineage_begin(struct prov_lineage *l, uint64_t from,
	const unsigned char id[PROV_LINEAGE_ID])
{
	while (l->n && l->at[l->n - 1].from >= from)
		l->n--;
	if (l->n == PROV_LINEAGE_MOST)
		memmove(&l->at[0], &l->at[1], --l->n * sizeof(l->at[0]));
	l->at[l->n].from = from;
	memcpy(l->at[l->n++].id, id, PROV_LINEAGE_ID);
}

static uint64_t begins(const struct prov_lineage *l, size_t i)
{
	return i < l->n ? l->at[i].from : UINT64_MAX;
}

uint64_t prov_lineage_fork(const struct prov_lineage *a, const struct prov_lineage *b)
{
	for (size_t i = a->n; i > 0; i--)
		for (size_t j = b->n; j > 0; j--)
			if (memcmp(a->at[i - 1].id, b->at[j - 1].id, PROV_LINEAGE_ID) == 0) {
				uint64_t x = begins(a, i), y = begins(b, j);
				return x < y ? x : y;
			}
	return 0;
}
