/*
 * jose.h - signing keys and what they sign: compact JWS (RFC 7515) with ES256 (RFC 7518, 3.4)
 * or EdDSA (RFC 8037), and the public keys as a JWK set (RFC 7517). Pure.
 *
 * A key's kid is its thumbprint (RFC 7638, SHA-256).
 */
#ifndef PROVD_JOSE_H
#define PROVD_JOSE_H

#include <jansson.h>
#include <stddef.h>

#include "error.h"

#define PROV_JOSE_KEYS 8

struct prov_jose; /* one thread's own */

/* pem: private keys, P-256 or Ed25519, one after the other. The first one signs; the others
 * are published only. PROV_EINVAL tells which key is none, never what it is. */
int prov_jose_read(const char *pem, size_t len, struct prov_jose **out, struct prov_error *err);
void prov_jose_free(struct prov_jose **k);
/* {"keys":[...]}, public parts only; the caller's. NULL: no memory. */
json_t *prov_jose_set(const struct prov_jose *k);
/* header.payload.signature of these claims; typ as in RFC 7515, 4.1.9. malloc'ed. */
int prov_jose_sign(const struct prov_jose *k, const char *typ, const json_t *claims, char **out,
	struct prov_error *err);

#endif
