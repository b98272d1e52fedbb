/*
 * explain_trail.c - who did it, when and why: from the trail, else from the account's stamps.
 *
 * One walk over the trail. Only records that name the account are decoded; the rest is
 * passed over by a search of their bytes. See explain.h.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "audit_match.h"
#include "explain.h"
#include "fold.h"
#include "state.h"
#include "trail.h"

struct walk {
	struct explain *x;
	char *dn_json; /* the DN as it stands in a record */
	size_t dn_len;
};

static char *dup_text(const char *s)
{
	return *s ? strdup(s) : NULL;
}

static void take_change(struct explain_change *c, const json_t *r, uint64_t seq)
{
	free(c->by);
	free(c->when);
	free(c->reason);
	free(c->op);
	snprintf(c->id, sizeof(c->id), "%s", audit_text(r, "id"));
	c->by = dup_text(audit_text(json_object_get(r, "actor"), "authz"));
	c->when = dup_text(audit_text(r, "time"));
	c->reason = dup_text(audit_text(r, "reason"));
	c->op = dup_text(audit_text(r, "op"));
	c->seq = seq;
}

/* Did this record put the account into this group by hand? */
static bool put_into_group(const struct explain *x, const struct explain_thing *t, const json_t *r)
{
	size_t i;
	json_t *m;
	bool found = false;
	const char *dn = audit_text(r, "dn");
	char *key = prov_fold_dn(dn, strlen(dn));
	bool group = key && !strcmp(key, t->key);
	free(key);
	json_array_foreach(group ? json_object_get(r, "members") : NULL, i, m)
	{
		const char *who = audit_text(m, "dn");
		key = prov_fold_dn(who, strlen(who));
		if (key && !strcmp(key, x->key))
			found = json_is_true(json_object_get(m, "add"));
		free(key);
	}
	return found;
}

static bool touched(const json_t *r, const char *what)
{
	size_t i, len = strcspn(what, ":");
	json_t *v;
	json_array_foreach(json_object_get(r, "attributes"), i, v)
	{
		const char *name = json_string_value(v);
		if (name && strlen(name) == len && !strncasecmp(name, what, len))
			return true;
	}
	return false;
}

static int see_record(void *ctx, uint64_t seq, struct prov_val text)
{
	struct walk *w = ctx;
	struct explain *x = w->x;
	if (!(x->uuid && memmem(text.data, text.len, x->uuid, strlen(x->uuid))) &&
		!memmem(text.data, text.len, w->dn_json, w->dn_len))
		return 0;
	json_t *r = json_loadb(text.data, text.len, 0, NULL);
	if (!r)
		return 0; /* audit verify tells of it */
	const char *id = audit_text(r, "id");
	bool own = x->uuid && !strcasecmp(audit_text(r, "entryUUID"), x->uuid);
	for (size_t i = 0; i < x->nthing; i++) {
		struct explain_thing *t = &x->thing[i];
		if (t->granted ? t->change.id[0] && !strcmp(t->change.id, id)
			       : (!strcmp(t->kind, "group") && put_into_group(x, t, r)) ||
					(!strcmp(t->kind, "value") && own && touched(r, t->what)))
			take_change(&t->change, r, seq);
	}
	json_decref(r);
	return 0;
}

/* The account's own stamps know its first and its last change. */
static void from_stamps(struct explain *x)
{
	for (size_t i = 0; i < x->nthing; i++) {
		struct explain_change *c = &x->thing[i].change;
		if (c->by || !c->id[0])
			continue;
		if (x->change_id && x->change_by && !strcmp(c->id, x->change_id))
			c->by = strdup(x->change_by);
		else if (x->create_id && x->create_by && !strcmp(c->id, x->create_id))
			c->by = strdup(x->create_by);
	}
}

static int walk_trail(struct explain *x, const char *dir, struct prov_error *err)
{
	struct prov_statedir *state = NULL;
	struct prov_kv_txn *t = NULL;
	json_t *dn = json_string(x->dn);
	struct walk w = { x, dn ? json_dumps(dn, JSON_ENCODE_ANY) : NULL, 0 };
	int rc;
	if (w.dn_json) {
		w.dn_len = strlen(w.dn_json);
		rc = prov_statedir_open(dir, false, &state, err);
	} else {
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	if (!rc)
		rc = prov_kv_begin(prov_statedir_kv(state), false, &t, err);
	if (!rc)
		rc = prov_trail_walk(t, 1, see_record, &w, err);
	prov_kv_abort(&t);
	prov_statedir_close(&state);
	free(w.dn_json);
	json_decref(dn);
	return rc;
}

int explain_trail(struct explain *x, const char *dir, char **note, struct prov_error *err)
{
	struct prov_error why = { 0 };
	*note = NULL;
	if (!dir)
		*note = strdup("the state directory is not known (--state), so most changes have "
			       "only their id");
	else if (walk_trail(x, dir, &why) &&
		asprintf(note, "the trail cannot be read: %s", why.text) < 0)
		*note = NULL;
	if (!*note && (!dir || why.code))
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	from_stamps(x);
	return 0;
}
