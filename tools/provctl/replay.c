/* replay.c - see replay.h: what both kinds of replay share, and finding the account. */
#include "replay.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_match.h"
#include "fold.h"

/* us: writes that wait for each other are not that far apart */
#define JUMP ((int64_t)60 * 1000000)

char *replay_fold_dn(const char *dn)
{
	return prov_fold_dn(dn, strlen(dn));
}

char *replay_fold_text(const char *text)
{
	return prov_fold_text(text, strlen(text));
}

bool replay_jumped(int64_t when, int64_t at)
{
	return when > at + JUMP;
}

int replay_set(char **at, const char *text)
{
	char *copy = text ? strdup(text) : NULL;
	if (text && !copy)
		return PROV_ENOMEM;
	free(*at);
	*at = copy;
	return 0;
}

bool replay_is_write(const json_t *r)
{
	static const char *const other[] = { "delivery", "import", "policy", "restore",
		"undecodable" };
	const char *op = audit_text(r, "op");
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		if (!strcmp(op, other[i]))
			return false;
	return *op != 0;
}

/* End of the RDN that begins here; slapd writes DNs as RFC 4514 has them, without quotes. */
static const char *rdn_end(const char *p)
{
	for (; *p && *p != ','; p++)
		if (*p == '\\' && p[1])
			p++;
	return p;
}

static size_t rdns(const char *dn)
{
	size_t n = *dn != 0;
	for (dn = rdn_end(dn); *dn; dn = rdn_end(dn + 1))
		n++;
	return n;
}

char *replay_moved(const char *dn, const char *from, const char *to)
{
	size_t have = rdns(dn), cut = rdns(from);
	const char *end = dn;
	char *out = NULL;
	if (have <= cut)
		return strdup(to);
	for (size_t i = 0; i < have - cut; i++)
		end = rdn_end(i ? end + 1 : end);
	if (asprintf(&out, "%.*s,%s", (int)(end - dn), dn, to) < 0)
		return NULL;
	return out;
}

char *replay_member_key(const char *value)
{
	const char *hash = strrchr(value, '#');
	size_t len = strlen(value);
	if (!strchr(value, '='))
		return replay_fold_text(value);
	if (hash && hash[1] == '\'')
		len = (size_t)(hash - value);
	return prov_fold_dn(value, len);
}

int replay_note(json_t *notes, bool *certain, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return PROV_ENOMEM;
	json_t *v = json_string(text);
	int rc = json_array_append_new(notes, v ? v : json_string("?")) ? PROV_ENOMEM : 0;
	free(text);
	*certain = false;
	return rc;
}

int replay_doubt(json_t *notes, bool *certain, uint64_t seq, const json_t *r)
{
	const char *op = audit_text(r, "op");
	if (!strcmp(op, "restore"))
		return replay_note(notes, certain,
			"record %llu (%.19s): restored or replaced: %s; what follows may repeat or lack "
			"changes",
			(unsigned long long)seq, audit_text(r, "time"), audit_text(r, "reason"));
	if (!strcmp(op, "undecodable") || !*op)
		return replay_note(notes, certain,
			"record %llu cannot be read: what it did is not known",
			(unsigned long long)seq);
	return 0;
}

/* A deleted group's record has nothing but its names; so has that of an empty one that was added. */
bool replay_group_gone(const json_t *r)
{
	const char *op = audit_text(r, "op");
	if (*audit_text(r, "newDn"))
		return false;
	if (!strcmp(op, "delete"))
		return true;
	return !strcmp(op, "group") && !json_object_get(r, "members") &&
		!json_object_get(r, "attributes");
}

json_t *replay_item(const char *name, const char *text, uint64_t seq, const json_t *r,
	const char *by)
{
	json_t *v = json_object();
	if (name)
		json_object_set_new(v, name, json_string(text));
	json_object_set_new(v, "since", json_string(audit_text(r, "time")));
	json_object_set_new(v, "record", json_integer((json_int_t)seq));
	if (by)
		json_object_set_new(v, "by", json_string(by));
	return v;
}

int replay_find_init(struct replay_find *f, const char *who, int64_t at)
{
	memset(f, 0, sizeof(*f));
	f->at = at;
	f->is_uid = !strchr(who, '=');
	f->key = f->is_uid ? replay_fold_text(who) : replay_fold_dn(who);
	f->owner = json_object();
	f->now = json_object();
	return f->key && f->owner && f->now ? 0 : PROV_ENOMEM;
}

void replay_find_dispose(struct replay_find *f)
{
	free(f->key);
	json_decref(f->owner);
	json_decref(f->now);
	memset(f, 0, sizeof(*f));
}

/* Does the account bear the name after this record? *dn: its name then; malloc'ed key compared. */
static int bears(const struct replay_find *f, const json_t *r, const char *dn, bool *yes)
{
	const char *text = f->is_uid ? audit_text(r, "uid") : dn;
	char *key = f->is_uid ? replay_fold_text(text) : replay_fold_dn(text);
	if (!key)
		return PROV_ENOMEM;
	*yes = !strcmp(key, f->key);
	free(key);
	return 0;
}

static int see_account(struct replay_find *f, uint64_t seq, const json_t *r)
{
	const char *uuid = audit_text(r, "entryUUID"), *dn = audit_text(r, "newDn");
	const json_t *state = json_object_get(r, "state");
	bool yes = false;
	if (!*uuid || !state)
		return 0;
	bool ends = !*audit_text(state, "after");
	if (!*dn)
		dn = audit_text(r, "dn");
	int rc = bears(f, r, dn, &yes);
	if (rc)
		return rc;
	if (yes && !f->first)
		f->first = seq;
	if (yes && !ends) {
		if (!f->is_uid && !json_object_get(f->now, uuid))
			json_object_clear(f->now); /* a DN is one entry's */
		rc = json_object_set_new(f->now, uuid, json_string(dn)) ? PROV_ENOMEM : 0;
		f->dirty = true;
	} else if (json_object_get(f->now, uuid)) {
		json_object_del(f->now, uuid);
		f->gone_now = seq;
		f->dirty = true;
	}
	return rc;
}

int replay_find_pass(struct replay_find *f, uint64_t seq, int64_t usec)
{
	if (usec > f->at) {
		if (replay_jumped(usec, f->at) && !f->jumped_now)
			f->jumped_now = seq;
		return 0;
	}
	f->cut = seq;
	f->jumped = f->jumped_now;
	f->gone = f->gone_now;
	if (f->dirty) {
		json_decref(f->owner);
		f->owner = json_copy(f->now);
		f->dirty = false;
	}
	return f->owner ? 0 : PROV_ENOMEM;
}

int replay_find_see(struct replay_find *f, uint64_t seq, const json_t *r)
{
	int64_t when;
	if (!replay_is_write(r))
		return 0;
	int rc = see_account(f, seq, r);
	if (rc || audit_usec(audit_text(r, "time"), 0, false, &when))
		return rc;
	return replay_find_pass(f, seq, when);
}
