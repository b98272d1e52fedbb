/*
 * signature.h - signatures of webhooks (Standard Webhooks 1.0, standardwebhooks.com). Pure.
 *
 * What is signed is "id.timestamp.body". A key file has one secret a line; blank lines
 * and lines that begin with '#' are passed over:
 *
 *   whsec_BASE64  24 to 64 bytes: HMAC-SHA256 (RFC 2104), scheme v1
 *   whsk_BASE64   an Ed25519 private key of 32 bytes, or with the public one behind it
 *                 of 64 (RFC 8032), scheme v1a
 *
 * Each signs, so that a receiver who knows any of them accepts: that is how a secret is
 * rotated without a gap.
 */
#ifndef PROVD_SIGNATURE_H
#define PROVD_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define PROV_SIGNATURE_KEYS 8
#define PROV_SIGNATURE_TEXT (PROV_SIGNATURE_KEYS * 96)

/* keys: the text of a key file. out: "v1,... v1a,...". PROV_EINVAL names the line, never
 * what is on it. */
int prov_signature(const char *keys, size_t nkeys, const char *id, int64_t timestamp,
	const char *body, size_t len, char out[PROV_SIGNATURE_TEXT], struct prov_error *err);

#endif
