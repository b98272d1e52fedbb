/*
 * findings_ldif.c - the remedy as change records (RFC 2849) for ldapmodify, each with what is
 * wrong and why above it.
 *
 * In the order of what is lost if one was wrong: adding and replacing values, taking values away,
 * renaming, deleting entries; within that the worst finding first. A record that several findings
 * ask for is there once. Comments hold directory values, so they are made safe: none can end the
 * comment and become a change.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistr.h>

#include "error.h"
#include "findings_report.h"
#include "strmap.h"
#include "table.h"

enum care { SETS, TAKES, RENAMES, DELETES };

/* Does a line of it begin so? */
static bool has_line(const char *ldif, const char *begin)
{
	size_t n = strlen(begin);

	for (const char *s = ldif; s; s = strchr(s, '\n')) {
		s += *s == '\n';
		if (strncasecmp(s, begin, n) == 0)
			return true;
	}
	return false;
}

static enum care care_of(const char *ldif)
{
	if (has_line(ldif, "changetype: delete"))
		return DELETES;
	if (has_line(ldif, "changetype: modrdn") || has_line(ldif, "changetype: moddn"))
		return RENAMES;
	return has_line(ldif, "delete:") ? TAKES : SETS;
}

/* Nothing that would show as something else than it is. */
static bool plain(const char *ldif)
{
	if (u8_check((const uint8_t *)ldif, strlen(ldif)))
		return false;
	for (const char *p = ldif; *p; p++)
		if (((unsigned char)*p < ' ' && *p != '\n') || *p == 127)
			return false;
	return strncasecmp(ldif, "dn:", 3) == 0;
}

static int comment(FILE *out, const char *name, const char *s)
{
	char *safe = s ? prov_text_safe(s, strlen(s)) : NULL;

	if (s && !safe)
		return PROV_ENOMEM;
	if (safe)
		fprintf(out, "# %s%s\n", name, safe);
	free(safe);
	return 0;
}

/* The record without the empty lines at its end, then one. */
static void record(FILE *out, const char *ldif)
{
	size_t n = strlen(ldif);

	while (n && ldif[n - 1] == '\n')
		n--;
	fprintf(out, "%.*s\n\n", (int)n, ldif);
}

static int print_one(const struct report *r, size_t i, struct prov_strmap *seen, FILE *out)
{
	const struct finding *f = &r->found->item[i];
	const struct finding_about *about = finding_about(f->check);
	size_t number;
	int fresh = 0;

	fprintf(out, "# %s, %s\n", about->id, finding_severity_name(about->severity));
	int rc = comment(out, "", f->dn);
	if (!rc)
		rc = comment(out, "why: ", f->text);
	if (!rc)
		rc = comment(out, "fix: ", f->fix);
	if (!rc)
		rc = prov_strmap_add(seen, f->ldif, &number, &fresh);
	if (rc)
		return rc;
	if (!plain(f->ldif))
		fputs("# left out: it holds what an editor would not show\n\n", out);
	else if (!fresh)
		fputs("# the same change is above\n\n", out);
	else
		record(out, f->ldif);
	return 0;
}

/* For those without a remedy, so that the file tells of everything. */
static int print_undecided(const struct report *r, FILE *out)
{
	int rc = 0;

	if (r->n > r->remedy)
		fprintf(out, "# A person must decide about the other %zu:\n", r->n - r->remedy);
	for (size_t i = 0; !rc && i < r->found->n; i++) {
		const struct finding *f = &r->found->item[i];
		if (f->ldif || !report_counts(r, i))
			continue;
		fprintf(out, "#\n# %s\n", finding_about(f->check)->id);
		rc = comment(out, "", f->dn);
		if (!rc)
			rc = comment(out, "why: ", f->text);
		if (!rc)
			rc = comment(out, "fix: ", f->fix);
	}
	return rc;
}

int findings_as_ldif(const struct report *r, FILE *out)
{
	struct prov_strmap *seen = NULL;
	char at[PROV_TIME_TEXT];
	int rc = prov_strmap_new(&seen);

	prov_time_rfc3339(r->ask.at, 0, at);
	if (!rc)
		rc = comment(out, "What the scan would change in ", r->ask.suffix);
	fprintf(out,
		"# At %s: %zu finding%s, %zu with a change. Read it, then ldapmodify -f FILE "
		"(-c goes on after one that is refused).\n# ",
		at, r->n, report_s(r->n), r->remedy);
	report_print_risk(r, out);
	putc('\n', out);
	for (int care = SETS; care <= DELETES; care++)
		for (size_t i = 0; !rc && i < r->found->n; i++)
			if (r->found->item[i].ldif && report_counts(r, i) &&
				(int)care_of(r->found->item[i].ldif) == care)
				rc = print_one(r, i, seen, out);
	if (!rc)
		rc = print_undecided(r, out);
	prov_strmap_free(&seen);
	return rc;
}
