/*
 * timefmt.c - civil time in UTC, by the proleptic Gregorian calendar.
 */
#include "timefmt.h"

#include <stdio.h>
#include <string.h>

#include "error.h"

struct civil {
	int year, month, day, hour, minute, second;
};

/* Days since 1970-01-01, and back, counted in eras of 400 years that begin on 1 March. */
static int64_t days_from(int64_t y, int m, int d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static struct civil civil_from(int64_t secs)
{
	int64_t days = secs / 86400, rest = secs % 86400;

	if (rest < 0) {
		rest += 86400;
		days--;
	}
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t doe = days - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	struct civil c;

	c.day = (int)(doy - (153 * mp + 2) / 5 + 1);
	c.month = (int)(mp < 10 ? mp + 3 : mp - 9);
	c.year = (int)(yoe + era * 400 + (c.month <= 2));
	c.hour = (int)(rest / 3600);
	c.minute = (int)(rest / 60 % 60);
	c.second = (int)(rest % 60);
	return c;
}

/* Years have four digits in both formats: what is beyond is held at the edge. */
static int64_t clamp(int64_t secs)
{
	const int64_t least = -62167219200, most = 253402300799; /* years 0000 and 9999 */

	return secs < least ? least : secs > most ? most : secs;
}

void prov_time_generalized(int64_t secs, char out[PROV_TIME_TEXT])
{
	struct civil c = civil_from(clamp(secs));

	snprintf(out, PROV_TIME_TEXT, "%04u%02u%02u%02u%02u%02uZ", (unsigned)c.year % 10000u,
		(unsigned)c.month % 100u, (unsigned)c.day % 100u, (unsigned)c.hour % 100u,
		(unsigned)c.minute % 100u, (unsigned)c.second % 100u);
}

void prov_time_rfc3339(int64_t secs, unsigned usec, char out[PROV_TIME_TEXT])
{
	struct civil c = civil_from(clamp(secs));

	snprintf(out, PROV_TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ",
		(unsigned)c.year % 10000u, (unsigned)c.month % 100u, (unsigned)c.day % 100u,
		(unsigned)c.hour % 100u, (unsigned)c.minute % 100u, (unsigned)c.second % 100u,
		usec % 1000000u);
}

static bool digits(const char **p, const char *end, int n, int *out)
{
	*out = 0;
	for (int i = 0; i < n; i++, (*p)++) {
		if (*p >= end || **p < '0' || **p > '9')
			return false;
		*out = *out * 10 + (**p - '0');
	}
	return true;
}

static bool skip(const char **p, const char *end, char c)
{
	if (*p >= end || **p != c)
		return false;
	(*p)++;
	return true;
}

static void skip_fraction(const char **p, const char *end)
{
	if (*p < end && (**p == '.' || **p == ','))
		for ((*p)++; *p < end && **p >= '0' && **p <= '9'; (*p)++)
			;
}

/* "Z", "+hhmm" or "+hh:mm". */
static bool zone(const char **p, const char *end, int *minutes)
{
	int h, m = 0, sign;

	*minutes = 0;
	if (skip(p, end, 'Z') || skip(p, end, 'z'))
		return *p == end;
	sign = *p < end && **p == '-' ? -1 : 1;
	if (!skip(p, end, '+') && !skip(p, end, '-'))
		return false;
	if (!digits(p, end, 2, &h))
		return false;
	skip(p, end, ':');
	if (*p < end && !digits(p, end, 2, &m))
		return false;
	*minutes = sign * (h * 60 + m);
	return *p == end && h < 24 && m < 60;
}

static bool valid(const struct civil *c)
{
	static const int len[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);

	return c->month >= 1 && c->month <= 12 && c->day >= 1 &&
		c->day <= len[c->month - 1] + (leap && c->month == 2) && c->hour < 24 &&
		c->minute < 60 && c->second <= 60;
}

int prov_time_parse(struct prov_val text, int64_t *secs)
{
	const char *p = text.data, *end = text.data + text.len;
	struct civil c = { 0 };
	int minutes;
	bool ok = digits(&p, end, 4, &c.year);
	bool dashes = ok && skip(&p, end, '-');

	ok = ok && digits(&p, end, 2, &c.month) && (!dashes || skip(&p, end, '-')) &&
		digits(&p, end, 2, &c.day);
	if (dashes)
		ok = ok && (skip(&p, end, 'T') || skip(&p, end, 't') || skip(&p, end, ' '));
	ok = ok && digits(&p, end, 2, &c.hour);
	if (dashes || (p < end && *p >= '0' && *p <= '9'))
		ok = ok && (!dashes || skip(&p, end, ':')) && digits(&p, end, 2, &c.minute);
	if (dashes || (p < end && *p >= '0' && *p <= '9'))
		ok = ok && (!dashes || skip(&p, end, ':')) && digits(&p, end, 2, &c.second);
	if (ok)
		skip_fraction(&p, end);
	if (!ok || !zone(&p, end, &minutes) || !valid(&c))
		return PROV_EINVAL;
	*secs = days_from(c.year, c.month, c.day) * 86400 + c.hour * 3600 + c.minute * 60 +
		c.second - (int64_t)minutes * 60;
	return 0;
}
