/*
 * session.h - who may not be connected any more: refusing binds, cutting connections.
 *
 * Whether an account may authenticate is read from its entry, never remembered, so
 * that a replicated change counts at once. What is remembered, per connection, is
 * that the check was made in the present generation; every write that touches a
 * state, local or replicated, begins a new one.
 */
#ifndef PROV_SLAPD_SESSION_H
#define PROV_SLAPD_SESSION_H

#include "instance.h"

/* An account's state may have changed, or an account went: check everybody anew. */
void prov_session_touch(void);
uint64_t prov_session_generation(void); /* how often that was said */

/* May this operation go on? 0, or the code of the answer that was sent (SLAPD_DISCONNECT
 * when the connection itself belongs to the blocked account). */
int prov_session_check(struct prov_instance *pi, Operation *op, SlapReply *rs);

/* Is this DN in the instance's database, not in one whose suffix lies below? */
bool prov_session_ours(struct prov_instance *pi, struct berval *ndn);

/* Is this account kept from authenticating? Reads the entry. */
bool prov_session_blocked(struct prov_instance *pi, Operation *op, struct berval *ndn);

/* End every connection that is bound as this DN, or on which a search in its name runs (acting.h). */
void prov_session_cut(struct berval *ndn);

#endif
