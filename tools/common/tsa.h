/*
 * tsa.h - timestamps of a trusted third party (RFC 3161): asking, and checking what was answered.
 *
 * Owns: the request with a nonce, HTTP (libcurl), the checks (OpenSSL). Texts of errors
 * say what was wrong with the answer. Nothing is written to disk here.
 */
#ifndef PROV_TSA_H
#define PROV_TSA_H

#include <stddef.h>
#include <stdint.h>

#include "sha256.h"
#include "error.h"

/*
 * Ask the authority at url for a timestamp of this SHA-256 hash. *out: the TimeStampResp in DER,
 * free(). The answer is checked against the question (status, hash, nonce); its
 * signature only by prov_tsa_verify(). ca: PEM of authorities for https; NULL: the system's.
 * PROV_EBUSY: the server is away; PROV_EIO, PROV_EREFUSED: what it said.
 */
int prov_tsa_ask(const char *url, const char *ca, const unsigned char hash[PROV_SHA256_BYTES],
	unsigned char **out, size_t *len, struct prov_error *err);

/*
 * Does the TimeStampResp prove the hash, signed for the authorities in the PEM file ca (RFC 3161,
 * 2.4.2; the signer must have the extended key usage timeStamping)? *secs: its time, UTC.
 * PROV_ECORRUPT with a text when it does not.
 */
int prov_tsa_verify(const unsigned char *resp, size_t len,
	const unsigned char hash[PROV_SHA256_BYTES], const char *ca, int64_t *secs,
	struct prov_error *err);

#endif
