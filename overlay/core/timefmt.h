/* timefmt.h - times as text and back, UTC only, no locale, no clock. Pure. */
#ifndef PROV_TIMEFMT_H
#define PROV_TIMEFMT_H

#include <stddef.h>
#include <stdint.h>

#include "entry.h"

#define PROV_TIME_TEXT 32

/* "20261124032210Z" (RFC 4517, 3.3.13). */
void prov_time_generalized(int64_t secs, char out[PROV_TIME_TEXT]);
/* "2026-11-24T03:22:10.123456Z" (RFC 3339). usec 0..999999. */
void prov_time_rfc3339(int64_t secs, unsigned usec, char out[PROV_TIME_TEXT]);
/* Generalized time or RFC 3339 back to seconds; 0 or PROV_EINVAL. */
int prov_time_parse(struct prov_val text, int64_t *secs);

#endif
