/* recsrc.c - names of sources, and the record that is put together; see recsrc.h. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "grow.h"
#include "recsrc_impl.h"

static const struct {
	const char *name;
	enum prov_recsrc_kind kind;
	const char *options; /* besides key, column, status, left, time */
	int (*read)(struct prov_recsrc_reading *r);
} kinds[] = {
	{ "csv:", PROV_RECSRC_CSV, "", prov_recsrc_csv },
	{ "ldif:", PROV_RECSRC_LDIF, "", prov_recsrc_ldif },
	{ "ldap:", PROV_RECSRC_LDAP, "bpc", prov_recsrc_ldap },
	{ "scim:", PROV_RECSRC_SCIM, "tc", prov_recsrc_scim },
	{ "passwd:", PROV_RECSRC_PASSWD, "", prov_recsrc_passwd },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static const struct {
	const char *name;
	char letter; /* 0: every kind has it */
} options[PROV_RECSRC_OPTIONS] = {
	[PROV_RECSRC_KEY] = { "key", 0 },
	[PROV_RECSRC_COLUMN] = { "column", 0 },
	[PROV_RECSRC_STATUS] = { "status", 0 },
	[PROV_RECSRC_LEFT] = { "left", 0 },
	[PROV_RECSRC_TIME] = { "time", 0 },
	[PROV_RECSRC_BIND] = { "bind", 'b' },
	[PROV_RECSRC_PASSWORD] = { "password", 'p' },
	[PROV_RECSRC_TOKEN] = { "token", 't' },
	[PROV_RECSRC_CA] = { "ca", 'c' },
};

static int hex(char c)
{
	return c >= '0' && c <= '9'    ? c - '0'
		: c >= 'a' && c <= 'f' ? c - 'a' + 10
		: c >= 'A' && c <= 'F' ? c - 'A' + 10
				       : -1;
}

/* %XX taken out, in place; false when what follows a % is no byte of a text. */
static bool decode(char *s)
{
	char *to = s;
	for (; *s; s++) {
		if (*s == '%') {
			int a = hex(s[1]), b = a < 0 ? -1 : hex(s[2]);
			if (b < 0 || !(a | b))
				return false;
			*to++ = (char)(a << 4 | b);
			s += 2;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
	return true;
}

static int set_option(struct prov_recsrc *s, const char *allowed, const char *name, size_t nlen,
	const char *value, size_t vlen, struct prov_error *err)
{
	size_t k = 0;
	while (k < PROV_RECSRC_OPTIONS &&
		(strlen(options[k].name) != nlen || memcmp(options[k].name, name, nlen) != 0 ||
			(options[k].letter && !strchr(allowed, options[k].letter))))
		k++;
	if (k == PROV_RECSRC_OPTIONS)
		return prov_error_set(err, PROV_EINVAL, "unknown option \"%.*s\"", (int)nlen, name);
	if (s->option[k] || !vlen)
		return prov_error_set(err, PROV_EINVAL, "option \"%.*s\" %s", (int)nlen, name,
			s->option[k] ? "is given twice" : "is empty");
	s->option[k] = strndup(value, vlen);
	if (!s->option[k])
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	return decode(s->option[k])
		? 0
		: prov_error_set(err, PROV_EINVAL, "option \"%.*s\": what follows a %% is no byte",
			  (int)nlen, name);
}

static int set_options(struct prov_recsrc *s, const char *allowed, const char *opt,
	struct prov_error *err)
{
	int rc = 0;
	while (!rc && *opt) {
		size_t len = strcspn(opt, "&");
		const char *eq = memchr(opt, '=', len);
		if (!eq)
			return prov_error_set(err, PROV_EINVAL, "\"%.*s\" has no '='", (int)len,
				opt);
		rc = set_option(s, allowed, opt, (size_t)(eq - opt), eq + 1,
			len - (size_t)(eq + 1 - opt), err);
		opt += len + (opt[len] == '&');
	}
	if (!rc && !s->option[PROV_RECSRC_STATUS] != !s->option[PROV_RECSRC_LEFT])
		rc = prov_error_set(err, PROV_EINVAL, "status= and left= go together");
	return rc;
}

int prov_recsrc_parse(const char *name, struct prov_recsrc *out, struct prov_error *err)
{
	size_t k = 0;
	int rc;
	memset(out, 0, sizeof(*out));
	while (k < KINDS && strncmp(name, kinds[k].name, strlen(kinds[k].name)) != 0)
		k++;
	if (k == KINDS)
		return prov_error_set(err, PROV_EINVAL,
			"source \"%s\": want csv:, ldif:, ldap:, scim: or passwd:", name);
	out->kind = kinds[k].kind;
	const char *place = name + strlen(kinds[k].name), *opt = strrchr(place, '?');
	size_t len = opt ? (size_t)(opt - place) : strlen(place);
	if (!len)
		return prov_error_set(err, PROV_EINVAL, "source \"%s\": no file or URL", name);
	out->place = strndup(place, len);
	rc = out->place ? set_options(out, kinds[k].options, opt ? opt + 1 : "", err)
			: prov_error_set(err, PROV_ENOMEM, "no memory");
	if (rc) {
		prov_error_prefix(err, "source \"%s\"", name);
		prov_recsrc_dispose(out);
	}
	return rc;
}

void prov_recsrc_dispose(struct prov_recsrc *s)
{
	free(s->place);
	for (size_t i = 0; i < PROV_RECSRC_OPTIONS; i++)
		free(s->option[i]);
	memset(s, 0, sizeof(*s));
}

const char *prov_recsrc_column(const struct prov_recsrc *s)
{
	return s->option[PROV_RECSRC_COLUMN] ? s->option[PROV_RECSRC_COLUMN]
					     : s->option[PROV_RECSRC_KEY];
}

int prov_recsrc_nomem(struct prov_recsrc_reading *r)
{
	return prov_error_set(r->err, PROV_ENOMEM, "no memory");
}

size_t prov_recsrc_find(const struct prov_recsrc_reading *r, const char *name, size_t len,
	size_t from)
{
	while (from < r->ncolumn &&
		(strlen(r->column[from]) != len || strncasecmp(r->column[from], name, len) != 0))
		from++;
	return from;
}

/* The values of one column stay together: later columns' move up by one. */
int prov_recsrc_put(struct prov_recsrc_reading *r, size_t column, const char *s, size_t len)
{
	size_t at = 0;
	char *copy = prov_arena_strndup(&r->arena, s, len);
	if (!copy)
		return prov_recsrc_nomem(r);
	if (prov_grow(&r->val, r->nval, &r->room, sizeof(*r->val)))
		return prov_recsrc_nomem(r);
	for (size_t i = 0; i <= column; i++)
		at += r->col[i].n;
	memmove(r->val + at + 1, r->val + at, (r->nval - at) * sizeof(*r->val));
	r->val[at] = (struct prov_val){ copy, len };
	r->nval++;
	r->col[column].n++;
	return 0;
}

int prov_recsrc_emit(struct prov_recsrc_reading *r, size_t number, const char *name)
{
	size_t at = 0;
	for (size_t i = 0; i < r->ncolumn; i++) {
		r->col[i].val = r->val ? r->val + at : NULL; /* none has a value */
		at += r->col[i].n;
	}
	r->src->seen++;
	r->record = (struct prov_record){ number, name, r->col };
	int rc = r->see(r->ctx, &r->record, r->err);
	for (size_t i = 0; i < r->ncolumn; i++)
		r->col[i].n = 0;
	r->nval = 0;
	prov_arena_dispose(&r->arena);
	return rc;
}

int prov_recsrc_read(struct prov_recsrc *s, const char *const *column, size_t ncolumn,
	prov_recsrc_see *see, void *ctx, struct prov_error *err)
{
	struct prov_recsrc_reading r = {
		.src = s,
		.column = column,
		.ncolumn = ncolumn,
		.see = see,
		.ctx = ctx,
		.err = err,
		.col = calloc(ncolumn ? ncolumn : 1, sizeof(*r.col)),
	};
	int rc = r.col ? 0 : prov_recsrc_nomem(&r);
	s->seen = 0;
	if (!rc)
		rc = kinds[s->kind].read(&r);
	if (!rc && !s->seen)
		rc = prov_error_set(err, PROV_EREFUSED, "%s: no rows: an empty source is refused",
			s->place);
	prov_arena_dispose(&r.arena);
	free(r.val);
	free(r.col);
	return rc;
}
