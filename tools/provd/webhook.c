/* webhook.c - the webhook connector. See webhook.h. */
#include "webhook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h" /* provd_wall() */
#include "http.h"
#include "http_outcome.h"
#include "secret.h"
#include "signature.h"

struct webhook {
	struct prov_http *http;
	char *url, *secret_file;
};

static void close_webhook(void *self)
{
	struct webhook *w = self;

	prov_http_free(&w->http);
	free(w->url);
	free(w->secret_file);
	free(w);
}

static int open_webhook(const struct prov_connector *c, void **self, struct prov_error *err)
{
	const struct prov_http_settings s = { prov_connector_option(c, "ca"),
		prov_connector_option(c, "cert"), prov_connector_option(c, "key"), c->timeout, 0 };
	struct webhook *w = calloc(1, sizeof(*w));

	*self = NULL;
	if (!w)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	w->url = strdup(c->target);
	w->secret_file = strdup(c->secret_file);
	int rc = w->url && w->secret_file ? prov_http_new(&s, &w->http, err)
					  : prov_error_set(err, PROV_ENOMEM, "no memory");
	if (rc)
		close_webhook(w);
	else
		*self = w;
	return rc;
}

/* The body without its newline is what is signed and sent. */
static int sign(const struct webhook *w, const struct prov_body *body, size_t len, int64_t now,
	char *signature, struct prov_error *err)
{
	char *keys = NULL;
	size_t n = 0;
	int rc = prov_secret_read(w->secret_file, &keys, &n, err);

	if (rc)
		return rc;
	rc = prov_signature(keys, n, body->id, now, body->text, len, signature, err);
	prov_secret_free(&keys, n);
	return rc;
}

static void deliver(void *self, const struct prov_message *m, const atomic_bool *cancel,
	struct prov_result *out)
{
	const struct prov_body *body = &m->body;
	struct webhook *w = self;
	struct prov_http_response r = { 0 };
	struct prov_error err = { 0 };
	int64_t now = provd_wall();
	char id[80], timestamp[64], signature[PROV_SIGNATURE_TEXT];
	char header[PROV_SIGNATURE_TEXT + 32];
	size_t len = body->len ? body->len - 1 : 0;

	if (sign(w, body, len, now, signature, &err)) {
		prov_result_fail(out, "%s", err.text);
		return;
	}
	snprintf(id, sizeof(id), "webhook-id: %s", body->id);
	snprintf(timestamp, sizeof(timestamp), "webhook-timestamp: %lld", (long long)now);
	snprintf(header, sizeof(header), "webhook-signature: %s", signature);
	const char *const headers[] = { "Content-Type: application/cloudevents+json", id, timestamp,
		header, NULL };
	const struct prov_http_request q = { "POST", w->url, headers, body->text, len, cancel };
	if (prov_http_do(w->http, &q, &r, &err)) {
		prov_result_fail(out, "%s", err.text);
		return;
	}
	prov_http_outcome(&r, out);
	prov_http_response_dispose(&r);
}

const struct prov_kind_ops prov_webhook_ops = { .open = open_webhook,
	.deliver = deliver,
	.close = close_webhook };
