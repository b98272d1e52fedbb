/* trust.c - the authorities that servers' certificates are checked against. See trust.h. */
#include "trust.h"

#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct prov_trust {
	const char *file, *dir; /* either may be NULL */
	char *own;
	pthread_mutex_t mutex;
	X509_STORE *store; /* under mutex, as what follows; NULL: not read yet */
	struct stat was;
};

int prov_trust_new(const char *file, struct prov_trust **out, struct prov_error *err)
{
	const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
	struct prov_trust *t = calloc(1, sizeof(*t));

	*out = NULL;
	if (!t || (file && !(t->own = strdup(file)))) {
		free(t);
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	t->file = file ? t->own : curl->cainfo;
	t->dir = file ? NULL : curl->capath;
	pthread_mutex_init(&t->mutex, NULL);
	*out = t;
	return 0;
}

void prov_trust_free(struct prov_trust **tp)
{
	struct prov_trust *t = *tp;

	if (!t)
		return;
	X509_STORE_free(t->store);
	pthread_mutex_destroy(&t->mutex);
	free(t->own);
	free(t);
	*tp = NULL;
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
		a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* What OpenSSL finds out about a certificate when it first needs it, now: so that the store is
 * only read once threads share it. */
static void complete(X509_STORE *s)
{
	STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(s);

	for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
		X509 *x = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));
		if (x)
			(void)X509_check_purpose(x, -1, 0);
	}
}

static int load(const struct prov_trust *t, X509_STORE **out, struct prov_error *err)
{
	X509_STORE *s = X509_STORE_new();

	/* An authority in the file is trusted, be it the root or not (as libcurl does). */
	bool ok = s &&
		X509_STORE_set_flags(s, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN) ==
			1 &&
		(!t->file || X509_STORE_load_file(s, t->file) == 1) &&
		(!t->dir || X509_STORE_load_path(s, t->dir) == 1);
	if (ok)
		complete(s);
	ERR_clear_error();
	if (!ok) {
		X509_STORE_free(s);
		return prov_error_set(err, PROV_EIO, "%s: no certificates of authorities",
			t->file ? t->file : t->dir);
	}
	*out = s;
	return 0;
}

int prov_trust_use(struct prov_trust *t, SSL_CTX *ctx, struct prov_error *err)
{
	struct stat is = { 0 };
	X509_STORE *s = NULL;
	int rc = 0;

	if (t->file && stat(t->file, &is))
		return prov_error_set(err, PROV_EIO, "%s: no certificates of authorities", t->file);
	pthread_mutex_lock(&t->mutex);
	if (!t->store || !same(&is, &t->was))
		rc = load(t, &s, err);
	if (s) {
		X509_STORE_free(t->store);
		t->store = s;
		t->was = is;
	}
	/* not the SSL_CTX's own store: libcurl changes and keeps that */
	if (!rc)
		SSL_CTX_set1_verify_cert_store(ctx, t->store);
	pthread_mutex_unlock(&t->mutex);
	return rc;
}
