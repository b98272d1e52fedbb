/* rate.h - how many a second, over the last minute. Pure. */
#ifndef PROVD_RATE_H
#define PROVD_RATE_H

#include <stdint.h>

#define PROV_RATE_SLOTS 12
#define PROV_RATE_SLOT 5 /* seconds */

/* Zeroed: nothing yet. */
struct prov_rate {
	int64_t slot; /* the newest one */
	unsigned n[PROV_RATE_SLOTS];
};

/* now: seconds of a clock that does not jump. */
void prov_rate_count(struct prov_rate *r, int64_t now);
double prov_rate_per_second(const struct prov_rate *r, int64_t now);

#endif
