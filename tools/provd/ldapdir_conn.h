/*
 * ldapdir_conn.h - connections of the ldap connector, and requests that end in time.
 *
 * ldaps, or ldap with StartTLS, whose certificate is always verified (RFC 4513, 3); ldapi is
 * of this machine and has none. One struct prov_ldapdir for each connector, any number of
 * threads; one struct prov_ldapdir_call for each attempt, one thread.
 */
#ifndef PROVD_LDAPDIR_CONN_H
#define PROVD_LDAPDIR_CONN_H

#include <ldap.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "connector.h"
#include "ldapdir_wire.h"
#include "result.h"

struct prov_ldapdir;

int prov_ldapdir_new(const struct prov_connector *c, struct prov_ldapdir **out,
	struct prov_error *err);
void prov_ldapdir_free(struct prov_ldapdir **d);
const char *prov_ldapdir_base(const struct prov_ldapdir *d);

struct prov_ldapdir_call {
	struct prov_ldapdir *dir;
	const atomic_bool *cancel;
	struct prov_result *out;
	LDAP *ld;
	struct prov_wire *wire; /* of ld */
	int64_t until;          /* monotonic ms */
	int code;               /* LDAP result of the last request */
	char text[256];         /* its diagnostic message */
};

/* Connect and bind. 0, or -1 and call->out says why. Ended by prov_ldapdir_end(), always. */
int prov_ldapdir_begin(struct prov_ldapdir_call *call);
void prov_ldapdir_end(struct prov_ldapdir_call *call);

/*
 * Wait for the answer to a request that was sent: rc and *id are what libldap's function gave (a
 * pointer, since arguments have no order).
 * 0: there is an answer, see call->code; *res (may be NULL) is the caller's. -1: none.
 */
int prov_ldapdir_wait(struct prov_ldapdir_call *call, int rc, const int *id, LDAPMessage **res);
/* "what: No such object: text", and what a code of Active Directory in it means; returns -1. Busy
 * and unavailable servers are tried later. */
int prov_ldapdir_fail_code(struct prov_ldapdir_call *call, const char *what);

/* Is there an entry of this DN that the filter matches? 0, or -1 with a result. */
int prov_ldapdir_exists(struct prov_ldapdir_call *call, const char *dn, const char *filter,
	bool *there);

/* "attr=value" as an RDN (RFC 4514); ldap_memfree(). NULL: no memory. */
char *prov_ldapdir_rdn(const char *attr, const char *value);
/* "(attr=value)" as a filter (RFC 4515); free(). NULL: no memory. */
char *prov_ldapdir_assertion(const char *attr, const char *value);

#endif
