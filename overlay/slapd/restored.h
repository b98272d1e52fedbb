/*
 * restored.h - the trail says so when the database, the state directory or provd's environment
 * was put back to an older copy, or replaced: a record "restore" with what that means.
 *
 * What is compared: the lineages of store/history.h; whether rows between the trail's last one and
 * the database's oldest are gone; and whether the files are those of before (meta "files"), which
 * tells when copies of one moment were put back. In the relay's thread.
 */
#ifndef PROV_SLAPD_RESTORED_H
#define PROV_SLAPD_RESTORED_H

#include "instance.h"

#include "error.h"
#include "kv.h"

/* t: of state.mdb in state_dir, before any row is taken. *taken: the last row that the trail has. */
int prov_restored_database(struct prov_instance *pi, const char *state_dir, struct prov_kv_txn *t,
	uint64_t *taken, struct prov_error *err);

/* Now and then. *news: something was written. */
int prov_restored_delivery(struct prov_kv_txn *t, struct prov_kv_txn *delivery, bool *news,
	struct prov_error *err);

#endif
