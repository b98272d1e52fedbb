/*
 * trail_key.c - loading, signing, verifying.
 */
#include "trail_key.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct prov_key {
	EVP_PKEY *pkey;
	bool private;
};

/* Never ask on a terminal: an encrypted key is refused. */
static int no_passphrase(char *buf, int size, int rw, void *u)
{
	(void)buf;
	(void)size;
	(void)rw;
	(void)u;
	return -1;
}

int prov_key_load(const char *path, bool need_private, struct prov_key **out,
	struct prov_error *err)
{
	struct prov_key *k = NULL;
	struct stat st;
	FILE *f = fopen(path, "re");
	int rc = PROV_EINVAL;

	*out = NULL;
	if (!f || fstat(fileno(f), &st)) {
		rc = prov_error_set(err, errno == ENOENT ? PROV_ENOENT : PROV_EIO, "%s: %s", path,
			strerror(errno));
		goto out;
	}
	k = calloc(1, sizeof(*k));
	if (!k) {
		rc = prov_error_set(err, PROV_ENOMEM, "out of memory");
		goto out;
	}
	k->pkey = PEM_read_PrivateKey(f, NULL, no_passphrase, NULL);
	k->private = k->pkey != NULL;
	if (!k->pkey && !need_private) {
		rewind(f);
		k->pkey = PEM_read_PUBKEY(f, NULL, no_passphrase, NULL);
	}
	if (!k->pkey || EVP_PKEY_id(k->pkey) != EVP_PKEY_ED25519)
		rc = prov_error_set(err, PROV_EINVAL,
			"%s: no Ed25519 %skey in PEM form without a passphrase", path,
			need_private ? "private " : "");
	else if (k->private && (st.st_mode & (S_IRWXG | S_IRWXO) & ~(mode_t)S_IRGRP))
		rc = prov_error_set(err, PROV_EINVAL,
			"%s: a private key must not be open to others (mode %03o, wanted 600 or 640)",
			path, (unsigned)(st.st_mode & 0777));
	else
		rc = 0;
out:
	if (f)
		fclose(f);
	if (rc)
		prov_key_free(&k);
	*out = k;
	return rc;
}

void prov_key_free(struct prov_key **k)
{
	if (!*k)
		return;
	EVP_PKEY_free((*k)->pkey);
	free(*k);
	*k = NULL;
}

int prov_key_sign(const struct prov_key *k, const unsigned char *data, size_t n,
	unsigned char sig[PROV_SIG])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t len = PROV_SIG;
	int ok = c && EVP_DigestSignInit(c, NULL, NULL, NULL, k->pkey) == 1 &&
		EVP_DigestSign(c, sig, &len, data, n) == 1 && len == PROV_SIG;

	EVP_MD_CTX_free(c);
	return ok ? 0 : PROV_EIO;
}

int prov_key_verify(const struct prov_key *k, const unsigned char *data, size_t n,
	const unsigned char sig[PROV_SIG])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	int ok = c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, k->pkey) == 1 &&
		EVP_DigestVerify(c, sig, PROV_SIG, data, n) == 1;

	EVP_MD_CTX_free(c);
	return ok ? 0 : PROV_EINVAL;
}

int prov_key_id(const struct prov_key *k, unsigned char id[32])
{
	unsigned char *der = NULL;
	unsigned len = 0;
	int n = i2d_PUBKEY(k->pkey, &der);
	int ok =
		n > 0 && EVP_Digest(der, (size_t)n, id, &len, EVP_sha256(), NULL) == 1 && len == 32;

	OPENSSL_free(der);
	return ok ? 0 : PROV_EIO;
}
