/*
 * lookup.h - reading entries straight from back-mdb: in the open transaction when
 * op carries one, else in a read transaction of its own.
 *
 * No access control, no size limit: for the overlay's own decisions only.
 */
#ifndef PROV_SLAPD_LOOKUP_H
#define PROV_SLAPD_LOOKUP_H

#include "instance.h"

#include "entry.h"

/* *e is where it lies until bi_entry_release_rw(); set only with LDAP_SUCCESS. op->o_bd->bd_info
 * is bi, back-mdb itself. */
int prov_lookup_borrow(BackendInfo *bi, Operation *op, struct berval *ndn, Entry **e);

/* *out is an entry_dup() (entry_free), or NULL when there is none. LDAP_SUCCESS in
 * both cases, another result code when the database failed. */
int prov_lookup_entry(struct prov_instance *pi, Operation *op, struct berval *ndn, Entry **out);

/* see() borrows each entry for the call; a result other than 0 ends the search. */
int prov_lookup_search(struct prov_instance *pi, Operation *op, struct berval *nbase, int scope,
	const char *filter, int (*see)(void *ctx, Entry *e), void *ctx);

/* Is there an equality index? */
bool prov_lookup_indexed(struct prov_instance *pi, AttributeDescription *ad);

/* An assertion value for a filter text (RFC 4515, 3), in the arena; NULL: no memory. */
const char *prov_lookup_escape(struct prov_arena *arena, struct prov_val v);

#endif
