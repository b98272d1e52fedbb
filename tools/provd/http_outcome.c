/* http_outcome.c - what the answer to a POST means. See http_outcome.h. */
#include "http_outcome.h"

#include <stdio.h>
#include <string.h>

#include "log.h"

void prov_http_outcome(const struct prov_http_response *r, struct prov_result *out)
{
	size_t line = strcspn(r->body, "\r\n");

	snprintf(out->reply, sizeof(out->reply), "HTTP %ld%s%.*s", r->status, line ? ": " : "",
		line > 400 ? 400 : (int)line, r->body);
	prov_log_clean(out->reply);
	if (r->status >= 200 && r->status < 300) {
		out->outcome = PROV_OUTCOME_DONE;
		return;
	}
	if (r->status >= 300 && r->status < 400)
		prov_result_fail(out, "HTTP %ld: redirects are not followed (to %.150s)", r->status,
			*r->location ? r->location : "nowhere");
	else
		prov_result_fail(out, "%.250s", out->reply);
	out->gone = r->status == 410;
	if (r->status == 410 || ((r->status == 429 || r->status == 503) && r->retry_after))
		out->outcome = PROV_OUTCOME_AGAIN;
	out->after = r->status == 429 || r->status == 503 ? r->retry_after : 0;
}
