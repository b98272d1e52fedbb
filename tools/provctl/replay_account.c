/*
 * replay_account.c - one account through the trail: its own records, and the groups that
 * people wrote. See replay.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "audit_match.h"
#include "fold.h"
#include "replay.h"

int replay_account_init(struct replay_account *a, const char *uuid)
{
	memset(a, 0, sizeof(*a));
	a->certain = true;
	a->roles = json_object();
	a->groups = json_object();
	a->ents = json_object();
	a->attrs = json_object();
	a->names = json_object();
	a->notes = json_array();
	if (!a->names || !a->roles || !a->groups || !a->ents || !a->attrs || !a->notes)
		return PROV_ENOMEM;
	return replay_set(&a->uuid, uuid);
}

void replay_account_dispose(struct replay_account *a)
{
	free(a->uuid);
	free(a->dn);
	free(a->key);
	free(a->uid);
	free(a->uid_key);
	free(a->state);
	free(a->state_since);
	free(a->last_time);
	free(a->last_id);
	json_decref(a->roles);
	json_decref(a->groups);
	json_decref(a->ents);
	json_decref(a->attrs);
	json_decref(a->names);
	json_decref(a->notes);
	memset(a, 0, sizeof(*a));
}

static bool is_own(const struct replay_account *a, const json_t *r)
{
	return !strcasecmp(audit_text(r, "entryUUID"), a->uuid) && replay_is_write(r) &&
		json_object_get(r, "state");
}

static int learn(struct replay_account *a, char *key)
{
	int rc = key ? 0 : PROV_ENOMEM;
	if (key && *key && !json_object_get(a->names, key) &&
		json_object_set_new(a->names, key, json_pack("{s:s,s:{}}", "owner", "", "groups")))
		rc = PROV_ENOMEM;
	free(key);
	return rc;
}

int replay_account_learn(struct replay_account *a, const json_t *r)
{
	int rc = 0;
	if (!is_own(a, r))
		return 0;
	rc = learn(a, replay_fold_dn(audit_text(r, "dn")));
	if (!rc)
		rc = learn(a, replay_fold_dn(audit_text(r, "newDn")));
	return rc ? rc : learn(a, replay_fold_text(audit_text(r, "uid")));
}

/* Groups that had this name already, without anybody behind it, have the account now. */
static int take_over(struct replay_account *a, const char *key)
{
	json_t *name = json_object_get(a->names, key);
	json_t *groups = json_object_get(name, "groups");
	if (!name)
		return 0;
	json_object_set_new(name, "owner", json_string(a->uuid));
	int rc = json_object_update_missing(a->groups, groups) ? PROV_ENOMEM : 0;
	json_object_clear(groups);
	return rc;
}

static int rename_to(char **text, char **key, const char *name, char *folded)
{
	int rc = folded ? replay_set(text, name) : PROV_ENOMEM;
	free(*key);
	*key = folded;
	return rc;
}

/* The names that the account has from this record on. */
static int take_names(struct replay_account *a, const char *dn, const char *uid)
{
	char *dn_key = replay_fold_dn(dn), *uid_key = *uid ? replay_fold_text(uid) : NULL;
	bool new_dn = dn_key && (!a->key || strcmp(a->key, dn_key));
	bool new_uid = uid_key && (!a->uid_key || strcmp(a->uid_key, uid_key));
	int rc = rename_to(&a->dn, &a->key, dn, dn_key);
	if (!rc && *uid)
		rc = rename_to(&a->uid, &a->uid_key, uid, uid_key);
	if (!rc && new_dn)
		rc = take_over(a, a->key);
	return rc || !new_uid ? rc : take_over(a, a->uid_key);
}

/* kind: how the values are compared: "dn" or "what". */
static int put(json_t *set, const char *kind, const char *text, uint64_t seq, const json_t *r,
	const char *by)
{
	char *key = strcmp(kind, "dn") ? strdup(text) : replay_fold_dn(text);
	int rc = key ? 0 : PROV_ENOMEM;
	if (key && !json_object_get(set, key)) /* the first one that gave it tells since when */
		rc = json_object_set_new(set, key, replay_item(kind, text, seq, r, by))
			? PROV_ENOMEM
			: 0;
	free(key);
	return rc;
}

static int drop(json_t *set, const char *kind, const char *text)
{
	char *key = strcmp(kind, "dn") ? strdup(text) : replay_fold_dn(text);
	if (!key)
		return PROV_ENOMEM;
	json_object_del(set, key);
	free(key);
	return 0;
}

static int put_all(json_t *set, const char *kind, const json_t *list, uint64_t seq, const json_t *r)
{
	size_t i;
	json_t *v;
	int rc = 0;
	json_array_foreach(list, i, v)
	{
		if (!rc && json_is_string(v))
			rc = put(set, kind, json_string_value(v), seq, r, "role");
	}
	return rc;
}

static int change(json_t *set, const char *kind, const char *name, uint64_t seq, const json_t *r)
{
	const json_t *diff = json_object_get(r, name);
	size_t i;
	json_t *v;
	int rc = 0;
	json_array_foreach(json_object_get(diff, "lost"), i, v)
	{
		if (!rc && json_is_string(v))
			rc = drop(set, kind, json_string_value(v));
	}
	return rc ? rc : put_all(set, kind, json_object_get(diff, "gained"), seq, r);
}

/* A full sync tells all roles and entitlements, and the groups that roles gave. */
static int present(struct replay_account *a, uint64_t seq, const json_t *r)
{
	const json_t *has = json_object_get(r, "present");
	if (!has)
		return 0;
	json_t *keep_roles = json_object(), *keep_ents = json_object();
	int rc = put_all(keep_roles, "dn", json_object_get(has, "roles"), seq, r);
	if (!rc)
		rc = put_all(keep_ents, "what", json_object_get(has, "entitlements"), seq, r);
	if (!rc)
		rc = put_all(a->groups, "dn", json_object_get(has, "groups"), seq, r);
	/* what was known already keeps its own time */
	json_object_update_existing(keep_roles, a->roles);
	json_object_update_existing(keep_ents, a->ents);
	json_decref(a->roles);
	json_decref(a->ents);
	a->roles = keep_roles;
	a->ents = keep_ents;
	return rc;
}

static int take_state(struct replay_account *a, uint64_t seq, const json_t *r)
{
	const json_t *s = json_object_get(r, "state");
	const char *after = audit_text(s, "after");
	int rc = 0;
	if (!s)
		return 0;
	if (!*after) {
		a->exists = false;
		json_object_clear(a->roles);
		json_object_clear(a->ents);
		if (replay_group_gone(
			    r)) /* one that is no account any more keeps what people gave */
			json_object_clear(a->groups);
		return replay_set(&a->state, NULL);
	}
	a->exists = true;
	if (!a->state || strcmp(a->state, after)) {
		bool known =
			!a->first || a->first == seq ? !strcmp(audit_text(r, "op"), "add") : true;
		rc = replay_set(&a->state_since,
			known || strcmp(audit_text(s, "before"), after) ? audit_text(r, "time")
									: NULL);
		if (!rc)
			rc = replay_set(&a->state, after);
	}
	return rc;
}

/* The overlay's own mark of a rename, which its record lists. */
static bool is_stamp(const char *name)
{
	return !strncasecmp(name, "provChange", 10);
}

static int take_attrs(struct replay_account *a, uint64_t seq, const json_t *r)
{
	size_t i;
	json_t *v;
	json_array_foreach(json_object_get(r, "attributes"), i, v)
	{
		if (json_is_string(v) && !is_stamp(json_string_value(v)) &&
			json_object_set_new(a->attrs, json_string_value(v),
				replay_item(NULL, NULL, seq, r, NULL)))
			return PROV_ENOMEM;
	}
	return 0;
}

static int first_one(struct replay_account *a, uint64_t seq, const json_t *r)
{
	const char *op = audit_text(r, "op");
	if (a->first)
		return 0;
	a->first = seq;
	if (!strcmp(op, "add"))
		return 0;
	/* an entry that became an account just now had nothing from roles, but groups perhaps */
	return replay_note(a->notes, &a->certain,
		"its first record, %llu, is no add but \"%s\": what it was given before is not known",
		(unsigned long long)seq, op);
}

static int own(struct replay_account *a, uint64_t seq, const json_t *r)
{
	const char *dn = audit_text(r, "newDn");
	int rc = first_one(a, seq, r);
	if (!rc)
		rc = take_names(a, *dn ? dn : audit_text(r, "dn"), audit_text(r, "uid"));
	if (!rc)
		rc = change(a->roles, "dn", "roles", seq, r);
	if (!rc)
		rc = change(a->groups, "dn", "groups", seq, r);
	if (!rc)
		rc = change(a->ents, "what", "entitlements", seq, r);
	if (!rc)
		rc = present(a, seq, r);
	if (!rc)
		rc = take_attrs(a, seq, r);
	if (!rc)
		rc = take_state(a, seq, r);
	a->last = seq;
	if (!rc)
		rc = replay_set(&a->last_time, audit_text(r, "time"));
	return rc ? rc : replay_set(&a->last_id, audit_text(r, "id"));
}

/* Where a membership of this name goes: the account's, a name's that it had or will have, or nowhere. */
static json_t *groups_of(struct replay_account *a, const char *key)
{
	if ((a->key && !strcmp(key, a->key)) || (a->uid_key && !strcmp(key, a->uid_key)))
		return a->groups;
	return json_object_get(json_object_get(a->names, key), "groups");
}

static int by_hand(struct replay_account *a, uint64_t seq, const json_t *r)
{
	const char *group = audit_text(r, "dn");
	size_t i;
	json_t *v;
	int rc = 0;
	json_array_foreach(json_object_get(r, "members"), i, v)
	{
		const char *who = audit_text(v, "dn");
		char *key = !rc && *who ? replay_member_key(who) : NULL;
		json_t *groups = key ? groups_of(a, key) : NULL;
		if (groups)
			rc = json_is_true(json_object_get(v, "add"))
				? put(groups, "dn", group, seq, r, "hand")
				: drop(groups, "dn", group);
		free(key);
	}
	return rc;
}

/* Another entry has moved: groups at and below it have other names now. */
static int move_groups(json_t *groups, const char *from, const json_t *r)
{
	const char *to = audit_text(r, "newDn"), *was = audit_text(r, "dn"), *key;
	json_t *moved = json_object(), *v;
	void *next;
	int rc = moved ? 0 : PROV_ENOMEM;
	json_object_foreach_safe(groups, next, key, v)
	{
		if (rc || !prov_fold_dn_within(key, from))
			continue;
		char *dn = replay_moved(audit_text(v, "dn"), was, to);
		char *now = dn ? replay_fold_dn(dn) : NULL;
		if (!now || json_object_set_new(v, "dn", json_string(dn)) ||
			json_object_set(moved, now, v))
			rc = PROV_ENOMEM;
		json_object_del(groups, key);
		free(now);
		free(dn);
	}
	json_object_update(groups, moved);
	json_decref(moved);
	return rc;
}

/* A group, or what is above one, was renamed or deleted. */
static int follow_group(json_t *groups, const char *dn, const json_t *r)
{
	if (!json_object_size(groups))
		return 0;
	if (*audit_text(r, "newDn"))
		return move_groups(groups, dn, r);
	if (replay_group_gone(r))
		json_object_del(groups, dn);
	return 0;
}

static int follow_groups(struct replay_account *a, const json_t *r)
{
	const char *key;
	json_t *name;
	if (!*audit_text(r, "newDn") && !replay_group_gone(r))
		return 0;
	char *dn = replay_fold_dn(audit_text(r, "dn"));
	int rc = dn ? follow_group(a->groups, dn, r) : PROV_ENOMEM;
	json_object_foreach(a->names, key, name)
	{
		if (!rc)
			rc = follow_group(json_object_get(name, "groups"), dn, r);
	}
	free(dn);
	return rc;
}

static int drop_lost(json_t *groups, const json_t *r)
{
	size_t i;
	json_t *v;
	int rc = 0;
	json_array_foreach(json_object_get(json_object_get(r, "groups"), "lost"), i, v)
	{
		if (!rc && json_is_string(v))
			rc = drop(groups, "dn", json_string_value(v));
	}
	return rc;
}

/* Somebody else has a name that the account had or will have: what that name is in is his, and
 * goes with him. A uid that changes is seen in his next record. */
static int of_other(struct replay_account *a, const json_t *r)
{
	const char *uuid = audit_text(r, "entryUUID"), *key;
	json_t *name;
	int rc = 0;
	if (!json_object_get(r, "state") || !*uuid)
		return 0;
	char *dn = replay_fold_dn(audit_text(r, "dn")),
	     *uid = replay_fold_text(audit_text(r, "uid"));
	if (!dn || !uid)
		rc = PROV_ENOMEM;
	json_object_foreach(a->names, key, name)
	{
		json_t *groups = json_object_get(name, "groups");
		bool is_dn = strchr(key, '=') != NULL;
		bool owned = !strcasecmp(audit_text(name, "owner"), uuid);
		bool named = !rc && !strcmp(key, is_dn ? dn : uid);
		if (rc || (!named && !owned))
			continue;
		bool leaves = replay_group_gone(r) || (is_dn ? *audit_text(r, "newDn") : !named);
		if (leaves)
			json_object_clear(groups);
		else
			rc = drop_lost(groups, r);
		json_object_set_new(name, "owner", json_string(leaves ? "" : uuid));
	}
	free(dn);
	free(uid);
	return rc;
}

int replay_account_see(struct replay_account *a, uint64_t seq, const json_t *r)
{
	int rc = replay_doubt(a->notes, &a->certain, seq, r);
	if (rc || !replay_is_write(r))
		return rc;
	rc = is_own(a, r) ? own(a, seq, r) : of_other(a, r);
	if (!rc)
		rc = by_hand(a, seq, r);
	return rc ? rc : follow_groups(a, r);
}
