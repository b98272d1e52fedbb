/* hash.c - see hash.h. */
#include "hash.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

void prov_hash(const void *data, size_t len, unsigned char out[PROV_HASH_BYTES])
{
	SHA256(data, len, out);
}

void prov_hash_base64(const void *data, size_t len, char out[PROV_HASH_BASE64])
{
	unsigned char hash[PROV_HASH_BYTES];

	prov_hash(data, len, hash);
	EVP_EncodeBlock((unsigned char *)out, hash, sizeof(hash));
}
