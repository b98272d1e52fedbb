/* signature.c - signatures of webhooks. See signature.h. */
#include "signature.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_MOST 64

/* Base64 (RFC 4648, 4) with its padding; -1 when it is none. */
static int decode(const char *text, size_t len, unsigned char *out, size_t room)
{
	unsigned char buf[(SECRET_MOST / 3 + 2) * 3];
	int pad = 0;

	if (len == 0 || len % 4 || len / 4 * 3 > sizeof(buf))
		return -1;
	while (pad < 2 && text[len - 1 - (size_t)pad] == '=')
		pad++;
	int n = EVP_DecodeBlock(buf, (const unsigned char *)text, (int)len) - pad;
	if (n > 0 && (size_t)n <= room)
		memcpy(out, buf, (size_t)n);
	OPENSSL_cleanse(buf, sizeof(buf));
	return n > 0 && (size_t)n <= room ? n : -1;
}

static int sign_hmac(const unsigned char *key, int nkey, const char *msg, size_t len,
	unsigned char *sig, size_t *nsig)
{
	unsigned n = 0;

	if (nkey < 24 || !HMAC(EVP_sha256(), key, nkey, (const unsigned char *)msg, len, sig, &n))
		return PROV_EINVAL;
	*nsig = n;
	return 0;
}

static int sign_ed25519(const unsigned char *key, int nkey, const char *msg, size_t len,
	unsigned char *sig, size_t *nsig)
{
	EVP_PKEY *pkey = nkey == 32 || nkey == 64
		? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key, 32)
		: NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = pkey && ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		EVP_DigestSign(ctx, sig, nsig, (const unsigned char *)msg, len) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return ok ? 0 : PROV_EINVAL;
}

/* One line of the file; text is appended to out. */
static int sign_line(const char *line, size_t n, const char *msg, size_t len, char *out,
	size_t room)
{
	unsigned char key[SECRET_MOST], sig[64];
	size_t nsig = sizeof(sig);
	bool hmac = n > 6 && strncmp(line, "whsec_", 6) == 0,
	     edwards = n > 5 && strncmp(line, "whsk_", 5) == 0;
	int skip = hmac ? 6 : 5;
	int nkey = hmac || edwards ? decode(line + skip, n - (size_t)skip, key, sizeof(key)) : -1;
	int rc = nkey < 0 ? PROV_EINVAL
		: hmac    ? sign_hmac(key, nkey, msg, len, sig, &nsig)
			  : sign_ed25519(key, nkey, msg, len, sig, &nsig);

	OPENSSL_cleanse(key, sizeof(key));
	if (rc)
		return rc;
	int head = snprintf(out, room, "%s,", hmac ? "v1" : "v1a");
	EVP_EncodeBlock((unsigned char *)out + head, sig, (int)nsig);
	return 0;
}

/* Base64 of 64 bytes, its scheme and a blank fit into 96. */
static int sign_all(const char *keys, size_t nkeys, const char *msg, size_t len, char *out,
	struct prov_error *err)
{
	const char *end = keys + nkeys;
	unsigned line = 0, count = 0;

	for (const char *p = keys; p < end;) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((stop ? stop : end) - p);
		while (n && strchr(" \t\r", p[n - 1]))
			n--;
		line++;
		if (n && *p != '#') {
			if (++count > PROV_SIGNATURE_KEYS)
				return prov_error_set(err, PROV_EINVAL,
					"more than %d secrets in the file", PROV_SIGNATURE_KEYS);
			size_t at = strlen(out);
			if (at)
				out[at++] = ' ';
			out[at] = '\0';
			if (sign_line(p, n, msg, len, out + at, PROV_SIGNATURE_TEXT - at))
				return prov_error_set(err, PROV_EINVAL,
					"line %u of the secret file is neither whsec_ with 24 to 64 bytes nor whsk_ with 32 or 64, in base64",
					line);
		}
		p = stop ? stop + 1 : end;
	}
	return count ? 0 : prov_error_set(err, PROV_EINVAL, "the secret file has no secret in it");
}

int prov_signature(const char *keys, size_t nkeys, const char *id, int64_t timestamp,
	const char *body, size_t len, char out[PROV_SIGNATURE_TEXT], struct prov_error *err)
{
	size_t room = strlen(id) + len + 32;
	char *msg = malloc(room);

	*out = '\0';
	if (!msg)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	int head = snprintf(msg, room, "%s.%lld.", id, (long long)timestamp);
	memcpy(msg + head, body, len);
	int rc = sign_all(keys, nkeys, msg, (size_t)head + len, out, err);
	free(msg);
	return rc;
}
