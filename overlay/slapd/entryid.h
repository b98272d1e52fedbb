/*
 * entryid.h - entries by back-mdb's own numbers, which only ever grow: a walk over all of
 * them that needs no memory and can be taken up where it was left.
 */
#ifndef PROV_SLAPD_ENTRYID_H
#define PROV_SLAPD_ENTRYID_H

#include "instance.h"

/* In the transaction txn (prov_txn_mdb). The newest number given; 0: the database is empty. */
int prov_entryid_last(struct prov_instance *pi, void *txn, uint64_t *id);
/* The next one after `after`, and the normalized name of its entry, op->o_tmpfree().
 * PROV_ENOENT: no more. */
int prov_entryid_next(struct prov_instance *pi, Operation *op, void *txn, uint64_t after,
	uint64_t *id, struct berval *ndn);

#endif
