/* natsjs_key.c - a user's key as NATS writes it. See natsjs_key.h. */
#include "natsjs_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define RAW 36         /* 2 bytes of prefixes, 32 of the seed, 2 of the CRC */
#define SEED (18 << 3) /* "S" */
#define USER (20 << 3) /* "U" */

/* RFC 4648, 6, without padding; false when it is not exactly so long. */
static bool base32(const char *text, unsigned char out[RAW])
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	unsigned held = 0, bits = 0;
	size_t n = 0;

	for (; *text; text++) {
		const char *p = strchr(letters, *text);
		if (!p)
			return false;
		held = (held << 5 | (unsigned)(p - letters)) & 0xfff;
		bits += 5;
		if (bits < 8)
			continue;
		bits -= 8;
		if (n == RAW)
			return false;
		out[n++] = (unsigned char)(held >> bits);
	}
	return n == RAW;
}

/* CRC-16 with the polynomial 0x1021, from 0 ("XMODEM"). */
static unsigned crc16(const unsigned char *p, size_t n)
{
	unsigned crc = 0;

	for (; n; n--, p++) {
		crc ^= (unsigned)*p << 8;
		for (int i = 0; i < 8; i++)
			crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xffff;
	}
	return crc;
}

static bool decode(const char *seed, unsigned char raw[RAW])
{
	if (!base32(seed, raw))
		return false;
	/* five bits each, one behind the other */
	unsigned first = raw[0] & 0xf8, second = (raw[0] & 7u) << 5 | (raw[1] & 0xf8u) >> 3;
	return first == SEED && second == USER &&
		crc16(raw, RAW - 2) == (raw[RAW - 2] | (unsigned)raw[RAW - 1] << 8);
}

static void base64url(const unsigned char *in, size_t n, char *out)
{
	EVP_EncodeBlock((unsigned char *)out, in, (int)n);
	for (char *p = out; *p; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p;
}

int prov_natsjs_sign(const char *seed, const char *nonce, char signature[PROV_NATSJS_SIGNATURE],
	struct prov_error *err)
{
	unsigned char raw[RAW], sig[64];
	size_t n = sizeof(sig);

	if (!decode(seed, raw)) {
		OPENSSL_cleanse(raw, sizeof(raw));
		return prov_error_set(err, PROV_EINVAL, "it has no seed of a user's key (SU...)");
	}
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, raw + 2, 32);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	OPENSSL_cleanse(raw, sizeof(raw));
	bool good = key && ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
		EVP_DigestSign(ctx, sig, &n, (const unsigned char *)nonce, strlen(nonce)) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	if (!good)
		return prov_error_set(err, PROV_EIO, "the server's nonce could not be signed");
	base64url(sig, n, signature);
	return 0;
}
