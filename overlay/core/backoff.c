/*
 * backoff.c - doubling with a ceiling, and jitter from a seed.
 */
#include "backoff.h"

#define FIRST 5
#define MOST 3600

int64_t prov_backoff_next(int64_t last_attempt, unsigned attempts, uint64_t seed)
{
	int64_t wait = FIRST;

	for (unsigned i = 1; i < attempts && wait < MOST; i++)
		wait *= 2;
	if (wait > MOST)
		wait = MOST;
	/* splitmix64: neighbouring seeds give unrelated jitter */
	seed += 0x9e3779b97f4a7c15ULL;
	seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9ULL;
	seed = (seed ^ (seed >> 27)) * 0x94d049bb133111ebULL;
	seed ^= seed >> 31;
	int64_t tenth_percent = (int64_t)(seed % 401) - 200; /* -20.0 .. +20.0 % */
	int64_t jitter = wait * tenth_percent / 1000;

	return last_attempt + (wait + jitter > 0 ? wait + jitter : 1);
}
