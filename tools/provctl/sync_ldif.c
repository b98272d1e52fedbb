/*
 * sync_ldif.c - an LDIF file (RFC 2849) as a feed. See sync_feed.h.
 *
 * The columns are attributes, and "dn"; of several values the first counts. Reads the lines
 * itself and leaves only base64 to libldap: its reader would follow "attr:< file:///..." and
 * "include:", and what is in a feed must not choose files of this machine.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <ldap.h>
#include <ldif.h> /* needs both of the above */

#include "sync_feed.h"

enum { MOST_LINE = 1 << 20 };

struct reading {
	struct sync_feed *f;
	struct prov_error *err;
	FILE *in;
	size_t line; /* of the file */
	char *text;  /* one logical line, unfolded */
	size_t len, room;
	size_t begins; /* the line that it begins on */
	size_t row;    /* where the record began; 0: between records */
	bool bad_row;
	char **cell; /* malloc'ed; NULL: not there */
	struct prov_val *val;
};

static int no_memory(struct reading *r)
{
	return prov_error_set(r->err, PROV_ENOMEM, "no memory");
}

static int append(struct reading *r, const char *s, size_t len)
{
	if (r->len + len + 1 > r->room) {
		size_t room = 2 * (r->len + len) + 256;
		char *more = realloc(r->text, room);
		if (!more)
			return no_memory(r);
		r->text = more;
		r->room = room;
	}
	memcpy(r->text + r->len, s, len);
	r->len += len;
	r->text[r->len] = '\0';
	return 0;
}

static void forget_cells(struct reading *r)
{
	for (size_t i = 0; i < r->f->ncolumn; i++) {
		free(r->cell[i]);
		r->cell[i] = NULL;
	}
}

static int end_record(struct reading *r)
{
	int rc = 0;
	if (!r->row)
		return 0;
	r->f->rows++;
	for (size_t i = 0; i < r->f->ncolumn; i++)
		r->val[i] = (struct prov_val){ r->cell[i], r->cell[i] ? strlen(r->cell[i]) : 0 };
	if (!r->bad_row)
		rc = r->f->take(r->f->ctx, r->row, r->val, r->err);
	forget_cells(r);
	r->row = 0;
	r->bad_row = false;
	return rc;
}

static void bad(struct reading *r, const char *why)
{
	if (!r->bad_row)
		sync_problem_add(r->f->bad, r->row ? r->row : r->begins, "%s", why);
	r->bad_row = true;
}

/* "type;option" is "type" for a feed. */
static bool is_column(const char *column, const struct berval *type)
{
	return strlen(column) == type->bv_len && !strncasecmp(column, type->bv_val, type->bv_len);
}

static int take_value(struct reading *r, const struct berval *type, const struct berval *value)
{
	for (size_t i = 0; i < r->f->ncolumn; i++) {
		if (!is_column(r->f->column[i], type) || r->cell[i])
			continue;
		if (!r->bad_row &&
			!sync_feed_text(r->f, r->row, r->f->column[i], value->bv_val,
				value->bv_len)) {
			r->bad_row = true;
			return 0;
		}
		r->cell[i] = strndup(value->bv_val ? value->bv_val : "", value->bv_len);
		if (!r->cell[i])
			return no_memory(r);
	}
	return 0;
}

static int parse_line(struct reading *r)
{
	struct berval type, value = { 0, NULL };
	int freeval = 0, rc = 0;
	const char *colon = strchr(r->text, ':');
	if (!colon || colon == r->text) {
		bad(r, "a line without \"attribute:\"");
		return 0;
	}
	if (colon[1] == '<') {
		bad(r, "a value that is in another file or at a URL is not read");
		return 0;
	}
	if (ldif_parse_line2(r->text, &type, &value, &freeval)) {
		bad(r, "not good LDIF");
		return 0;
	}
	bool first = !r->row, dn = type.bv_len == 2 && !strncasecmp(type.bv_val, "dn", 2);
	if (first)
		r->row = r->begins;
	if (first && !dn)
		bad(r, "a record begins with dn:");
	else if (!first && dn)
		bad(r, "a second dn: in a record");
	else if (type.bv_len == 10 && !strncasecmp(type.bv_val, "changetype", 10))
		bad(r, "changes are no feed: want the entries themselves");
	else
		rc = take_value(r, &type, &value);
	if (freeval)
		ber_memfree(value.bv_val);
	return rc;
}

/* The logical line that was put together. */
static int end_line(struct reading *r)
{
	int rc = 0;
	if (!r->len)
		return 0;
	if (!r->row && !strncasecmp(r->text, "include:", 8))
		bad(r, "include: is not followed");
	else if (r->text[0] != '#' && (r->row || strncasecmp(r->text, "version:", 8)))
		rc = parse_line(r);
	r->len = 0;
	return rc;
}

static int take_line(struct reading *r, const char *s, size_t len)
{
	while (len && (s[len - 1] == '\n' || s[len - 1] == '\r'))
		len--;
	r->line++;
	if (memchr(s, 0, len)) {
		bad(r, "a NUL");
		return 0;
	}
	if (len && s[0] == ' ' && r->len) {
		if (r->len + len > MOST_LINE) {
			bad(r, "a value of more than a megabyte");
			return 0;
		}
		return append(r, s + 1, len - 1);
	}
	int rc = end_line(r);
	if (!rc && !len)
		rc = end_record(r);
	r->begins = r->line;
	return rc ? rc : append(r, s, len);
}

static int read_all(struct reading *r)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int rc = 0;
	while (!rc && (len = getline(&line, &room, r->in)) >= 0)
		rc = take_line(r, line, (size_t)len);
	if (!rc && ferror(r->in))
		rc = prov_error_set(r->err, PROV_EIO, "%s: %s", r->f->name, strerror(errno));
	free(line);
	if (!rc)
		rc = end_line(r);
	return rc ? rc : end_record(r);
}

int sync_feed_ldif(struct sync_feed *f, const char *path, struct prov_error *err)
{
	struct prov_error own = { 0 };
	struct reading r = { .f = f, .err = err ? err : &own };
	int rc = 0;
	r.cell = calloc(f->ncolumn + 1, sizeof(*r.cell));
	r.val = calloc(f->ncolumn + 1, sizeof(*r.val));
	r.in = fopen(path, "re");
	if (!r.in)
		rc = prov_error_set(r.err, PROV_EIO, "%s: %s", path, strerror(errno));
	else if (!r.cell || !r.val)
		rc = no_memory(&r);
	else
		rc = read_all(&r);
	if (r.cell)
		forget_cells(&r);
	free(r.cell);
	free(r.val);
	free(r.text);
	if (r.in)
		fclose(r.in);
	return rc;
}
