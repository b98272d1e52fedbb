/* review_reason.c - see review_reason.h. */
#include "review_reason.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

const char *review_decision_name(enum review_decision d)
{
	return d == REVIEW_KEEP ? "keep" : d == REVIEW_REVOKE ? "revoke" : "";
}

bool review_name_ok(const char *name)
{
	size_t len = strlen(name);
	return len && len <= REVIEW_NAME_MOST && strspn(name, letters) == len;
}

static void put_role(FILE *f, const char *dn)
{
	for (; *dn; dn++)
		if (*dn == ':')
			fputs("\\3A", f);
		else
			fputc(*dn, f);
}

/* On one line: the control takes no other. */
static void put_text(FILE *f, const char *s)
{
	static const char blank[] = " \t\r\n";
	const char *between = ": ";
	for (s += strspn(s, blank); *s; s += strspn(s, blank)) {
		size_t n = strcspn(s, blank);
		fprintf(f, "%s%.*s", between, (int)n, s);
		between = " ";
		s += n;
	}
}

char *review_reason_make(const char *name, enum review_decision d, const char *role,
	const char *text)
{
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);
	if (!f)
		return NULL;
	fprintf(f, "review %s: %s ", name, review_decision_name(d));
	put_role(f, role);
	put_text(f, text);
	if (!fclose(f))
		return out;
	free(out);
	return NULL;
}

/* Past the word, or NULL. */
static const char *after(const char *s, const char *word)
{
	size_t len = strlen(word);
	return strncmp(s, word, len) ? NULL : s + len;
}

int review_reason_parse(const char *reason, struct review_reason *out)
{
	const char *p = after(reason, "review "), *rest;
	size_t len = p ? strspn(p, letters) : 0;
	memset(out, 0, sizeof(*out));
	if (!len || len > REVIEW_NAME_MOST || !(rest = after(p + len, ": ")))
		return PROV_EINVAL;
	memcpy(out->name, p, len);
	if ((p = after(rest, "keep ")))
		out->decision = REVIEW_KEEP;
	else if ((p = after(rest, "revoke ")))
		out->decision = REVIEW_REVOKE;
	len = p ? strcspn(p, ":") : 0;
	if (!len || (p[len] && p[len + 1] != ' '))
		return PROV_EINVAL;
	out->text = p[len] ? p + len + 2 : p + len;
	out->role = strndup(p, len);
	return out->role ? 0 : PROV_ENOMEM;
}
