/*
 * replay_group.c - one group's members through the trail. See replay.h.
 *
 * Members are kept under "dn:" or "uid:" and the folded name; accounts that are renamed
 * take their memberships along, as the overlay makes them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_match.h"
#include "fold.h"
#include "replay.h"

int replay_group_init(struct replay_group *g, const char *dn, int64_t at)
{
	memset(g, 0, sizeof(*g));
	g->at = at;
	g->certain = true;
	g->target = replay_fold_dn(dn);
	g->renames = json_array();
	g->names = json_array();
	g->members = json_object();
	g->notes = json_array();
	g->owners = json_object();
	g->uids = json_object();
	return g->owners && g->uids && g->target && g->renames && g->names && g->members && g->notes
		? 0
		: PROV_ENOMEM;
}

void replay_group_dispose(struct replay_group *g)
{
	free(g->target);
	json_decref(g->renames);
	json_decref(g->names);
	json_decref(g->members);
	json_decref(g->notes);
	json_decref(g->owners);
	json_decref(g->uids);
	memset(g, 0, sizeof(*g));
}

static int note_rename(struct replay_group *g, uint64_t seq, const json_t *r)
{
	const char *to = audit_text(r, "newDn");
	if (!*to || json_object_get(r, "state"))
		return 0;
	char *from_key = replay_fold_dn(audit_text(r, "dn")), *to_key = replay_fold_dn(to);
	json_t *row =
		from_key && to_key ? json_pack("[I,s,s]", (json_int_t)seq, from_key, to_key) : NULL;
	free(from_key);
	free(to_key);
	return json_array_append_new(g->renames, row) ? PROV_ENOMEM : 0;
}

void replay_group_pass(struct replay_group *g, uint64_t seq, int64_t usec)
{
	if (usec <= g->at) {
		g->cut = seq;
		g->jumped = g->jumped_now;
	} else if (replay_jumped(usec, g->at) && !g->jumped_now) {
		g->jumped_now = seq;
	}
}

int replay_group_find(struct replay_group *g, uint64_t seq, const json_t *r)
{
	int64_t when;
	if (!replay_is_write(r))
		return 0;
	if (!audit_usec(audit_text(r, "time"), 0, false, &when))
		replay_group_pass(g, seq, when);
	return note_rename(g, seq, r);
}

int replay_group_named(struct replay_group *g)
{
	char *name = strdup(g->target);
	int rc = name ? 0 : PROV_ENOMEM;
	json_int_t until = (json_int_t)g->cut;
	for (size_t i = json_array_size(g->renames); !rc && i > 0; i--) {
		json_t *row = json_array_get(g->renames, i - 1);
		json_int_t seq = json_integer_value(json_array_get(row, 0));
		const char *from = json_string_value(json_array_get(row, 1));
		const char *to = json_string_value(json_array_get(row, 2));
		if (seq > (json_int_t)g->cut || !prov_fold_dn_within(name, to))
			continue;
		if (json_array_insert_new(g->names, 0, json_pack("[I,s]", until, name)))
			rc = PROV_ENOMEM;
		until = seq; /* its own record has the old name still */
		char *old = replay_moved(name, to, from);
		free(name);
		name = old ? replay_fold_dn(old) : NULL;
		free(old);
		if (!name)
			rc = PROV_ENOMEM;
	}
	if (!rc && json_array_insert_new(g->names, 0, json_pack("[I,s]", until, name)))
		rc = PROV_ENOMEM;
	free(name);
	return rc;
}

static const char *name_at(struct replay_group *g, uint64_t seq)
{
	while (json_array_size(g->names) > 1 &&
		json_integer_value(json_array_get(json_array_get(g->names, 0), 0)) <
			(json_int_t)seq)
		json_array_remove(g->names, 0);
	return json_string_value(json_array_get(json_array_get(g->names, 0), 1));
}

static char *member_key(const char *kind, const char *folded)
{
	char *key = NULL;
	return asprintf(&key, "%s:%s", kind, folded) < 0 ? NULL : key;
}

/* The account's members' keys: by name, and by the uid that it had when it was seen last. */
struct names {
	char *dn, *uid, *was_uid; /* keys; was_uid NULL: not seen */
};

static char *key_of(const char *kind, char *folded)
{
	char *key = folded ? member_key(kind, folded) : NULL;
	free(folded);
	return key;
}

static int names_of(struct replay_group *g, const json_t *r, struct names *n)
{
	const char *was = audit_text(json_object_get(g->owners, audit_text(r, "entryUUID")), "key");
	n->dn = key_of("dn", replay_fold_dn(audit_text(r, "dn")));
	n->uid = key_of("uid", replay_fold_text(audit_text(r, "uid")));
	n->was_uid = *was ? strdup(was) : NULL;
	return n->dn && n->uid && (!*was || n->was_uid) ? 0 : PROV_ENOMEM;
}

static void names_dispose(struct names *n)
{
	free(n->dn);
	free(n->uid);
	free(n->was_uid);
}

static void drop_account(struct replay_group *g, const struct names *n)
{
	json_object_del(g->members, n->dn);
	json_object_del(g->members, n->uid);
	if (n->was_uid)
		json_object_del(g->members, n->was_uid);
}

/* The member under this key has another from now on; one that had it before is the same then. */
static int move_key(struct replay_group *g, const char *from, const char *to, const char *field,
	const char *value)
{
	json_t *v = json_object_get(g->members, from);
	if (!v || !strcmp(from, to))
		return 0;
	json_object_set_new(v, field, json_string(value));
	if (json_object_set(g->members, to, v))
		return PROV_ENOMEM;
	json_object_del(g->members, from);
	return 0;
}

static int follow_names(struct replay_group *g, const json_t *r, const struct names *n)
{
	const char *new_dn = audit_text(r, "newDn"), *uid = audit_text(r, "uid");
	char *to = *new_dn ? key_of("dn", replay_fold_dn(new_dn)) : strdup(n->dn);
	int rc = to ? move_key(g, n->dn, to, "dn", *new_dn ? new_dn : audit_text(r, "dn"))
		    : PROV_ENOMEM;
	json_t *v = to ? json_object_get(g->members, to) : NULL;
	if (v && *uid && *audit_text(v, "uid"))
		json_object_set_new(v, "uid", json_string(uid));
	if (!rc && n->was_uid)
		rc = move_key(g, n->was_uid, n->uid, "uid", uid);
	free(to);
	return rc;
}

/* Who has the uids that people put into the group. */
static int note_owner(struct replay_group *g, const json_t *r, const struct names *n)
{
	const char *uuid = audit_text(r, "entryUUID"), *dn = audit_text(r, "newDn");
	if (!*audit_text(json_object_get(r, "state"), "after"))
		json_object_del(g->owners, uuid);
	else if (n->was_uid || json_object_get(g->uids, n->uid))
		return json_object_set_new(g->owners, uuid,
			       json_pack("{s:s,s:s}", "key", n->uid, "dn",
				       *dn ? dn : audit_text(r, "dn")))
			? PROV_ENOMEM
			: 0;
	return 0;
}

static bool lists(const json_t *list, const char *name)
{
	size_t i;
	json_t *v;
	json_array_foreach(list, i, v)
	{
		char *key = json_is_string(v) ? replay_fold_dn(json_string_value(v)) : NULL;
		bool same = key && !strcmp(key, name);
		free(key);
		if (same)
			return true;
	}
	return false;
}

static int account_gains(struct replay_group *g, uint64_t seq, const json_t *r,
	const struct names *n)
{
	const char *dn = audit_text(r, "newDn");
	if (!*dn)
		dn = audit_text(r, "dn");
	char *folded = replay_fold_dn(dn), *key = folded ? member_key("dn", folded) : NULL;
	int rc = key ? 0 : PROV_ENOMEM;
	if (key && !json_object_get(g->members, key) && !json_object_get(g->members, n->uid)) {
		json_t *v = replay_item("dn", dn, seq, r, "role");
		json_object_set_new(v, "uid", json_string(audit_text(r, "uid")));
		json_object_set_new(v, "entryUUID", json_string(audit_text(r, "entryUUID")));
		rc = json_object_set_new(g->members, key, v) ? PROV_ENOMEM : 0;
		g->exists = true;
		if (!g->first) {
			g->first = seq;
			rc = replay_note(g->notes, &g->certain,
				"the trail has no record of how the group began: members from before "
				"record %llu are not known",
				(unsigned long long)seq);
		}
	}
	free(key);
	free(folded);
	return rc;
}

static int of_account(struct replay_group *g, uint64_t seq, const json_t *r, const char *name)
{
	const json_t *groups = json_object_get(r, "groups");
	struct names n = { 0 };
	if (!json_object_get(r, "state"))
		return 0;
	int rc = names_of(g, r, &n);
	if (!rc && (lists(json_object_get(groups, "lost"), name) || replay_group_gone(r)))
		drop_account(g, &n);
	else if (!rc)
		rc = follow_names(g, r, &n);
	if (!rc)
		rc = note_owner(g, r, &n);
	if (!rc &&
		(lists(json_object_get(groups, "gained"), name) ||
			lists(json_object_get(json_object_get(r, "present"), "groups"), name)))
		rc = account_gains(g, seq, r, &n);
	names_dispose(&n);
	return rc;
}

/* A uid that is there under the account's DN is the same member. */
static int drop_uid(struct replay_group *g, const char *uid)
{
	const char *key;
	json_t *v;
	void *next;
	json_object_foreach_safe(g->members, next, key, v)
	{
		char *has = replay_fold_text(audit_text(v, "uid"));
		if (has && !strcmp(has, uid))
			json_object_del(g->members, key);
		free(has);
	}
	return 0;
}

static int one_by_hand(struct replay_group *g, uint64_t seq, const json_t *r, const json_t *m)
{
	const char *who = audit_text(m, "dn");
	bool is_dn = strchr(who, '=') != NULL;
	char *folded = replay_member_key(who);
	char *key = folded ? member_key(is_dn ? "dn" : "uid", folded) : NULL;
	int rc = key ? 0 : PROV_ENOMEM;
	if (!rc && !is_dn)
		rc = drop_uid(g, folded);
	if (!rc && !json_is_true(json_object_get(m, "add")))
		json_object_del(g->members, key);
	else if (!rc && !json_object_get(g->members, key))
		rc = json_object_set_new(g->members, key,
			     replay_item(is_dn ? "dn" : "uid", who, seq, r, "hand"))
			? PROV_ENOMEM
			: 0;
	free(key);
	free(folded);
	return rc;
}

/* A record of the group itself. */
static int own(struct replay_group *g, uint64_t seq, const json_t *r)
{
	bool written = json_object_get(r, "members") || !strcmp(audit_text(r, "op"), "group");
	size_t i;
	json_t *m;
	int rc = 0;
	if (!written)
		return 0;
	if (!g->first) {
		g->first = seq;
		if (json_object_get(r, "attributes") && strcmp(audit_text(r, "op"), "add"))
			rc = replay_note(g->notes, &g->certain,
				"the trail has no record of how the group began: members from before "
				"record %llu are not known",
				(unsigned long long)seq);
	}
	g->exists = true;
	if (replay_group_gone(r)) {
		json_object_clear(g->members);
		/* an empty one that was just made looks the same, and has as many members */
		g->exists = g->first == seq;
	}
	json_array_foreach(json_object_get(r, "members"), i, m)
	{
		if (!rc && *audit_text(m, "dn"))
			rc = one_by_hand(g, seq, r, m);
	}
	return rc;
}

int replay_group_see(struct replay_group *g, uint64_t seq, const json_t *r)
{
	int rc = replay_doubt(g->notes, &g->certain, seq, r);
	if (rc || !replay_is_write(r))
		return rc;
	const char *name = name_at(g, seq);
	char *dn = replay_fold_dn(audit_text(r, "dn"));
	if (!name || !dn) {
		free(dn);
		return PROV_ENOMEM;
	}
	rc = of_account(g, seq, r, name);
	if (!rc && !strcmp(dn, name))
		rc = own(g, seq, r);
	free(dn);
	return rc;
}

int replay_group_learn(struct replay_group *g, const json_t *r)
{
	const json_t *list = json_object_get(r, "members");
	size_t i;
	json_t *m;
	int rc = 0;
	if (!list || !replay_is_write(r))
		return 0;
	json_array_foreach(list, i, m)
	{
		const char *who = audit_text(m, "dn");
		if (rc || !*who || strchr(who, '='))
			continue;
		char *key = key_of("uid", replay_member_key(who));
		rc = key && !json_object_set_new(g->uids, key, json_true()) ? 0 : PROV_ENOMEM;
		free(key);
	}
	return rc;
}

void replay_group_finish(struct replay_group *g)
{
	const char *uuid;
	json_t *owner;
	json_object_foreach(g->owners, uuid, owner)
	{
		json_t *v = json_object_get(g->members, audit_text(owner, "key"));
		if (!v)
			continue;
		json_object_set(v, "dn", json_object_get(owner, "dn"));
		json_object_set_new(v, "entryUUID", json_string(uuid));
	}
}
