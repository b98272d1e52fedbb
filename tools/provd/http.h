/*
 * http.h - one HTTPS request at a time, over libcurl, bounded in time and size.
 *
 * The certificate of the server is always verified, redirects are never followed, and
 * only https is spoken. One struct prov_http per connector: its settings, the authorities
 * it trusts (trust.h), and as many handles as there were requests at a time, which keep
 * connections for the next one; a handle that is not needed for a minute goes while others
 * are. Any number of threads may use it at a time; prov_http_free() only when none does.
 */
#ifndef PROVD_HTTP_H
#define PROVD_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "error.h"

#define PROV_HTTP_BODY 65536 /* bytes of an answer that are kept unless told otherwise */

struct prov_http;

struct prov_http_settings {
	const char *ca;         /* PEM file of the authorities to trust, NULL: the system's */
	const char *cert, *key; /* PEM files, for mutual TLS; or NULL */
	unsigned timeout;       /* seconds for a whole request */
	size_t most;            /* bytes of an answer that are read; 0: PROV_HTTP_BODY */
};

struct prov_http_request {
	const char *method, *url;
	const char *const *header; /* "Name: value", NULL-terminated, or NULL */
	const char *body;
	size_t len;
	const atomic_bool *cancel; /* may be NULL */
};

struct prov_http_response {
	long status;
	char *body; /* terminated; never NULL after success */
	size_t len;
	bool cut;             /* there was more */
	unsigned retry_after; /* seconds (RFC 9110, 10.2.3); 0: not said */
	char etag[128], location[256];
};

int prov_http_new(const struct prov_http_settings *s, struct prov_http **out,
	struct prov_error *err);
void prov_http_free(struct prov_http **h);
/* 0: there is an answer, whatever its status; prov_http_response_dispose(). What the request's
 * Authorization header has is masked in it. PROV_EIO: none, and the text says why. */
int prov_http_do(struct prov_http *h, const struct prov_http_request *q,
	struct prov_http_response *r, struct prov_error *err);
void prov_http_response_dispose(struct prov_http_response *r);

#endif
