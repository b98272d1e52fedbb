/* natsjs_key.h - a user's key as NATS writes it: base32 with a prefix and a CRC. Pure. */
#ifndef PROVD_NATSJS_KEY_H
#define PROVD_NATSJS_KEY_H

#include "error.h"

#define PROV_NATSJS_SIGNATURE 96

/* The Ed25519 signature of the server's nonce by a seed ("SU..."), in base64url without padding
 * (RFC 4648, 5). PROV_EINVAL: this is no seed of a user's key; the text does not show it. */
int prov_natsjs_sign(const char *seed, const char *nonce, char signature[PROV_NATSJS_SIGNATURE],
	struct prov_error *err);

#endif
