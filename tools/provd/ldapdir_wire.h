/*
 * ldapdir_wire.h - reads and writes of a connection of libldap that end in time and within bounds.
 *
 * libldap's own time limits do not hold while TLS is spoken: its handshake waits for a peer that
 * says nothing, and so does a read when half a record has come; and it takes in what a peer
 * sends, however much. So a layer below TLS waits for the socket itself, until the time of the
 * attempt is over or it is cancelled, and counts.
 *
 * One struct prov_wire for each handle, freed after it. One thread at a time.
 */
#ifndef PROVD_LDAPDIR_WIRE_H
#define PROVD_LDAPDIR_WIRE_H

#include <ldap.h>
#include <stdatomic.h>
#include <stdint.h>

#define PROV_WIRE_MOST (8u << 20) /* bytes that are read in one attempt */

struct prov_wire;

/* For a handle that has not connected yet. 0 or PROV_ENOMEM. */
int prov_wire_new(LDAP *ld, struct prov_wire **out);
/* An attempt begins: until is monotonic ms; cancel may be NULL, else it lives until the next call. */
void prov_wire_limit(struct prov_wire *w, int64_t until, const atomic_bool *cancel);
/* What has ended it, or NULL: nothing of ours. */
const char *prov_wire_why(const struct prov_wire *w);
void prov_wire_free(struct prov_wire **w);

#endif
