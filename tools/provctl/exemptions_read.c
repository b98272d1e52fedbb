/* exemptions_read.c - a file of exemptions, CSV or JSON Lines; see exemptions.h. */
#include <csv.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistr.h>

#include "exemptions.h"
#include "fold.h"
#include "grow.h"
#include "timefmt.h"

enum column { CHECK, DN, PATTERN, RELATED, REASON, OWNER, EXPIRES, COLUMNS };
static const char *const column_name[COLUMNS] = { "check", "dn", "pattern", "related", "reason",
	"owner", "expires" };

struct reading {
	struct exemptions *x;
	struct prov_error *err;
	int rc;
	size_t line;           /* at hand, from 1; of CSV: the row */
	size_t field, ncolumn; /* of CSV */
	enum column *column;   /* of CSV, ncolumn of them */
	char *value[COLUMNS];  /* of the row at hand; NULL: not there or empty */
};

static void refuse(struct reading *r, const char *why, const char *what)
{
	if (!r->rc)
		r->rc = prov_error_set(r->err, PROV_EINVAL, "%s: line %zu: %s%s", r->x->file,
			r->line, why, what);
}

static void no_memory(struct reading *r)
{
	if (!r->rc)
		r->rc = prov_error_set(r->err, PROV_ENOMEM, "no memory");
}

static enum column find_column(const char *s, size_t len)
{
	size_t i = 0;

	while (i < COLUMNS &&
		(strlen(column_name[i]) != len || strncasecmp(column_name[i], s, len)))
		i++;
	return (enum column)i;
}

/* A date holds to its end: what people mean by "until the 31st". */
static int parse_expiry(const char *s, int64_t *out)
{
	char whole[32];

	if (strlen(s) != 10 || s[4] != '-' || s[7] != '-')
		return prov_time_parse(prov_val_str(s), out);
	snprintf(whole, sizeof(whole), "%sT00:00:00Z", s);
	int rc = prov_time_parse(prov_val_str(whole), out);
	*out += 86400;
	return rc;
}

static int grow(size_t **list, size_t n)
{
	size_t *grown = reallocarray(*list, n + 1, sizeof(*grown));

	if (!grown)
		return PROV_ENOMEM;
	*list = grown;
	return 0;
}

/* Where exemptions_find() looks for it. */
static int enter(struct exemptions *x, size_t i)
{
	struct exemption *e = &x->item[i];
	size_t at;
	int fresh = 0;

	e->next = PROV_STRMAP_NONE;
	if (e->pattern) {
		if (grow(&x->pattern, x->npattern))
			return PROV_ENOMEM;
		x->pattern[x->npattern++] = i;
		return 0;
	}
	if (prov_strmap_add(x->dns, e->dn, &at, &fresh))
		return PROV_ENOMEM;
	if (fresh && grow(&x->first, at))
		return PROV_ENOMEM;
	if (!fresh)
		e->next = x->first[at];
	x->first[at] = i;
	return 0;
}

static void check_row(struct reading *r, struct exemption *e)
{
	static const enum column must[] = { CHECK, REASON, OWNER, EXPIRES };
	char **v = r->value;

	for (size_t i = 0; i < sizeof(must) / sizeof(must[0]); i++)
		if (!v[must[i]])
			refuse(r, "there is no ", column_name[must[i]]);
	if (!v[DN] == !v[PATTERN])
		refuse(r, v[DN] ? "want dn or pattern, not both" : "there is no dn and no pattern",
			"");
	if (r->rc)
		return;
	e->check = strcmp(v[CHECK], "*") == 0 ? FINDING_CHECKS : finding_check_parse(v[CHECK]);
	if (e->check == FINDING_CHECKS && strcmp(v[CHECK], "*") != 0)
		refuse(r, "no such check: ", v[CHECK]);
	else if (parse_expiry(v[EXPIRES], &e->expires))
		refuse(r, "expires: not a time: ", v[EXPIRES]);
}

static void end_of_row(struct reading *r)
{
	struct exemptions *x = r->x;
	char **v = r->value;

	if (!r->rc && prov_grow(&x->item, x->n, &x->room, sizeof(*x->item)))
		no_memory(r);
	if (!r->rc) {
		struct exemption *e = &x->item[x->n++];
		memset(e, 0, sizeof(*e));
		e->line = r->line;
		check_row(r, e);
		e->dn = v[DN] ? prov_fold_dn(v[DN], strlen(v[DN])) : NULL;
		e->pattern = v[PATTERN] ? prov_fold_text(v[PATTERN], strlen(v[PATTERN])) : NULL;
		e->related = v[RELATED] ? prov_fold_dn(v[RELATED], strlen(v[RELATED])) : NULL;
		e->reason = v[REASON];
		e->owner = v[OWNER];
		v[REASON] = v[OWNER] = NULL;
		if (!r->rc &&
			((v[DN] && !e->dn) || (v[PATTERN] && !e->pattern) ||
				(v[RELATED] && !e->related) || enter(x, x->n - 1)))
			no_memory(r);
	}
	for (size_t i = 0; i < COLUMNS; i++) {
		free(v[i]);
		v[i] = NULL;
	}
}

/* Blanks around a value are nobody's intention. */
static void take(struct reading *r, enum column c, const char *s, size_t len)
{
	while (len && strchr(" \t\r\n", s[len - 1]))
		len--;
	while (len && strchr(" \t\r\n", *s)) {
		s++;
		len--;
	}
	if (u8_check((const uint8_t *)s, len) || memchr(s, 0, len))
		refuse(r, "not UTF-8 text", "");
	if (r->rc || !len)
		return;
	r->value[c] = strndup(s, len);
	if (!r->value[c])
		no_memory(r);
}

static void head_field(struct reading *r, const char *s, size_t len)
{
	if (!r->ncolumn && len >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0) {
		s += 3;
		len -= 3;
	}
	enum column c = find_column(s, len);
	enum column *grown = reallocarray(r->column, r->ncolumn + 1, sizeof(*grown));

	if (!grown) {
		no_memory(r);
		return;
	}
	r->column = grown;
	if (c == COLUMNS)
		refuse(r,
			"no column of exemptions is called so; there are check, dn or pattern, "
			"related, reason, owner, expires",
			"");
	for (size_t i = 0; c != COLUMNS && i < r->ncolumn; i++)
		if (c == r->column[i])
			refuse(r, "a column is there twice: ", column_name[c]);
	r->column[r->ncolumn++] = c;
}

static void on_field(void *data, size_t len, void *ctx)
{
	struct reading *r = ctx;
	const char *s = data ? data : "";

	if (r->rc)
		return;
	if (r->line == 1)
		head_field(r, s, len);
	else if (r->field < r->ncolumn)
		take(r, r->column[r->field], s, len);
	r->field++;
}

static void on_row(int end, void *ctx)
{
	struct reading *r = ctx;

	(void)end;
	if (r->line > 1 && r->field != r->ncolumn)
		refuse(r, "not as many fields as the first line has", "");
	if (r->line > 1)
		end_of_row(r);
	r->line++;
	r->field = 0;
}

static void read_csv(struct reading *r, const char *text, size_t len)
{
	struct csv_parser p;

	if (csv_init(&p, CSV_STRICT | CSV_STRICT_FINI | CSV_EMPTY_IS_NULL)) {
		no_memory(r);
		return;
	}
	r->line = 1;
	if (csv_parse(&p, text, len, on_field, on_row, r) != len ||
		csv_fini(&p, on_field, on_row, r))
		refuse(r, "a quote is wrong", "");
	csv_free(&p);
}

static void read_object(struct reading *r, const char *line, size_t len)
{
	json_error_t why;
	json_t *o = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why), *v;
	const char *name;

	if (!json_is_object(o))
		refuse(r, o ? "not a JSON object" : why.text, "");
	json_object_foreach(o, name, v)
	{
		enum column c = find_column(name, strlen(name));
		if (c == COLUMNS)
			refuse(r, "no member of an exemption is called ", name);
		else if (!json_is_string(v))
			refuse(r, "not a text: ", name);
		else if (!r->value[c])
			take(r, c, json_string_value(v), json_string_length(v));
	}
	end_of_row(r);
	json_decref(o);
}

static void read_json(struct reading *r, const char *text, size_t len)
{
	const char *end = text + len;

	for (const char *s = text; s < end && !r->rc;) {
		const char *eol = memchr(s, '\n', (size_t)(end - s));
		size_t n = (size_t)((eol ? eol : end) - s);
		r->line++;
		if (strspn(s, " \t\r") < n)
			read_object(r, s, n);
		s += n + 1;
	}
}

static int read_file(const char *file, char **out, size_t *len, struct prov_error *err)
{
	char block[16384];
	FILE *in = fopen(file, "re");
	size_t n;

	if (!in)
		return prov_error_set(err, PROV_EIO, "%s: %s", file, strerror(errno));
	FILE *f = open_memstream(out, len);
	while (f && (n = fread(block, 1, sizeof(block), in)) > 0)
		fwrite(block, 1, n, f);
	bool bad = ferror(in);
	int why = errno;
	fclose(in);
	if (!f || fclose(f) || !*out)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	return bad ? prov_error_set(err, PROV_EIO, "%s: %s", file, strerror(why)) : 0;
}

int exemptions_read(const char *file, struct exemptions *out, struct prov_error *err)
{
	struct reading r = { .x = out, .err = err };
	char *text = NULL;
	size_t len = 0;

	memset(out, 0, sizeof(*out));
	out->file = file;
	int rc = read_file(file, &text, &len, err);
	if (!rc && prov_strmap_new(&out->dns))
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	if (!rc && text) {
		if (text[strspn(text, " \t\r\n")] == '{')
			read_json(&r, text, len);
		else
			read_csv(&r, text, len);
		rc = r.rc;
	}
	for (size_t i = 0; i < COLUMNS; i++)
		free(r.value[i]);
	free(r.column);
	free(text);
	if (rc)
		exemptions_dispose(out);
	return rc;
}
