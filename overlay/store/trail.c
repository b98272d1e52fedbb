/*
 * trail.c - appending to the chain, walking it, proving it.
 */
#include "trail.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "state.h"
#include "timefmt.h"
#include "trail_key.h"

#define VERSION 1
#define HASH 32
#define PREFIX "slapo-provision checkpoint v1\n"

static int chain(const unsigned char before[HASH], uint64_t seq, struct prov_val record,
	unsigned char out[HASH])
{
	unsigned char n[8];
	unsigned len = 0;
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	prov_be64_put(n, seq);
	int ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1 &&
		EVP_DigestUpdate(c, before, HASH) == 1 && EVP_DigestUpdate(c, n, sizeof(n)) == 1 &&
		EVP_DigestUpdate(c, record.data, record.len) == 1 &&
		EVP_DigestFinal_ex(c, out, &len) == 1 && len == HASH;
	EVP_MD_CTX_free(c);
	return ok ? 0 : PROV_EIO;
}

int prov_trail_ready(struct prov_error *err)
{
	static const unsigned char before[HASH];
	unsigned char hash[HASH];

	return chain(before, 0, prov_val_str(""), hash)
		? prov_error_set(err, PROV_EIO, "OpenSSL cannot make a SHA-256: out of memory?")
		: 0;
}

static int split(struct prov_val row, const unsigned char **hash, struct prov_val *record)
{
	if (row.len < 1 + HASH || row.data[0] != VERSION)
		return PROV_ECORRUPT;
	*hash = (const unsigned char *)row.data + 1;
	*record = (struct prov_val){ row.data + 1 + HASH, row.len - 1 - HASH };
	return 0;
}

static int last_row(struct prov_kv_txn *t, unsigned table, struct prov_val *k, struct prov_val *v)
{
	struct prov_kv_cursor *c = NULL;
	int rc = prov_kv_cursor_open(t, table, &c);

	if (rc == 0)
		rc = prov_kv_cursor_last(c, k, v);
	prov_kv_cursor_close(&c);
	return rc;
}

int prov_trail_last(struct prov_kv_txn *t, uint64_t *seq, unsigned char hash[32])
{
	struct prov_val k, v, record;
	const unsigned char *h;
	int rc = last_row(t, PROV_T_TRAIL, &k, &v);

	*seq = 0;
	memset(hash, 0, HASH);
	if (rc == PROV_ENOENT)
		return 0;
	if (rc == 0)
		rc = prov_be64_get(k, seq);
	if (rc == 0)
		rc = split(v, &h, &record);
	if (rc == 0)
		memcpy(hash, h, HASH);
	return rc;
}

int prov_trail_append(struct prov_kv_txn *t, struct prov_val record, uint64_t *seq,
	struct prov_error *err)
{
	unsigned char before[HASH], key[8];
	int rc = prov_trail_last(t, seq, before);
	char *row = malloc(1 + HASH + record.len);

	if (!row)
		rc = PROV_ENOMEM;
	if (rc == 0) {
		(*seq)++;
		row[0] = VERSION;
		rc = chain(before, *seq, record, (unsigned char *)row + 1);
	}
	if (rc == 0) {
		memcpy(row + 1 + HASH, record.data, record.len);
		prov_be64_put(key, *seq);
		rc = prov_kv_put(t, PROV_T_TRAIL, (struct prov_val){ (char *)key, sizeof(key) },
			(struct prov_val){ row, 1 + HASH + record.len });
	}
	free(row);
	return rc ? prov_error_set(err, rc, "cannot append to the trail: %s", prov_strerror(rc))
		  : 0;
}

static void to_hex(const unsigned char *in, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", in[i]);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int from_hex(const char *in, unsigned char *out, size_t n)
{
	if (!in || strlen(in) != 2 * n)
		return PROV_ECORRUPT;
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(in[2 * i]), low = hex_digit(in[2 * i + 1]);
		if (high < 0 || low < 0)
			return PROV_ECORRUPT;
		out[i] = (unsigned char)(high * 16 + low);
	}
	return 0;
}

/* What a checkpoint's signature covers. */
static size_t signed_bytes(uint64_t seq, const unsigned char hash[HASH], const char *when,
	unsigned char *out, size_t room)
{
	size_t n = sizeof(PREFIX) - 1, w = strlen(when);

	if (n + 8 + HASH + w > room)
		return 0;
	memcpy(out, PREFIX, n);
	prov_be64_put(out + n, seq);
	memcpy(out + n + 8, hash, HASH);
	memcpy(out + n + 8 + HASH, when, w);
	return n + 8 + HASH + w;
}

static int sign_into(struct prov_json *b, json_t *o, const struct prov_key *key, uint64_t seq,
	const unsigned char hash[HASH], const char *when)
{
	unsigned char bytes[256], sig[PROV_SIG];
	char text[PROV_SIG * 2], id[2 * HASH + 1];
	unsigned char raw[HASH];
	size_t n = signed_bytes(seq, hash, when, bytes, sizeof(bytes));

	if (!n || prov_key_sign(key, bytes, n, sig) || prov_key_id(key, raw))
		return PROV_EIO;
	EVP_EncodeBlock((unsigned char *)text, sig, PROV_SIG);
	to_hex(raw, HASH, id);
	prov_json_put(b, o, "key", json_string(id));
	prov_json_put(b, o, "sig", json_string(text));
	return 0;
}

int prov_trail_checkpoint(struct prov_kv_txn *t, const struct prov_key *key, int64_t now,
	struct prov_error *err)
{
	struct prov_json b = PROV_JSON_INIT;
	unsigned char hash[HASH], k8[8];
	char hex[2 * HASH + 1], when[PROV_TIME_TEXT], *text = NULL;
	struct prov_val k, v;
	uint64_t seq, before = 0;
	int rc = prov_trail_last(t, &seq, hash);

	if (rc == 0 && last_row(t, PROV_T_CHECKPOINT, &k, &v) == 0)
		prov_be64_get(k, &before);
	if (rc || seq == 0 || before == seq)
		return rc;
	to_hex(hash, HASH, hex);
	prov_time_rfc3339(now, 0, when);
	json_t *o = json_pack("{s:i,s:I,s:s,s:s}", "v", 1, "seq", (json_int_t)seq, "hash", hex,
		"time", when);
	if (key)
		rc = sign_into(&b, o, key, seq, hash, when);
	int taken = prov_json_take(&b, o, &text, NULL);
	rc = rc ? rc : taken;
	if (rc == 0) {
		prov_be64_put(k8, seq);
		rc = prov_kv_put(t, PROV_T_CHECKPOINT, (struct prov_val){ (char *)k8, 8 },
			prov_val_str(text));
	}
	free(text);
	return rc ? prov_error_set(err, rc, "cannot write a checkpoint: %s", prov_strerror(rc)) : 0;
}

int prov_trail_walk(struct prov_kv_txn *t, uint64_t from,
	int (*see)(void *ctx, uint64_t seq, struct prov_val record), void *ctx,
	struct prov_error *err)
{
	struct prov_kv_cursor *c = NULL;
	struct prov_val k, v, record;
	const unsigned char *hash;
	unsigned char key[8];
	uint64_t seq;
	int rc = prov_kv_cursor_open(t, PROV_T_TRAIL, &c);

	prov_be64_put(key, from ? from : 1);
	if (rc == 0)
		rc = prov_kv_cursor_seek(c, (struct prov_val){ (char *)key, 8 }, &k, &v);
	while (rc == 0) {
		rc = prov_be64_get(k, &seq);
		if (rc == 0)
			rc = split(v, &hash, &record);
		if (rc == 0 && (rc = see(ctx, seq, record)))
			break;
		if (rc == 0)
			rc = prov_kv_cursor_next(c, &k, &v);
	}
	prov_kv_cursor_close(&c);
	if (rc == PROV_ENOENT)
		return 0;
	if (rc < 0 && err && !err->text[0])
		prov_error_set(err, rc, "cannot read the trail: %s", prov_strerror(rc));
	return rc;
}

struct verify {
	struct prov_kv_txn *t;
	const struct prov_key *key;
	struct prov_trail_report *r;
	struct prov_error *err;
	unsigned char hash[HASH];
	uint64_t expect; /* the sequence that must come next */
};

static int bad(struct verify *v, uint64_t seq, const char *why)
{
	v->r->bad_seq = seq;
	return prov_error_set(v->err, PROV_ECORRUPT, "record %llu: %s", (unsigned long long)seq,
		why);
}

static int verify_signature(struct verify *v, uint64_t seq, json_t *o,
	const unsigned char hash[HASH], const char *when)
{
	unsigned char bytes[256], sig[PROV_SIG + 3], id[HASH], want[HASH];
	const char *text = json_string_value(json_object_get(o, "sig"));
	size_t n = signed_bytes(seq, hash, when, bytes, sizeof(bytes));

	if (!v->key)
		return 0;
	if (from_hex(json_string_value(json_object_get(o, "key")), id, HASH) ||
		prov_key_id(v->key, want))
		return bad(v, seq, "the checkpoint does not name its key");
	if (memcmp(id, want, HASH))
		return bad(v, seq, "the checkpoint is signed with another key");
	/* 64 bytes are 88 characters of base64, two of them padding */
	if (!n || !text || strlen(text) != 88 ||
		EVP_DecodeBlock(sig, (const unsigned char *)text, 88) < PROV_SIG ||
		prov_key_verify(v->key, bytes, n, sig))
		return bad(v, seq, "the signature of the checkpoint is wrong");
	return 0;
}

/* The checkpoint of this record, if there is one, against the hash just computed. */
static int verify_checkpoint(struct verify *v, uint64_t seq, const unsigned char hash[HASH],
	struct prov_val text)
{
	json_t *o;
	unsigned char noted[HASH];
	int rc = 0;

	if (prov_json_load(text.data, text.len, &o, v->err) == PROV_ENOMEM)
		return PROV_ENOMEM;
	const char *when = json_string_value(json_object_get(o, "time"));

	if (!when || json_integer_value(json_object_get(o, "seq")) != (json_int_t)seq ||
		from_hex(json_string_value(json_object_get(o, "hash")), noted, HASH))
		rc = bad(v, seq, "the checkpoint does not decode");
	else if (memcmp(noted, hash, HASH))
		rc = bad(v, seq, "the chain differs from the checkpoint");
	else if (json_object_get(o, "sig")) {
		v->r->signed_checkpoints++;
		rc = verify_signature(v, seq, o, hash, when);
		if (rc == 0)
			v->r->last_signed = seq;
	} else if (v->key && v->r->last_signed) {
		rc = bad(v, seq, "a checkpoint without signature follows signed ones");
	}
	json_decref(o);
	if (rc == 0)
		v->r->checkpoints++;
	return rc;
}

static int verify_row(struct verify *v, struct prov_val k, struct prov_val row)
{
	unsigned char hash[HASH];
	const unsigned char *noted;
	struct prov_val record, cp;
	uint64_t seq;

	if (prov_be64_get(k, &seq))
		return bad(v, v->expect, "a key that is no sequence number");
	if (seq != v->expect)
		return bad(v, v->expect, "is missing");
	if (split(row, &noted, &record))
		return bad(v, seq, "does not decode");
	if (chain(v->hash, seq, record, hash))
		return prov_error_set(v->err, PROV_EIO, "SHA-256 is not available");
	if (memcmp(hash, noted, HASH))
		return bad(v, seq, "was changed, or a record before it was: the chain breaks here");
	memcpy(v->hash, hash, HASH);
	v->expect++;
	v->r->records++;
	if (prov_kv_get(v->t, PROV_T_CHECKPOINT, k, &cp) == 0)
		return verify_checkpoint(v, seq, hash, cp);
	return 0;
}

int prov_trail_verify(struct prov_kv_txn *t, const struct prov_key *key,
	void (*progress)(void *ctx, uint64_t done), void *ctx, struct prov_trail_report *report,
	struct prov_error *err)
{
	struct verify v = { .t = t, .key = key, .r = report, .err = err, .expect = 1 };
	struct prov_kv_cursor *c = NULL;
	struct prov_val k, row;
	uint64_t checkpointed = 0;
	int rc;

	memset(report, 0, sizeof(*report));
	rc = prov_kv_cursor_open(t, PROV_T_TRAIL, &c);
	if (rc)
		return prov_error_set(err, rc, "cannot read the trail: %s", prov_strerror(rc));
	for (rc = prov_kv_cursor_seek(c, prov_val_str(""), &k, &row); rc == 0;
		rc = prov_kv_cursor_next(c, &k, &row)) {
		rc = verify_row(&v, k, row);
		if (rc)
			break;
		if (progress && report->records % 1024 == 0)
			progress(ctx, report->records);
	}
	prov_kv_cursor_close(&c);
	if (rc != PROV_ENOENT)
		return rc;
	/* Rows cut off at the end leave no gap: only a checkpoint beyond it tells. */
	if (last_row(t, PROV_T_CHECKPOINT, &k, &row) == 0 && prov_be64_get(k, &checkpointed) == 0 &&
		checkpointed >= v.expect)
		return bad(&v, v.expect,
			"is missing: a checkpoint stands after the end of the trail");
	return 0;
}
