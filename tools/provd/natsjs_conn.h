/*
 * natsjs_conn.h - publishing to NATS from any number of threads.
 *
 * A message goes out on a connection that no other thread uses at the time; connections are kept
 * for the next one. Nothing is kept back to be sent later: what is lost with a connection is
 * the attempt.
 */
#ifndef PROVD_NATSJS_CONN_H
#define PROVD_NATSJS_CONN_H

#include <stdatomic.h>
#include <stdint.h>

#include "error.h"
#include "natsjs_session.h"
#include "result.h"

struct prov_natsjs;

/* What the settings point to must outlive it. Any number of threads may use it. */
int prov_natsjs_new(const struct prov_natsjs_settings *s, struct prov_natsjs **out,
	struct prov_error *err);
void prov_natsjs_free(struct prov_natsjs **n);

/* Publish and wait for the stream's acknowledgement, until then (monotonic, ms) or *cancel.
 * Fills out. */
void prov_natsjs_publish(struct prov_natsjs *n, const struct prov_natsjs_message *m, int64_t until,
	const atomic_bool *cancel, struct prov_result *out);

#endif
