/*
 * caep.h - the caep connector: Security Event Tokens (secevent.h) signed (jose.h) and pushed
 * to a receiver of Shared Signals (RFC 8935), or kept until it has fetched them (caep_poll.h).
 *
 * provSecretFile has the private keys. Their public parts, and the transmitter's metadata
 * (SSF 1.0, 7.1), are written to the files that the options jwks and metadata name, when the
 * connector is opened and whenever the keys have changed before an event is sent. Events that
 * are no security events are done without being sent.
 */
#ifndef PROVD_CAEP_H
#define PROVD_CAEP_H

#include "kind.h"

extern const struct prov_kind_ops prov_caep_ops;

#endif
