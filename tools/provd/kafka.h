/*
 * kafka.h - the kafka connector: an event as a record of a Kafka topic, over librdkafka.
 *
 * The key is the account's entryUUID, so that its events are in one partition and in order. The
 * value is the event as it is (CloudEvents' Kafka binding, structured mode). Delivered is what all
 * in-sync replicas have (acks=all), from an idempotent producer. Blocks: for a worker (worker.h).
 */
#ifndef PROVD_KAFKA_H
#define PROVD_KAFKA_H

#include "kind.h"

extern const struct prov_kind_ops prov_kafka_ops;

#endif
