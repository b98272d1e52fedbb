/*
 * trail_key.h - Ed25519 keys (RFC 8032) for checkpoints, by OpenSSL.
 *
 * prov_key_load and prov_key_free are in trail.h.
 */
#ifndef PROV_TRAIL_KEY_H
#define PROV_TRAIL_KEY_H

#include <stddef.h>

#include "trail.h"

#define PROV_SIG 64

int prov_key_sign(const struct prov_key *k, const unsigned char *data, size_t n,
	unsigned char sig[PROV_SIG]);
int prov_key_verify(const struct prov_key *k, const unsigned char *data, size_t n,
	const unsigned char sig[PROV_SIG]); /* 0: right */
/* SHA-256 over the public key's SubjectPublicKeyInfo in DER. */
int prov_key_id(const struct prov_key *k, unsigned char id[32]);

#endif
