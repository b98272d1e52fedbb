/*
 * sync.h - a connector is told of all accounts that are there: one event
 * account.snapshot for each, for this connector alone.
 *
 * The job (background.h) is stored in the commit that asks for it: a new connector with
 * the option start=sync, or a modify of a connector with the adopt control. It walks the entries
 * by number (entryid.h) and keeps how far it is in the same commits as the snapshots.
 *
 * For a new connector it holds: until an account's snapshot is written, what else happens to an
 * active account is not told, since the snapshot will tell what came of it. So the first
 * that the connector hears of an account is all of it, and nothing after it is missing. For one
 * that knows the accounts already nothing is held back.
 */
#ifndef PROV_SLAPD_SYNC_H
#define PROV_SLAPD_SYNC_H

#include "background.h"
#include "write.h"

#define PROV_SYNC_PREFIX "sync:"

/* Are there stored jobs? When the database is opened. */
void prov_sync_open(struct prov_instance *pi);
/* In the transaction of the connector's write. connector: its cn. LDAP result code. */
int prov_sync_store(struct prov_write *w, const char *connector, bool hold);
/* In the write's transaction: will this account's snapshot tell the connector of it? */
bool prov_sync_holds(struct prov_write *w, const char *connector);
/* For background.c; see there. */
enum prov_job_end prov_sync_run(const struct prov_job *job);

#endif
