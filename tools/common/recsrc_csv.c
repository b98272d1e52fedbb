/* recsrc_csv.c - records of a CSV file (RFC 4180), read once, in blocks. See recsrc.h. */
#include <csv.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#include "recsrc_impl.h"

enum { BLOCK = 65536 };

struct csv_reading {
	struct prov_recsrc_reading *r;
	int rc;
	size_t row, field, ncol; /* row and field from 0; row 0 is the head */
	size_t *wanted;          /* of each field: the first column that is it, or ncolumn */
};

static int refuse(struct csv_reading *c, const char *what)
{
	return prov_error_set(c->r->err, PROV_EREFUSED, "%s: row %zu %s", c->r->src->place,
		c->row + 1, what);
}

/* A column that is there twice would be read one way today and the other tomorrow. */
static int on_head(struct csv_reading *c, const char *s, size_t len)
{
	struct prov_recsrc_reading *r = c->r;
	size_t *wanted = reallocarray(c->wanted, c->field + 1, sizeof(*wanted));
	if (!wanted)
		return prov_recsrc_nomem(r);
	c->wanted = wanted;
	wanted[c->field] = prov_recsrc_find(r, s, len, 0);
	for (size_t i = 0; i < c->field; i++)
		if (wanted[i] != r->ncolumn && wanted[i] == wanted[c->field])
			return prov_error_set(r->err, PROV_EREFUSED, "%s: column %s is there twice",
				r->src->place, r->column[wanted[i]]);
	return 0;
}

static int on_value(struct csv_reading *c, const char *s, size_t len)
{
	struct prov_recsrc_reading *r = c->r;
	int rc = 0;
	if (c->field >= c->ncol || !len)
		return 0; /* an empty field is no value; too many fields are refused at the end of the row */
	for (size_t i = c->wanted[c->field]; !rc && i < r->ncolumn;
		i = prov_recsrc_find(r, r->column[i], strlen(r->column[i]), i + 1))
		rc = prov_recsrc_put(r, i, s, len);
	return rc;
}

static void on_field(void *data, size_t len, void *ctx)
{
	struct csv_reading *c = ctx;
	const char *s = data ? data : "";
	if (c->rc)
		return;
	if (u8_check((const uint8_t *)s, len) || memchr(s, 0, len))
		c->rc = refuse(c, "is not UTF-8 text");
	else
		c->rc = c->row ? on_value(c, s, len) : on_head(c, s, len);
	c->field++;
}

static int end_head(struct csv_reading *c)
{
	struct prov_recsrc_reading *r = c->r;
	c->ncol = c->field;
	for (size_t i = 0; i < r->ncolumn; i++) {
		size_t first = prov_recsrc_find(r, r->column[i], strlen(r->column[i]), 0), f = 0;
		while (f < c->ncol && c->wanted[f] != first)
			f++;
		if (f == c->ncol)
			return prov_error_set(r->err, PROV_EREFUSED, "%s: no column %s",
				r->src->place, r->column[i]);
	}
	return 0;
}

static void on_row(int term, void *ctx)
{
	struct csv_reading *c = ctx;
	(void)term;
	if (c->rc)
		return;
	if (!c->row)
		c->rc = end_head(c);
	else if (c->field != c->ncol)
		c->rc = prov_error_set(c->r->err, PROV_EREFUSED,
			"%s: row %zu has %zu fields, the head has %zu", c->r->src->place,
			c->row + 1, c->field, c->ncol);
	else
		c->rc = prov_recsrc_emit(c->r, c->row + 1, NULL);
	c->row++;
	c->field = 0;
}

static int read_all(FILE *in, struct csv_parser *p, struct csv_reading *c)
{
	char *block = malloc(BLOCK);
	size_t n;
	if (!block)
		return prov_recsrc_nomem(c->r);
	for (bool first = true; !c->rc && (n = fread(block, 1, BLOCK, in)) > 0; first = false) {
		/* a byte order mark would hide the quote of the first column */
		size_t skip = first && n >= 3 && !memcmp(block, "\xef\xbb\xbf", 3) ? 3 : 0;
		n -= skip;
		if (csv_parse(p, block + skip, n, on_field, on_row, c) != n && !c->rc)
			c->rc = refuse(c, csv_strerror(csv_error(p)));
	}
	if (!c->rc && ferror(in))
		c->rc = prov_error_set(c->r->err, PROV_EIO, "%s: %s", c->r->src->place,
			strerror(errno));
	if (!c->rc && csv_fini(p, on_field, on_row, c) && !c->rc)
		c->rc = refuse(c, csv_strerror(csv_error(p)));
	free(block);
	return c->rc;
}

int prov_recsrc_csv(struct prov_recsrc_reading *r)
{
	struct csv_parser parser;
	struct csv_reading c = { .r = r };
	int rc;
	FILE *in = fopen(r->src->place, "re");
	if (!in)
		return prov_error_set(r->err, PROV_EIO, "%s: %s", r->src->place, strerror(errno));
	if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI)) {
		fclose(in);
		return prov_recsrc_nomem(r);
	}
	rc = read_all(in, &parser, &c);
	csv_free(&parser);
	free(c.wanted);
	fclose(in);
	return rc;
}
