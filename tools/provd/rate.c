/* rate.c - see rate.h. */
#include "rate.h"

#include <string.h>

void prov_rate_count(struct prov_rate *r, int64_t now)
{
	int64_t slot = now / PROV_RATE_SLOT;

	if (slot - r->slot >= PROV_RATE_SLOTS)
		memset(r->n, 0, sizeof(r->n));
	for (int64_t s = r->slot + 1; s <= slot && s - r->slot < PROV_RATE_SLOTS; s++)
		r->n[s % PROV_RATE_SLOTS] = 0;
	r->slot = slot;
	r->n[slot % PROV_RATE_SLOTS]++;
}

double prov_rate_per_second(const struct prov_rate *r, int64_t now)
{
	int64_t oldest = now / PROV_RATE_SLOT - PROV_RATE_SLOTS + 1;
	unsigned sum = 0;

	for (int64_t s = r->slot; s >= oldest && s > r->slot - PROV_RATE_SLOTS && s >= 0; s--)
		sum += r->n[s % PROV_RATE_SLOTS];
	return (double)sum / (PROV_RATE_SLOTS * PROV_RATE_SLOT);
}
