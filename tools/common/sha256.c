/* sha256.c - see sha256.h. */
#include "sha256.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "error.h"

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

int prov_sha256_file(FILE *f, unsigned char out[PROV_SHA256_BYTES])
{
	unsigned char block[16384];
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	int rc = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1 ? 0 : PROV_ENOMEM;

	for (size_t n; !rc && (n = fread(block, 1, sizeof(block), f)) > 0;)
		if (EVP_DigestUpdate(c, block, n) != 1)
			rc = PROV_ENOMEM;
	if (!rc && ferror(f))
		rc = PROV_EIO;
	if (!rc && EVP_DigestFinal_ex(c, out, NULL) != 1)
		rc = PROV_ENOMEM;
	EVP_MD_CTX_free(c);
	return rc;
}
