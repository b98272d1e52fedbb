/*
 * scan_people.c - the pass over the accounts, and the comparison with the source.
 *
 * Remembers of each account what the groups' pass needs: state, DN, uid and the groups
 * its grants explain. A provGrant value that does not parse explains nothing and
 * is reported on standard error.
 */
#include <stdlib.h>
#include <string.h>

#include "fold.h"
#include "grant.h"
#include "scan.h"
#include "search.h"

static int nomem(struct prov_error *err)
{
	return prov_error_set(err, PROV_ENOMEM, "no memory");
}

static int new_person(struct scan *s, const char *dn, struct scan_person **out,
	struct prov_error *err)
{
	size_t index;
	int fresh = 0;
	char *key = prov_fold_dn(dn, strlen(dn));
	*out = NULL;
	if (!key || prov_strmap_add(s->people, key, &index, &fresh)) {
		free(key);
		return nomem(err);
	}
	free(key);
	if (!fresh)
		return 0; /* in the scope of two accounts URLs */
	if (s->nperson == s->room) {
		size_t room = s->room ? 2 * s->room : 1024;
		struct scan_person *p = reallocarray(s->person, room, sizeof(*p));
		if (!p)
			return nomem(err);
		s->person = p;
		s->room = room;
	}
	struct scan_person *p = &s->person[s->nperson];
	memset(p, 0, sizeof(*p));
	p->dn = strdup(dn);
	if (!p->dn)
		return nomem(err);
	s->nperson++;
	*out = p;
	return 0;
}

static int note_uids(struct scan *s, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	struct berval **v = ldap_get_values_len(ld, e, "uid");
	int rc = 0;
	for (int i = 0; !rc && v && v[i]; i++) {
		size_t index;
		int fresh = 0;
		char *key = prov_fold_text(v[i]->bv_val, v[i]->bv_len);
		rc = key ? prov_strmap_add(s->uids, key, &index, &fresh) : PROV_ENOMEM;
		free(key);
		if (!rc && fresh && s->nuid == s->uidroom) {
			size_t room = s->uidroom ? 2 * s->uidroom : 1024;
			size_t *p = reallocarray(s->uid_person, room, sizeof(*p));
			rc = p ? 0 : PROV_ENOMEM;
			if (p) {
				s->uid_person = p;
				s->uidroom = room;
			}
		}
		if (!rc && fresh)
			s->uid_person[s->nuid++] = s->nperson - 1;
	}
	ldap_value_free_len(v);
	return rc ? nomem(err) : 0;
}

static int add_group(struct scan *s, struct scan_person *p, struct prov_val dn)
{
	size_t index;
	char *key = prov_fold_dn(dn.data, dn.len);
	int rc = key ? prov_strmap_add(s->groups, key, &index, NULL) : PROV_ENOMEM;
	free(key);
	if (rc)
		return rc;
	size_t *g = reallocarray(p->group, p->ngroup + 1, sizeof(*g));
	if (!g)
		return PROV_ENOMEM;
	p->group = g;
	g[p->ngroup++] = index;
	return 0;
}

/* Grants: groups are remembered; *left counts what a leaver must not keep. */
static int note_grants(struct scan *s, LDAP *ld, LDAPMessage *e, struct scan_person *p,
	unsigned *left, struct prov_error *err)
{
	struct berval **v = ldap_get_values_len(ld, e, "provGrant");
	int rc = 0;
	for (int i = 0; !rc && v && v[i]; i++) {
		struct prov_arena arena = PROV_ARENA_INIT;
		struct prov_val text = { v[i]->bv_val, v[i]->bv_len };
		struct prov_error why = { 0 };
		struct prov_grant g;
		if (prov_grant_parse(text, &arena, &g, &why)) {
			ctl_say("%s: provGrant that cannot be read: %s", p->dn, why.text);
		} else {
			/* what a default gave belongs to the account from then on */
			if (g.kind != PROV_KIND_DEFAULT)
				(*left)++;
			if (g.kind == PROV_KIND_GROUP && add_group(s, p, g.what))
				rc = nomem(err);
		}
		prov_arena_dispose(&arena);
	}
	ldap_value_free_len(v);
	return rc;
}

static unsigned count(LDAP *ld, LDAPMessage *e, const char *attr)
{
	struct berval **v = ldap_get_values_len(ld, e, attr);
	int n = ldap_count_values_len(v);
	ldap_value_free_len(v);
	return n > 0 ? (unsigned)n : 0;
}

static int leftover(struct scan *s, LDAP *ld, LDAPMessage *e, const struct scan_person *p,
	unsigned grants)
{
	unsigned in_force = count(ld, e, "provEffectiveRole");
	unsigned given = count(ld, e, "provAssignedRole") + count(ld, e, "provTimedRole");
	if (!in_force && !given && !grants)
		return 0;
	return scan_add(s, FINDING_LEAVER_LEFTOVER, p->dn, NULL,
		"write provState again (replace it by its own value), so that the policy is applied",
		"left, but still has %u role%s in force, %u given by hand, %u grant%s", in_force,
		in_force == 1 ? "" : "s", given, grants, grants == 1 ? "" : "s");
}

static int note_key(struct scan *s, LDAP *ld, LDAPMessage *e, struct scan_person *p)
{
	struct berval **v;
	int rc = 0;
	if (!s->source.keys)
		return 0;
	v = ldap_get_values_len(ld, e, s->source.attr);
	for (int i = 0; !rc && v && v[i]; i++) {
		char *key = prov_fold_text(v[i]->bv_val, v[i]->bv_len);
		rc = key ? 0 : PROV_ENOMEM;
		p->keyed = true;
		if (key && prov_strmap_find(s->source.keys, key) != PROV_STRMAP_NONE)
			p->in_source = true;
		free(key);
	}
	ldap_value_free_len(v);
	return rc;
}

static int see_person(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	struct scan *s = ctx;
	struct scan_person *p = NULL;
	unsigned grants = 0;
	char *dn = ldap_get_dn(ld, e);
	int rc = dn ? new_person(s, dn, &p, err) : nomem(err);
	ldap_memfree(dn);
	if (rc || !p)
		return rc;
	p->leaver = ctl_entry_has(ld, e, "provState", "terminated") ||
		ctl_entry_has(ld, e, "provState", "archived");
	p->machine = ctl_entry_has(ld, e, "provType", "service") ||
		ctl_entry_has(ld, e, "provType", "shared") ||
		ctl_entry_has(ld, e, "provType", "admin");
	rc = note_uids(s, ld, e, err);
	if (!rc)
		rc = note_grants(s, ld, e, p, &grants, err);
	if (!rc && note_key(s, ld, e, p))
		rc = nomem(err);
	if (!rc && p->leaver && scan_wants(s, FINDING_LEAVER_LEFTOVER) &&
		leftover(s, ld, e, p, grants))
		rc = nomem(err);
	return rc;
}

int scan_people(struct scan *s, struct prov_error *err)
{
	const char *attrs[] = { "uid", "provState", "provType", "provEffectiveRole",
		"provAssignedRole", "provTimedRole", "provGrant", s->source.attr, NULL };
	int rc = 0;
	if (prov_strmap_new(&s->people) || prov_strmap_new(&s->uids) || prov_strmap_new(&s->groups))
		return nomem(err);
	for (size_t i = 0; !rc && i < s->ctl->nscope; i++) {
		const struct ctl_scope *sc = &s->ctl->scope[i];
		rc = ctl_search(s->ctl, sc->base, sc->scope, sc->filter, attrs, see_person, s, err);
	}
	return rc;
}

int scan_source(struct scan *s, struct prov_error *err)
{
	size_t known = 0, missing = 0;
	int rc = 0;
	if (!s->source.keys || !scan_wants(s, FINDING_ORPHAN_SOURCE))
		return 0;
	for (size_t i = 0; i < s->nperson; i++) {
		const struct scan_person *p = &s->person[i];
		if (p->leaver || p->machine || !p->keyed)
			continue;
		known++;
		missing += !p->in_source;
	}
	if (missing * 100 > known * (size_t)s->max_missing)
		return prov_error_set(err, PROV_EREFUSED,
			"%s lacks %zu of the %zu keys that are known here, more than %u%%: taken for "
			"a broken source and refused (--max-missing allows more)",
			s->source.file, missing, known, s->max_missing);
	for (size_t i = 0; !rc && i < s->nperson; i++) {
		const struct scan_person *p = &s->person[i];
		if (p->leaver || p->machine || p->in_source)
			continue;
		rc = scan_add(s, FINDING_ORPHAN_SOURCE, p->dn, NULL,
			"find its owner, then set provState: terminated, or give it a provType "
			"that no source knows (service, shared, admin)",
			p->keyed ? "its %s is not in %s" : "has no %s, so %s cannot vouch for it",
			s->source.attr, s->source.file);
	}
	return rc ? nomem(err) : 0;
}
