/* kafka_conf.h - how librdkafka is set up for a producer whose records are there once, in order,
 * at all replicas, and over TLS. */
#ifndef PROVD_KAFKA_CONF_H
#define PROVD_KAFKA_CONF_H

#include <librdkafka/rdkafka.h>

#include "error.h"
#include "kafka_producer.h"

/* Reads the secret. PROV_EINVAL, PROV_ENOENT, PROV_EIO with a text that does not show it. */
int prov_kafka_configure(rd_kafka_conf_t *conf, const struct prov_kafka_settings *s,
	struct prov_error *err);

#endif
