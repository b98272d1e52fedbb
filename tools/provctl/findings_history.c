/* findings_history.c - see findings_history.h. */
#include "findings_history.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "grow.h"
#include "jsonout.h"
#include "timefmt.h"
#include "wholefile.h"

#define FORMAT "slapo-provision scan history"
#define VERSION 1

static int by_key(const void *a, const void *b)
{
	const struct history_row *x = a, *y = b;

	return strcmp(x->key, y->key);
}

const struct history_row *history_find(const struct history *h, const char *key)
{
	struct history_row want;

	snprintf(want.key, sizeof(want.key), "%s", key);
	return h->n ? bsearch(&want, h->row, h->n, sizeof(want), by_key) : NULL;
}

int history_add(struct history *h, const struct history_row *row)
{
	if (prov_grow(&h->row, h->n, &h->room, sizeof(*h->row)))
		return PROV_ENOMEM;
	h->row[h->n++] = *row;
	return 0;
}

void history_dispose(struct history *h)
{
	free(h->row);
	memset(h, 0, sizeof(*h));
}

static int time_of(const json_t *o, const char *name, int64_t *out)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? prov_time_parse(prov_val_str(s), out) : PROV_EINVAL;
}

static int read_head(const json_t *o, const char *file, const char *suffix, struct history *h,
	size_t *n, struct prov_error *err)
{
	const char *format = json_string_value(json_object_get(o, "format"));
	const char *of = json_string_value(json_object_get(o, "suffix"));

	if (!format || strcmp(format, FORMAT) != 0 || !of || time_of(o, "time", &h->last))
		return prov_error_set(err, PROV_ECORRUPT, "%s: not a history of scans", file);
	if (json_integer_value(json_object_get(o, "v")) != VERSION)
		return prov_error_set(err, PROV_EVERSION,
			"%s: of a version that this program does not know", file);
	if (strcasecmp(of, suffix) != 0)
		return prov_error_set(err, PROV_EINVAL,
			"%s: a history of %s, not of %s: each directory needs its own --history",
			file, of, suffix);
	*n = (size_t)json_integer_value(json_object_get(o, "findings"));
	return 0;
}

static int read_row(const json_t *o, struct history *h)
{
	struct history_row row = { .exempt = json_is_true(json_object_get(o, "exempt")),
		.sent = json_is_true(json_object_get(o, "sent")) };
	const char *key = json_string_value(json_object_get(o, "key"));
	const char *check = json_string_value(json_object_get(o, "check"));

	if (!key || strlen(key) != sizeof(row.key) - 1 || !check || time_of(o, "first", &row.first))
		return PROV_ECORRUPT;
	memcpy(row.key, key, sizeof(row.key));
	row.check = (unsigned char)finding_check_parse(check);
	return row.check == FINDING_CHECKS ? 0 : history_add(h, &row); /* a check of another day */
}

static int read_lines(FILE *f, const char *file, const char *suffix, struct history *h,
	struct prov_error *err)
{
	char *line = NULL;
	size_t room = 0, want = 0, n = 0;
	ssize_t len;
	int rc = 0;

	for (; !rc && (len = getline(&line, &room, f)) > 0; n++) {
		json_t *o = json_loadb(line, (size_t)len, JSON_REJECT_DUPLICATES, NULL);
		rc = n ? read_row(o, h) : read_head(o, file, suffix, h, &want, err);
		json_decref(o);
	}
	if (!rc && ferror(f))
		rc = prov_error_set(err, PROV_EIO, "%s: %s", file, strerror(errno));
	if (rc == PROV_ENOMEM)
		prov_error_set(err, rc, "no memory");
	else if ((rc == PROV_ECORRUPT || !rc) && (rc || n != want + 1) && !(err && *err->text))
		rc = prov_error_set(err, PROV_ECORRUPT,
			"%s: cut or damaged at line %zu; without it the next scan finds "
			"everything new",
			file, n);
	free(line);
	return rc;
}

int history_read(const char *file, const char *suffix, struct history *out, struct prov_error *err)
{
	FILE *f = fopen(file, "re");

	memset(out, 0, sizeof(*out));
	if (!f && errno == ENOENT)
		return 0;
	if (!f)
		return prov_error_set(err, PROV_EIO, "%s: %s", file, strerror(errno));
	int rc = read_lines(f, file, suffix, out, err);
	fclose(f);
	if (!rc && out->n)
		qsort(out->row, out->n, sizeof(*out->row), by_key);
	if (rc)
		history_dispose(out);
	return rc;
}

struct writing {
	const struct history *h;
	const char *suffix;
};

static int write_lines(void *ctx, FILE *f)
{
	const struct writing *w = ctx;
	const struct history *h = w->h;
	char at[PROV_TIME_TEXT];

	prov_time_rfc3339(h->last, 0, at);
	int rc = prov_json_line_take(f,
		json_pack("{s:s,s:i,s:s,s:s,s:I}", "format", FORMAT, "v", VERSION, "suffix",
			w->suffix, "time", at, "findings", (json_int_t)h->n));
	for (size_t i = 0; !rc && i < h->n; i++) {
		const struct history_row *r = &h->row[i];
		prov_time_rfc3339(r->first, 0, at);
		json_t *o = json_pack("{s:s,s:s,s:s}", "key", r->key, "check",
			finding_about((enum finding_check)r->check)->id, "first", at);
		if (r->exempt)
			json_object_set_new(o, "exempt", json_true());
		if (r->sent)
			json_object_set_new(o, "sent", json_true());
		rc = prov_json_line_take(f, o);
	}
	return rc;
}

int history_write(const char *file, const char *suffix, const struct history *h,
	struct prov_error *err)
{
	struct writing w = { h, suffix };

	return prov_wholefile(file, 0600, write_lines, &w, err);
}
