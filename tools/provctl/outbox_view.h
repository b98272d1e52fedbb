/*
 * outbox_view.h - the outbox and the deliveries side by side, read only.
 *
 * An event concerns a connector when its route names it. Its state there: the
 * delivery's own when there is one, else done when the connector's cursor has passed
 * it, else ready. Any state directory without a provd yet reads as "all ready".
 */
#ifndef PROV_CTL_OUTBOX_VIEW_H
#define PROV_CTL_OUTBOX_VIEW_H

#include <jansson.h>

#include "outbox.h"

struct outbox_view {
	struct prov_statedir *dir;
	struct prov_delivery_env *delivery; /* NULL: provd never ran */
	struct prov_kv_txn *events, *progress;
	json_t *cursor;    /* connector to sequence */
	json_t *with_rows; /* connectors that have deliveries of their own state */
};

int outbox_view_open(const char *dir, struct outbox_view *v, struct prov_error *err);
void outbox_view_close(struct outbox_view *v);

/* One event at one connector. event is NULL when its row does not decode. */
typedef int outbox_see(void *ctx, uint64_t seq, const char *connector, const json_t *event,
	const struct prov_delivery *d);

/* Every (event, connector) that is not done, in order; `all` shows the done ones too.
 * connector NULL: every one. A nonzero return stops. */
int outbox_view_each(struct outbox_view *v, const char *connector, bool all, outbox_see *see,
	void *ctx, struct prov_error *err);

/* *out: object, connector to {lag, deferred, parked}; lag: ready and deferred. The caller's. */
int outbox_view_lags(struct outbox_view *v, json_t **out, struct prov_error *err);

#endif
