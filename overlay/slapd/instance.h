/*
 * instance.h - everything one configured overlay instance owns.
 *
 * Made in db_init, freed in db_destroy. Configuration members change only while
 * slapd's thread pool is paused (cn=config) or before it starts: they are for threads of the pool,
 * and not for the relay's. The others say under which lock they are.
 */
#ifndef PROV_SLAPD_INSTANCE_H
#define PROV_SLAPD_INSTANCE_H

#include "slapd.h"

#include <stdatomic.h>

#include "breaker.h"
#include "policy.h"

enum prov_on_delete { PROV_DELETE_ALLOW, PROV_DELETE_PRESERVE, PROV_DELETE_DENY };

struct prov_accounts {     /* one provision-accounts URL, parsed */
	struct berval url; /* as configured */
	struct berval base, nbase;
	int scope;      /* LDAP_SCOPE_BASE, ONELEVEL, SUBTREE or SUBORDINATE */
	Filter *filter; /* NULL: any */
};

struct prov_snapshot;   /* snapshot.h */
struct prov_capture;    /* capture.h */
struct prov_relay;      /* relay.h */
struct prov_background; /* background.h */
struct prov_clock;      /* clock.h */
struct prov_sessions;   /* session.h */
struct prov_monitor;    /* monitor.h */

struct prov_instance {
	slap_overinst *on;
	BackendDB *be;
	bool controls; /* the database knows ours; changed in a pause, or before the pool works */
	/* configuration */
	struct berval policy_dn, policy_ndn;
	int naccounts;
	struct prov_accounts *accounts;
	char *state_dir;
	enum prov_on_delete on_delete;
	struct berval archive_dn, archive_ndn;
	unsigned breaker_count, breaker_seconds; /* default 100 in 3600 */
	bool memberof;
	bool sessions;                                   /* default true */
	unsigned checkpoint_records, checkpoint_seconds; /* default 1000, 3600 */
	char *key_file;
	/* run time: NULL while the database is closed */
	_Atomic(struct prov_snapshot *) snapshot; /* snapshot.h takes references */
	struct prov_capture *capture;
	struct prov_relay *relay;
	_Atomic(struct prov_background *)
		background; /* the relay, which begins before it, asks, too */
	struct prov_clock *clock;
	_Atomic uint64_t policy_changes; /* by replication; snapshot.h */
	atomic_bool syncing; /* sync.h: there are stored jobs; changed under the writer lock */
	struct prov_monitor *monitor;
	ldap_pvt_thread_mutex_t breaker_mutex;
	struct prov_breaker *breaker; /* under breaker_mutex */
};

/*
 * In runtime.c. Is it still among the overlays of its database? Deleted in cn=config it is taken
 * out in one pause of slapd's pool and closed after the next; between them no write comes by
 * its hooks, so it must do none. In a thread of the pool.
 */
bool prov_instance_listed(const struct prov_instance *pi);

/* In runtime.c. A copy of the database for an operation of our own; the writes that go on meanwhile
 * change what it has in it of their CSNs (be_pcsn_st), which a copy does not use. */
BackendDB prov_instance_database(const struct prov_instance *pi);

#endif
