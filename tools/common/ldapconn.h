/*
 * ldapconn.h - the tools' connection to slapd, and what they ask the server about itself.
 *
 * Owns: connecting, TLS, binding, timeouts, and turning libldap's results into our
 * errors. Keeps nothing: the caller owns the LDAP handle and may use it with
 * libldap directly. Never follows referrals. Every error text names the server's
 * URI and what was being tried.
 *
 * libldap's codes become: PROV_ENOENT (no such entry), PROV_EEXIST, PROV_EREFUSED
 * (the server says no: rights, password, policy), PROV_EBUSY (server away, busy or
 * too slow: try again), PROV_EINVAL, PROV_ENOMEM, else PROV_EIO.
 */
#ifndef PROV_LDAPCONN_H
#define PROV_LDAPCONN_H

#include <ldap.h>
#include <stdbool.h>

#include "error.h"

struct prov_ldap_options {
	const char *uri;     /* -H; default ldapi:/// */
	const char *suffix;  /* -b: which database, when the server has several */
	const char *bind_dn; /* -D: simple bind */
	bool ask_password;   /* -W */
	char *password;      /* -w */
	const char *
		password_file; /* -y: the whole file, with no newline taken off, as ldapsearch does */
	const char *mech;      /* -Y; default EXTERNAL when there is no -D */
	const char *authcid;   /* -U */
	const char *authzid;   /* -X */
	unsigned starttls;     /* -Z try, -ZZ must succeed */
	unsigned timeout;      /* seconds for connecting and for each answer; 0: 15 */
	bool quiet;            /* never prompt (daemons): -W and mechanisms that ask are refused */
	const char *ca; /* PEM file of the authorities to trust; NULL: as ldap.conf(5) says */
};

/* Connect, StartTLS as asked, bind. *out is the caller's: prov_ldap_close(). */
int prov_ldap_connect(const struct prov_ldap_options *o, LDAP **out, struct prov_error *err);
void prov_ldap_close(LDAP **ld);

/* Fill err from a result code of libldap and the server's diagnostic text; `what`
 * (printf style) says what was tried. Returns the PROV_ code; 0 for LDAP_SUCCESS. */
int prov_ldap_error(LDAP *ld, int rc, struct prov_error *err, const char *what, ...)
	__attribute__((format(printf, 4, 5)));
int prov_ldap_code(int rc); /* the PROV_ code alone */

/* What the server says about one database with our overlay. Members the server does
 * not let us read are NULL (cn=config needs rights) and are no error. */
struct prov_ldap_server {
	char *suffix;  /* never NULL on success */
	char *config;  /* DN of the overlay's entry in cn=config */
	char *policy;  /* olcProvisionPolicy */
	char *state;   /* olcProvisionState */
	char *monitor; /* rootDSE monitorContext */
};

/*
 * Ask: the overlay's entry below cn=config (its database's olcSuffix), else the
 * rootDSE's namingContexts. want_suffix (may be NULL) chooses. PROV_ENOENT when
 * nothing fits, PROV_EINVAL when several do: the text lists them and names -b.
 */
int prov_ldap_server_ask(LDAP *ld, const char *want_suffix, struct prov_ldap_server *out,
	struct prov_error *err);
void prov_ldap_server_dispose(struct prov_ldap_server *s);

/*
 * The state directory: `given` when not NULL, else the server's answer.
 * malloc'ed. The error says to use --state when the server does not tell.
 */
int prov_ldap_state_dir(LDAP *ld, const char *want_suffix, const char *given, char **out,
	struct prov_error *err);

/* First value of an attribute as a malloc'ed C string; NULL when there is none. */
char *prov_ldap_first(LDAP *ld, LDAPMessage *entry, const char *attr);

#endif
