/*
 * scim_client.h - requests to a SCIM server: URLs, JSON, authorization, and what an answer
 * that is no success means for the attempt.
 *
 * One struct prov_scim_client for each connector, any number of threads; one struct
 * prov_scim_call for each attempt, one thread.
 */
#ifndef PROVD_SCIM_CLIENT_H
#define PROVD_SCIM_CLIENT_H

#include <jansson.h>
#include <stdatomic.h>

#include "connector.h"
#include "result.h"

struct prov_scim_client;

int prov_scim_client_new(const struct prov_connector *c, struct prov_scim_client **out,
	struct prov_error *err);
void prov_scim_client_free(struct prov_scim_client **c);

struct prov_scim_call {
	struct prov_scim_client *client;
	const atomic_bool *cancel;
	struct prov_result *out;
	long status;
	json_t *doc; /* of the last answer, NULL when it has none; prov_scim_call_end() */
	char etag[128];
};

/*
 * method and path ("Users/x"); body (borrowed) and if_match may be NULL. 0: there is an
 * answer, see status. Else call->out says why there is none.
 */
int prov_scim_ask(struct prov_scim_call *call, const char *method, const char *path,
	const json_t *body, const char *if_match);
/* path?filter=attr eq "value" */
int prov_scim_search(struct prov_scim_call *call, const char *type, const char *attr,
	const char *value);
/* The last answer ends the attempt: failed, or "later" when the server says so. Returns -1. */
int prov_scim_fail_status(struct prov_scim_call *call, const char *what);
void prov_scim_call_end(struct prov_scim_call *call);

#endif
