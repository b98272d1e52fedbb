/*
 * against.c - see against.h.
 *
 * An account's entryCSN tells when it was written last, by whatever: so one that no write of
 * the trail explains was made behind the overlay, even where all stamps are right. With
 * memberOf kept, writes of groups touch accounts, too.
 */
#include "against.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fold.h"
#include "replay.h"
#include "state.h"
#include "timefmt.h"

#define SECOND ((int64_t)1000000)

const char *const against_attrs[] = { "entryUUID", "uid", "provState", "provStateSince",
	"provChangeId", "provChangeTime", "provEffectiveRole", "entryCSN", "createTimestamp",
	NULL };

const char *against_name(enum against_kind k)
{
	static const char *const name[] = { "AGREES", "BEFORE", "ELSEWHERE", "ADDED_BEHIND",
		"CHANGED_BEHIND", "STAMP_DIFFERS", "RECORD_MISSING", "CUT_BACK", "ENTRY_OLDER",
		"GONE" };
	return name[k];
}

void against_entry_dispose(struct against_entry *e)
{
	free(e->dn);
	free(e->uuid);
	free(e->uid);
	free(e->id);
	free(e->csn);
	free(e->created);
	memset(e, 0, sizeof(*e));
}

static int64_t seconds_of(LDAP *ld, LDAPMessage *m, const char *attr)
{
	char *text = prov_ldap_first(ld, m, attr);
	int64_t at = 0;
	if (text && prov_time_parse(prov_val_str(text), &at))
		at = -1;
	free(text);
	return at;
}

int against_entry_read(LDAP *ld, LDAPMessage *m, struct against_entry *e)
{
	char *dn = ldap_get_dn(ld, m), *state = prov_ldap_first(ld, m, "provState");
	struct berval **v = ldap_get_values_len(ld, m, "provEffectiveRole");
	against_entry_dispose(e);
	e->dn = dn ? strdup(dn) : NULL;
	e->uuid = prov_ldap_first(ld, m, "entryUUID");
	e->uid = prov_ldap_first(ld, m, "uid");
	e->id = prov_ldap_first(ld, m, "provChangeId");
	e->csn = prov_ldap_first(ld, m, "entryCSN");
	e->created = prov_ldap_first(ld, m, "createTimestamp");
	e->time = seconds_of(ld, m, "provChangeTime");
	e->since = seconds_of(ld, m, "provStateSince");
	snprintf(e->state, sizeof(e->state), "%s", state ? state : "active");
	for (char *p = e->state; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	for (int i = 0; v && v[i]; i++) {
		char *role = strndup(v[i]->bv_val, v[i]->bv_len);
		e->roles ^= stamps_role(role ? role : "");
		free(role);
	}
	ldap_value_free_len(v);
	ldap_memfree(dn);
	free(state);
	return e->dn ? 0 : PROV_ENOMEM;
}

json_t *against_record(struct audit_trail *t, uint64_t seq)
{
	unsigned char be[8];
	struct prov_val row;
	prov_be64_put(be, seq);
	if (prov_kv_get(t->txn, PROV_T_TRAIL, (struct prov_val){ (char *)be, 8 }, &row) ||
		row.len < 33)
		return NULL;
	return json_loadb(row.data + 33, row.len - 33, 0, NULL);
}

/* The record at or before seq that has a CSN; *seq is its number. */
static json_t *with_csn(struct audit_trail *t, uint64_t *seq, uint64_t low, int64_t *usec)
{
	unsigned sid;
	for (; *seq >= low && *seq; (*seq)--) {
		json_t *r = against_record(t, *seq);
		if (r && stamps_csn(audit_text(r, "csn"), usec, &sid))
			return r;
		json_decref(r);
	}
	return NULL;
}

/* The last record whose CSN is not newer: CSNs are given out in the order of the trail. */
static json_t *record_before(struct audit_trail *t, const struct stamps *s, int64_t csn,
	uint64_t *seq, int64_t *at)
{
	uint64_t lo = 1, hi = stamps_last(s), best = 0;
	while (lo <= hi) {
		uint64_t mid = lo + (hi - lo) / 2, n = mid;
		int64_t usec;
		json_t *r = with_csn(t, &n, lo, &usec);
		json_decref(r);
		if (!r) { /* none with a CSN from lo to mid */
			lo = mid + 1;
		} else if (usec <= csn) {
			best = n;
			lo = mid + 1;
		} else {
			hi = n - 1;
		}
	}
	*seq = best;
	return best ? with_csn(t, seq, best, at) : NULL;
}

static bool names_member(const json_t *r, const struct against_entry *e)
{
	char *dn = replay_fold_dn(e->dn), *uid = e->uid ? replay_fold_text(e->uid) : NULL;
	size_t i;
	json_t *m;
	bool found = false;
	json_array_foreach(json_object_get(r, "members"), i, m)
	{
		char *key = replay_member_key(audit_text(m, "dn"));
		found = found || (key && dn && !strcmp(key, dn)) ||
			(key && uid && !strcmp(key, uid));
		free(key);
	}
	free(dn);
	free(uid);
	return found;
}

/* Can this write have touched the account's entry? */
static bool touches(const json_t *r, const struct against_entry *e)
{
	if (!strcasecmp(audit_text(r, "entryUUID"), e->uuid) || names_member(r, e))
		return true;
	/* memberOf of all members follows a group that gets another name or goes */
	return *audit_text(r, "newDn") || replay_group_gone(r);
}

/* A commit may take a while: the more members it writes, the longer. */
static int64_t slack(const json_t *r)
{
	return SECOND + 1000 * (int64_t)json_array_size(json_object_get(r, "members"));
}

static bool explained(struct audit_trail *t, const struct stamps *s, const struct against_entry *e,
	int64_t csn, uint64_t *seq)
{
	int64_t at;
	json_t *r = record_before(t, s, csn, seq, &at);
	bool yes = r && touches(r, e) && csn - at <= slack(r);
	json_decref(r);
	return yes;
}

/* Was it the write of a group that stamped the account last? */
static bool taken_by(struct audit_trail *t, const struct stamps *s, const struct stamp *st,
	const struct against_entry *e, uint64_t *record)
{
	unsigned char id[16];
	if (!stamps_uuid(e->id, id))
		return false;
	uint64_t seq = stamps_taken(s, id);
	if (!seq || (st && seq < st->seq))
		return false;
	json_t *r = against_record(t, seq);
	bool yes = names_member(r, e);
	json_decref(r);
	if (yes)
		*record = seq;
	return yes;
}

static enum against_kind other_id(const struct stamps *s, const struct stamp *st,
	const struct against_entry *e, char *text, size_t room)
{
	unsigned char id[16];
	if (!stamps_uuid(e->id, id)) {
		snprintf(text, room, "provChangeId is no change id: %s", e->id);
		return AGAINST_DIFFERS;
	}
	if (!stamps_knows_until(s, id)) {
		snprintf(text, room,
			"the trail ends at record %llu, before the account's change %s: it was cut back",
			(unsigned long long)stamps_last(s), e->id);
		return AGAINST_CUT;
	}
	if (st && memcmp(id, st->id, STAMPS_TIME) < 0) {
		snprintf(text, room,
			"record %llu is newer than the entry, which has change %s: the entry is from a backup",
			(unsigned long long)st->seq, e->id);
		return AGAINST_OLDER;
	}
	if (!st) { /* slapmodify gives an entry another entryUUID */
		snprintf(text, room,
			"no record has its entryUUID, though it has change %s: written behind the overlay",
			e->id);
		return AGAINST_CHANGED;
	}
	snprintf(text, room, "the trail has no record of the account's change %s", e->id);
	return AGAINST_MISSING;
}

static enum against_kind differs(const struct stamp *st, bool gaps, const struct against_entry *e,
	char *text, size_t room)
{
	const char *what = NULL;
	if (e->time != st->time)
		what = "provChangeTime";
	else if (strcmp(e->state, st->state))
		what = "provState";
	else if (!gaps && st->since && e->since != st->since)
		what = "provStateSince";
	else if (!gaps && e->roles != st->roles)
		what = "provEffectiveRole";
	if (!what)
		return AGAINST_AGREES;
	snprintf(text, room, "%s is not what record %llu and those before it say", what,
		(unsigned long long)st->seq);
	return AGAINST_DIFFERS;
}

/* Without any stamp of ours. */
static enum against_kind unstamped(const struct stamps *s, const struct stamp *st,
	const struct against_entry *e, char *text, size_t room)
{
	int64_t made_at = 0;
	if (st) {
		snprintf(text, room, "its stamps are gone: record %llu set them",
			(unsigned long long)st->seq);
		return AGAINST_CHANGED;
	}
	if (e->created)
		prov_time_parse(prov_val_str(e->created), &made_at);
	if (!stamps_first_time(s) || made_at < stamps_first_time(s))
		return AGAINST_BEFORE;
	snprintf(text, room, "made at %s, after the trail began, and no record tells of it",
		e->created ? e->created : "an unknown time");
	return AGAINST_ADDED;
}

enum against_kind against_judge(struct audit_trail *t, const struct stamps *s,
	const struct against_entry *e, char *text, size_t room, uint64_t *record)
{
	struct stamp *st = e->uuid ? stamps_find(s, e->uuid) : NULL;
	unsigned char id[16];
	int64_t csn = 0;
	unsigned sid = 0;
	uint64_t seq = 0;
	*text = '\0';
	*record = st ? st->seq : 0;
	if (st)
		st->seen = true;
	bool has_csn = e->csn && stamps_csn(e->csn, &csn, &sid);
	if (has_csn && !stamps_knows_server(s, sid) && stamps_last(s))
		return AGAINST_ELSEWHERE;
	if (!e->id)
		return unstamped(s, st, e, text, room);
	bool same = st && stamps_uuid(e->id, id) && !memcmp(id, st->id, 16);
	if (!same && !taken_by(t, s, st, e, record))
		return other_id(s, st, e, text, room);
	if (same) {
		enum against_kind k = differs(st, stamps_gaps(s), e, text, room);
		if (k)
			return k;
	}
	if (!has_csn || (st && csn >= st->csn && csn - st->csn <= SECOND) ||
		explained(t, s, e, csn, &seq))
		return AGAINST_AGREES;
	snprintf(text, room,
		"written at %.14sZ, and no record tells of it (the last before is %llu)", e->csn,
		(unsigned long long)seq);
	return AGAINST_CHANGED;
}
