/*
 * ldapserver.c - what slapd says about itself: suffix, policy base, state directory.
 *
 * Part of ldapconn.h. Reads the rootDSE and, when it may, cn=config. What cn=config
 * does not show is not known, and no error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ldapconn.h"

char *prov_ldap_first(LDAP *ld, LDAPMessage *entry, const char *attr)
{
	struct berval **v = ldap_get_values_len(ld, entry, attr);
	char *s = v && v[0] ? strndup(v[0]->bv_val, v[0]->bv_len) : NULL;
	if (v)
		ldap_value_free_len(v);
	return s;
}

void prov_ldap_server_dispose(struct prov_ldap_server *s)
{
	free(s->suffix);
	free(s->config);
	free(s->policy);
	free(s->state);
	free(s->monitor);
	memset(s, 0, sizeof(*s));
}

/* Equal as DNs; libldap's own normal form is good enough for two suffixes. */
static bool same_dn(const char *a, const char *b)
{
	char *na = NULL, *nb = NULL;
	bool same = ldap_dn_normalize(a, LDAP_DN_FORMAT_LDAPV3, &na, LDAP_DN_FORMAT_LDAPV3) == 0 &&
		ldap_dn_normalize(b, LDAP_DN_FORMAT_LDAPV3, &nb, LDAP_DN_FORMAT_LDAPV3) == 0 &&
		strcasecmp(na, nb) == 0;
	ldap_memfree(na);
	ldap_memfree(nb);
	return same;
}

static void list_add(char *list, size_t room, const char *item)
{
	size_t len = strlen(list);
	snprintf(list + len, room - len, "%s%s", len ? ", " : "", item);
}

/* *e stays NULL when the server shows no such entry. Returns libldap's code. */
static int read_entry(LDAP *ld, const char *dn, char **attrs, LDAPMessage **res, LDAPMessage **e)
{
	int rc = ldap_search_ext_s(ld, dn, LDAP_SCOPE_BASE, "(objectClass=*)", attrs, 0, NULL, NULL,
		NULL, 1, res);
	*e = rc ? NULL : ldap_first_entry(ld, *res);
	return rc;
}

/* The suffix of the database that an overlay's entry in cn=config belongs to. */
static char *suffix_of(LDAP *ld, const char *overlay_dn)
{
	char *attrs[] = { "olcSuffix", NULL }, *suffix = NULL;
	LDAPMessage *res = NULL, *e = NULL;
	const char *parent = strchr(overlay_dn, ','); /* olcOverlay={0}provision holds no comma */
	if (parent)
		read_entry(ld, parent + 1, attrs, &res, &e);
	if (e)
		suffix = prov_ldap_first(ld, e, "olcSuffix");
	ldap_msgfree(res);
	return suffix;
}

/* Ask cn=config. 0 and nothing filled in: it tells nothing. */
static int ask_config(LDAP *ld, const char *want, struct prov_ldap_server *out,
	struct prov_error *err)
{
	char *attrs[] = { "olcProvisionPolicy", "olcProvisionState", NULL };
	char seen[300] = "";
	unsigned fits = 0;
	LDAPMessage *res = NULL;

	if (ldap_search_ext_s(ld, "cn=config", LDAP_SCOPE_SUBTREE,
		    "(objectClass=olcProvisionConfig)", attrs, 0, NULL, NULL, NULL, 0,
		    &res) != LDAP_SUCCESS) {
		ldap_msgfree(res);
		return 0;
	}
	for (LDAPMessage *e = ldap_first_entry(ld, res); e; e = ldap_next_entry(ld, e)) {
		char *dn = ldap_get_dn(ld, e);
		char *suffix = dn ? suffix_of(ld, dn) : NULL;
		if (suffix) {
			list_add(seen, sizeof(seen), suffix);
			if ((!want || same_dn(want, suffix)) && ++fits == 1) {
				out->suffix = suffix;
				out->config = strdup(dn);
				out->policy = prov_ldap_first(ld, e, "olcProvisionPolicy");
				out->state = prov_ldap_first(ld, e, "olcProvisionState");
				suffix = NULL;
			}
		}
		free(suffix);
		ldap_memfree(dn);
	}
	ldap_msgfree(res);
	if (fits > 1)
		return prov_error_set(err, PROV_EINVAL,
			"the server has several databases with provisioning: choose with -b: %s",
			seen);
	if (!fits && *seen)
		return prov_error_set(err, PROV_ENOENT,
			"the server's database %s has no provisioning; these have: %s", want, seen);
	return 0;
}

/* Choose among the rootDSE's namingContexts. */
static int choose_context(LDAP *ld, LDAPMessage *root, const char *want,
	struct prov_ldap_server *out, struct prov_error *err)
{
	char seen[300] = "";
	unsigned fits = 0;
	struct berval **v = ldap_get_values_len(ld, root, "namingContexts");
	for (size_t i = 0; v && v[i]; i++) {
		list_add(seen, sizeof(seen), v[i]->bv_val);
		if ((!want || same_dn(want, v[i]->bv_val)) && ++fits == 1)
			out->suffix = strdup(v[i]->bv_val);
	}
	if (v)
		ldap_value_free_len(v);
	if (fits == 1)
		return 0;
	if (fits)
		return prov_error_set(err, PROV_EINVAL,
			"the server has several databases: choose with -b: %s", seen);
	if (want)
		return prov_error_set(err, PROV_ENOENT, "the server has no database %s; it has: %s",
			want, *seen ? seen : "none it shows");
	return prov_error_set(err, PROV_ENOENT, "the server shows no database");
}

int prov_ldap_server_ask(LDAP *ld, const char *want, struct prov_ldap_server *out,
	struct prov_error *err)
{
	char *attrs[] = { "namingContexts", "monitorContext", NULL };
	LDAPMessage *res = NULL, *root = NULL;

	memset(out, 0, sizeof(*out));
	int rc = read_entry(ld, "", attrs, &res, &root);
	rc = rc == LDAP_NO_SUCH_OBJECT ? 0 : prov_ldap_error(ld, rc, err, "read the root entry");
	if (!rc)
		rc = ask_config(ld, want, out, err);
	if (!rc && !root)
		rc = prov_error_set(err, PROV_EREFUSED, "the server does not show its root entry");
	if (root)
		out->monitor = prov_ldap_first(ld, root, "monitorContext");
	if (!rc && !out->suffix)
		rc = choose_context(ld, root, want, out, err);
	if (!rc && !out->suffix)
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	ldap_msgfree(res);
	if (rc)
		prov_ldap_server_dispose(out);
	return rc;
}

int prov_ldap_state_dir(LDAP *ld, const char *want, const char *given, char **out,
	struct prov_error *err)
{
	struct prov_ldap_server server = { 0 };
	int rc = 0;

	*out = NULL;
	if (given) {
		*out = strdup(given);
		return *out ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	rc = prov_ldap_server_ask(ld, want, &server, err);
	if (rc)
		return rc;
	if (server.state) {
		*out = server.state;
		server.state = NULL;
	} else if (server.config) {
		rc = prov_error_set(err, PROV_ENOENT, "%s has no olcProvisionState", server.config);
	} else {
		rc = prov_error_set(err, PROV_ENOENT,
			"the server does not show its state directory (cn=config is not readable for "
			"this identity): use --state DIR");
	}
	prov_ldap_server_dispose(&server);
	return rc;
}
