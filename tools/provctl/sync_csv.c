/*
 * sync_csv.c - a CSV file as a feed. See sync_feed.h.
 *
 * libcsv does the parsing, in its strict mode; it is given a line at a time, so that each
 * row's number is known. Only the cells that are wanted are kept, and only for one row.
 */
#include <csv.h>
#include <stdlib.h>
#include <string.h>

#include "fold.h"
#include "sync_feed.h"

enum { MOST_FIELD = 1 << 20, MOST_FIELDS = 1024 };
#define NOT_WANTED ((size_t)-1)

struct reading {
	struct sync_feed *f;
	struct prov_error *err;
	int rc;
	bool stop;    /* what comes after cannot be told apart */
	bool head;    /* it was read */
	bool open;    /* inside a row */
	bool bad_row; /* this one is in the list */
	size_t line, row;
	size_t field, nfield;
	size_t want[MOST_FIELDS]; /* which cell the field is */
	size_t nbuf[MOST_FIELDS], room[MOST_FIELDS];
	char *buf[MOST_FIELDS];
	struct prov_val *cell;
};

static int no_memory(struct reading *r)
{
	r->rc = prov_error_set(r->err, PROV_ENOMEM, "no memory");
	return r->rc;
}

/* A column's name: its text without blanks around it. */
static void on_head(struct reading *r, const char *s, size_t len)
{
	struct sync_feed *f = r->f;
	size_t index, i = 0;
	int fresh;
	for (; len && s[0] == ' '; s++, len--)
		;
	for (; len && s[len - 1] == ' '; len--)
		;
	char *name = prov_fold_text(s, len);
	if (!name || prov_strmap_add(f->head, name, &index, &fresh)) {
		free(name);
		no_memory(r);
		return;
	}
	if (!fresh)
		sync_problem_add(f->bad, r->row, "column \"%.*s\" is there twice",
			len > 80 ? 80 : (int)len, s);
	for (; fresh && i < f->ncolumn; i++) {
		char *want = prov_fold_text(f->column[i], strlen(f->column[i]));
		if (want && !strcmp(want, name))
			r->want[r->field] = i;
		if (!want)
			no_memory(r);
		free(want);
	}
	free(name);
}

static void keep(struct reading *r, size_t at, const char *s, size_t len)
{
	if (r->room[at] < len) {
		char *more = realloc(r->buf[at], len);
		if (!more) {
			no_memory(r);
			return;
		}
		r->buf[at] = more;
		r->room[at] = len;
	}
	if (len)
		memcpy(r->buf[at], s, len);
	r->nbuf[at] = len;
}

static void on_field(void *data, size_t len, void *ctx)
{
	struct reading *r = ctx;
	const char *s = data ? data : "";
	char what[32];
	if (r->rc || r->stop)
		return;
	if (r->field == MOST_FIELDS) {
		sync_problem_add(r->f->bad, r->row, "more than %d fields", MOST_FIELDS);
		r->stop = true;
		return;
	}
	/* one word about a row is enough, else a file in Latin-1 fills the list with itself */
	snprintf(what, sizeof(what), "field %zu", r->field + 1);
	if (!r->bad_row)
		r->bad_row = !sync_feed_text(r->f, r->row, what, s, len);
	if (!r->head)
		on_head(r, s, len);
	else if (r->field < r->nfield && r->want[r->field] != NOT_WANTED)
		keep(r, r->want[r->field], s, len);
	r->field++;
}

static void end_head(struct reading *r)
{
	struct sync_feed *f = r->f;
	r->head = true;
	r->nfield = r->field;
	for (size_t i = 0; i < f->ncolumn; i++) {
		bool found = false;
		for (size_t k = 0; k < r->nfield; k++)
			found |= r->want[k] == i;
		if (found)
			continue;
		sync_problem_add(f->bad, r->row, "no column \"%s\", which is read here%s",
			f->column[i],
			r->nfield == 1 ? " (only one column: is the delimiter right?)" : "");
	}
}

static void on_row(int term, void *ctx)
{
	struct reading *r = ctx;
	struct sync_feed *f = r->f;
	(void)term;
	r->open = false;
	if (r->rc || r->stop)
		return;
	if (!r->head) {
		end_head(r);
		if (f->bad->n)
			r->stop = true; /* each row would be wrong as well */
	} else if (r->field != r->nfield) {
		f->rows++;
		sync_problem_add(f->bad, r->row, "%zu fields, the head has %zu", r->field,
			r->nfield);
	} else {
		f->rows++;
		for (size_t i = 0; i < f->ncolumn; i++)
			r->cell[i] = (struct prov_val){ r->buf[i], r->nbuf[i] };
		if (!r->bad_row)
			r->rc = f->take(f->ctx, r->row, r->cell, r->err);
	}
	r->field = 0;
	r->bad_row = false;
}

static bool blank(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr(" \t\r\n", s[i]) || !s[i])
			return false;
	return true;
}

static void broken(struct reading *r, struct csv_parser *p)
{
	if (csv_error(p) == CSV_ENOMEM)
		no_memory(r);
	else if (!r->rc && !r->stop)
		sync_problem_add(r->f->bad, r->row,
			"a quote in the wrong place, or without an end (line %zu)", r->line);
	r->stop = true;
}

/* One line, or a part of one that is longer than the block; ends says that it ends here. */
static void take_piece(struct reading *r, struct csv_parser *p, const char *s, size_t len,
	bool ends)
{
	if (!r->open) {
		r->row = r->line;
		r->open = !blank(s, len);
	}
	if (csv_parse(p, s, len, on_field, on_row, r) != len)
		broken(r, p);
	if (!r->stop && p->entry_pos > MOST_FIELD) {
		sync_problem_add(r->f->bad, r->row,
			"a field of more than a megabyte: has a quote no end?");
		r->stop = true;
	}
	r->line += ends;
}

static void take_block(struct reading *r, struct csv_parser *p, const char *s, size_t len)
{
	while (len && !r->rc && !r->stop) {
		const char *lf = memchr(s, '\n', len);
		size_t n = lf ? (size_t)(lf - s) + 1 : len;
		take_piece(r, p, s, n, lf != NULL);
		s += n;
		len -= n;
	}
}

static int read_all(struct reading *r, struct csv_parser *p, struct sync_text *text)
{
	static char block[65536];
	long n = 0;
	while (!r->rc && !r->stop && (n = sync_text_read(text, block, sizeof(block), r->err)) > 0)
		take_block(r, p, block, (size_t)n);
	if (n == PROV_EREFUSED)
		sync_problem_add(r->f->bad, r->line, "%s", r->err->text);
	else if (n < 0)
		r->rc = (int)n;
	if (n || r->rc || r->stop)
		return r->rc;
	if (csv_fini(p, on_field, on_row, r))
		broken(r, p);
	if (!r->rc && !r->stop && !r->head)
		sync_problem_add(r->f->bad, 1, "the file is empty");
	return r->rc;
}

int sync_feed_csv(struct sync_feed *f, const char *path, struct prov_error *err)
{
	struct csv_parser parser;
	struct sync_text *text = NULL;
	struct reading *r = calloc(1, sizeof(*r));
	struct prov_error own = { 0 };
	int rc = csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI);
	if (!err)
		err = &own;
	if (r)
		r->cell = calloc(f->ncolumn + 1, sizeof(*r->cell));
	if (rc || !r || !r->cell || prov_strmap_new(&f->head)) {
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	} else {
		r->f = f;
		r->err = err;
		r->line = 1;
		for (size_t i = 0; i < MOST_FIELDS; i++)
			r->want[i] = NOT_WANTED;
		csv_set_delim(&parser, (unsigned char)f->delimiter);
		rc = sync_text_open(path, f->encoding, &text, err);
		if (rc == PROV_EREFUSED) {
			sync_problem_add(f->bad, 1, "%s", err->text);
			rc = 0;
		} else if (!rc) {
			rc = read_all(r, &parser, text);
		}
	}
	sync_text_close(&text);
	csv_free(&parser);
	for (size_t i = 0; r && i < MOST_FIELDS; i++)
		free(r->buf[i]);
	free(r ? r->cell : NULL);
	free(r);
	return rc;
}
