/*
 * webhook.h - the webhook connector: an event as an HTTPS POST with the headers of
 * Standard Webhooks (signature.h). Blocks: for a worker (worker.h).
 *
 * The answer decides: 2xx delivered; 410 (RFC 9110, 15.5.11) the receiver wants no more;
 * 429 and 503 with Retry-After: not before that; anything else, redirects too: a failed
 * attempt.
 */
#ifndef PROVD_WEBHOOK_H
#define PROVD_WEBHOOK_H

#include "kind.h"

extern const struct prov_kind_ops prov_webhook_ops;

#endif
