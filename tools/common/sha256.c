/* sha256.c - see sha256.h. */
#include "sha256.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

void prov_sha256(const void *data, size_t len, unsigned char out[PROV_SHA256_BYTES])
{
	SHA256(data, len, out);
}

void prov_sha256_base64(const void *data, size_t len, char out[PROV_SHA256_BASE64])
{
	unsigned char hash[PROV_SHA256_BYTES];

	prov_sha256(data, len, hash);
	EVP_EncodeBlock((unsigned char *)out, hash, sizeof(hash));
}
