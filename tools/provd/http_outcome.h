/* http_outcome.h - what the answer to an event that was POSTed means (webhook, caep). Pure. */
#ifndef PROVD_HTTP_OUTCOME_H
#define PROVD_HTTP_OUTCOME_H

#include "http.h"
#include "result.h"

/* 2xx done; 410 gone; 429 and 503 later, as Retry-After says; the others failed, redirects too. */
void prov_http_outcome(const struct prov_http_response *r, struct prov_result *out);

#endif
