/*
 * breaker.h - how many leavers and deletes one identity may cause in a window.
 *
 * A sliding window of times per identity, bounded in memory: identities beyond
 * the newest 1,024 that are not over their limit are forgotten. Not thread-safe:
 * the caller holds a lock.
 */
#ifndef PROV_BREAKER_H
#define PROV_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "entry.h"

struct prov_breaker;

struct prov_breaker *prov_breaker_new(void); /* NULL: no memory */
void prov_breaker_free(struct prov_breaker **b);
/* May this identity cause one more at now (seconds)? count 0: no limit. Does not count it. */
bool prov_breaker_allows(const struct prov_breaker *b, struct prov_val identity, int64_t now,
	unsigned count, unsigned seconds);
/* Count one that was committed. Returns 0 or PROV_ENOMEM. */
int prov_breaker_count(struct prov_breaker *b, struct prov_val identity, int64_t now,
	unsigned count, unsigned seconds);

#endif
