/*
 * context.h - contextCSN as syncprov finds it when slapd starts.
 *
 * syncprov stores it now and then and when slapd ends. back-mdb says that it always ended well, so
 * after a kill syncprov believes a value as old as that. To a consumer with as much it says that
 * nothing is new, or gives what is in its new session log; and what was committed last, and not
 * shown yet, never comes. So contextCSN is mended just before syncprov reads it: it is the
 * newest CSN of this server among the entries, or that of the last delete, which no entry tells.
 *
 * note: in a thread that has the transaction. mend: only while slapd starts the database.
 */
#ifndef PROV_SLAPD_CONTEXT_H
#define PROV_SLAPD_CONTEXT_H

#include "instance.h"

#include "txn.h"

/* The client's delete is in the transaction: keep its CSN there, too. */
int prov_context_note_delete(struct prov_txn *t, struct prov_error *err);

/* ndn: the entry that has contextCSN. What fails is logged. */
void prov_context_mend(struct prov_instance *pi, Operation *op, struct berval *ndn);

#endif
