/* jose.c - signing keys and what they sign. See jose.h. */
#include "jose.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COORDINATE 32 /* bytes of an Ed25519 key and of each P-256 coordinate */
#define SIGNATURE (2 * COORDINATE)

struct prov_jose {
	size_t n;
	EVP_PKEY *key[PROV_JOSE_KEYS];
	json_t *jwk[PROV_JOSE_KEYS];
};

/* Base64url without padding (RFC 4648, 5); malloc'ed. */
static char *base64url(const unsigned char *data, size_t len)
{
	char *out = malloc((len + 2) / 3 * 4 + 1);
	int n = out ? EVP_EncodeBlock((unsigned char *)out, data, (int)len) : 0;

	for (char *p = out; p && *p; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
	while (n > 0 && out[n - 1] == '=')
		out[--n] = '\0';
	return out;
}

static int put_bytes(json_t *o, const char *name, const unsigned char *data, size_t len)
{
	char *text = base64url(data, len);
	int rc = text ? json_object_set_new(o, name, json_string(text)) : -1;

	free(text);
	return rc;
}

static int put_coordinate(json_t *o, const char *name, const EVP_PKEY *key, const char *param)
{
	unsigned char raw[COORDINATE];
	BIGNUM *n = NULL;
	bool ok = EVP_PKEY_get_bn_param(key, param, &n) == 1 &&
		BN_bn2binpad(n, raw, sizeof(raw)) == (int)sizeof(raw);

	BN_free(n);
	return ok ? put_bytes(o, name, raw, sizeof(raw)) : -1;
}

static bool is_p256(const EVP_PKEY *key)
{
	char group[32] = "";

	return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
		EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
		strcmp(group, SN_X9_62_prime256v1) == 0;
}

/* Only what RFC 7638, 3.2 hashes. NULL: not a key that we sign with. */
static json_t *required_members(const EVP_PKEY *key)
{
	unsigned char raw[COORDINATE];
	size_t n = sizeof(raw);
	json_t *o = NULL;
	int rc = -1;

	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 &&
		EVP_PKEY_get_raw_public_key(key, raw, &n) == 1) {
		o = json_pack("{s:s,s:s}", "kty", "OKP", "crv", "Ed25519");
		rc = o ? put_bytes(o, "x", raw, n) : -1;
	} else if (is_p256(key)) {
		o = json_pack("{s:s,s:s}", "kty", "EC", "crv", "P-256");
		rc = o ? put_coordinate(o, "x", key, OSSL_PKEY_PARAM_EC_PUB_X) : -1;
		rc = rc ? rc : put_coordinate(o, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y);
	}
	if (rc == 0)
		return o;
	json_decref(o);
	return NULL;
}

static json_t *make_jwk(const EVP_PKEY *key)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	json_t *o = required_members(key);
	char *text = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	bool edwards = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;

	if (!text || !SHA256((const unsigned char *)text, strlen(text), hash) ||
		put_bytes(o, "kid", hash, sizeof(hash)) ||
		json_object_set_new(o, "use", json_string("sig")) ||
		json_object_set_new(o, "alg", json_string(edwards ? "EdDSA" : "ES256"))) {
		json_decref(o);
		o = NULL;
	}
	free(text);
	return o;
}

/* The next PEM block that is a private key (RFC 7468); *key stays NULL at the end of the text, or
 * when it cannot be read: then *end tells which. Other blocks (EC PARAMETERS) are passed over. */
static void next_key(BIO *bio, EVP_PKEY **key, bool *end)
{
	static const char wanted[] = "PRIVATE KEY";
	char *name = NULL, *header = NULL;
	unsigned char *data = NULL;
	long len = 0;
	bool is_key = false;

	*key = NULL;
	while (!is_key && PEM_read_bio(bio, &name, &header, &data, &len) == 1) {
		const unsigned char *p = data;
		size_t n = strlen(name), m = sizeof(wanted) - 1;
		is_key = n >= m && strcmp(name + n - m, wanted) == 0;
		if (is_key)
			*key = d2i_AutoPrivateKey(NULL, &p, len);
		OPENSSL_clear_free(data, (size_t)len);
		OPENSSL_free(name);
		OPENSSL_free(header);
	}
	*end = !is_key && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	ERR_clear_error();
}

static int read_key(struct prov_jose *k, BIO *bio, bool *more, struct prov_error *err)
{
	EVP_PKEY *key = NULL;
	bool end = false;

	next_key(bio, &key, &end);
	*more = key != NULL;
	if (end)
		return k->n ? 0 : prov_error_set(err, PROV_EINVAL, "there is no private key in it");
	if (!key)
		return prov_error_set(err, PROV_EINVAL, "cannot read key %zu in it", k->n + 1);
	json_t *jwk = k->n < PROV_JOSE_KEYS ? make_jwk(key) : NULL;
	if (!jwk) {
		EVP_PKEY_free(key);
		return k->n < PROV_JOSE_KEYS
			? prov_error_set(err, PROV_EINVAL,
				  "key %zu in it is neither P-256 nor Ed25519", k->n + 1)
			: prov_error_set(err, PROV_EINVAL, "more than %d keys in it",
				  PROV_JOSE_KEYS);
	}
	k->key[k->n] = key;
	k->jwk[k->n++] = jwk;
	return 0;
}

int prov_jose_read(const char *pem, size_t len, struct prov_jose **out, struct prov_error *err)
{
	struct prov_jose *k = calloc(1, sizeof(*k));
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	bool more = true;
	int rc = 0;

	*out = k;
	if (!k || !bio) {
		BIO_free(bio);
		prov_jose_free(out);
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	ERR_clear_error();
	while (rc == 0 && more)
		rc = read_key(k, bio, &more, err);
	BIO_free(bio);
	if (rc)
		prov_jose_free(out);
	return rc;
}

void prov_jose_free(struct prov_jose **kp)
{
	struct prov_jose *k = *kp;

	for (size_t i = 0; k && i < k->n; i++) {
		EVP_PKEY_free(k->key[i]);
		json_decref(k->jwk[i]);
	}
	free(k);
	*kp = NULL;
}

json_t *prov_jose_set(const struct prov_jose *k)
{
	json_t *list = json_array(), *set = json_object();

	for (size_t i = 0; i < k->n; i++)
		json_array_append(list, k->jwk[i]);
	json_object_set_new(set, "keys", list);
	return set;
}

/* DER to the two numbers one after the other (RFC 7518, 3.4). */
static bool flatten(const unsigned char *der, size_t len, unsigned char out[SIGNATURE])
{
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &der, (long)len);
	bool ok = s && BN_bn2binpad(ECDSA_SIG_get0_r(s), out, COORDINATE) == COORDINATE &&
		BN_bn2binpad(ECDSA_SIG_get0_s(s), out + COORDINATE, COORDINATE) == COORDINATE;

	ECDSA_SIG_free(s);
	return ok;
}

static bool sign(EVP_PKEY *key, const char *text, unsigned char out[SIGNATURE])
{
	bool edwards = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
	unsigned char raw[128];
	size_t n = sizeof(raw);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx &&
		EVP_DigestSignInit(ctx, NULL, edwards ? NULL : EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestSign(ctx, raw, &n, (const unsigned char *)text, strlen(text)) == 1;

	EVP_MD_CTX_free(ctx);
	if (ok && edwards && n == SIGNATURE)
		memcpy(out, raw, SIGNATURE);
	else
		ok = ok && !edwards && flatten(raw, n, out);
	return ok;
}

static char *encode(const json_t *o)
{
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	char *out = text ? base64url((const unsigned char *)text, strlen(text)) : NULL;

	free(text);
	return out;
}

int prov_jose_sign(const struct prov_jose *k, const char *typ, const json_t *claims, char **out,
	struct prov_error *err)
{
	json_t *h = json_pack("{s:O,s:O,s:s}", "alg", json_object_get(k->jwk[0], "alg"), "kid",
		json_object_get(k->jwk[0], "kid"), "typ", typ);
	char *head = encode(h), *body = encode(claims), *text = NULL, *end = NULL;
	unsigned char raw[SIGNATURE];

	*out = NULL;
	if (head && body && asprintf(&text, "%s.%s", head, body) >= 0 &&
		sign(k->key[0], text, raw)) {
		end = base64url(raw, sizeof(raw));
		if (end && asprintf(out, "%s.%s", text, end) < 0)
			*out = NULL;
	}
	json_decref(h);
	free(head);
	free(body);
	free(text);
	free(end);
	return *out ? 0 : prov_error_set(err, PROV_EIO, "cannot sign");
}
