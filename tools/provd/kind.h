/*
 * kind.h - what provd has for a kind of connector that delivers from a worker.
 *
 * open() prepares what lasts as long as the connector's entry is unchanged; it meets no
 * network, and a secret it cannot read does not make it fail. deliver() runs in any number of
 * workers at a time and blocks, at most for the connector's time limit, unless it waits (see
 * there). close() when none runs any more.
 */
#ifndef PROVD_KIND_H
#define PROVD_KIND_H

#include <stdatomic.h>

#include "body.h"
#include "connector.h"
#include "error.h"
#include "result.h"

struct prov_message {
	struct prov_body body;
	char remote[PROV_REMOTE_ID]; /* id of the account at the destination; empty: not known */
};

struct prov_kind_ops {
	/* An event is what the account shall be now: an older one after a newer one is not
	 * delivered any more. */
	bool keeps_accounts;
	int (*open)(const struct prov_connector *c, void **self, struct prov_error *err);
	void (*deliver)(void *self, const struct prov_message *m, const atomic_bool *cancel,
		struct prov_result *out);
	void (*close)(void *self);
	/* NULL, or: it is in use from now on. Main thread; what was used before of the same
	 * connector may still be open. */
	int (*begin)(void *self, struct prov_error *err);
	/* deliver() waits for the destination to come, however long: it is cancelled when the
	 * entry changes and when provd stops, and that is no attempt. */
	bool waits;
};

/* NULL: of this kind delivers no worker (exec). */
const struct prov_kind_ops *prov_kind_find(const char *type);

#endif
