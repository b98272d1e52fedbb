/* http.c - one HTTPS request at a time, over libcurl. See http.h. */
#include "http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mask.h"
#include "options.h" /* PROV_VERSION */
#include "trust.h"

#define IDLE_MOST 256 /* handles kept for the next request: as many as requests at a time */
#define IDLE_TIME 60  /* seconds, then one goes, with its connection, when others are in use */
#define RETRY_AFTER_MOST 86400

struct idle {
	CURL *curl;
	time_t since;
};

/* The idle handles are a stack: those that are used all the time stay on top. */
struct prov_http {
	char *cert, *key;
	struct prov_trust *trust;
	unsigned timeout;
	size_t most;
	pthread_mutex_t mutex;
	size_t nidle;
	struct idle idle[IDLE_MOST];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int copy(const char *from, char **to)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? PROV_ENOMEM : 0;
}

int prov_http_new(const struct prov_http_settings *s, struct prov_http **out,
	struct prov_error *err)
{
	struct prov_http *h = calloc(1, sizeof(*h));

	*out = NULL;
	pthread_once(&once, init);
	if (!h || prov_trust_new(s->ca, &h->trust, NULL) || copy(s->cert, &h->cert) ||
		copy(s->key, &h->key)) {
		prov_http_free(&h);
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	h->timeout = s->timeout;
	h->most = s->most ? s->most : PROV_HTTP_BODY;
	pthread_mutex_init(&h->mutex, NULL);
	*out = h;
	return 0;
}

void prov_http_free(struct prov_http **hp)
{
	struct prov_http *h = *hp;

	if (!h)
		return;
	for (size_t i = 0; i < h->nidle; i++)
		curl_easy_cleanup(h->idle[i].curl);
	pthread_mutex_destroy(&h->mutex);
	prov_trust_free(&h->trust);
	free(h->cert);
	free(h->key);
	free(h);
	*hp = NULL;
}

static void set_up(const struct prov_http *h, CURL *c);

static CURL *take_handle(struct prov_http *h)
{
	CURL *c = NULL;

	pthread_mutex_lock(&h->mutex);
	if (h->nidle)
		c = h->idle[--h->nidle].curl;
	pthread_mutex_unlock(&h->mutex);
	if (c)
		return c;
	c = curl_easy_init();
	if (c)
		set_up(h, c);
	return c;
}

static time_t monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void give_handle(struct prov_http *h, CURL *c)
{
	time_t now = monotonic();
	CURL *old = NULL;

	pthread_mutex_lock(&h->mutex);
	if (h->nidle && h->idle[0].since < now - IDLE_TIME) {
		old = h->idle[0].curl;
		memmove(h->idle, h->idle + 1, --h->nidle * sizeof(h->idle[0]));
	}
	if (h->nidle < IDLE_MOST) {
		h->idle[h->nidle++] = (struct idle){ c, now };
		c = NULL;
	}
	pthread_mutex_unlock(&h->mutex);
	curl_easy_cleanup(old);
	curl_easy_cleanup(c);
}

struct keeper {
	struct prov_http_response *r;
	size_t most, room;
};

static size_t keep(char *data, size_t size, size_t n, void *ctx)
{
	struct keeper *k = ctx;
	struct prov_http_response *r = k->r;
	size_t left = k->most - r->len, take = size * n < left ? size * n : left;

	if (r->len + take + 1 > k->room) {
		size_t room = 2 * (r->len + take + 1);
		char *grown = realloc(r->body, room);
		if (!grown)
			return 0;
		r->body = grown;
		k->room = room;
	}
	memcpy(r->body + r->len, data, take);
	r->len += take;
	r->body[r->len] = '\0';
	r->cut = take < size * n;
	return take; /* less than there was: curl stops reading */
}

static int progress(void *ctx, curl_off_t dt, curl_off_t dn, curl_off_t ut, curl_off_t un)
{
	(void)dt, (void)dn, (void)ut, (void)un;
	return atomic_load((const atomic_bool *)ctx);
}

static int set_headers(const struct prov_http_request *q, struct curl_slist **out)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:"); /* no 100-continue */

	for (const char *const *p = q->header; list && p && *p; p++) {
		struct curl_slist *more = curl_slist_append(list, *p);
		if (!more) {
			curl_slist_free_all(list);
			return PROV_ENOMEM;
		}
		list = more;
	}
	*out = list;
	return list ? 0 : PROV_ENOMEM;
}

/* One request's. */
struct call {
	struct prov_http *http;
	struct prov_error err; /* what libcurl would not know */
};

static CURLcode use_trust(CURL *c, void *ssl_ctx, void *ctx)
{
	struct call *call = ctx;

	(void)c;
	return prov_trust_use(call->http->trust, ssl_ctx, &call->err) ? CURLE_SSL_CACERT_BADFILE
								      : CURLE_OK;
}

static void set_tls(const struct prov_http *h, CURL *c)
{
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* libcurl would read the authorities for each handle anew, and keep them: see trust.h */
	curl_easy_setopt(c, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, use_trust);
	if (h->cert)
		curl_easy_setopt(c, CURLOPT_SSLCERT, h->cert);
	if (h->key || h->cert)
		curl_easy_setopt(c, CURLOPT_SSLKEY, h->key ? h->key : h->cert);
}

/* What is the same for every request. */
static void set_up(const struct prov_http *h, CURL *c)
{
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)h->timeout * 1000);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "slapo-provision/" PROV_VERSION);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, progress);
	set_tls(h, c);
}

/* All that a request before may have set is set anew. */
static void set_request(CURL *c, const struct prov_http_request *q, struct curl_slist *headers,
	struct keeper *k, char *why)
{
	curl_easy_setopt(c, CURLOPT_URL, q->url);
	if (q->body) {
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->len);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, q->body);
	} else {
		curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
	}
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, q->method);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, q->cancel ? 0L : 1L);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, (void *)(uintptr_t)q->cancel);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, k);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
}

static void read_head(CURL *c, struct prov_http_response *r)
{
	struct curl_header *hd = NULL;
	curl_off_t after = 0;

	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &r->status);
	if (curl_easy_getinfo(c, CURLINFO_RETRY_AFTER, &after) == CURLE_OK && after > 0)
		r->retry_after = (unsigned)(after < RETRY_AFTER_MOST ? after : RETRY_AFTER_MOST);
	if (curl_easy_header(c, "ETag", 0, CURLH_HEADER, -1, &hd) == CURLHE_OK)
		snprintf(r->etag, sizeof(r->etag), "%s", hd->value);
	if (curl_easy_header(c, "Location", 0, CURLH_HEADER, -1, &hd) == CURLHE_OK)
		snprintf(r->location, sizeof(r->location), "%s", hd->value);
}

/* A server may repeat what it was shown. */
static void mask_credentials(const struct prov_http_request *q, struct prov_http_response *r)
{
	static const char name[] = "Authorization: ";

	for (const char *const *p = q->header; p && *p; p++) {
		const char *value = *p + sizeof(name) - 1;
		if (strncmp(*p, name, sizeof(name) - 1) != 0)
			continue;
		value += strcspn(value, " "); /* behind the scheme */
		value += *value == ' ';
		prov_mask(r->body, r->len, value);
		prov_mask(r->etag, strlen(r->etag), value);
		prov_mask(r->location, strlen(r->location), value);
	}
}

int prov_http_do(struct prov_http *h, const struct prov_http_request *q,
	struct prov_http_response *r, struct prov_error *err)
{
	char why[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers = NULL;
	CURL *c = take_handle(h);
	struct keeper k = { r, h->most, 1024 };
	struct call call = { .http = h };

	memset(r, 0, sizeof(*r));
	r->body = calloc(1, k.room);
	if (!c || !r->body || set_headers(q, &headers)) {
		curl_easy_cleanup(c);
		prov_http_response_dispose(r);
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	set_request(c, q, headers, &k, why);
	curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, &call);
	CURLcode rc = curl_easy_perform(c);
	read_head(c, r);
	/* an answer that is too long is still an answer */
	bool answered = rc == CURLE_OK || (rc == CURLE_WRITE_ERROR && r->cut);
	/* what is ours is not to be touched later */
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	give_handle(h, c);
	if (answered) {
		mask_credentials(q, r);
		return 0;
	}
	prov_http_response_dispose(r);
	return prov_error_set(err, PROV_EIO, "%s",
		*call.err.text ? call.err.text
			: *why ? why
			       : curl_easy_strerror(rc));
}

void prov_http_response_dispose(struct prov_http_response *r)
{
	free(r->body);
	r->body = NULL;
	r->len = 0;
}
