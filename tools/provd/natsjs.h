/*
 * natsjs.h - the nats connector: an event as a message in a stream of NATS JetStream.
 *
 * The payload is the event as it is (CloudEvents' NATS binding, 1.0.2: structured, JSON); the
 * subject ends with the account's entryUUID; the header Nats-Msg-Id is the event's id, by which
 * the stream drops what it has had. Delivered is what a stream has acknowledged as stored.
 * Blocks: for a worker (worker.h).
 */
#ifndef PROVD_NATSJS_H
#define PROVD_NATSJS_H

#include "kind.h"

extern const struct prov_kind_ops prov_nats_ops;

#endif
