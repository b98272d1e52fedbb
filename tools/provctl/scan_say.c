/* scan_say.c - findings with their texts; see scan.h. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ldifout.h"
#include "scan.h"
#include "timefmt.h"

int scan_say(struct scan *s, const struct scan_say *f, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap), rc = PROV_ENOMEM;
	va_end(ap);
	if (n >= 0) {
		struct finding found = {
			.check = f->check,
			.dn = (char *)f->dn,
			.uid = (char *)f->uid,
			.related = (char *)f->related,
			.text = text,
			.since = f->since,
			.fix = (char *)f->fix,
			.ldif = f->ldif,
		};
		rc = findings_add(s->found, &found);
		free(text);
	}
	free(f->ldif);
	return rc;
}

const char *scan_since(int64_t since, char out[24])
{
	char text[PROV_TIME_TEXT];
	*out = '\0';
	if (since > 0) {
		prov_time_rfc3339(since, 0, text);
		snprintf(out, 24, " since %.10s", text);
	}
	return out;
}

char *scan_ldif_state(const char *dn, const char *state)
{
	return prov_ldif_change(dn, "replace", "provState", state, strlen(state));
}
