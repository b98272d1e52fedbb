/* bearer.c - the Authorization header of a connector. See bearer.h. */
#include "bearer.h"

#include <curl/curl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h" /* provd_monotonic() */
#include "mask.h"
#include "secret.h"

#define EARLY 30 /* seconds before its end that a token is given up */

struct prov_bearer {
	char *secret_file, *token_url, *client_id;
	pthread_mutex_t mutex;
	char *token;   /* got from token_url; under mutex */
	int64_t until; /* monotonic ms */
};

static int copy(const char *from, char **to)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? PROV_ENOMEM : 0;
}

static void drop(struct prov_bearer *b)
{
	if (b->token)
		OPENSSL_cleanse(b->token, strlen(b->token));
	free(b->token);
	b->token = NULL;
}

int prov_bearer_new(const char *secret_file, const char *token_url, const char *client_id,
	struct prov_bearer **out, struct prov_error *err)
{
	struct prov_bearer *b = calloc(1, sizeof(*b));

	*out = NULL;
	if (!b)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	pthread_mutex_init(&b->mutex, NULL);
	*out = b;
	if (copy(secret_file, &b->secret_file) == 0 && copy(token_url, &b->token_url) == 0 &&
		copy(client_id, &b->client_id) == 0)
		return 0;
	prov_bearer_free(out);
	return prov_error_set(err, PROV_ENOMEM, "no memory");
}

void prov_bearer_free(struct prov_bearer **bp)
{
	struct prov_bearer *b = *bp;

	if (!b)
		return;
	drop(b);
	pthread_mutex_destroy(&b->mutex);
	free(b->secret_file);
	free(b->token_url);
	free(b->client_id);
	free(b);
	*bp = NULL;
}

/* The first line of the secret file. */
static int read_line(const char *file, char **out, size_t *room, struct prov_error *err)
{
	int rc = prov_secret_line(file, out, room, err);

	if (rc)
		return rc;
	size_t n = strlen(*out);
	if (n == 0 || n > 8192 || strcspn(*out, " \t\x7f") != n) {
		prov_secret_free(out, *room);
		return prov_error_set(err, PROV_EINVAL,
			"%s: its first line is no token (1 to 8192 bytes without blanks)", file);
	}
	return 0;
}

static int take_token(struct prov_bearer *b, const struct prov_http_response *r,
	struct prov_error *err)
{
	json_t *o = json_loadb(r->body, r->len, 0, NULL);
	const char *token = json_string_value(json_object_get(o, "access_token"));
	json_int_t ends = json_integer_value(json_object_get(o, "expires_in"));
	int rc = 0;

	if (r->status != 200 || !token || !*token || strlen(token) > 8192 ||
		strpbrk(token, " \t\r\n")) {
		rc = prov_error_set(err, PROV_EIO, "no token from %s: HTTP %ld %.100s",
			b->token_url, r->status,
			r->status == 200 ? "without an access_token" : r->body);
	} else {
		drop(b);
		b->token = strdup(token);
		b->until = provd_monotonic() + (ends > EARLY ? ends - EARLY : 0) * 1000;
		rc = b->token ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	json_decref(o);
	return rc;
}

/* RFC 6749, 2.3.1: identifier and secret in HTTP Basic, form-encoded first. */
static int basic(const char *id, const char *secret, char *out, size_t room)
{
	char *a = curl_easy_escape(NULL, id, 0), *b = curl_easy_escape(NULL, secret, 0);
	char *both = NULL;
	int n = a && b ? asprintf(&both, "%s:%s", a, b) : -1, rc = PROV_ENOMEM;

	if (n >= 0 && (size_t)n / 3 * 4 + 40 < room) {
		int head = snprintf(out, room, "Authorization: Basic ");
		EVP_EncodeBlock((unsigned char *)out + head, (unsigned char *)both, n);
		rc = 0;
	}
	if (n >= 0)
		OPENSSL_cleanse(both, (size_t)n);
	free(both);
	curl_free(a);
	curl_free(b);
	return rc;
}

static int fetch(struct prov_bearer *b, struct prov_http *http, const atomic_bool *cancel,
	struct prov_error *err)
{
	static const char body[] = "grant_type=client_credentials";
	char header[PROV_BEARER_HEADER], *secret = NULL;
	size_t room = 0;
	struct prov_http_response r = { 0 };
	int rc = read_line(b->secret_file, &secret, &room, err);

	if (rc)
		return rc;
	rc = basic(b->client_id ? b->client_id : "", secret, header, sizeof(header));
	if (rc) {
		prov_secret_free(&secret, room);
		return prov_error_set(err, rc, "no memory");
	}
	const char *const headers[] = { header, "Accept: application/json",
		"Content-Type: application/x-www-form-urlencoded", NULL };
	const struct prov_http_request q = { "POST", b->token_url, headers, body, sizeof(body) - 1,
		cancel };
	rc = prov_http_do(http, &q, &r, err);
	OPENSSL_cleanse(header, sizeof(header));
	if (rc == 0 && r.status != 200)
		prov_mask(r.body, r.len, secret);
	prov_secret_free(&secret, room);
	if (rc == 0)
		rc = take_token(b, &r, err);
	prov_http_response_dispose(&r);
	return rc;
}

int prov_bearer_header(struct prov_bearer *b, struct prov_http *http, const atomic_bool *cancel,
	char out[PROV_BEARER_HEADER], struct prov_error *err)
{
	char *secret = NULL;
	size_t room = 0;
	int rc = 0;

	*out = '\0';
	if (!b->secret_file)
		return 0;
	if (!b->token_url) {
		rc = read_line(b->secret_file, &secret, &room, err);
		if (rc == 0)
			snprintf(out, PROV_BEARER_HEADER, "Authorization: Bearer %s", secret);
		prov_secret_free(&secret, room);
		return rc;
	}
	pthread_mutex_lock(&b->mutex);
	if (!b->token || provd_monotonic() >= b->until)
		rc = fetch(b, http, cancel, err);
	if (rc == 0)
		snprintf(out, PROV_BEARER_HEADER, "Authorization: Bearer %s", b->token);
	pthread_mutex_unlock(&b->mutex);
	return rc;
}

void prov_bearer_refused(struct prov_bearer *b)
{
	pthread_mutex_lock(&b->mutex);
	drop(b);
	pthread_mutex_unlock(&b->mutex);
}
