/*
 * pending.h - slapd's list of CSNs that have been taken and are not everywhere yet.
 *
 * What syncprov tells consumers that they have is the newest CSN of this list before which none
 * is pending. A change that is shown with an older CSN than that is dropped by consumers without
 * a word. So CSNs must come into the list in the order in which they were taken, that is, while
 * the database's writer lock is held, and stay there, pending, until they have been shown. And
 * one that was shown stays until all older ones were: else the context would not reach it
 * before somebody writes again, and a consumer that asks now and then would not get the change.
 *
 * Any thread. Locks slapd's mutex of the list, and nothing else meanwhile.
 */
#ifndef PROV_SLAPD_PENDING_H
#define PROV_SLAPD_PENDING_H

#include "slapd.h"

/* The backend takes the CSN of what it has done out of the list, but we commit later: so it is put
 * aside while the backend runs. At most one at a time for each op. */
void prov_pending_aside(Operation *op);
void prov_pending_back(Operation *op);

/* In the place of slap_graduate_commit_csn(): op is over. */
void prov_pending_settle(Operation *op);
/* The same at the end of a write that we only pass on to the backend. */
void prov_pending_watch(Operation *op);

#endif
