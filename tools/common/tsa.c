/* tsa.c - see tsa.h. */
#include "tsa.h"

#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ts.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 256 * 1024, TIMEOUT = 30 };

struct answer {
	unsigned char *data;
	size_t len;
};

static size_t take(char *data, size_t size, size_t n, void *ctx)
{
	struct answer *a = ctx;
	if (a->len + size * n > MOST)
		return 0;
	unsigned char *p = realloc(a->data, a->len + size * n + 1);
	if (!p)
		return 0;
	memcpy(p + a->len, data, size * n);
	a->data = p;
	a->len += size * n;
	return size * n;
}

/* What OpenSSL noted last. */
static int failed(struct prov_error *err, int code, const char *what)
{
	unsigned long e = ERR_peek_last_error();
	const char *data = NULL;
	int flags = 0;
	ERR_peek_last_error_data(&data, &flags);
	const char *reason = ERR_reason_error_string(e);
	int rc = prov_error_set(err, code, "%s: %s%s%s", what, reason ? reason : "no reason given",
		data && *data && (flags & ERR_TXT_STRING) ? ": " : "",
		data && (flags & ERR_TXT_STRING) ? data : "");
	ERR_clear_error();
	return rc;
}

static TS_REQ *request(const unsigned char hash[PROV_SHA256_BYTES])
{
	TS_REQ *req = TS_REQ_new();
	TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
	X509_ALGOR *algorithm = X509_ALGOR_new();
	ASN1_INTEGER *nonce = ASN1_INTEGER_new();
	uint64_t random;
	int ok = req && imprint && algorithm && nonce &&
		RAND_bytes((unsigned char *)&random, sizeof(random)) == 1 &&
		ASN1_INTEGER_set_uint64(nonce, random >> 1) == 1 &&
		TS_REQ_set_version(req, 1) == 1 &&
		X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) == 1 &&
		TS_MSG_IMPRINT_set_algo(imprint, algorithm) == 1 &&
		TS_MSG_IMPRINT_set_msg(imprint, (unsigned char *)hash, PROV_SHA256_BYTES) == 1 &&
		TS_REQ_set_msg_imprint(req, imprint) == 1 && TS_REQ_set_nonce(req, nonce) == 1 &&
		TS_REQ_set_cert_req(req, 1) == 1;
	TS_MSG_IMPRINT_free(imprint);
	X509_ALGOR_free(algorithm);
	ASN1_INTEGER_free(nonce);
	if (ok)
		return req;
	TS_REQ_free(req);
	return NULL;
}

static int post(const char *url, const char *ca, const unsigned char *der, int n, struct answer *a,
	struct prov_error *err)
{
	struct curl_slist *head =
		curl_slist_append(NULL, "Content-Type: application/timestamp-query");
	CURL *c = curl_easy_init();
	long code = 0;
	char *type = NULL;
	int rc = head && c ? 0 : PROV_ENOMEM;
	if (!rc) {
		curl_easy_setopt(c, CURLOPT_URL, url);
		curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, head);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, (const char *)der);
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)n);
		curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
		curl_easy_setopt(c, CURLOPT_WRITEDATA, a);
		curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)TIMEOUT);
		curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
		if (ca)
			curl_easy_setopt(c, CURLOPT_CAINFO, ca);
		CURLcode cc = curl_easy_perform(c);
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &code);
		curl_easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type);
		if (cc)
			rc = prov_error_set(err, PROV_EBUSY, "%s: %s", url, curl_easy_strerror(cc));
		else if (code != 200 || !type || strncmp(type, "application/timestamp-reply", 27))
			rc = prov_error_set(err, PROV_EREFUSED,
				"%s: HTTP status %ld, %s: no timestamp", url, code,
				type ? type : "no content type");
	}
	curl_easy_cleanup(c);
	curl_slist_free_all(head);
	return rc;
}

static TS_RESP *decode(const unsigned char *der, size_t len)
{
	const unsigned char *p = der;
	TS_RESP *r = len <= MOST ? d2i_TS_RESP(NULL, &p, (long)len) : NULL;
	if (r && p == der + len)
		return r;
	TS_RESP_free(r); /* something follows it */
	return NULL;
}

/* Status, hash and nonce are those that were asked for. */
static int answers(TS_REQ *req, const struct answer *a, struct prov_error *err)
{
	TS_RESP *resp = decode(a->data, a->len);
	TS_VERIFY_CTX *ctx = resp ? TS_REQ_to_TS_VERIFY_CTX(req, NULL) : NULL;
	int rc;
	if (!resp)
		return failed(err, PROV_EIO, "the answer is no timestamp");
	if (!ctx) {
		TS_RESP_free(resp);
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	/* without the signature: for which authority is not said here */
	TS_VERIFY_CTX_set_flags(ctx, TS_VFY_VERSION | TS_VFY_IMPRINT | TS_VFY_NONCE);
	rc = TS_RESP_verify_response(ctx, resp) == 1
		? 0
		: failed(err, PROV_EREFUSED, "the answer is not for this question");
	TS_VERIFY_CTX_free(ctx);
	TS_RESP_free(resp);
	return rc;
}

int prov_tsa_ask(const char *url, const char *ca, const unsigned char hash[PROV_SHA256_BYTES],
	unsigned char **out, size_t *len, struct prov_error *err)
{
	struct answer a = { 0 };
	unsigned char *der = NULL;
	TS_REQ *req = request(hash);
	int n = req ? i2d_TS_REQ(req, &der) : 0;
	int rc = n > 0 ? post(url, ca, der, n, &a, err) : failed(err, PROV_EIO, "request");
	if (!rc)
		rc = answers(req, &a, err);
	OPENSSL_free(der);
	TS_REQ_free(req);
	if (rc) {
		free(a.data);
		return rc;
	}
	*out = a.data;
	*len = a.len;
	return 0;
}

static X509_STORE *store_of(const char *ca, struct prov_error *err)
{
	X509_STORE *s = X509_STORE_new();
	if (s && X509_STORE_load_file(s, ca) == 1)
		return s;
	X509_STORE_free(s);
	failed(err, PROV_EINVAL, ca);
	return NULL;
}

static int time_of(TS_RESP *r, int64_t *secs)
{
	const ASN1_GENERALIZEDTIME *t = TS_TST_INFO_get_time(TS_RESP_get_tst_info(r));
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int days = 0, rest = 0;
	int ok = epoch && ASN1_TIME_diff(&days, &rest, epoch, t) == 1;
	ASN1_TIME_free(epoch);
	*secs = (int64_t)days * 86400 + rest;
	return ok ? 0 : -1;
}

int prov_tsa_verify(const unsigned char *der, size_t len,
	const unsigned char hash[PROV_SHA256_BYTES], const char *ca, int64_t *secs,
	struct prov_error *err)
{
	TS_RESP *resp = decode(der, len);
	TS_VERIFY_CTX *ctx = resp ? TS_VERIFY_CTX_new() : NULL;
	X509_STORE *store = ctx ? store_of(ca, err) : NULL;
	unsigned char *copy = store ? OPENSSL_memdup(hash, PROV_SHA256_BYTES) : NULL;
	int rc = 0;
	if (!resp) {
		rc = failed(err, PROV_ECORRUPT, "no timestamp");
	} else if (!copy) {
		X509_STORE_free(store);
		rc = err->text[0] ? err->code : prov_error_set(err, PROV_ENOMEM, "no memory");
	} else {
		TS_VERIFY_CTX_set_store(ctx, store); /* both are the context's from here on */
		TS_VERIFY_CTX_set_imprint(ctx, copy, PROV_SHA256_BYTES);
		TS_VERIFY_CTX_set_flags(ctx, TS_VFY_VERSION | TS_VFY_IMPRINT | TS_VFY_SIGNATURE);
		if (TS_RESP_verify_response(ctx, resp) != 1)
			rc = failed(err, PROV_ECORRUPT, "the timestamp does not hold");
		else if (time_of(resp, secs))
			rc = prov_error_set(err, PROV_ECORRUPT, "the timestamp has no time");
	}
	TS_VERIFY_CTX_free(ctx);
	TS_RESP_free(resp);
	return rc;
}
