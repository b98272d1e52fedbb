/*
 * outbox_act.h - what provctl does to deliveries: change them, or move them to another server.
 *
 * Changing goes through a running provd, which owns the deliveries; when none runs, this
 * takes its lock. Each returns an exit status after saying what is wrong.
 */
#ifndef PROV_CTL_OUTBOX_ACT_H
#define PROV_CTL_OUTBOX_ACT_H

#include <jansson.h>

#include "ctl.h"
#include "delivery_admin.h"

struct outbox_change {
	const char *connector, *reason;
	bool drop, all; /* drop, or retry */
	uint64_t seq;
};
int ctl_outbox_change(struct ctl *c, const char *dir, const struct outbox_change *ch);

/* Undelivered events as JSON Lines on standard output; connector NULL: of all. */
int ctl_outbox_export(const char *dir, const char *connector);
/* Take them in here. All are checked first; those that are here already are passed over. */
int ctl_outbox_import(struct ctl *c, const char *dir, const char *file, bool dry_run);

/*
 * Have provd do it, or do it here under its lock: work() gets a with its transactions
 * open. *answer: provd's, or NULL. PROV_... with err.
 */
int ctl_outbox_act(const char *dir, const json_t *request, struct prov_admin_act *a,
	int (*work)(struct prov_admin_act *a, void *ctx, struct prov_error *err), void *ctx,
	json_t **answer, struct prov_error *err);

#endif
