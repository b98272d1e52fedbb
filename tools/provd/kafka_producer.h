/*
 * kafka_producer.h - a producer of librdkafka, shared by all workers of a connector.
 *
 * It has threads of its own. One that could not deliver is given up and the next message gets a
 * new one, with the secret as it is then; nothing stays in its queue to be sent behind our back.
 */
#ifndef PROVD_KAFKA_PRODUCER_H
#define PROVD_KAFKA_PRODUCER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "result.h"

struct prov_kafka_settings {
	const char *servers;         /* host:port,... */
	bool plain;                  /* no TLS: addresses of this machine only, whatever is told */
	const char *ca, *cert, *key; /* PEM files or NULL */
	const char *user;            /* NULL: no SASL */
	const char *mechanism;
	const char *secret_file; /* its first line is the user's password */
	unsigned timeout;        /* seconds */
};

struct prov_kafka_record {
	const char *topic, *key;
	const char *value;
	size_t len;
	const char *id, *type; /* headers ce_id and ce_type */
};

struct prov_kafka;

/* What the settings point to must outlive it. Any number of threads may use it. */
int prov_kafka_new(const struct prov_kafka_settings *s, struct prov_kafka **out,
	struct prov_error *err);
void prov_kafka_free(struct prov_kafka **k); /* when no thread uses it any more */
/* Send, and wait for the report until then (monotonic, ms) or *cancel. Fills out. */
void prov_kafka_send(struct prov_kafka *k, const struct prov_kafka_record *r, int64_t until,
	const atomic_bool *cancel, struct prov_result *out);

#endif
