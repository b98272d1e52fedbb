/* scan.c - one scan from its options to its findings; see scan.h. */
#include "scan.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "scan_options.h"

bool scan_wants(const struct scan *s, enum finding_check check)
{
	return s->checks >> check & 1;
}

int scan_add(struct scan *s, enum finding_check check, const char *dn, const char *related,
	const char *fix, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return PROV_ENOMEM;
	struct finding f = {
		.check = check,
		.dn = (char *)dn,
		.related = (char *)related,
		.text = text,
		.fix = (char *)fix,
	};
	int rc = findings_add(s->found, &f);
	free(text);
	return rc;
}

void scan_dispose(struct scan *s)
{
	for (size_t i = 0; i < s->nperson; i++) {
		free(s->person[i].dn);
		free(s->person[i].group);
	}
	free(s->person);
	free(s->uid_person);
	prov_strmap_free(&s->people);
	prov_strmap_free(&s->uids);
	prov_strmap_free(&s->groups);
	prov_csvsrc_dispose(&s->source);
}

static int set_up(struct ctl *c, const struct scan_options *o, struct scan *s)
{
	struct prov_error err = { 0 };
	int rc;
	s->ctl = c;
	s->max_missing = o->max_missing;
	for (size_t i = 0; i < o->check.n; i++) {
		enum finding_check k = finding_check_parse(o->check.item[i]);
		if (k == FINDING_CHECKS)
			return prov_options_misuse(&c->opt, "no such check: %s", o->check.item[i]);
		s->checks |= (uint32_t)1 << k;
	}
	if (scan_wants(s, FINDING_ORPHAN_SOURCE) && !o->source)
		return prov_options_misuse(&c->opt, "ORPHAN_SOURCE needs --source");
	if (!s->checks)
		s->checks = ~0u;
	if (o->max_missing > 100)
		return prov_options_misuse(&c->opt, "--max-missing wants a percentage");
	if (!o->source)
		return 0;
	if (prov_csvsrc_parse(o->source, &s->source, &err))
		return prov_options_misuse(&c->opt, "%s", err.text);
	rc = prov_csvsrc_load(&s->source, &err);
	if (rc)
		ctl_fail(&err);
	return rc == PROV_EREFUSED ? PROV_EXIT_GUARD : rc ? PROV_EXIT_CANNOT : 0;
}

int scan_run(struct ctl *c, const struct scan_options *o, struct findings *found)
{
	struct scan s = { .found = found };
	struct prov_error err = { 0 };
	bool guard = false;
	int rc, st = set_up(c, o, &s);
	if (!st)
		st = ctl_site(c);
	if (!st) {
		rc = scan_people(&s, &err);
		if (!rc) {
			rc = scan_source(&s, &err);
			guard = rc == PROV_EREFUSED;
		}
		if (!rc)
			rc = scan_groups(&s, &err);
		if (rc)
			st = ctl_fail(&err);
		if (guard)
			st = PROV_EXIT_GUARD;
	}
	found->accounts = s.nperson;
	scan_dispose(&s);
	return st;
}
