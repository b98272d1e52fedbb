/*
 * trust.h - the authorities that servers' certificates are checked against.
 *
 * Read from a file once for all connections of a connector, not for each: the system's take
 * a megabyte. Read again when the file has changed, for connections made from then on. Any
 * number of threads at a time; prov_trust_free() when none is in a call. A store that was
 * given out lives on in the connections that took it.
 */
#ifndef PROVD_TRUST_H
#define PROVD_TRUST_H

#include <openssl/types.h>

#include "error.h"

struct prov_trust;

/* file: PEM; NULL: what libcurl was built to trust. Nothing is read yet. */
int prov_trust_new(const char *file, struct prov_trust **out, struct prov_error *err);
void prov_trust_free(struct prov_trust **t);

/* For this SSL_CTX. PROV_EIO: the file cannot be read or has no certificate; the text names it. */
int prov_trust_use(struct prov_trust *t, SSL_CTX *ctx, struct prov_error *err);

#endif
