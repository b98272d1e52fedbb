/* scan_logins.c - when somebody was last seen, as an SSO exports it: the newest row of a key counts. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "grow.h"
#include "scan.h"
#include "timefmt.h"

/* What timefmt.h reads, a date with or without a time of day (UTC), seconds or ms since 1970. */
static int parse_time(struct prov_val v, int64_t *out)
{
	char text[40];
	struct tm tm = { 0 };
	const char *rest;
	char *end;
	if (!prov_time_parse(v, out))
		return 0;
	if (v.len >= sizeof(text))
		return PROV_EINVAL;
	memcpy(text, v.data, v.len);
	text[v.len] = '\0';
	long long n = strtoll(text, &end, 10);
	if (!*end && end != text && n > 0) {
		*out = n > 100000000000LL ? n / 1000 : n;
		return 0;
	}
	rest = strptime(text, "%Y-%m-%d", &tm);
	if (rest && (*rest == ' ' || *rest == 'T')) {
		const char *more = strptime(rest + 1, "%H:%M:%S", &tm);
		rest = more ? more : strptime(rest + 1, "%H:%M", &tm);
	}
	if (!rest || *rest)
		return PROV_EINVAL;
	*out = timegm(&tm);
	return 0;
}

static int see_login(void *ctx, const struct prov_record *r, struct prov_error *err)
{
	struct scan *s = ctx;
	const struct prov_vals *key = &r->col[0], *when = &r->col[1];
	int64_t at = 0;
	uint32_t n;
	int fresh = 0;
	if (!key->n || !when->n)
		return 0; /* never seen */
	if (parse_time(when->val[0], &at))
		return prov_error_set(err, PROV_EREFUSED, "%s: row %zu: \"%.*s\" is no time",
			s->logins.place, r->number, (int)when->val[0].len, when->val[0].data);
	if (prov_hashindex_add(&s->login, prov_hash_text(key->val[0].data, key->val[0].len), &n,
		    &fresh) ||
		prov_grow(&s->login_time, n, &s->loginroom, sizeof(*s->login_time)))
		return scan_nomem(err);
	if (fresh || at > s->login_time[n])
		s->login_time[n] = at;
	return 0;
}

int scan_logins_load(struct scan *s, struct prov_error *err)
{
	if (!s->logins.place)
		return 0;
	const char *column[] = { prov_recsrc_column(&s->logins),
		s->logins.option[PROV_RECSRC_TIME] };
	s->uses = true;
	return prov_recsrc_read(&s->logins, column, 2, see_login, s, err);
}
