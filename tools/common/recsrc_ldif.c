/*
 * recsrc_ldif.c - content records of an LDIF file (RFC 2849). See recsrc.h.
 *
 * Values that are URLs ("attr:< file:...") and "include:" are refused: a feed may not name files
 * here. The library would follow the latter, so the file is looked through for it first.
 */
#include <errno.h>
#include <ldap.h>
#include <stdio.h> /* ldif.h needs it */
#include <ldif.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "recsrc_impl.h"

static int refuse(struct prov_recsrc_reading *r, unsigned long line, const char *what)
{
	return prov_error_set(r->err, PROV_EREFUSED, "%s: the record that ends at line %lu %s",
		r->src->place, line, what);
}

static int take(struct prov_recsrc_reading *r, const struct berval *type,
	const struct berval *value)
{
	size_t len = strcspn(type->bv_val, ";");
	int rc = 0;
	for (size_t i = prov_recsrc_find(r, type->bv_val, len, 0); !rc && i < r->ncolumn;
		i = prov_recsrc_find(r, type->bv_val, len, i + 1))
		if (value->bv_len)
			rc = prov_recsrc_put(r, i, value->bv_val, value->bv_len);
	return rc;
}

/* Lines of one record; *dn is in the arena. */
static int take_line(struct prov_recsrc_reading *r, char *text, unsigned long line, char **dn,
	bool *content)
{
	struct berval type = { 0, NULL }, value = { 0, NULL };
	int free_value = 0, rc = 0;
	const char *colon = strchr(text, ':');
	if (colon && colon[1] == '<')
		return refuse(r, line, "has a value that is a URL");
	if (ldif_parse_line2(text, &type, &value, &free_value))
		return refuse(r, line, "does not parse");
	if (!strcasecmp(type.bv_val, "version") && !*dn)
		*content = false;
	else if (!strcasecmp(type.bv_val, "dn") && !*dn)
		*dn = prov_arena_strndup(&r->arena, value.bv_val, value.bv_len);
	else if (!*dn)
		rc = refuse(r, line, "does not begin with a dn");
	else if (!strcasecmp(type.bv_val, "changetype"))
		rc = refuse(r, line, "is a change, not an entry");
	else
		*content = true;
	if (!rc && *dn && *content)
		rc = take(r, &type, &value);
	if (free_value)
		ber_memfree(value.bv_val);
	return rc;
}

static int take_record(struct prov_recsrc_reading *r, char *text, unsigned long line)
{
	char *next = text, *one, *dn = NULL;
	bool content = false;
	int rc = 0;
	while (!rc && (one = ldif_getline(&next)) != NULL)
		rc = take_line(r, one, line, &dn, &content);
	if (!rc && dn && !content)
		rc = refuse(r, line, "has a dn and nothing else");
	return rc || !dn ? rc : prov_recsrc_emit(r, line, dn);
}

static int refuse_include(struct prov_recsrc_reading *r, FILE *in)
{
	unsigned long line = 0;
	char *text = NULL;
	size_t room = 0;
	int rc = 0;
	while (!rc && getline(&text, &room, in) > 0) {
		line++;
		if (!strncasecmp(text, "include:", 8))
			rc = prov_error_set(r->err, PROV_EREFUSED,
				"%s: line %lu: include: is not followed", r->src->place, line);
	}
	free(text);
	if (!rc && (ferror(in) || fseek(in, 0, SEEK_SET)))
		rc = prov_error_set(r->err, PROV_EIO, "%s: %s (it must be a file)", r->src->place,
			strerror(errno));
	return rc;
}

int prov_recsrc_ldif(struct prov_recsrc_reading *r)
{
	LDIFFP *in = ldif_open(r->src->place, "r");
	unsigned long line = 0;
	char *text = NULL;
	int room = 0, got = 0, rc = 0;
	if (!in)
		return prov_error_set(r->err, PROV_EIO, "%s: %s", r->src->place, strerror(errno));
	rc = refuse_include(r, in->fp);
	while (!rc && (got = ldif_read_record(in, &line, &text, &room)) > 0)
		rc = take_record(r, text, line);
	if (!rc && (got < 0 || ferror(in->fp)))
		rc = prov_error_set(r->err, PROV_EIO, "%s: line %lu cannot be read", r->src->place,
			line);
	ber_memfree(text);
	ldif_close(in);
	return rc;
}
