/*
 * scan_targets.c - accounts of connected systems that no account here owns.
 *
 * A target is named as a source; key= is the account attribute (uid) whose value its column has.
 * What is disabled there, and accounts of the system itself, are passed over.
 */
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "scan.h"

enum { DISABLED = 2 }; /* userAccountControl: ACCOUNTDISABLE */

struct orphan {
	char *name, *key;
};

struct looking {
	struct scan *s;
	size_t target;
	size_t n, room;
	struct orphan *item;
};

/* Those that nobody came for meanwhile. */
static int tell(struct looking *l, struct prov_error *err)
{
	struct scan *s = l->s;
	const char *place = s->target[l->target].place;
	const char *attr = s->attrs.name[s->target_attr[l->target]];
	int rc = l->n ? scan_late(s, err) : 0;
	for (size_t i = 0; !rc && i < l->n; i++) {
		const struct orphan *o = &l->item[i];
		struct scan_say f = { FINDING_ORPHAN_TARGET, o->name, o->key, place,
			"find its owner, or disable it there", 0, NULL };
		if (prov_hashindex_find(&s->late[l->target],
			    prov_hash_text(o->key, strlen(o->key))) == SCAN_NONE &&
			scan_say(s, &f, "an account in %s, and nobody who is here has %s %s", place,
				attr, o->key))
			rc = scan_nomem(err);
	}
	return rc;
}

static void forget(struct looking *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->item[i].name);
		free(l->item[i].key);
	}
	free(l->item);
}

static bool passed_over(const struct looking *l, const struct prov_record *r)
{
	const struct prov_recsrc *t = &l->s->target[l->target];
	const struct prov_vals *v = &r->col[1];
	const char *left = t->option[PROV_RECSRC_LEFT];
	if (!v->n || (!left && (t->kind == PROV_RECSRC_CSV || t->kind == PROV_RECSRC_LDIF)))
		return false;
	if (t->kind == PROV_RECSRC_PASSWD && !left) {
		long uid = strtol(v->val[0].data, NULL, 10);
		return uid < (long)l->s->opt->min_uid || uid == 65534;
	}
	if (t->kind == PROV_RECSRC_LDAP && !left)
		return strtol(v->val[0].data, NULL, 10) & DISABLED;
	for (const char *one = left ? left : "false"; *one;) {
		size_t len = strcspn(one, ",");
		if (prov_hash_text(one, len) == prov_hash_text(v->val[0].data, v->val[0].len))
			return true;
		one += len + (one[len] == ',');
	}
	return false;
}

static int see_target(void *ctx, const struct prov_record *r, struct prov_error *err)
{
	struct looking *l = ctx;
	const struct prov_vals *key = &r->col[0];
	if (!key->n || passed_over(l, r))
		return 0;
	for (size_t i = 0; i < key->n; i++)
		if (scan_id_find(l->s, (enum scan_id)(SCAN_ID_TARGET + l->target),
			    prov_hash_text(key->val[i].data, key->val[i].len)) != SCAN_NONE)
			return 0;
	if (prov_grow(&l->item, l->n, &l->room, sizeof(*l->item)))
		return scan_nomem(err);
	bool dn = l->s->target[l->target].kind == PROV_RECSRC_LDAP && r->name;
	struct orphan *o = &l->item[l->n++];
	*o = (struct orphan){ strdup(dn ? r->name : key->val[0].data), strdup(key->val[0].data) };
	return o->name && o->key ? 0 : scan_nomem(err);
}

int scan_targets(struct scan *s, struct prov_error *err)
{
	int rc = 0;
	if (!scan_wants(s, FINDING_ORPHAN_TARGET))
		return 0;
	for (size_t i = 0; !rc && i < s->ntarget; i++) {
		struct looking l = { .s = s, .target = i };
		struct prov_recsrc *t = &s->target[i];
		const char *status = t->option[PROV_RECSRC_STATUS];
		const char *column[] = { prov_recsrc_column(t),
			status                                  ? status
				: t->kind == PROV_RECSRC_PASSWD ? "uid"
				: t->kind == PROV_RECSRC_LDAP   ? "userAccountControl"
								: "active" };
		/* a CSV or LDIF file without status= has no column that tells */
		bool tells = status || (t->kind != PROV_RECSRC_CSV && t->kind != PROV_RECSRC_LDIF);
		if (!tells)
			column[1] = column[0];
		rc = prov_recsrc_read(t, column, 2, see_target, &l, err);
		if (!rc)
			rc = tell(&l, err);
		forget(&l);
	}
	return rc;
}
