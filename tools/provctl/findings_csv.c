/*
 * findings_csv.c - findings as CSV (RFC 4180) for a spreadsheet.
 *
 * csvout.h keeps values from being formulas. What is no text is shown as \xNN.
 */
#include <stdlib.h>
#include <string.h>

#include "csvout.h"
#include "error.h"
#include "findings_report.h"
#include "table.h"

static int cell(FILE *out, const char *value, bool first)
{
	char *safe = value ? prov_text_safe(value, strlen(value)) : NULL;

	if (value && !safe)
		return PROV_ENOMEM;
	prov_csv_cell(out, safe ? safe : "", first);
	free(safe);
	return 0;
}

static const char *when(int64_t secs, char out[PROV_TIME_TEXT])
{
	out[0] = '\0';
	if (secs)
		prov_time_rfc3339(secs, 0, out);
	return out;
}

static int row(const struct report *r, size_t i, FILE *out)
{
	const struct finding *f = &r->found->item[i];
	const struct finding_about *about = finding_about(f->check);
	const struct report_item *it = &r->item[i];
	const struct exemption *e = it->exempt ? it->exempt : it->expired;
	char since[PROV_TIME_TEXT], first[PROV_TIME_TEXT], end[PROV_TIME_TEXT], weight[16],
		risk[REPORT_NUMBER];
	int rc = 0;

	snprintf(weight, sizeof(weight), "%u", about->weight);
	const char *const column[] = {
		finding_severity_name(about->severity),
		about->id,
		f->dn,
		f->uid,
		f->related,
		f->text,
		when(f->since, since),
		f->fix,
		weight,
		it->exempt ? "" : report_tenths(it->risk, risk),
		!r->ask.history     ? ""
			: it->fresh ? "yes"
				    : "no",
		when(it->first, first),
		it->exempt            ? "exempt"
			: it->expired ? "expired"
				      : "",
		e ? e->reason : "",
		e ? e->owner : "",
		when(e ? e->expires : 0, end),
		it->key,
	};
	enum { N = sizeof(column) / sizeof(column[0]) };
	for (size_t k = 0; !rc && k < N; k++)
		rc = cell(out, column[k], !k);
	prov_csv_end(out);
	return rc;
}

int findings_as_csv(const struct report *r, FILE *out)
{
	int rc = 0;

	fputs("severity,check,dn,uid,related,finding,since,fix,weight,risk,new,first,exemption,"
	      "reason,owner,expires,key\r\n",
		out);
	for (size_t i = 0; !rc && i < r->found->n; i++)
		if (r->item[i].listed)
			rc = row(r, i, out);
	return rc;
}
