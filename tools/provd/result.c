/* result.c - what became of one attempt. See result.h. */
#include "result.h"

#include <stdarg.h>
#include <stdio.h>

#include "log.h"

int prov_result_fail(struct prov_result *out, const char *fmt, ...)
{
	va_list ap;

	out->outcome = PROV_OUTCOME_FAILED;
	va_start(ap, fmt);
	vsnprintf(out->error, sizeof(out->error), fmt, ap);
	va_end(ap);
	prov_log_clean(out->error);
	return -1;
}

int prov_result_done(struct prov_result *out, const char *note)
{
	out->outcome = PROV_OUTCOME_DONE;
	out->note = note;
	snprintf(out->reply, sizeof(out->reply), "%s", note);
	return 0;
}
