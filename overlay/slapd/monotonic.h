/* monotonic.h - a clock that only goes forward, in nanoseconds. */
#ifndef PROV_SLAPD_MONOTONIC_H
#define PROV_SLAPD_MONOTONIC_H

#include <stdint.h>
#include <time.h>

static inline int64_t prov_monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#endif
