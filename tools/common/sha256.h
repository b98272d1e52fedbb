/*
 * sha256.h - SHA-256 (FIPS 180-4) of what is in memory or in a file, as keys and as texts.
 *
 * Safe in any thread.
 */
#ifndef PROV_SHA256_H
#define PROV_SHA256_H

#include <stddef.h>
#include <stdio.h>

#define PROV_SHA256_BYTES 32
#define PROV_SHA256_BASE64 45 /* with the terminating zero */

void prov_sha256(const void *data, size_t len, unsigned char out[PROV_SHA256_BYTES]);
/* The same in base64 (RFC 4648, section 4), as a Content-Security-Policy names it. */
void prov_sha256_base64(const void *data, size_t len, char out[PROV_SHA256_BASE64]);
/* What can still be read of f. 0; PROV_EIO, PROV_ENOMEM. */
int prov_sha256_file(FILE *f, unsigned char out[PROV_SHA256_BYTES]);

#endif
