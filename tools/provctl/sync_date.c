/* sync_date.c - see sync_date.h. */
#include "sync_date.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

enum part { YEAR, MONTH, DAY };

struct token {
	const char *word;
	enum part part;
	int least, most; /* digits; 0: a name */
};

/* longer ones first */
static const struct token token[] = {
	{ "YYYY", YEAR, 4, 4 },
	{ "Mon", MONTH, 0, 0 },
	{ "MM", MONTH, 2, 2 },
	{ "DD", DAY, 2, 2 },
	{ "M", MONTH, 1, 2 },
	{ "D", DAY, 1, 2 },
};

static const struct token *token_at(const char *format)
{
	for (size_t i = 0; i < sizeof(token) / sizeof(token[0]); i++)
		if (!strncmp(format, token[i].word, strlen(token[i].word)))
			return &token[i];
	return NULL;
}

int sync_date_check(const char *format, struct prov_error *err)
{
	int seen[3] = { 0, 0, 0 };
	for (const char *f = format; *f;) {
		const struct token *t = token_at(f);
		if (t)
			seen[t->part]++;
		f += t ? strlen(t->word) : 1;
	}
	if (seen[YEAR] == 1 && seen[MONTH] == 1 && seen[DAY] == 1)
		return 0;
	return prov_error_set(err, PROV_EINVAL,
		"a format of dates has YYYY, one of MM, M and Mon, and one of DD and D: \"%s\"",
		format);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool take_number(const struct token *t, const char **p, const char *end, int *out)
{
	int n = 0;
	for (*out = 0; n < t->most && *p < end && is_digit(**p); n++, (*p)++)
		*out = *out * 10 + (**p - '0');
	return n >= t->least;
}

static bool take_name(const char **p, const char *end, int *out)
{
	static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
	if (end - *p < 3)
		return false;
	for (int m = 0; m < 12; m++) {
		if (strncasecmp(*p, names + (size_t)m * 3, 3))
			continue;
		*p += 3;
		*out = m + 1;
		return true;
	}
	return false;
}

static bool is_day(int y, int m, int d)
{
	static const int len[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
	return y >= 1900 && y <= 2199 && m >= 1 && m <= 12 && d >= 1 &&
		d <= len[m - 1] + (leap && m == 2);
}

int sync_date_parse(const char *format, struct prov_val text, int minute, int64_t *out)
{
	const char *p = text.data, *end = text.data + text.len;
	int part[3] = { 0, 0, 0 };
	for (const char *f = format; *f;) {
		const struct token *t = token_at(f);
		bool good = t ? t->most ? take_number(t, &p, end, &part[t->part])
					: take_name(&p, end, &part[t->part])
			      : p < end && *p++ == *f;
		if (!good)
			return PROV_EINVAL;
		f += t ? strlen(t->word) : 1;
	}
	if (p != end || !is_day(part[YEAR], part[MONTH], part[DAY]))
		return PROV_EINVAL;
	/* mktime() carries minutes over, and knows the clocks that are put forward or back */
	struct tm tm = { .tm_year = part[YEAR] - 1900,
		.tm_mon = part[MONTH] - 1,
		.tm_mday = part[DAY],
		.tm_hour = minute / 60,
		.tm_min = minute % 60,
		.tm_isdst = -1 };
	*out = mktime(&tm);
	return 0;
}

static bool parse_offset(const char *s, int *hours, int *minutes)
{
	if ((*s != '+' && *s != '-') || strlen(s) != 6 || s[3] != ':' || !is_digit(s[1]) ||
		!is_digit(s[2]) || !is_digit(s[4]) || !is_digit(s[5]))
		return false;
	*hours = (s[1] - '0') * 10 + s[2] - '0';
	*minutes = (s[4] - '0') * 10 + s[5] - '0';
	return *hours <= 14 && *minutes < 60;
}

int sync_zone_use(const char *zone, struct prov_error *err)
{
	char tz[300], path[300];
	struct stat st;
	int h, m;
	if (!strcmp(zone, "UTC")) {
		snprintf(tz, sizeof(tz), "UTC0");
	} else if (parse_offset(zone, &h, &m)) {
		/* POSIX counts westwards; a name of its own has no colon */
		snprintf(tz, sizeof(tz), "<%c%02d%02d>%c%02d:%02d", *zone, h, m,
			*zone == '+' ? '-' : '+', h, m);
	} else {
		snprintf(tz, sizeof(tz), ":%s", zone);
		snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", zone);
		/* the C library takes an unknown name for UTC without a word */
		if (*zone == '/' || strstr(zone, "..") || strlen(zone) > 200 || stat(path, &st) ||
			!S_ISREG(st.st_mode))
			return prov_error_set(err, PROV_EINVAL,
				"zone \"%.100s\": want UTC, +hh:mm or a name such as Europe/Berlin",
				zone);
	}
	if (setenv("TZ", tz, 1))
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	tzset();
	return 0;
}

int sync_minute_parse(const char *s, int *out)
{
	if (strlen(s) != 5 || s[2] != ':' || !is_digit(s[0]) || !is_digit(s[1]) ||
		!is_digit(s[3]) || !is_digit(s[4]))
		return PROV_EINVAL;
	*out = ((s[0] - '0') * 10 + s[1] - '0') * 60 + (s[3] - '0') * 10 + s[4] - '0';
	return s[3] < '6' && *out <= 24 * 60 ? 0 : PROV_EINVAL;
}
