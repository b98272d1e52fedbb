/* stamps.c - see stamps.h. */
#include "stamps.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "audit_match.h"
#include "fold.h"
#include "grow.h"
#include "replay.h"
#include "timefmt.h"

struct taken {
	unsigned char id[16];
	uint64_t seq;
};

struct stamps {
	struct stamp *row; /* open addressing; entryUUIDs of slapd's own are random enough */
	size_t room, n;
	struct taken *taken;
	size_t ntaken, taken_room;
	uint64_t last;
	int64_t first_time;
	unsigned char newest[16]; /* the greatest change id */
	unsigned char server[4096 / 8];
	bool gaps;
};

int stamps_new(struct stamps **out)
{
	struct stamps *s = calloc(1, sizeof(*s));
	*out = s;
	if (!s)
		return PROV_ENOMEM;
	s->room = 1024;
	s->row = calloc(s->room, sizeof(*s->row));
	if (s->row)
		return 0;
	stamps_free(out);
	return PROV_ENOMEM;
}

void stamps_free(struct stamps **s)
{
	if (!*s)
		return;
	free((*s)->row);
	free((*s)->taken);
	free(*s);
	*s = NULL;
}

static int digit(char c)
{
	c = (char)tolower((unsigned char)c);
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool stamps_uuid(const char *text, unsigned char out[16])
{
	size_t n = 0;
	for (; *text; text++) {
		if (*text == '-')
			continue;
		int high = digit(text[0]), low = high < 0 ? -1 : digit(text[1]);
		if (low < 0 || n == 16)
			return false;
		out[n++] = (unsigned char)(high * 16 + low);
		text++;
	}
	return n == 16;
}

bool stamps_csn(const char *text, int64_t *usec, unsigned *sid)
{
	const char *hash = strchr(text, '#');
	char when[40];
	if (!hash || hash - text >= (int)sizeof(when))
		return false;
	snprintf(when, sizeof(when), "%.*s", (int)(hash - text), text);
	if (audit_usec(when, 0, false, usec))
		return false;
	hash = strchr(hash + 1, '#');
	if (!hash)
		return false;
	*sid = (unsigned)strtoul(hash + 1, NULL, 16);
	return *sid < 4096;
}

uint64_t stamps_role(const char *dn)
{
	char *key = replay_fold_dn(dn);
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a, then spread (splitmix64) */
	for (const char *p = key ? key : ""; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3u;
	free(key);
	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
	h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
	return h ^ (h >> 31);
}

static size_t place(const struct stamps *s, const unsigned char uuid[16])
{
	uint64_t a, b;
	memcpy(&a, uuid, 8);
	memcpy(&b, uuid + 8, 8);
	a = (a ^ (b * 0x9e3779b97f4a7c15u)) * 0xbf58476d1ce4e5b9u;
	size_t at = (size_t)(a ^ (a >> 29)) & (s->room - 1);
	while (s->row[at].used && memcmp(s->row[at].uuid, uuid, 16))
		at = (at + 1) & (s->room - 1);
	return at;
}

static int grow(struct stamps *s)
{
	struct stamps bigger = { .room = s->room * 2 };
	if (s->n * 10 < s->room * 7)
		return 0;
	bigger.row = calloc(bigger.room, sizeof(*bigger.row));
	if (!bigger.row)
		return PROV_ENOMEM;
	for (size_t i = 0; i < s->room; i++)
		if (s->row[i].used)
			bigger.row[place(&bigger, s->row[i].uuid)] = s->row[i];
	free(s->row);
	s->row = bigger.row;
	s->room = bigger.room;
	return 0;
}

struct stamp *stamps_find(const struct stamps *s, const char *uuid)
{
	unsigned char raw[16];
	if (!stamps_uuid(uuid, raw))
		return NULL;
	struct stamp *st = &s->row[place(s, raw)];
	return st->used ? st : NULL;
}

static void toggle(struct stamp *st, const json_t *list)
{
	size_t i;
	json_t *v;
	json_array_foreach(list, i, v)
	{
		if (json_is_string(v))
			st->roles ^= stamps_role(json_string_value(v));
	}
}

/* Renamed with what is above it: a record, but the entry itself was not written. */
static bool moved_along(const json_t *r)
{
	return !strcmp(audit_text(r, "op"), "rename") && !json_object_get(r, "attributes");
}

static int own(struct stamps *s, uint64_t seq, const json_t *r)
{
	const json_t *state = json_object_get(r, "state"), *roles = json_object_get(r, "roles");
	const char *after = audit_text(state, "after"), *before = audit_text(state, "before");
	unsigned char uuid[16];
	unsigned sid;
	int64_t when = 0;
	if (!state || !stamps_uuid(audit_text(r, "entryUUID"), uuid) ||
		!strcmp(audit_text(r, "op"), "sync") || moved_along(r))
		return 0;
	if (grow(s))
		return PROV_ENOMEM;
	struct stamp *st = &s->row[place(s, uuid)];
	if (!st->used) {
		memset(st, 0, sizeof(*st));
		memcpy(st->uuid, uuid, 16);
		st->used = true;
		s->n++;
	}
	prov_time_parse(prov_val_str(audit_text(r, "time")), &when);
	st->seq = seq;
	st->time = when;
	if (!stamps_uuid(audit_text(r, "id"), st->id))
		memset(st->id, 0, sizeof(st->id));
	if (!stamps_csn(audit_text(r, "csn"), &st->csn, &sid))
		st->csn = 0;
	if (strcmp(before, after))
		st->since = when;
	snprintf(st->state, sizeof(st->state), "%s", after);
	toggle(st, json_object_get(roles, "lost"));
	toggle(st, json_object_get(roles, "gained"));
	return 0;
}

static int group(struct stamps *s, uint64_t seq, const json_t *r)
{
	size_t i;
	json_t *m;
	bool any = false;
	json_array_foreach(json_object_get(r, "members"), i, m)
	{
		any = any || !json_is_true(json_object_get(m, "add"));
	}
	if (!any)
		return 0;
	if (prov_grow(&s->taken, s->ntaken, &s->taken_room, sizeof(*s->taken)))
		return PROV_ENOMEM;
	struct taken *t = &s->taken[s->ntaken];
	t->seq = seq;
	s->ntaken += stamps_uuid(audit_text(r, "id"), t->id);
	return 0;
}

void stamps_set_gaps(struct stamps *s)
{
	s->gaps = true;
}

bool stamps_gaps(const struct stamps *s)
{
	return s->gaps;
}

int stamps_see(struct stamps *s, uint64_t seq, const json_t *r)
{
	int64_t when, usec;
	unsigned char id[16];
	unsigned sid;
	s->last = seq;
	if (json_object_get(r, "missing"))
		s->gaps = true;
	if (!replay_is_write(r) && strcmp(audit_text(r, "op"), "policy"))
		return 0;
	if (!s->first_time && !prov_time_parse(prov_val_str(audit_text(r, "time")), &when))
		s->first_time = when;
	if (stamps_uuid(audit_text(r, "id"), id) && memcmp(id, s->newest, 16) > 0)
		memcpy(s->newest, id, 16);
	if (stamps_csn(audit_text(r, "csn"), &usec, &sid))
		s->server[sid / 8] |= (unsigned char)(1u << (sid % 8));
	int rc = own(s, seq, r);
	return rc ? rc : group(s, seq, r);
}

uint64_t stamps_taken(const struct stamps *s, const unsigned char id[16])
{
	size_t lo = 0, hi = s->ntaken;
	/* UUIDv7: nearly in order; what the order does not find is looked for one by one */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int d = memcmp(s->taken[mid].id, id, 16);
		if (!d)
			return s->taken[mid].seq;
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (size_t i = 0; i < s->ntaken; i++)
		if (!memcmp(s->taken[i].id, id, 16))
			return s->taken[i].seq;
	return 0;
}

int stamps_each(struct stamps *s, int (*see)(void *ctx, struct stamp *st), void *ctx)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < s->room; i++)
		if (s->row[i].used)
			rc = see(ctx, &s->row[i]);
	return rc;
}

uint64_t stamps_last(const struct stamps *s)
{
	return s->last;
}

int64_t stamps_first_time(const struct stamps *s)
{
	return s->first_time;
}

bool stamps_knows_until(const struct stamps *s, const unsigned char id[16])
{
	return memcmp(id, s->newest, STAMPS_TIME) <= 0;
}

bool stamps_knows_server(const struct stamps *s, unsigned sid)
{
	return sid < 4096 && (s->server[sid / 8] & (1u << (sid % 8)));
}
