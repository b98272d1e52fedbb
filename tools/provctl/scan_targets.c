/*
 * scan_targets.c - accounts of connected systems that no account here owns.
 *
 * A target is named as a source; key= is the account attribute (uid) whose value its column has.
 * What is disabled there, and accounts of the system itself, are passed over.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scan.h"
#include "search.h"

enum { BATCH = 100, DISABLED = 2 }; /* userAccountControl: ACCOUNTDISABLE */

struct orphan {
	char *name, *key;
	bool owned;
};

struct looking {
	struct scan *s;
	size_t target;
	size_t n;
	struct orphan some[BATCH];
};

static const char *attr_of(const struct looking *l)
{
	return l->s->attrs.name[l->s->target_attr[l->target]];
}

static int see_owner(void *ctx, LDAP *ld, LDAPMessage *m, struct prov_error *err)
{
	struct looking *l = ctx;
	struct berval **v = ldap_get_values_len(ld, m, attr_of(l));
	(void)err;
	for (size_t i = 0; !ctl_entry_has(ld, m, "provState", "terminated") &&
		!ctl_entry_has(ld, m, "provState", "archived") && v && v[i];
		i++) {
		uint64_t have = prov_hash_text(v[i]->bv_val, v[i]->bv_len);
		for (size_t k = 0; k < l->n; k++)
			l->some[k].owned |=
				prov_hash_text(l->some[k].key, strlen(l->some[k].key)) == have;
	}
	ldap_value_free_len(v);
	return 0;
}

/* Accounts that came while the scan was reading. */
static int ask_owners(struct looking *l, struct prov_error *err)
{
	const char *attrs[] = { attr_of(l), "provState", NULL };
	struct ctl *c = l->s->ctl;
	int rc = 0;
	for (size_t k = 0; !rc && k < c->nscope; k++) {
		char *filter = NULL;
		size_t len = 0;
		FILE *f = open_memstream(&filter, &len);
		if (!f)
			return scan_nomem(err);
		fprintf(f, "(&%s(|", c->scope[k].filter);
		for (size_t i = 0; i < l->n; i++) {
			char *safe = ctl_filter_escape(l->some[i].key, strlen(l->some[i].key));
			fprintf(f, "(%s=%s)", attrs[0], safe ? safe : "");
			free(safe);
		}
		fputs("))", f);
		rc = fclose(f) ? scan_nomem(err)
			       : ctl_search(c, c->scope[k].base, c->scope[k].scope, filter, attrs,
					 see_owner, l, err);
		free(filter);
	}
	return rc;
}

/* rc: an error until now; then they are only forgotten. */
static int flush(struct looking *l, int rc, struct prov_error *err)
{
	const struct prov_recsrc *t = &l->s->target[l->target];
	if (!rc && l->n)
		rc = ask_owners(l, err);
	for (size_t i = 0; i < l->n; i++) {
		struct orphan *o = &l->some[i];
		struct scan_say f = { FINDING_ORPHAN_TARGET, o->name, o->key, t->place,
			"find its owner, or disable it there", 0, NULL };
		if (!rc && !o->owned &&
			scan_say(l->s, &f, "an account in %s, and nobody who is here has %s %s",
				t->place, attr_of(l), o->key))
			rc = scan_nomem(err);
		free(o->name);
		free(o->key);
	}
	l->n = 0;
	return rc;
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
	struct orphan *o = &l->some[l->n++];
	bool dn = l->s->target[l->target].kind == PROV_RECSRC_LDAP && r->name;
	*o = (struct orphan){ strdup(dn ? r->name : key->val[0].data), strdup(key->val[0].data),
		false };
	if (!o->name || !o->key)
		return scan_nomem(err);
	return l->n == BATCH ? flush(l, 0, err) : 0;
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
		rc = flush(&l, rc, err);
	}
	return rc;
}
