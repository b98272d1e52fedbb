/* backoff.h - when to try again: a pure function of stored times. */
#ifndef PROV_BACKOFF_H
#define PROV_BACKOFF_H

#include <stdint.h>

/*
 * attempts: failed so far (1 or more). Doubles from 5 s to at most 1 h, then a
 * jitter of -20..+20 % taken from `seed` (any number, e.g. a hash of the event id
 * and attempts), so that equal inputs give equal outputs. Returns the epoch second of the next attempt.
 */
int64_t prov_backoff_next(int64_t last_attempt, unsigned attempts, uint64_t seed);

#endif
