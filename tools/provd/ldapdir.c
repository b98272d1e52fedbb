/* ldapdir.c - the ldap connector: accounts. See ldapdir.h; groups are in ldapdir_groups.c. */
#include "ldapdir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "event.h"
#include "ldapdir_conn.h"
#include "ldapdir_groups.h"
#include "ldapdir_map.h"

#define CLASSES 8
#define ATTRS 80

struct ldapdir {
	struct prov_ldapdir *dir;
	struct prov_ldapdir_map *map;
	struct prov_ldapdir_groups groups;
	char *rdn;                /* naming attribute there */
	char *class[CLASSES + 1]; /* of a new entry */
	char *key;                /* attribute there that holds our entryUUID, or NULL */
	char *lock, *lock_value;  /* what locks an account there */
	bool remove;
};

struct attempt {
	struct prov_ldapdir_call call;
	struct ldapdir *s;
	json_t *event;
	const char *subject;
	char *name;               /* value of the naming attribute, malloc'ed */
	LDAPMessage *res, *entry; /* what is there, or NULL */
	char *dn;
};

static void close_ldapdir(void *self)
{
	struct ldapdir *s = self;

	prov_ldapdir_free(&s->dir);
	prov_ldapdir_map_free(&s->map);
	for (char **p = s->class; *p; p++)
		free(*p);
	free(s->groups.base);
	free(s->groups.member);
	free(s->rdn);
	free(s->key);
	free(s->lock);
	free(s->lock_value);
	free(s);
}

static char *option(const struct prov_connector *c, const char *name, const char *otherwise)
{
	const char *v = prov_connector_option(c, name);

	return v || otherwise ? strdup(v ? v : otherwise) : NULL;
}

static int read_lock(struct ldapdir *s, const struct prov_connector *c, struct prov_error *err)
{
	/* as slapo-ppolicy(5) has it: locked for good */
	s->lock = option(c, "disable", "pwdAccountLockedTime=000001010000Z");
	char *eq = s->lock ? strchr(s->lock, '=') : NULL;

	if (!eq || eq == s->lock || !eq[1])
		return prov_error_set(err, PROV_EINVAL,
			"provOption: disable=%.100s: want disable=ATTRIBUTE=VALUE",
			s->lock ? s->lock : "");
	*eq = '\0';
	s->lock_value = strdup(eq + 1);
	return s->lock_value ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
}

static int read_classes(struct ldapdir *s, const struct prov_connector *c, struct prov_error *err)
{
	size_t n = 0;

	for (size_t i = 0; i < c->noption; i++) {
		if (strcmp(c->option[i].name, "class") != 0)
			continue;
		if (n == CLASSES)
			return prov_error_set(err, PROV_EINVAL,
				"provOption: more than %d class=", CLASSES);
		s->class[n++] = strdup(c->option[i].value);
	}
	if (n == 0)
		s->class[n++] = strdup("inetOrgPerson");
	return s->class[n - 1] ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
}

static int open_ldapdir(const struct prov_connector *c, void **self, struct prov_error *err)
{
	struct ldapdir *s = calloc(1, sizeof(*s));
	const char *remove = prov_connector_option(c, "delete");

	*self = NULL;
	if (!s)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	s->remove = remove && strcmp(remove, "remove") == 0;
	s->rdn = option(c, "rdn", "uid");
	s->key = option(c, "idAttribute", NULL);
	s->groups.base = option(c, "groups", NULL);
	s->groups.member = option(c, "member", "member");
	int rc = s->rdn && s->groups.member ? read_lock(s, c, err)
					    : prov_error_set(err, PROV_ENOMEM, "no memory");
	if (rc == 0)
		rc = read_classes(s, c, err);
	if (rc == 0)
		rc = prov_ldapdir_map_new(c, &s->map, err);
	if (rc == 0)
		rc = prov_ldapdir_new(c, &s->dir, err);
	if (rc)
		close_ldapdir(s);
	else
		*self = s;
	return rc;
}

/* -- finding ---------------------------------------------------------------------------- */

static void forget(struct attempt *a)
{
	ldap_msgfree(a->res);
	ldap_memfree(a->dn);
	a->res = a->entry = NULL;
	a->dn = NULL;
}

static char *first_value(struct attempt *a, const char *attr)
{
	struct berval **v = a->entry ? ldap_get_values_len(a->call.ld, a->entry, attr) : NULL;
	char *text = v && v[0] ? strndup(v[0]->bv_val, v[0]->bv_len) : NULL;

	ldap_value_free_len(v);
	return text;
}

/* The id that a server keeps through renames, as "attribute=value". */
static void keep_id(struct attempt *a)
{
	static const char *const ids[] = { "entryUUID", "nsUniqueId" };
	struct prov_result *out = a->call.out;

	for (size_t i = 0; i < 2; i++) {
		char *v = first_value(a, ids[i]);
		if (v && strlen(v) < 100) {
			snprintf(out->remote, sizeof(out->remote), "%s=%s", ids[i], v);
			out->remote_known = true;
			free(v);
			return;
		}
		free(v);
	}
}

static int search(struct attempt *a, const char *base, int scope, const char *filter)
{
	char *attrs[ATTRS];
	size_t n = 0;
	int id = 0;

	for (size_t i = 0; i < prov_ldapdir_map_size(a->s->map) && n < ATTRS - 6; i++)
		attrs[n++] = (char *)(uintptr_t)prov_ldapdir_map_name(a->s->map, i);
	attrs[n++] = (char *)(uintptr_t) "entryUUID";
	attrs[n++] = (char *)(uintptr_t) "nsUniqueId";
	attrs[n++] = a->s->rdn;
	attrs[n++] = a->s->lock;
	if (a->s->key)
		attrs[n++] = a->s->key;
	attrs[n] = NULL;
	forget(a);
	if (prov_ldapdir_wait(&a->call,
		    ldap_search_ext(a->call.ld, base, scope, filter, attrs, 0, NULL, NULL, NULL, 2,
			    &id),
		    &id, &a->res))
		return -1;
	if (a->call.code == LDAP_NO_SUCH_OBJECT && scope == LDAP_SCOPE_BASE)
		return 0;
	if (a->call.code != LDAP_SUCCESS && a->call.code != LDAP_SIZELIMIT_EXCEEDED)
		return prov_ldapdir_fail_code(&a->call, "search for the account");
	if (ldap_count_entries(a->call.ld, a->res) > 1)
		return prov_result_fail(a->call.out, "several entries there match %.150s", filter);
	a->entry = ldap_first_entry(a->call.ld, a->res);
	a->dn = a->entry ? ldap_get_dn(a->call.ld, a->entry) : NULL;
	if (a->entry)
		keep_id(a);
	return 0;
}

static int search_value(struct attempt *a, const char *attr, const char *value)
{
	char *filter = prov_ldapdir_assertion(attr, value);
	int rc = filter ? search(a, prov_ldapdir_base(a->s->dir), LDAP_SCOPE_SUBTREE, filter)
			: prov_result_fail(a->call.out, "no memory");

	free(filter);
	return rc;
}

static int find(struct attempt *a, const char *kept)
{
	char attr[PROV_REMOTE_ID];
	int rc = 0;

	snprintf(attr, sizeof(attr), "%s", kept);
	char *eq = strchr(attr, '=');
	if (eq) {
		*eq = '\0';
		rc = search_value(a, attr, eq + 1);
	}
	if (rc == 0 && !a->entry && a->s->key && a->subject)
		rc = search_value(a, a->s->key, a->subject);
	if (rc == 0 && !a->entry && a->name) {
		rc = search_value(a, a->s->rdn, a->name);
		char *theirs = rc == 0 && a->s->key ? first_value(a, a->s->key) : NULL;
		if (theirs && a->subject && strcasecmp(theirs, a->subject) != 0)
			rc = prov_result_fail(a->call.out,
				"\"%.100s\" is another account there (%.40s: %.60s)", a->dn,
				a->s->key, theirs);
		free(theirs);
	}
	return rc;
}

/* -- changing --------------------------------------------------------------------------- */

struct mods {
	LDAPMod mod[ATTRS], *list[ATTRS + 1];
	size_t n;
	bool own[ATTRS]; /* values that are ours to free */
};

static void put(struct mods *m, int op, const char *attr, struct berval **v, bool own)
{
	if (m->n == ATTRS) { /* more than a map has rows: cannot be */
		if (own)
			prov_ldapdir_values_free(v);
		return;
	}
	m->mod[m->n] =
		(LDAPMod){ op | LDAP_MOD_BVALUES, (char *)(uintptr_t)attr, { .modv_bvals = v } };
	m->own[m->n] = own;
	m->list[m->n] = &m->mod[m->n];
	m->list[++m->n] = NULL;
}

static void put_text(struct mods *m, int op, const char *attr, const char *value)
{
	struct berval **v = calloc(2, sizeof(struct berval *));

	if (v)
		v[0] = ber_bvstrdup(value);
	put(m, op, attr, v, true);
}

static void mods_dispose(struct mods *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->own[i])
			prov_ldapdir_values_free(m->mod[i].mod_vals.modv_bvals);
}

static int create(struct attempt *a)
{
	struct mods m = { .n = 0 };
	struct berval name[CLASSES], *oc[CLASSES + 1] = { NULL };
	char *rdn = a->name ? prov_ldapdir_rdn(a->s->rdn, a->name) : NULL, *dn = NULL;
	int id = 0, rc = -1;

	for (size_t i = 0; a->s->class[i]; i++) {
		name[i] = (struct berval){ strlen(a->s->class[i]), a->s->class[i] };
		oc[i] = &name[i];
	}
	put(&m, LDAP_MOD_ADD, "objectClass", oc, false);
	for (size_t i = 0; i < prov_ldapdir_map_size(a->s->map); i++) {
		struct berval **v = NULL;
		const char *attr;
		if (prov_ldapdir_map_get(a->s->map, i, a->event, &attr, &v) == 0 && v)
			put(&m, LDAP_MOD_ADD, attr, v, true);
	}
	if (a->s->key && a->subject)
		put_text(&m, LDAP_MOD_ADD, a->s->key, a->subject);
	if (!rdn)
		prov_result_fail(a->call.out, "the account has no value for its name there (%s)",
			a->s->rdn);
	else if (asprintf(&dn, "%s,%s", rdn, prov_ldapdir_base(a->s->dir)) < 0)
		prov_result_fail(a->call.out, "no memory");
	else
		rc = prov_ldapdir_wait(&a->call,
			ldap_add_ext(a->call.ld, dn, m.list, NULL, NULL, &id), &id, NULL);
	mods_dispose(&m);
	ldap_memfree(rdn);
	if (rc == 0 && a->call.code != LDAP_SUCCESS && a->call.code != LDAP_ALREADY_EXISTS)
		rc = prov_ldapdir_fail_code(&a->call, "create the account");
	if (rc == 0)
		rc = search(a, dn, LDAP_SCOPE_BASE, "(objectClass=*)");
	free(dn);
	if (rc == 0 && !a->entry)
		rc = prov_result_fail(a->call.out, "what was created cannot be read");
	return rc;
}

static bool is_locked(struct attempt *a)
{
	char *v = first_value(a, a->s->lock);
	bool locked = v && strcasecmp(v, a->s->lock_value) == 0;

	free(v);
	return locked;
}

/* Another value of the naming attribute: the entry moves. */
static int rename_entry(struct attempt *a, bool *changed)
{
	char *rdn = NULL, *have = first_value(a, a->s->rdn);
	int id = 0, rc = 0;

	if (a->name && have && strcmp(have, a->name) != 0 &&
		(rdn = prov_ldapdir_rdn(a->s->rdn, a->name))) {
		rc = prov_ldapdir_wait(&a->call,
			ldap_rename(a->call.ld, a->dn, rdn, NULL, 1, NULL, NULL, &id), &id, NULL);
		if (rc == 0 && a->call.code != LDAP_SUCCESS)
			rc = prov_ldapdir_fail_code(&a->call, "rename the account");
		if (rc == 0)
			rc = find(a, a->call.out->remote);
		if (rc == 0 && !a->entry)
			rc = prov_result_fail(a->call.out, "the account is gone there");
		*changed = true;
	}
	ldap_memfree(rdn);
	free(have);
	return rc;
}

static void collect(struct attempt *a, bool active, struct mods *m)
{
	for (size_t i = 0; i < prov_ldapdir_map_size(a->s->map); i++) {
		struct berval **want = NULL;
		const char *name;
		if (prov_ldapdir_map_get(a->s->map, i, a->event, &name, &want) ||
			strcasecmp(name, a->s->rdn) == 0) {
			prov_ldapdir_values_free(want);
			continue;
		}
		struct berval **have = ldap_get_values_len(a->call.ld, a->entry, name);
		if (prov_ldapdir_values_equal(want, have))
			prov_ldapdir_values_free(want);
		else
			put(m, LDAP_MOD_REPLACE, name, want, true);
		ldap_value_free_len(have);
	}
	char *key = a->s->key ? first_value(a, a->s->key) : NULL;
	if (a->s->key && a->subject && (!key || strcmp(key, a->subject) != 0))
		put_text(m, LDAP_MOD_REPLACE, a->s->key, a->subject);
	free(key);
	if (!active && !is_locked(a))
		put_text(m, LDAP_MOD_REPLACE, a->s->lock, a->s->lock_value);
	else if (active && is_locked(a))
		put(m, LDAP_MOD_DELETE, a->s->lock, NULL, false);
}

static int change(struct attempt *a, bool active, bool *changed)
{
	struct mods m = { .n = 0 };
	int id = 0, rc = 0;

	collect(a, active, &m);
	if (m.n) {
		*changed = true;
		rc = prov_ldapdir_wait(&a->call,
			ldap_modify_ext(a->call.ld, a->dn, m.list, NULL, NULL, &id), &id, NULL);
		if (rc == 0 && a->call.code != LDAP_SUCCESS)
			rc = prov_ldapdir_fail_code(&a->call, "change the account");
	}
	mods_dispose(&m);
	return rc;
}

static int read_back(struct attempt *a)
{
	char *dn = strdup(a->dn);
	int rc = dn ? search(a, dn, LDAP_SCOPE_BASE, "(objectClass=*)")
		    : prov_result_fail(a->call.out, "no memory");

	free(dn);
	return rc;
}

static int prove_locked(struct attempt *a, bool changed)
{
	if (read_back(a))
		return -1;
	if (a->entry && !is_locked(a))
		return prov_result_fail(a->call.out,
			"the server took the change, but the account is not locked there");
	return prov_result_done(a->call.out,
		changed ? "locked, proven by reading it back"
			: "is locked, proven by reading it back");
}

static int delete (struct attempt *a)
{
	int id = 0,
	    rc = prov_ldapdir_wait(&a->call, ldap_delete_ext(a->call.ld, a->dn, NULL, NULL, &id),
		    &id, NULL);

	if (rc == 0 && a->call.code != LDAP_SUCCESS && a->call.code != LDAP_NO_SUCH_OBJECT)
		rc = prov_ldapdir_fail_code(&a->call, "delete the account");
	if (rc == 0)
		rc = read_back(a);
	if (rc == 0 && a->entry)
		rc = prov_result_fail(a->call.out,
			"the server took the deletion, but the account is still there");
	if (rc == 0)
		a->call.out->remote[0] = '\0';
	return rc ? rc : prov_result_done(a->call.out, "deleted, proven by looking for it");
}

/* -- one event -------------------------------------------------------------------------- */

/* Under the name that it has there until now. */
static int leave_groups(struct attempt *a)
{
	char *called = first_value(a, a->s->rdn);
	int rc = prov_ldapdir_groups_leave(&a->s->groups, &a->call, a->event, a->dn,
		called ? called : a->name);

	free(called);
	return rc;
}

static int settle(struct attempt *a, const char *kept)
{
	bool active = provd_event_active(a->event);
	bool deleted = provd_event_is(a->event, "account.deleted"), made = false, changed = false;

	if (find(a, kept))
		return -1;
	if (!a->entry && !active)
		return prov_result_done(a->call.out, "it has no such account");
	if (!a->entry) {
		if (create(a))
			return -1;
		made = true;
	}
	if (leave_groups(a))
		return -1;
	if (deleted && a->s->remove)
		return delete (a);
	/* first the access, then the rest, which the server may refuse */
	if (rename_entry(a, &changed) ||
		prov_ldapdir_groups_join(&a->s->groups, &a->call, a->event, a->dn, a->name) ||
		change(a, active, &changed))
		return -1;
	if (!active)
		return prove_locked(a, changed);
	return prov_result_done(a->call.out,
		made              ? "created"
			: changed ? "changed"
				  : "nothing to change");
}

static int look(struct attempt *a)
{
	if (search(a, prov_ldapdir_base(a->s->dir), LDAP_SCOPE_BASE, "(objectClass=*)"))
		return -1;
	return a->entry ? prov_result_done(a->call.out, "bound, and the base was read")
			: prov_result_fail(a->call.out, "bound, but the base cannot be read");
}

/* What the account is called there: the mapped value of the naming attribute. */
static char *name_there(const struct attempt *a)
{
	char *name = NULL;

	for (size_t i = 0; i < prov_ldapdir_map_size(a->s->map) && !name; i++) {
		struct berval **v = NULL;
		const char *attr;
		if (prov_ldapdir_map_get(a->s->map, i, a->event, &attr, &v) == 0 && v &&
			strcasecmp(attr, a->s->rdn) == 0)
			name = strndup(v[0]->bv_val, v[0]->bv_len);
		prov_ldapdir_values_free(v);
	}
	return name;
}

static void deliver(void *self, const struct prov_message *m, const atomic_bool *cancel,
	struct prov_result *out)
{
	struct attempt a = { .s = self };

	a.call = (struct prov_ldapdir_call){ .dir = a.s->dir, .cancel = cancel, .out = out };
	a.event = json_loadb(m->body.text, m->body.len, 0, NULL);
	a.subject = json_string_value(json_object_get(a.event, "subject"));
	a.name = name_there(&a);
	/* all that follows ends in a result; the call's own end looks at it */
	if (prov_ldapdir_begin(&a.call) == 0)
		(void)(provd_event_is(a.event, "connector.test") ? look(&a)
								 : settle(&a, m->remote));
	forget(&a);
	prov_ldapdir_end(&a.call);
	json_decref(a.event);
	free(a.name);
}

const struct prov_kind_ops prov_ldapdir_ops = { .keeps_accounts = true,
	.open = open_ldapdir,
	.deliver = deliver,
	.close = close_ldapdir };
