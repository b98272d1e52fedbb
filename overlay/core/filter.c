/*
 * filter.c - RFC 4515 text to a tree, and the tree against an entry.
 *
 * The parser never reads past the text, nests at most MAX_DEPTH deep and names the
 * byte at which it gave up.
 */
#include "filter.h"

#include <string.h>

#define MAX_DEPTH 64

enum node_kind { AND, OR, NOT, PRESENT, EQUAL, SUBSTRINGS, GREATER, LESS };

struct prov_filter {
	enum node_kind kind;
	const struct prov_type *type;
	const struct prov_schema *schema;
	struct prov_val value;          /* normalized */
	struct prov_val initial, final; /* substrings; data NULL when not asked */
	size_t nany;
	const struct prov_val *any;
	const struct prov_filter *first, *next; /* children, siblings */
};

struct parser {
	const char *text;
	size_t len, pos;
	const struct prov_schema *schema;
	struct prov_arena *arena;
	struct prov_error *err;
};

static int fail(struct parser *p, const char *why)
{
	return prov_error_set(p->err, PROV_EINVAL, "filter \"%.*s\": at byte %zu: %s",
		p->len > 200 ? 200 : (int)p->len, p->text, p->pos, why);
}

static bool at(const struct parser *p, char c)
{
	return p->pos < p->len && p->text[p->pos] == c;
}

static int expect(struct parser *p, char c)
{
	char why[] = "'?' is missing";

	if (!at(p, c)) {
		why[1] = c;
		return fail(p, why);
	}
	p->pos++;
	return 0;
}

static void skip_space(struct parser *p)
{
	while (at(p, ' '))
		p->pos++;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* An assertion value up to '*', '(' or ')', with \XX undone. */
static int parse_piece(struct parser *p, struct prov_val *out)
{
	size_t start = p->pos, end = start;

	while (end < p->len && p->text[end] != '*' && p->text[end] != ')' && p->text[end] != '(')
		end++;
	char *v = prov_arena_alloc(p->arena, end - start + 1);
	if (!v)
		return PROV_ENOMEM;
	out->data = v;
	out->len = 0;
	for (; p->pos < end; p->pos++) {
		char c = p->text[p->pos];
		if (c == '\0')
			return fail(p, "a NUL byte must be written \\00");
		if (c == '\\') {
			if (end - p->pos < 3 || hex(p->text[p->pos + 1]) < 0 ||
				hex(p->text[p->pos + 2]) < 0)
				return fail(p, "'\\' wants two hexadecimal digits after it");
			c = (char)(hex(p->text[p->pos + 1]) * 16 + hex(p->text[p->pos + 2]));
			p->pos += 2;
		}
		v[out->len++] = c;
	}
	if (at(p, '('))
		return fail(p, "'(' in a value must be written \\28");
	return 0;
}

static int normalize(struct parser *p, const struct prov_type *type, enum prov_norm how,
	size_t where, struct prov_val *v)
{
	struct prov_val out = { NULL, 0 };
	int rc = p->schema->normalize(p->schema->ctx, type, how, *v, p->arena, &out);

	if (rc == PROV_ENOMEM)
		return rc;
	if (rc) {
		p->pos = where;
		return prov_error_set(p->err, PROV_EINVAL,
			"filter \"%.*s\": at byte %zu: not a value of %s, or %s cannot be compared this way",
			p->len > 200 ? 200 : (int)p->len, p->text, where, type->name, type->name);
	}
	*v = out;
	return 0;
}

static int parse_type(struct parser *p, const struct prov_type **out)
{
	size_t start = p->pos, n;

	while (p->pos < p->len && !strchr("=<>~:()*\\", p->text[p->pos]))
		p->pos++;
	if (at(p, ':'))
		return fail(p, "extensible match is not supported");
	n = p->pos - start;
	while (n && p->text[start + n - 1] == ' ')
		n--;
	*out = n ? p->schema->type(p->schema->ctx, p->text + start, n) : NULL;
	if (!*out) {
		p->pos = start;
		return prov_error_set(p->err, PROV_EINVAL,
			"filter \"%.*s\": at byte %zu: unknown attribute \"%.*s\"",
			p->len > 200 ? 200 : (int)p->len, p->text, start, n > 64 ? 64 : (int)n,
			p->text + start);
	}
	return 0;
}

/* After attr= : presence, equality or substrings. */
static int parse_equal(struct parser *p, struct prov_filter *f)
{
	struct prov_val piece, *any = NULL;
	size_t where = p->pos, room = 0;
	int rc = parse_piece(p, &piece);

	if (rc)
		return rc;
	if (!at(p, '*')) {
		f->kind = EQUAL;
		f->value = piece;
		return normalize(p, f->type, PROV_NORM_EQUALITY, where, &f->value);
	}
	f->kind = SUBSTRINGS;
	if (piece.len) {
		f->initial = piece;
		rc = normalize(p, f->type, PROV_NORM_INITIAL, where, &f->initial);
	}
	while (rc == 0 && at(p, '*')) {
		p->pos++;
		where = p->pos;
		rc = parse_piece(p, &piece);
		if (rc || piece.len == 0)
			continue;
		bool last = !at(p, '*');
		rc = normalize(p, f->type, last ? PROV_NORM_FINAL : PROV_NORM_ANY, where, &piece);
		if (rc)
			break;
		if (last) {
			f->final = piece;
			break;
		}
		if (!any || f->nany == room) {
			size_t more = room ? room * 2 : 4;
			struct prov_val *fresh = prov_arena_array(p->arena, more, sizeof(*fresh));
			if (!fresh)
				return PROV_ENOMEM;
			if (any && f->nany)
				memcpy(fresh, any, f->nany * sizeof(*fresh));
			any = fresh;
			room = more;
		}
		any[f->nany++] = piece;
	}
	f->any = any;
	if (rc == 0 && !f->initial.data && !f->final.data && !f->nany)
		f->kind = PRESENT;
	return rc;
}

static int parse_item(struct parser *p, struct prov_filter *f)
{
	int rc = parse_type(p, &f->type);

	f->schema = p->schema;
	if (rc || !f->type)
		return rc ? rc : PROV_EINVAL;
	if (at(p, '=')) {
		p->pos++;
		return parse_equal(p, f);
	}
	char c = p->pos < p->len ? p->text[p->pos] : '\0';
	if (c != '<' && c != '>' && c != '~')
		return fail(p, "'=', '<=', '>=' or '~=' is missing");
	p->pos++;
	rc = expect(p, '=');
	if (rc)
		return rc;
	size_t where = p->pos;
	rc = parse_piece(p, &f->value);
	if (rc)
		return rc;
	if (at(p, '*'))
		return fail(p, "'*' in a value must be written \\2a");
	f->kind = c == '<' ? LESS : c == '>' ? GREATER : EQUAL;
	if (f->kind != EQUAL && f->type->order == PROV_ORDER_NONE) {
		p->pos = where;
		return fail(p, "the attribute has no order");
	}
	return normalize(p, f->type, PROV_NORM_EQUALITY, where, &f->value);
}

static int parse_filter(struct parser *p, unsigned depth, const struct prov_filter **out);

static int parse_list(struct parser *p, unsigned depth, struct prov_filter *f)
{
	const struct prov_filter **tail = &f->first;

	skip_space(p);
	while (at(p, '(')) {
		int rc = parse_filter(p, depth + 1, tail);
		if (rc)
			return rc;
		/* the child is ours until the tree is done */
		tail = &((struct prov_filter *)*tail)->next;
		skip_space(p);
	}
	return 0;
}

static int parse_filter(struct parser *p, unsigned depth, const struct prov_filter **out)
{
	struct prov_filter *f = prov_arena_alloc(p->arena, sizeof(*f));
	int rc;

	if (!f)
		return PROV_ENOMEM;
	if (depth >= MAX_DEPTH)
		return fail(p, "nested too deeply");
	rc = expect(p, '(');
	if (rc)
		return rc;
	skip_space(p);
	char c = p->pos < p->len ? p->text[p->pos] : '\0';
	if (c == '&' || c == '|') {
		f->kind = c == '&' ? AND : OR;
		p->pos++;
		rc = parse_list(p, depth, f);
	} else if (c == '!') {
		f->kind = NOT;
		p->pos++;
		skip_space(p);
		rc = parse_filter(p, depth + 1, &f->first);
		skip_space(p);
	} else {
		rc = parse_item(p, f);
	}
	if (rc == 0)
		rc = expect(p, ')');
	*out = f;
	return rc;
}

int prov_filter_compile(struct prov_val text, const struct prov_schema *schema,
	struct prov_arena *arena, const struct prov_filter **out, struct prov_error *err)
{
	struct parser p = { text.data, text.len, 0, schema, arena, err };
	int rc;

	*out = NULL;
	skip_space(&p);
	rc = parse_filter(&p, 0, out);
	skip_space(&p);
	if (rc == 0 && p.pos < p.len)
		rc = fail(&p, "there is more after the filter");
	if (rc == PROV_ENOMEM)
		prov_error_set(err, rc, "out of memory");
	if (rc)
		*out = NULL;
	return rc;
}

static int integer_sign(struct prov_val v, const char **digits, size_t *n)
{
	bool minus = v.len && v.data[0] == '-';

	*digits = v.data + minus;
	*n = v.len - minus;
	while (*n > 1 && **digits == '0') {
		(*digits)++;
		(*n)--;
	}
	return minus ? -1 : 1;
}

static int compare(enum prov_order order, struct prov_val a, struct prov_val b)
{
	if (order == PROV_ORDER_INTEGER) {
		const char *x, *y;
		size_t nx, ny;
		int sx = integer_sign(a, &x, &nx), sy = integer_sign(b, &y, &ny);
		if (sx != sy)
			return sx;
		int d = nx != ny ? (nx < ny ? -1 : 1) : memcmp(x, y, nx);
		return d * sx;
	}
	size_t n = a.len < b.len ? a.len : b.len;
	int d = n ? memcmp(a.data, b.data, n) : 0;
	return d ? d : (a.len > b.len) - (a.len < b.len);
}

static bool match_substrings(const struct prov_filter *f, struct prov_val v)
{
	if (f->initial.data) {
		if (v.len < f->initial.len || memcmp(v.data, f->initial.data, f->initial.len))
			return false;
		v.data += f->initial.len;
		v.len -= f->initial.len;
	}
	if (f->final.data) {
		if (v.len < f->final.len ||
			memcmp(v.data + v.len - f->final.len, f->final.data, f->final.len))
			return false;
		v.len -= f->final.len;
	}
	for (size_t i = 0; i < f->nany; i++) {
		const char *hit = f->any[i].len
			? memmem(v.data, v.len, f->any[i].data, f->any[i].len)
			: v.data;
		if (!hit)
			return false;
		v.len -= (size_t)(hit - v.data) + f->any[i].len;
		v.data = hit + f->any[i].len;
	}
	return true;
}

static bool match_value(const struct prov_filter *f, const struct prov_type *type,
	struct prov_val v)
{
	switch (f->kind) {
	case EQUAL:
		return prov_val_equal(v, f->value) ||
			(type->loose && f->schema->equal &&
				f->schema->equal(f->schema->ctx, type, v, f->value));
	case GREATER:
		return compare(type->order, v, f->value) >= 0;
	case LESS:
		return compare(type->order, v, f->value) <= 0;
	case SUBSTRINGS:
		return match_substrings(f, v);
	default:
		return true;
	}
}

static enum prov_match match_item(const struct prov_filter *f, const struct prov_entry *e)
{
	for (size_t i = 0; i < e->n; i++) {
		const struct prov_attr *a = &e->attr[i];
		if (!prov_type_is(a->type, f->type))
			continue;
		if (f->kind == PRESENT && a->n)
			return PROV_MATCH_TRUE;
		for (size_t j = 0; f->kind != PRESENT && j < a->n; j++)
			if (match_value(f, f->type, a->nval[j]))
				return PROV_MATCH_TRUE;
	}
	return PROV_MATCH_FALSE;
}

enum prov_match prov_filter_match(const struct prov_filter *f, const struct prov_entry *e)
{
	enum prov_match m;

	switch (f->kind) {
	case AND:
		m = PROV_MATCH_TRUE;
		for (const struct prov_filter *c = f->first; c && m != PROV_MATCH_FALSE;
			c = c->next) {
			enum prov_match one = prov_filter_match(c, e);
			if (one != PROV_MATCH_TRUE)
				m = one;
		}
		return m;
	case OR:
		m = PROV_MATCH_FALSE;
		for (const struct prov_filter *c = f->first; c && m != PROV_MATCH_TRUE;
			c = c->next) {
			enum prov_match one = prov_filter_match(c, e);
			if (one != PROV_MATCH_FALSE)
				m = one;
		}
		return m;
	case NOT:
		m = prov_filter_match(f->first, e);
		if (m == PROV_MATCH_UNDEFINED)
			return m;
		return m == PROV_MATCH_TRUE ? PROV_MATCH_FALSE : PROV_MATCH_TRUE;
	default:
		return match_item(f, e);
	}
}

void prov_filter_types(const struct prov_filter *f,
	void (*use)(void *ctx, const struct prov_type *type), void *ctx)
{
	if (f->type)
		use(ctx, f->type);
	for (const struct prov_filter *c = f->first; c; c = c->next)
		prov_filter_types(c, use, ctx);
}

static bool is_need(const struct prov_filter *f)
{
	return f->kind == EQUAL && !f->type->loose;
}

/* All of them are true: the cheapest will do. */
static size_t needs_of_and(const struct prov_filter *f, prov_need_cost *cost, void *ctx,
	struct prov_need out[PROV_NEEDS])
{
	size_t n = 0, least = 0;

	for (const struct prov_filter *c = f->first; c; c = c->next) {
		struct prov_need one[PROV_NEEDS];
		size_t some = prov_filter_needs(c, cost, ctx, one), sum = 0;
		for (size_t i = 0; i < some; i++)
			sum += cost(ctx, &one[i]);
		if (!some || (n && sum >= least))
			continue;
		memcpy(out, one, some * sizeof(*one));
		n = some;
		least = sum;
	}
	return n;
}

size_t prov_filter_needs(const struct prov_filter *f, prov_need_cost *cost, void *ctx,
	struct prov_need out[PROV_NEEDS])
{
	size_t n = 0;

	if (f->kind == AND)
		return needs_of_and(f, cost, ctx, out);
	if (is_need(f)) {
		out[0] = (struct prov_need){ f->type, f->value };
		return 1;
	}
	for (const struct prov_filter *c = f->kind == OR ? f->first : NULL; c; c = c->next) {
		struct prov_need one[PROV_NEEDS];
		size_t some = prov_filter_needs(c, cost, ctx, one);
		if (!some || n + some > PROV_NEEDS)
			return 0;
		memcpy(out + n, one, some * sizeof(*one));
		n += some;
	}
	return n;
}

void prov_filter_equalities(const struct prov_filter *f,
	void (*use)(void *ctx, const struct prov_need *need), void *ctx)
{
	if (is_need(f))
		use(ctx, &(struct prov_need){ f->type, f->value });
	for (const struct prov_filter *c = f->kind == NOT ? NULL : f->first; c; c = c->next)
		prov_filter_equalities(c, use, ctx);
}
