/*
 * bearer.h - the Authorization header of a connector: a bearer token (RFC 6750) from its
 * secret file, or one got with client credentials (OAuth 2.0, RFC 6749, 4.4) and kept
 * until shortly before it ends.
 *
 * Any number of threads. The file is read at each use; a token that was got is in memory
 * only.
 */
#ifndef PROVD_BEARER_H
#define PROVD_BEARER_H

#include <stdatomic.h>

#include "error.h"
#include "http.h"

#define PROV_BEARER_HEADER 8300

struct prov_bearer;

/* secret_file: the token, or the client's secret when token_url is given. NULL: no header
 * at all (mutual TLS). */
int prov_bearer_new(const char *secret_file, const char *token_url, const char *client_id,
	struct prov_bearer **out, struct prov_error *err);
void prov_bearer_free(struct prov_bearer **b);
/* "Authorization: Bearer ...", or an empty text. */
int prov_bearer_header(struct prov_bearer *b, struct prov_http *http, const atomic_bool *cancel,
	char out[PROV_BEARER_HEADER], struct prov_error *err);
/* The server did not take it (401): get another next time. */
void prov_bearer_refused(struct prov_bearer *b);

#endif
