/* ldapdir_change.c - the ldap connector: writing the account. See ldapdir_impl.h. */
#include "ldapdir_impl.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "event.h"
#include "ldapdir_ad.h"
#include "ldapdir_mods.h"

static int modify(struct attempt *a, struct prov_ldapdir_mods *m, const char *what)
{
	int id = 0;
	int rc = prov_ldapdir_wait(&a->call,
		ldap_modify_ext(a->call.ld, a->dn, m->list, NULL, NULL, &id), &id, NULL);

	return rc == 0 && a->call.code != LDAP_SUCCESS ? prov_ldapdir_fail_code(&a->call, what)
						       : rc;
}

static int check_tls(struct attempt *a)
{
	return ldap_tls_inplace(a->call.ld)
		? 0
		: prov_result_fail(a->call.out,
			  "a password is not sent over a connection without TLS");
}

/* A password that nobody knows. It goes with a replace alone: unicodePwd cannot be there when an
 * account is made (MS-ADTS 3.1.1.3.1.5.1). */
static int put_password(struct attempt *a, struct prov_ldapdir_mods *m)
{
	if (check_tls(a))
		return -1;
	struct berval **secret = prov_ldapdir_ad_password();
	if (!secret)
		return prov_result_fail(a->call.out, "no password could be made");
	prov_ldapdir_mods_put(m, LDAP_MOD_REPLACE, "unicodePwd", secret, true);
	return 0;
}

/* Made disabled, and enabled when it has a password: so it has one at any time that it is usable. */
static int put_ad_control(struct attempt *a, struct prov_ldapdir_mods *m)
{
	char control[16];

	snprintf(control, sizeof(control), "%d", PROV_AD_NORMAL_ACCOUNT | PROV_AD_ACCOUNT_DISABLE);
	prov_ldapdir_mods_text(m, LDAP_MOD_ADD, "userAccountControl", control);
	return a->s->no_password ? 0 : check_tls(a);
}

static void put_all(struct attempt *a, struct prov_ldapdir_mods *m)
{
	for (size_t i = 0; i < prov_ldapdir_map_size(a->s->map); i++) {
		struct berval **v = NULL;
		const char *attr;
		if (prov_ldapdir_map_get(a->s->map, i, a->event, &attr, &v) == 0 && v)
			prov_ldapdir_mods_put(m, LDAP_MOD_ADD, attr, v, true);
	}
	if (a->s->key && a->subject)
		prov_ldapdir_mods_text(m, LDAP_MOD_ADD, a->s->key, a->subject);
}

static int add(struct attempt *a, struct prov_ldapdir_mods *m, const char *dn)
{
	int id = 0;

	if (a->s->ad && put_ad_control(a, m))
		return -1;
	if (prov_ldapdir_wait(&a->call, ldap_add_ext(a->call.ld, dn, m->list, NULL, NULL, &id), &id,
		    NULL))
		return -1;
	/* Where the name is what accounts are found by, another attempt of ours was faster. Else
	 * somebody else has the name. */
	if (a->call.code == LDAP_SUCCESS || (a->call.code == LDAP_ALREADY_EXISTS && !a->s->ad))
		return 0;
	return prov_ldapdir_fail_code(&a->call, "create the account");
}

int prov_ldapdir_create(struct attempt *a)
{
	struct prov_ldapdir_mods m = { .n = 0 };
	struct berval name[LDAPDIR_CLASSES], *oc[LDAPDIR_CLASSES + 1] = { NULL };
	char *rdn = a->name ? prov_ldapdir_rdn(a->s->rdn, a->name) : NULL, *dn = NULL;
	int rc = -1;

	for (size_t i = 0; a->s->class[i]; i++) {
		name[i] = (struct berval){ strlen(a->s->class[i]), a->s->class[i] };
		oc[i] = &name[i];
	}
	prov_ldapdir_mods_put(&m, LDAP_MOD_ADD, "objectClass", oc, false);
	put_all(a, &m);
	if (!rdn)
		prov_result_fail(a->call.out, "the account has no value for its name there (%s)",
			a->s->rdn);
	else if (asprintf(&dn, "%s,%s", rdn, prov_ldapdir_base(a->s->dir)) < 0)
		prov_result_fail(a->call.out, "no memory");
	else
		rc = add(a, &m, dn);
	prov_ldapdir_mods_dispose(&m);
	ldap_memfree(rdn);
	if (rc == 0)
		rc = prov_ldapdir_look(a, dn);
	free(dn);
	if (rc == 0 && !a->entry)
		rc = prov_result_fail(a->call.out, "what was created cannot be read");
	return rc;
}

static int put_lock(struct attempt *a, struct prov_ldapdir_mods *m, bool lock)
{
	if (!a->s->ad) {
		if (lock)
			prov_ldapdir_mods_text(m, LDAP_MOD_REPLACE, a->s->lock, a->s->lock_value);
		else
			prov_ldapdir_mods_put(m, LDAP_MOD_DELETE, a->s->lock, NULL, false);
		return 0;
	}
	char *have = prov_ldapdir_first_value(a, "userAccountControl"), text[24];
	long control = have ? strtol(have, NULL, 10) : 0;

	free(have);
	if (!control)
		return prov_result_fail(a->call.out,
			"userAccountControl of the account cannot be read there");
	snprintf(text, sizeof(text), "%ld",
		lock ? control | PROV_AD_ACCOUNT_DISABLE
		     : control & ~(long)PROV_AD_ACCOUNT_DISABLE);
	prov_ldapdir_mods_text(m, LDAP_MOD_REPLACE, "userAccountControl", text);
	return 0;
}

int prov_ldapdir_lock(struct attempt *a, bool *changed)
{
	struct prov_ldapdir_mods m = { .n = 0 };

	if (prov_ldapdir_locked(a))
		return 0;
	int rc = put_lock(a, &m, true);
	if (rc == 0)
		rc = modify(a, &m, "lock the account");
	prov_ldapdir_mods_dispose(&m);
	*changed = true;
	return rc ? rc : prov_ldapdir_read_back(a);
}

/* A DN with another first RDN; free(). */
static char *renamed_dn(const char *dn, const char *rdn)
{
	LDAPDN parts = NULL;
	char *parent = NULL, *out = NULL;

	if (ldap_str2dn(dn, &parts, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS && parts && parts[0] &&
		ldap_dn2str(&parts[1], &parent, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS &&
		asprintf(&out, "%s,%s", rdn, parent) < 0)
		out = NULL;
	ldap_memfree(parent);
	ldap_dnfree(parts);
	return out;
}

/*
 * The name that the account had there before, when the event tells: an attempt that ended between
 * the renaming and the groups left them with it. malloc'ed; NULL: not known.
 */
static char *name_before(const struct attempt *a)
{
	const char *was =
		json_string_value(json_object_get(json_object_get(a->event, "data"), "oldDn"));
	const char *here = prov_ldapdir_map_from(a->s->map, a->s->rdn);
	LDAPDN parts = NULL;
	char *name = NULL;

	if (was && here && ldap_str2dn(was, &parts, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS &&
		parts && parts[0] && parts[0][0]) {
		const LDAPAVA *ava = parts[0][0];
		if (ava->la_attr.bv_len == strlen(here) &&
			strncasecmp(ava->la_attr.bv_val, here, ava->la_attr.bv_len) == 0)
			name = strndup(ava->la_value.bv_val, ava->la_value.bv_len);
	}
	ldap_dnfree(parts);
	return name;
}

/* now: it was renamed by this attempt; else it may be that somebody else has the name by now. */
static int groups_follow(struct attempt *a, const char *old, bool now)
{
	char *rdn = prov_ldapdir_rdn(a->s->rdn, old), *dn = rdn ? renamed_dn(a->dn, rdn) : NULL;
	bool taken = false;
	int rc = dn ? 0 : prov_result_fail(a->call.out, "no memory");

	if (rc == 0 && !now)
		rc = prov_ldapdir_exists(&a->call, dn, "(objectClass=*)", &taken);
	if (rc == 0 && !taken)
		rc = prov_ldapdir_groups_rename(&a->s->groups, &a->call, dn, old, a->dn, a->name);
	ldap_memfree(rdn);
	free(dn);
	return rc;
}

/* Another value of the naming attribute: the entry moves. */
int prov_ldapdir_rename(struct attempt *a, bool *changed)
{
	char *rdn = NULL, *old = prov_ldapdir_first_value(a, a->s->rdn);
	bool now = false;
	int id = 0, rc = 0;

	if (a->name && old && strcmp(old, a->name) != 0 &&
		(rdn = prov_ldapdir_rdn(a->s->rdn, a->name))) {
		rc = prov_ldapdir_wait(&a->call,
			ldap_rename(a->call.ld, a->dn, rdn, NULL, 1, NULL, NULL, &id), &id, NULL);
		if (rc == 0 && a->call.code != LDAP_SUCCESS)
			rc = prov_ldapdir_fail_code(&a->call, "rename the account");
		if (rc == 0)
			rc = prov_ldapdir_find(a, a->call.out->remote);
		if (rc == 0 && !a->entry)
			rc = prov_result_fail(a->call.out, "the account is gone there");
		*changed = now = true;
	} else {
		free(old);
		old = name_before(a);
	}
	if (rc == 0 && a->s->groups.base && old && a->name && strcasecmp(old, a->name) != 0)
		rc = groups_follow(a, old, now);
	ldap_memfree(rdn);
	free(old);
	return rc;
}

/*
 * One that has never had a password gets its first one now; or, where passwords are not ours to
 * give, from somebody there, who enables it. But what was disabled from here is enabled from here.
 */
static int unlock(struct attempt *a, struct prov_ldapdir_mods *m, bool *waits)
{
	char *set = a->s->ad ? prov_ldapdir_first_value(a, "pwdLastSet") : NULL;
	bool never = set && strcmp(set, "0") == 0;
	int rc = 0;

	free(set);
	*waits = never && a->s->no_password && !provd_event_is(a->event, "account.restored");
	if (never && !a->s->no_password)
		rc = put_password(a, m);
	return rc || *waits ? rc : put_lock(a, m, false);
}

static int collect(struct attempt *a, bool active, struct prov_ldapdir_mods *m, bool *waits)
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
			prov_ldapdir_mods_put(m, LDAP_MOD_REPLACE, name, want, true);
		ldap_value_free_len(have);
	}
	char *key = a->s->key ? prov_ldapdir_first_value(a, a->s->key) : NULL;
	if (a->s->key && a->subject && (!key || strcmp(key, a->subject) != 0))
		prov_ldapdir_mods_text(m, LDAP_MOD_REPLACE, a->s->key, a->subject);
	free(key);
	return active && prov_ldapdir_locked(a) ? unlock(a, m, waits) : 0;
}

int prov_ldapdir_change(struct attempt *a, bool active, bool *changed, bool *waits)
{
	struct prov_ldapdir_mods m = { .n = 0 };
	int rc = collect(a, active, &m, waits);

	if (rc == 0 && m.n) {
		*changed = true;
		rc = modify(a, &m, "change the account");
	}
	prov_ldapdir_mods_dispose(&m);
	return rc;
}

int prov_ldapdir_delete(struct attempt *a)
{
	char *old = strdup(a->dn), *name = prov_ldapdir_first_value(a, a->s->rdn);
	bool scrap = false;
	int id = 0,
	    rc = prov_ldapdir_wait(&a->call, ldap_delete_ext(a->call.ld, a->dn, NULL, NULL, &id),
		    &id, NULL);

	if (rc == 0 && a->call.code != LDAP_SUCCESS && a->call.code != LDAP_NO_SUCH_OBJECT) {
		rc = prov_ldapdir_fail_code(&a->call, "delete the account");
		struct prov_result why = *a->call.out;
		(void)prov_ldapdir_lock(a, &scrap); /* the least that can be done meanwhile */
		*a->call.out = why;
	}
	if (rc == 0)
		rc = prov_ldapdir_read_back(a);
	if (rc == 0 && a->entry)
		rc = prov_result_fail(a->call.out,
			"the server took the deletion, but the account is still there");
	/* whoever gets the name next must not get its memberships */
	if (rc == 0 && old)
		rc = prov_ldapdir_groups_rename(&a->s->groups, &a->call, old, name, NULL, NULL);
	if (rc == 0)
		a->call.out->remote[0] = '\0';
	free(old);
	free(name);
	return rc ? rc : prov_result_done(a->call.out, "deleted, proven by looking for it");
}
