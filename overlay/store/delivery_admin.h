/*
 * delivery_admin.h - what an admin does to deliveries: drop events, forget a connector. Each
 * with its record for the trail (reports.h), in the same transaction of the delivery environment.
 *
 * For whoever holds the lock: provd, or provctl while provd is down.
 */
#ifndef PROV_DELIVERY_ADMIN_H
#define PROV_DELIVERY_ADMIN_H

#include <jansson.h>

#include "outbox.h"

struct prov_admin_act {
	struct prov_kv_txn *t;     /* of the delivery environment, writing */
	struct prov_kv_txn *state; /* of the state environment: the events */
	const char *connector;
	const char *reason; /* why: kept with the event and in the trail */
	const char *actor;  /* DN of who asks */
	int64_t ms;         /* now, since the epoch */
};

/* Parked events only. seq 0: all of them. *n: how many. PROV_ENOENT, PROV_EINVAL: the one that
 * was asked for does not wait here, or is not parked. */
int prov_admin_drop(const struct prov_admin_act *a, uint64_t seq, unsigned *n,
	struct prov_error *err);

/* Everything that is kept of a connector: cursor, events' states, ids there. *n: events that
 * had waited or were parked. */
int prov_admin_forget(const struct prov_admin_act *a, unsigned *n, struct prov_error *err);

/* Undelivered events of another server (source: its LDAP URL), an array as exported: the relay
 * puts them into the outbox here. *n: how many. PROV_EINVAL: one is none. */
int prov_admin_import(const struct prov_admin_act *a, const char *source, const json_t *events,
	unsigned *n, struct prov_error *err);

/* The name that slapd gives a local user (SASL EXTERNAL over ldapi). */
void prov_admin_actor(unsigned uid, unsigned gid, char *out, size_t room);

#endif
