/* scim_client.c - requests to a SCIM server. See scim_client.h. */
#include "scim_client.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bearer.h"
#include "http.h"

#define ANSWER_MOST ((size_t)8 << 20) /* a group with many members */

struct prov_scim_client {
	char *base; /* without a slash at its end */
	struct prov_http *http;
	struct prov_bearer *bearer;
};

int prov_scim_client_new(const struct prov_connector *c, struct prov_scim_client **out,
	struct prov_error *err)
{
	const struct prov_http_settings s = { prov_connector_option(c, "ca"),
		prov_connector_option(c, "cert"), prov_connector_option(c, "key"), c->timeout,
		ANSWER_MOST };
	struct prov_scim_client *k = calloc(1, sizeof(*k));
	size_t n = strlen(c->target);

	*out = k;
	while (n && c->target[n - 1] == '/')
		n--;
	if (k)
		k->base = strndup(c->target, n);
	int rc = k && k->base ? prov_http_new(&s, &k->http, err)
			      : prov_error_set(err, PROV_ENOMEM, "no memory");
	if (rc == 0)
		rc = prov_bearer_new(c->secret_file, prov_connector_option(c, "tokenUrl"),
			prov_connector_option(c, "clientId"), &k->bearer, err);
	if (rc)
		prov_scim_client_free(out);
	return rc;
}

void prov_scim_client_free(struct prov_scim_client **kp)
{
	struct prov_scim_client *k = *kp;

	if (!k)
		return;
	prov_http_free(&k->http);
	prov_bearer_free(&k->bearer);
	free(k->base);
	free(k);
	*kp = NULL;
}

int prov_scim_fail_status(struct prov_scim_call *call, const char *what)
{
	const char *detail = json_string_value(json_object_get(call->doc, "detail"));

	prov_result_fail(call->out, "%s: HTTP %ld%s%.150s", what, call->status, detail ? ": " : "",
		detail ? detail : "");
	if (call->out->after && (call->status == 429 || call->status == 503))
		call->out->outcome = PROV_OUTCOME_AGAIN;
	return -1;
}

static int keep_answer(struct prov_scim_call *call, const struct prov_http_response *r)
{
	const char *version;

	json_decref(call->doc);
	call->doc = r->len ? json_loadb(r->body, r->len, 0, NULL) : NULL;
	call->status = r->status;
	call->out->after = r->status == 429 || r->status == 503 ? r->retry_after : 0;
	version = json_string_value(json_object_get(json_object_get(call->doc, "meta"), "version"));
	snprintf(call->etag, sizeof(call->etag), "%s", *r->etag ? r->etag : version ? version : "");
	/* half an answer must not look like "there is no such group" */
	if (r->cut || (r->status == 200 && r->len && !call->doc))
		return prov_result_fail(call->out, "HTTP %ld: the answer is %s", r->status,
			r->cut ? "longer than 8 MiB" : "not JSON");
	return 0;
}

static int send_once(struct prov_scim_call *call, const struct prov_http_request *what,
	const char *if_match)
{
	struct prov_http_request q = *what;
	struct prov_scim_client *k = call->client;
	struct prov_http_response r = { 0 };
	struct prov_error err = { 0 };
	char authorization[PROV_BEARER_HEADER], match[160];
	const char *header[6] = { "Accept: application/scim+json, application/json",
		"Content-Type: application/scim+json" };
	size_t n = q.body ? 2 : 1;
	int rc = prov_bearer_header(k->bearer, k->http, call->cancel, authorization, &err);

	if (*authorization)
		header[n++] = authorization;
	if (if_match && *if_match) {
		snprintf(match, sizeof(match), "If-Match: %s", if_match);
		header[n++] = match;
	}
	q.header = header;
	if (rc == 0)
		rc = prov_http_do(k->http, &q, &r, &err);
	OPENSSL_cleanse(authorization, sizeof(authorization));
	if (rc)
		return prov_result_fail(call->out, "%s", err.text);
	rc = keep_answer(call, &r);
	prov_http_response_dispose(&r);
	return rc;
}

int prov_scim_ask(struct prov_scim_call *call, const char *method, const char *path,
	const json_t *body, const char *if_match)
{
	char *url = NULL, *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	int rc = asprintf(&url, "%s/%s", call->client->base, path);

	if (rc < 0 || (body && !text)) {
		rc = prov_result_fail(call->out, "no memory");
	} else {
		struct prov_http_request q = { method, url, NULL, text, text ? strlen(text) : 0,
			call->cancel };
		rc = send_once(call, &q, if_match);
		if (rc == 0 && call->status == 401) { /* a token may have been withdrawn */
			prov_bearer_refused(call->client->bearer);
			rc = send_once(call, &q, if_match);
		}
	}
	free(url);
	free(text);
	return rc;
}

int prov_scim_search(struct prov_scim_call *call, const char *type, const char *attr,
	const char *value)
{
	json_t *v = json_string(value);
	char *quoted = json_dumps(v, JSON_ENCODE_ANY), *filter = NULL, *path = NULL,
	     *escaped = NULL;
	int rc = -1;

	/* RFC 7644, 3.4.2.2: a value in a filter is written as in JSON */
	if (quoted && asprintf(&filter, "%s eq %s", attr, quoted) >= 0)
		escaped = curl_easy_escape(NULL, filter, 0);
	if (escaped && asprintf(&path, "%s?filter=%s", type, escaped) >= 0)
		rc = prov_scim_ask(call, "GET", path, NULL, NULL);
	else
		prov_result_fail(call->out, "no memory");
	json_decref(v);
	free(quoted);
	free(filter);
	free(path);
	curl_free(escaped);
	return rc;
}

void prov_scim_call_end(struct prov_scim_call *call)
{
	json_decref(call->doc);
	call->doc = NULL;
}
