/* csvsrc.c - see csvsrc.h. Reads the file once, in blocks, and keeps only the keys. */
#include "csvsrc.h"

#include <csv.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistr.h>

#include "fold.h"

static int set_part(struct prov_csvsrc *s, const char *name, size_t nlen, const char *value,
	size_t vlen, struct prov_error *err)
{
	char **to = NULL;
	if (nlen == 3 && !memcmp(name, "key", 3))
		to = &s->attr;
	else if (nlen == 6 && !memcmp(name, "column", 6))
		to = &s->column;
	if (!to)
		return prov_error_set(err, PROV_EINVAL, "source: unknown option \"%.*s\"",
			(int)nlen, name);
	if (*to || !vlen)
		return prov_error_set(err, PROV_EINVAL, "source: option \"%.*s\" %s", (int)nlen,
			name, *to ? "is given twice" : "is empty");
	*to = strndup(value, vlen);
	return *to ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
}

int prov_csvsrc_parse(const char *name, struct prov_csvsrc *out, struct prov_error *err)
{
	memset(out, 0, sizeof(*out));
	if (strncmp(name, "csv:", 4))
		return prov_error_set(err, PROV_EINVAL,
			"source \"%s\": only csv:FILE?key=ATTR[&column=NAME] is known", name);
	const char *file = name + 4, *opt = strrchr(file, '?');
	int rc = 0;
	if (!opt || opt == file)
		return prov_error_set(err, PROV_EINVAL, "source \"%s\": want csv:FILE?key=ATTR",
			name);
	out->file = strndup(file, (size_t)(opt - file));
	if (!out->file)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	for (opt++; !rc && *opt;) {
		size_t len = strcspn(opt, "&");
		const char *eq = memchr(opt, '=', len);
		if (!eq)
			rc = prov_error_set(err, PROV_EINVAL, "source: \"%.*s\" has no '='",
				(int)len, opt);
		else
			rc = set_part(out, opt, (size_t)(eq - opt), eq + 1,
				len - (size_t)(eq + 1 - opt), err);
		opt += len + (opt[len] == '&');
	}
	if (!rc && !out->attr)
		rc = prov_error_set(err, PROV_EINVAL, "source \"%s\": key=ATTR is missing", name);
	else if (!rc && !out->column && !(out->column = strdup(out->attr)))
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	if (rc)
		prov_csvsrc_dispose(out);
	return rc;
}

void prov_csvsrc_dispose(struct prov_csvsrc *s)
{
	free(s->file);
	free(s->attr);
	free(s->column);
	prov_strmap_free(&s->keys);
	memset(s, 0, sizeof(*s));
}

struct reading {
	struct prov_csvsrc *src;
	struct prov_error *err;
	int rc;
	size_t row, field;   /* both from 0; row 0 is the head */
	size_t ncol, keycol; /* keycol (size_t)-1 while unknown */
};

static void on_head(struct reading *r, const char *s, size_t len)
{
	if (len != strlen(r->src->column) || strncasecmp(s, r->src->column, len))
		return;
	if (r->keycol != (size_t)-1)
		r->rc = prov_error_set(r->err, PROV_EREFUSED, "%s: column %s is there twice",
			r->src->file, r->src->column);
	r->keycol = r->field;
}

static void on_key(struct reading *r, const char *s, size_t len)
{
	size_t index;
	int fresh = 0;
	char *key = prov_fold_text(s, len);
	if (!key)
		r->rc = prov_error_set(r->err, PROV_ENOMEM, "no memory");
	else if (!*key)
		r->rc = prov_error_set(r->err, PROV_EREFUSED, "%s: row %zu: the key is empty",
			r->src->file, r->row + 1);
	else if (prov_strmap_add(r->src->keys, key, &index, &fresh))
		r->rc = prov_error_set(r->err, PROV_ENOMEM, "no memory");
	else if (!fresh)
		r->rc = prov_error_set(r->err, PROV_EREFUSED,
			"%s: row %zu: key %s was there already", r->src->file, r->row + 1, key);
	free(key);
}

static void on_field(void *data, size_t len, void *ctx)
{
	struct reading *r = ctx;
	const char *s = data ? data : "";
	if (r->rc)
		return;
	if (u8_check((const uint8_t *)s, len) || memchr(s, 0, len))
		r->rc = prov_error_set(r->err, PROV_EREFUSED, "%s: row %zu is not UTF-8 text",
			r->src->file, r->row + 1);
	else if (!r->row)
		on_head(r, s, len);
	else if (r->field == r->keycol)
		on_key(r, s, len);
	r->field++;
}

static void on_row(int term, void *ctx)
{
	struct reading *r = ctx;
	(void)term;
	if (r->rc)
		return;
	if (!r->row) {
		r->ncol = r->field;
		if (r->keycol == (size_t)-1)
			r->rc = prov_error_set(r->err, PROV_EREFUSED, "%s: no column %s",
				r->src->file, r->src->column);
	} else if (r->field != r->ncol) {
		r->rc = prov_error_set(r->err, PROV_EREFUSED,
			"%s: row %zu has %zu fields, the head has %zu", r->src->file, r->row + 1,
			r->field, r->ncol);
	}
	r->row++;
	r->field = 0;
}

static int read_all(FILE *in, struct csv_parser *p, struct reading *r)
{
	static char block[65536];
	size_t n;
	for (bool first = true; !r->rc && (n = fread(block, 1, sizeof(block), in)) > 0;
		first = false) {
		/* a byte order mark would hide the quote of the first column */
		size_t skip = first && n >= 3 && !memcmp(block, "\xef\xbb\xbf", 3) ? 3 : 0;
		n -= skip;
		if (csv_parse(p, block + skip, n, on_field, on_row, r) != n && !r->rc)
			return prov_error_set(r->err, PROV_EREFUSED, "%s: row %zu: %s",
				r->src->file, r->row + 1, csv_strerror(csv_error(p)));
	}
	if (!r->rc && ferror(in))
		return prov_error_set(r->err, PROV_EIO, "%s: %s", r->src->file, strerror(errno));
	if (!r->rc && csv_fini(p, on_field, on_row, r) && !r->rc)
		return prov_error_set(r->err, PROV_EREFUSED, "%s: row %zu: %s", r->src->file,
			r->row + 1, csv_strerror(csv_error(p)));
	return r->rc;
}

int prov_csvsrc_load(struct prov_csvsrc *src, struct prov_error *err)
{
	struct csv_parser parser;
	struct reading r = { .src = src, .err = err, .keycol = (size_t)-1 };
	int rc;
	FILE *in = fopen(src->file, "re");
	if (!in)
		return prov_error_set(err, PROV_EIO, "%s: %s", src->file, strerror(errno));
	if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI)) {
		fclose(in);
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	prov_strmap_free(&src->keys);
	rc = prov_strmap_new(&src->keys);
	if (rc)
		prov_error_set(err, rc, "no memory");
	else
		rc = read_all(in, &parser, &r);
	if (!rc && !prov_strmap_count(src->keys))
		rc = prov_error_set(err, PROV_EREFUSED, "%s: no rows: an empty source is refused",
			src->file);
	csv_free(&parser);
	fclose(in);
	return rc;
}
