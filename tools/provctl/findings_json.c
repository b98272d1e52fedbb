/* findings_json.c - findings as JSON Lines; docs/scan.schema.json says what is in them. */
#include <string.h>

#include "error.h"
#include "findings_report.h"
#include "jsonout.h"

/* jansson's real numbers would print 0.3 as 0.29999999999999999. */
#define DIGITS JSON_REAL_PRECISION(9)

static json_t *text(const char *s)
{
	return prov_json_text(s, strlen(s));
}

static json_t *at(int64_t secs)
{
	char when[PROV_TIME_TEXT];

	prov_time_rfc3339(secs, 0, when);
	return json_string(when);
}

/* v NULL: no memory. */
static void put(json_t *o, const char *name, json_t *v, int *rc)
{
	if (json_object_set_new(o, name, v))
		*rc = PROV_ENOMEM;
}

static void put_text(json_t *o, const char *name, const char *s, int *rc)
{
	if (s)
		put(o, name, text(s), rc);
}

static int line(FILE *out, json_t *o, int rc)
{
	if (rc || !o) {
		json_decref(o);
		return PROV_ENOMEM;
	}
	rc = json_dumpf(o, out, JSON_COMPACT | DIGITS) ? PROV_ENOMEM : 0;
	putc('\n', out);
	json_decref(o);
	return ferror(out) ? 0 : rc; /* who called sees to that */
}

static json_t *exemption(const struct exemption *e, int *rc)
{
	json_t *o = json_object();

	put(o, "line", json_integer((json_int_t)e->line), rc);
	put_text(o, "reason", e->reason, rc);
	put_text(o, "owner", e->owner, rc);
	put(o, "expires", at(e->expires), rc);
	return o;
}

static int print_finding(const struct report *r, size_t i, FILE *out)
{
	const struct finding *f = &r->found->item[i];
	const struct finding_about *about = finding_about(f->check);
	const struct report_item *it = &r->item[i];
	json_t *o = json_object();
	int rc = 0;

	put_text(o, "type", "finding", &rc);
	put_text(o, "id", about->id, &rc);
	put_text(o, "severity", finding_severity_name(about->severity), &rc);
	put_text(o, "key", it->key, &rc);
	put_text(o, "dn", f->dn, &rc);
	put_text(o, "uid", f->uid, &rc);
	put_text(o, "related", f->related, &rc);
	put_text(o, "text", f->text, &rc);
	if (f->since)
		put(o, "since", at(f->since), &rc);
	put_text(o, "fix", f->fix, &rc);
	put_text(o, "ldif", f->ldif, &rc);
	put(o, "weight", json_integer(about->weight), &rc);
	if (!it->exempt)
		put(o, "risk", json_real(it->risk / 10.0), &rc);
	if (r->ask.history) {
		put(o, "new", json_boolean(it->fresh), &rc);
		put(o, "first", at(it->first), &rc);
	}
	if (it->exempt)
		put(o, "exempt", exemption(it->exempt, &rc), &rc);
	if (it->expired)
		put(o, "exemptionExpired", exemption(it->expired, &rc), &rc);
	return line(out, o, rc);
}

static int print_entry(const struct report *r, const struct risk_entry *e, FILE *out)
{
	json_t *o = json_object(), *parts = json_array();
	int rc = 0;

	put_text(o, "type", "entry", &rc);
	put_text(o, "dn", e->dn, &rc);
	put_text(o, "uid", e->uid, &rc);
	put(o, "risk", json_real(e->risk / 10.0), &rc);
	put_text(o, "band", finding_severity_name(risk_band(e->risk)), &rc);
	for (size_t k = e->first; k < e->first + e->n; k++) {
		const struct risk_part *p = &r->risk.part[k];
		const struct finding *f = &r->found->item[p->finding];
		json_t *part = json_object();
		put_text(part, "id", finding_about(f->check)->id, &rc);
		put_text(part, "key", r->item[p->finding].key, &rc);
		put(part, "weight", json_integer(finding_about(f->check)->weight), &rc);
		put(part, "points", json_real(p->points / 10.0), &rc);
		if (json_array_append_new(parts, part))
			rc = PROV_ENOMEM;
	}
	put(o, "parts", parts, &rc);
	return line(out, o, rc);
}

static json_t *counts(const struct report *r, int *rc)
{
	json_t *o = json_object();

	for (int c = 0; c < FINDING_CHECKS; c++)
		if (report_ran(r, (enum finding_check)c))
			put(o, finding_about((enum finding_check)c)->id,
				json_integer((json_int_t)r->check[c]), rc);
	return o;
}

static json_t *by_severity(const size_t count[FINDING_CRITICAL + 1], int *rc)
{
	json_t *o = json_object();

	for (int s = FINDING_CRITICAL; s >= FINDING_LOW; s--)
		put(o, finding_severity_name((enum finding_severity)s),
			json_integer((json_int_t)count[s]), rc);
	return o;
}

static json_t *risk_of(const struct report *r, int *rc)
{
	const struct risk *k = &r->risk;
	json_t *o = json_object(), *parts = json_object();

	put(o, "directory", json_real(risk_share(k, k->total) / 1000.0), rc);
	for (int c = 0; c < FINDING_CHECKS; c++)
		if (k->by_check[c])
			put(parts, finding_about((enum finding_check)c)->id,
				json_real(risk_share(k, k->by_check[c]) / 1000.0), rc);
	put(o, "byCheck", parts, rc);
	put(o, "entries", by_severity(k->band, rc), rc);
	return o;
}

static json_t *unused(const struct report *r, int *rc)
{
	const struct exemptions *x = r->ask.exemptions;
	json_t *list = json_array();

	for (size_t i = 0; i < x->n; i++)
		if (exemption_idle(&x->item[i], r->found->ran, r->ask.at) &&
			json_array_append_new(list, json_integer((json_int_t)x->item[i].line)))
			*rc = PROV_ENOMEM;
	return list;
}

static int print_summary(const struct report *r, FILE *out)
{
	json_t *o = json_object();
	int rc = 0;

	put_text(o, "type", "summary", &rc);
	put(o, "v", json_integer(1), &rc);
	put_text(o, "suffix", r->ask.suffix, &rc);
	put(o, "time", at(r->ask.at), &rc);
	put(o, "seconds", json_real(r->ask.seconds), &rc);
	put(o, "accounts", json_integer((json_int_t)r->found->accounts), &rc);
	put(o, "groups", json_integer((json_int_t)r->found->groups), &rc);
	put(o, "records", json_integer((json_int_t)r->found->records), &rc);
	put(o, "findings", json_integer((json_int_t)r->n), &rc);
	put(o, "bySeverity", by_severity(r->severity, &rc), &rc);
	put(o, "byCheck", counts(r, &rc), &rc);
	put(o, "exempt", json_integer((json_int_t)r->exempt), &rc);
	put(o, "exemptionsExpired", json_integer((json_int_t)r->expired), &rc);
	if (r->ask.history) {
		put(o, "new", json_integer((json_int_t)r->fresh), &rc);
		put(o, "leftOut", json_integer((json_int_t)r->older), &rc);
		put(o, "gone", json_integer((json_int_t)r->gone), &rc);
		if (r->ask.history->last)
			put(o, "lastScan", at(r->ask.history->last), &rc);
	}
	if (r->ask.exemptions)
		put(o, "exemptionsUnused", unused(r, &rc), &rc);
	put(o, "risk", risk_of(r, &rc), &rc);
	return line(out, o, rc);
}

int findings_as_json(const struct report *r, FILE *out)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < r->found->n; i++)
		if (r->item[i].listed)
			rc = print_finding(r, i, out);
	return rc ? rc : print_summary(r, out);
}

int findings_as_json_scorecard(const struct report *r, FILE *out)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < r->risk.n; i++)
		rc = print_entry(r, &r->risk.entry[i], out);
	return rc ? rc : print_summary(r, out);
}
