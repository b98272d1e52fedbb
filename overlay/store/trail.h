/*
 * trail.h - the tamper-evident trail: a SHA-256 chain with signed checkpoints.
 *
 * Row n (from 1): version byte 1, hash (32), record (canonical JSON).
 * hash(n) = SHA-256(hash(n-1) || be64(n) || record), hash(0) = 32 zero bytes.
 * A checkpoint at n: JSON {"v":1,"seq":n,"hash":hex,"time":RFC 3339,"key":hex of
 * SHA-256 over the public key's DER (SubjectPublicKeyInfo),"sig":base64 of the Ed25519 signature (RFC 8032)
 * over "slapo-provision checkpoint v1\n" || be64(n) || hash || time}; key and sig are absent
 * without a key. docs/formats.md is the whole of it; tests hold golden bytes.
 */
#ifndef PROV_TRAIL_H
#define PROV_TRAIL_H

#include "kv.h"

struct prov_key; /* an Ed25519 key, private or public */

/* PEM file; a private key must not be readable by others (PROV_EINVAL). */
int prov_key_load(const char *path, bool need_private, struct prov_key **out,
	struct prov_error *err);
void prov_key_free(struct prov_key **k);

/* Can this process make the chain's hashes? OpenSSL loads what it needs when it is first used, and when memory
 * is missing then, does not try again: so it is used once before anything depends on it. */
int prov_trail_ready(struct prov_error *err);

int prov_trail_append(struct prov_kv_txn *t, struct prov_val record, uint64_t *seq,
	struct prov_error *err);
int prov_trail_last(struct prov_kv_txn *t, uint64_t *seq, unsigned char hash[32]);
int prov_trail_checkpoint(struct prov_kv_txn *t, const struct prov_key *key, int64_t now,
	struct prov_error *err); /* at the present end; nothing new: does nothing */

/* Walk from seq `from` (1 = start): called with each record in order; a nonzero return stops. */
int prov_trail_walk(struct prov_kv_txn *t, uint64_t from,
	int (*see)(void *ctx, uint64_t seq, struct prov_val record), void *ctx,
	struct prov_error *err);

struct prov_trail_report {
	uint64_t records, checkpoints, signed_checkpoints, last_signed;
	uint64_t bad_seq; /* where it broke, when verify returns PROV_ECORRUPT */
};
/* key may be NULL: then signatures are not checked (and the report's reader should say so).
 * PROV_ECORRUPT with a text that says what and where. progress may be NULL. */
int prov_trail_verify(struct prov_kv_txn *t, const struct prov_key *key,
	void (*progress)(void *ctx, uint64_t done), void *ctx, struct prov_trail_report *report,
	struct prov_error *err);

#endif
