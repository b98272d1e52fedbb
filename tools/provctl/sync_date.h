/*
 * sync_date.h - dates of a feed as times.
 *
 * A format is text with YYYY, MM or M, DD or D, and Mon (English, three letters) once
 * each; everything else stands for itself: "YYYY-MM-DD", "M/D/YYYY", "DD-Mon-YYYY". MM and
 * DD want two digits, M and D take one or two. A year is 1900 to 2199; the 30th of
 * February is no date.
 *
 * A date is a day in a time zone, a time is a moment: the caller says at which minute
 * of that day. Zones are "UTC", "+hh:mm" or a name of the tz database. The zone is the
 * process's (TZ), since that is what the C library converts with: set once, one thread.
 */
#ifndef PROV_SYNC_DATE_H
#define PROV_SYNC_DATE_H

#include <stdint.h>

#include "entry.h"
#include "error.h"

/* 0 or PROV_EINVAL with a text. */
int sync_date_check(const char *format, struct prov_error *err);
int sync_zone_use(const char *zone, struct prov_error *err);

/* minute: 0 to 1440, of the local day. *out: seconds since the epoch. PROV_EINVAL: no date. */
int sync_date_parse(const char *format, struct prov_val text, int minute, int64_t *out);

/* "07:30" or "24:00" to minutes; PROV_EINVAL. */
int sync_minute_parse(const char *text, int *out);

#endif
