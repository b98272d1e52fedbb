/* caep.c - the caep connector. See caep.h. */
#include "caep.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bearer.h"
#include "caep_poll.h"
#include "daemon.h" /* provd_wall() */
#include "event.h"
#include "http.h"
#include "http_outcome.h"
#include "jose.h"
#include "publish.h"
#include "secevent.h"
#include "secret.h"

#define TYP "secevent+jwt" /* RFC 8417, 2.3 */

struct caep {
	const struct prov_connector *c; /* outlives us */
	struct prov_secevent_profile profile;
	struct prov_http *http;
	struct prov_bearer *bearer;
	struct prov_poll *poll; /* instead of the two above; or NULL */
	pthread_mutex_t mutex;  /* of published, and of the files */
	char *published;        /* the key set as it was last written */
};

static void close_caep(void *self)
{
	struct caep *w = self;

	prov_http_free(&w->http);
	prov_bearer_free(&w->bearer);
	prov_poll_free(&w->poll);
	pthread_mutex_destroy(&w->mutex);
	free(w->published);
	free(w);
}

static int read_keys(const struct caep *w, struct prov_jose **out, struct prov_error *err)
{
	char *pem = NULL;
	size_t n = 0;
	struct prov_error why = { 0 };
	int rc = prov_secret_read(w->c->secret_file, &pem, &n, err);

	*out = NULL;
	if (rc)
		return rc;
	rc = prov_jose_read(pem, n, out, &why);
	prov_secret_free(&pem, n);
	return rc ? prov_error_set(err, rc, "secret file %s: %s", w->c->secret_file, why.text) : 0;
}

static int write_json(const char *file, const json_t *o, struct prov_error *err)
{
	char *text = json_dumps(o, JSON_INDENT(2) | JSON_SORT_KEYS);
	int rc = text ? prov_publish(file, text, strlen(text), err)
		      : prov_error_set(err, PROV_ENOMEM, "no memory");

	free(text);
	return rc;
}

/* SSF 1.0, 7.1. There is no management of streams, so none of its endpoints is named; a token
 * for polls is an authorization scheme all the same (7.1.1). */
static int write_metadata(const struct caep *w, const char *file, struct prov_error *err)
{
	json_t *o = json_pack("{s:s,s:s,s:s,s:[s],s:s}", "spec_version", "1_0", "issuer",
		w->profile.issuer, "jwks_uri", prov_connector_option(w->c, "jwksUri"),
		"delivery_methods_supported", w->poll ? "urn:ietf:rfc:8936" : "urn:ietf:rfc:8935",
		"default_subjects", "ALL");

	if (o && w->poll && prov_connector_option(w->c, "token"))
		json_object_set_new(o, "authorization_schemes",
			json_pack("[{s:s}]", "spec_urn", "urn:ietf:rfc:6750"));
	int rc = write_json(file, o, err);
	json_decref(o);
	return rc;
}

/* Receivers must find a key before the first token that it has signed. */
static int publish(struct caep *w, const struct prov_jose *keys, struct prov_error *err)
{
	const char *jwks = prov_connector_option(w->c, "jwks");
	const char *metadata = prov_connector_option(w->c, "metadata");
	json_t *set = prov_jose_set(keys);
	char *text = json_dumps(set, JSON_COMPACT);
	int rc = text ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");

	pthread_mutex_lock(&w->mutex);
	if (text && (!w->published || strcmp(text, w->published) != 0)) {
		if (jwks)
			rc = write_json(jwks, set, err);
		if (rc == 0 && metadata)
			rc = write_metadata(w, metadata, err);
		if (rc == 0) {
			free(w->published);
			w->published = text;
			text = NULL;
		}
	}
	pthread_mutex_unlock(&w->mutex);
	free(text);
	json_decref(set);
	return rc;
}

static int read_subject(struct caep *w, struct prov_error *err)
{
	const char *how = prov_connector_option(w->c, "subject");
	struct prov_secevent_profile *p = &w->profile;

	p->format = how && strcmp(how, "email") == 0 ? PROV_SUBJECT_EMAIL
		: how && strcmp(how, "iss_sub") == 0 ? PROV_SUBJECT_ISS_SUB
						     : PROV_SUBJECT_OPAQUE;
	p->attribute = prov_connector_option(w->c, "subjectAttribute");
	p->subject_issuer = prov_connector_option(w->c, "subjectIssuer");
	if (!p->subject_issuer)
		p->subject_issuer = p->issuer;
	if (!p->attribute)
		p->attribute = p->format == PROV_SUBJECT_EMAIL ? "mail" : "uid";
	if (p->format != PROV_SUBJECT_OPAQUE && !provd_event_may(w->c, p->attribute))
		return prov_error_set(err, PROV_EINVAL,
			"the subject is named by %s, which provAttribute does not list",
			p->attribute);
	return 0;
}

/* What receivers get to know us by (SSF 1.0, 7.1). */
static int read_names(struct caep *w, struct prov_error *err)
{
	const char *uri = prov_connector_option(w->c, "jwksUri");

	w->profile.issuer = prov_connector_option(w->c, "issuer");
	w->profile.audience = prov_connector_option(w->c, "audience");
	if (!w->profile.issuer || strncasecmp(w->profile.issuer, "https://", 8) != 0)
		return prov_error_set(err, PROV_EINVAL,
			"provOption: issuer= is missing or does not begin with https://");
	if (strpbrk(w->profile.issuer, "?#"))
		return prov_error_set(err, PROV_EINVAL,
			"provOption: issuer=%.100s: must have no query and no fragment",
			w->profile.issuer);
	if (uri ? strncasecmp(uri, "https://", 8) != 0
		: prov_connector_option(w->c, "metadata") != NULL)
		return prov_error_set(err, PROV_EINVAL, "provOption: jwksUri=%.100s: %s",
			uri ? uri : "",
			uri ? "does not begin with https://"
			    : "must be in the metadata, as tokens are signed");
	return 0;
}

static int read_options(struct caep *w, struct prov_error *err)
{
	static const char *const file[] = { "jwks", "metadata" };
	int rc = read_names(w, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < sizeof(file) / sizeof(file[0]); i++) {
		const char *name = prov_connector_option(w->c, file[i]);
		if (name && *name != '/')
			return prov_error_set(err, PROV_EINVAL,
				"provOption: %s=%.80s is no absolute path", file[i], name);
	}
	return read_subject(w, err);
}

/* The path of an https URL. */
static const char *path_of(const char *url)
{
	const char *host = strstr(url, "://");

	return host ? host + 3 + strcspn(host + 3, "/") : "";
}

static int open_transport(struct caep *w, struct prov_error *err)
{
	const char *how = prov_connector_option(w->c, "delivery");
	const char *token = prov_connector_option(w->c, "token");
	const char *cert = prov_connector_option(w->c, "cert");
	const char *key = prov_connector_option(w->c, "key");
	const struct prov_http_settings s = { prov_connector_option(w->c, "ca"), cert, key,
		w->c->timeout, 0 };
	const struct prov_poll_settings p = { { prov_connector_option(w->c, "listen"), cert, key,
						      prov_connector_option(w->c, "clientCa") },
		path_of(w->c->target), token };

	if (how && strcmp(how, "poll") == 0)
		return prov_poll_new(&p, &w->poll, err);
	int rc = prov_http_new(&s, &w->http, err);
	return rc ? rc
		  : prov_bearer_new(token, prov_connector_option(w->c, "tokenUrl"),
			    prov_connector_option(w->c, "clientId"), &w->bearer, err);
}

static int open_caep(const struct prov_connector *c, void **self, struct prov_error *err)
{
	struct caep *w = calloc(1, sizeof(*w));
	struct prov_jose *keys = NULL;
	struct prov_error later = { 0 };

	*self = NULL;
	if (!w)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	pthread_mutex_init(&w->mutex, NULL);
	w->c = c;
	int rc = read_options(w, err);
	if (rc == 0)
		rc = open_transport(w, err);
	if (rc) {
		close_caep(w);
		return rc;
	}
	/* what fails here fails again, and is told, when there is something to send */
	if (read_keys(w, &keys, &later) == 0)
		publish(w, keys, &later);
	prov_jose_free(&keys);
	*self = w;
	return 0;
}

/* *token: malloc'ed, or NULL: it is no security event. */
static int make_token(struct caep *w, const struct prov_body *body, char **token,
	struct prov_error *err)
{
	json_error_t where;
	json_t *event = json_loadb(body->text, body->len, 0, &where), *claims = NULL;
	struct prov_jose *keys = NULL;
	int rc = event ? prov_secevent_claims(&w->profile, event, provd_wall(), &claims, err)
		       : prov_error_set(err, PROV_ECORRUPT, "the event is no JSON: %s", where.text);

	*token = NULL;
	if (rc == 0 && claims)
		rc = read_keys(w, &keys, err);
	if (rc == 0 && claims)
		rc = publish(w, keys, err);
	if (rc == 0 && claims)
		rc = prov_jose_sign(keys, TYP, claims, token, err);
	prov_jose_free(&keys);
	json_decref(claims);
	json_decref(event);
	return rc;
}

static void push(struct caep *w, const char *token, const atomic_bool *cancel,
	struct prov_result *out)
{
	char authorization[PROV_BEARER_HEADER] = "";
	struct prov_http_response r = { 0 };
	struct prov_error err = { 0 };

	if (prov_bearer_header(w->bearer, w->http, cancel, authorization, &err)) {
		prov_result_fail(out, "%s", err.text);
		return;
	}
	const char *const headers[] = { "Content-Type: application/" TYP,
		"Accept: application/json", *authorization ? authorization : NULL, NULL };
	const struct prov_http_request q = { "POST", w->c->target, headers, token, strlen(token),
		cancel };
	if (prov_http_do(w->http, &q, &r, &err)) {
		prov_result_fail(out, "%s", err.text);
		return;
	}
	prov_http_outcome(&r, out);
	if (r.status == 401)
		prov_bearer_refused(w->bearer);
	prov_http_response_dispose(&r);
}

static void deliver(void *self, const struct prov_message *m, const atomic_bool *cancel,
	struct prov_result *out)
{
	struct caep *w = self;
	struct prov_error err = { 0 };
	char *token = NULL;

	if (make_token(w, &m->body, &token, &err))
		prov_result_fail(out, "%s", err.text);
	else if (!token)
		prov_result_done(out, "not sent: no security event");
	else if (w->poll)
		prov_poll_offer(w->poll, m->body.id, token,
			m->body.subject[0] ? w->c->max_age : w->c->timeout, cancel, out);
	else
		push(w, token, cancel, out);
	free(token);
}

static int begin(void *self, struct prov_error *err)
{
	struct caep *w = self;

	return w->poll ? prov_poll_listen(w->poll, err) : 0;
}

const struct prov_kind_ops prov_caep_ops = { .open = open_caep,
	.deliver = deliver,
	.close = close_caep,
	.begin = begin,
	.waits = true };
