/*
 * template.c - parsing a template line. The text names what is wrong and where.
 */
#include <stdio.h>
#include <string.h>
#include <unistr.h>

#include "template_impl.h"

#define MOST_PARTS 64
#define MOST_OPS 16
#define MOST_LINE 8192
#define MOST_CHARS 4096
#define MOST_RANDOM 256
#define MOST_NOW ((uint64_t)100 * 366 * 86400)

struct parser {
	struct prov_val line;
	size_t pos;
	const struct prov_schema *schema;
	struct prov_arena *arena, scratch; /* scratch: arrays at their largest, while parsing */
	struct prov_error *err;
	struct prov_template *t;
};

static int fail(struct parser *p, size_t where, const char *why)
{
	return prov_error_set(p->err, PROV_EINVAL, "template \"%.*s\": at byte %zu: %s",
		p->line.len > 200 ? 200 : (int)p->line.len, p->line.data, where, why);
}

static struct prov_val slice(const struct parser *p, size_t from, size_t to)
{
	return (struct prov_val){ p->line.data + from, to - from };
}

static bool is(struct prov_val v, const char *s)
{
	return prov_val_equal(v, prov_val_str(s));
}

static struct template_part *add_part(struct parser *p, enum part_kind kind)
{
	if (p->t->npart == MOST_PARTS)
		return NULL;
	struct template_part *part = &p->t->part[p->t->npart++];
	memset(part, 0, sizeof(*part));
	part->kind = kind;
	return part;
}

static bool to_number(struct prov_val v, uint64_t most, uint64_t *out)
{
	*out = 0;
	if (!v.len)
		return false;
	for (size_t i = 0; i < v.len; i++) {
		if (v.data[i] < '0' || v.data[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(v.data[i] - '0');
		if (*out > most)
			return false;
	}
	return true;
}

/* now or now+90d */
static int parse_now(struct parser *p, struct prov_val v, size_t where, struct template_part *part)
{
	static const struct {
		char unit;
		uint64_t secs;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };

	part->number = 0;
	if (v.len == 3)
		return 0;
	if (v.len < 6 || v.data[3] != '+')
		return fail(p, where, "after \"now\" comes '+', a number and one of s m h d w");
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		struct prov_val n = { v.data + 4, v.len - 5 };
		if (v.data[v.len - 1] != units[i].unit)
			continue;
		if (!to_number(n, MOST_NOW / units[i].secs, &part->number))
			return fail(p, where, "not a number, or more than a hundred years");
		part->number *= units[i].secs;
		return 0;
	}
	return fail(p, where, "the unit after \"now+\" is one of s m h d w");
}

/* The thing before the first '|'. */
static int parse_source(struct parser *p, struct prov_val v, size_t where,
	struct template_part **out)
{
	struct template_part *part = add_part(p, PART_ATTR);

	*out = part;
	if (!part)
		return fail(p, where, "too many parts");
	if (is(v, "unique")) {
		part->kind = PART_UNIQUE;
	} else if (v.len >= 3 && memcmp(v.data, "now", 3) == 0 &&
		(v.len == 3 || v.data[3] == '+')) {
		part->kind = PART_NOW;
		int rc = parse_now(p, v, where, part);
		if (rc)
			return rc;
	} else if (v.len > 5 && memcmp(v.data, "next:", 5) == 0) {
		part->kind = PART_NEXT;
		part->text = (struct prov_val){ v.data + 5, v.len - 5 };
	} else if (v.len > 7 && memcmp(v.data, "random:", 7) == 0) {
		part->kind = PART_RANDOM;
		if (!to_number((struct prov_val){ v.data + 7, v.len - 7 }, MOST_RANDOM,
			    &part->number) ||
			!part->number)
			return fail(p, where, "random: wants a number from 1 to 256");
	} else {
		part->text = v;
		part->type = v.len ? p->schema->type(p->schema->ctx, v.data, v.len) : NULL;
		if (!part->type) {
			char why[128];
			snprintf(why, sizeof(why), "unknown attribute \"%.*s\"",
				v.len > 64 ? 64 : (int)v.len, v.data);
			return fail(p, where, why);
		}
	}
	if (part->kind != PART_ATTR)
		p->t->is_volatile = true;
	return 0;
}

static int op_number(struct parser *p, struct prov_val arg, size_t where, struct template_op *op)
{
	uint64_t n;

	if (!to_number(arg, MOST_CHARS, &n))
		return fail(p, where, "the filter wants a number from 0 to 4096");
	op->n = (unsigned)n;
	return 0;
}

static int parse_op(struct parser *p, struct prov_val v, size_t where, struct template_op *op)
{
	static const struct {
		const char *name;
		enum op_kind kind;
		bool arg;
	} ops[] = { { "lower", OP_LOWER, false }, { "upper", OP_UPPER, false },
		{ "ascii", OP_ASCII, false }, { "trim", OP_TRIM, false },
		{ "first", OP_FIRST, true }, { "last", OP_LAST, true },
		{ "replace", OP_REPLACE, true }, { "or", OP_OR, true }, { "pad", OP_PAD, true } };
	const char *colon = v.len ? memchr(v.data, ':', v.len) : NULL;
	struct prov_val name = { v.data, colon ? (size_t)(colon - v.data) : v.len };
	struct prov_val arg = { colon ? colon + 1 : NULL, colon ? v.len - name.len - 1 : 0 };
	char why[128];

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (!is(name, ops[i].name))
			continue;
		if (ops[i].arg != (colon != NULL)) {
			snprintf(why, sizeof(why),
				ops[i].arg ? "%s: wants a value" : "%s takes no value",
				ops[i].name);
			return fail(p, where, why);
		}
		op->kind = ops[i].kind;
		op->a = arg;
		if (op->kind == OP_FIRST || op->kind == OP_LAST || op->kind == OP_PAD)
			return op_number(p, arg, where, op);
		if (op->kind == OP_REPLACE) {
			const char *second = arg.len ? memchr(arg.data, ':', arg.len) : NULL;
			if (!second || second == arg.data)
				return fail(p, where, "replace: wants X:Y");
			op->a.len = (size_t)(second - arg.data);
			op->b = (struct prov_val){ second + 1, arg.len - op->a.len - 1 };
		}
		return 0;
	}
	snprintf(why, sizeof(why), "unknown filter \"%.*s\"", name.len > 40 ? 40 : (int)name.len,
		name.data);
	return fail(p, where, why);
}

/* From behind '{' to behind '}'. */
static int parse_braces(struct parser *p)
{
	size_t from = p->pos, end = from;
	struct template_part *part = NULL;

	while (end < p->line.len && p->line.data[end] != '}' && p->line.data[end] != '{')
		end++;
	if (end == p->line.len || p->line.data[end] == '{')
		return fail(p, from - 1, "'{' without '}' (a literal brace is written {{)");
	for (size_t at = from; at <= end;) {
		size_t stop = at;
		while (stop < end && p->line.data[stop] != '|')
			stop++;
		int rc;
		if (!part) {
			rc = parse_source(p, slice(p, at, stop), at, &part);
			if (rc == 0 &&
				!(part->op = prov_arena_array(&p->scratch, MOST_OPS,
					  sizeof(*part->op))))
				rc = PROV_ENOMEM;
		} else if (part->kind == PART_UNIQUE) {
			rc = fail(p, at, "{unique} takes no filter");
		} else if (part->nop == MOST_OPS) {
			rc = fail(p, at, "too many filters");
		} else {
			rc = parse_op(p, slice(p, at, stop), at, &part->op[part->nop++]);
		}
		if (rc)
			return rc;
		at = stop + 1;
	}
	p->pos = end + 1;
	return 0;
}

static int parse_expression(struct parser *p)
{
	char *text = prov_arena_alloc(p->arena, p->line.len + 1);
	size_t n = 0, begun = 0;
	int rc = text ? 0 : PROV_ENOMEM;

	while (rc == 0 && p->pos <= p->line.len) {
		bool end = p->pos == p->line.len;
		char c = end ? '\0' : p->line.data[p->pos];
		bool twice = !end && p->pos + 1 < p->line.len && p->line.data[p->pos + 1] == c;
		bool open = c == '{' && !twice && !end;
		if (!end && c == '}' && !twice)
			return fail(p, p->pos, "'}' without '{' (a literal brace is written }})");
		if ((end || open) && n > begun) {
			struct template_part *part = add_part(p, PART_TEXT);
			if (!part)
				return fail(p, p->pos, "too many parts");
			part->text = (struct prov_val){ text + begun, n - begun };
			begun = n;
		}
		if (end)
			break;
		p->pos++;
		if (open) {
			rc = parse_braces(p);
		} else {
			text[n++] = c;
			if ((c == '{' || c == '}') && twice)
				p->pos++;
		}
	}
	return rc;
}

static int parse_head(struct parser *p)
{
	static const char *const modes[] = { "default", "add", "enforce" };
	size_t from = 0, to = 0;
	const char *colon;

	while (to < p->line.len && p->line.data[to] != ' ')
		to++;
	for (int m = 0;; m++) {
		if (m == 3)
			return fail(p, 0, "begins with default, add or enforce");
		if (is(slice(p, 0, to), modes[m])) {
			p->t->mode = (enum prov_mode)m;
			break;
		}
	}
	for (from = to; from < p->line.len && p->line.data[from] == ' ';)
		from++;
	colon = memchr(p->line.data + from, ':', p->line.len - from);
	if (!colon)
		return fail(p, from, "':' is missing after the attribute");
	to = (size_t)(colon - p->line.data);
	p->t->type =
		to > from ? p->schema->type(p->schema->ctx, p->line.data + from, to - from) : NULL;
	if (!p->t->type) {
		char why[128];
		snprintf(why, sizeof(why), "unknown attribute \"%.*s\"",
			to - from > 64 ? 64 : (int)(to - from), p->line.data + from);
		return fail(p, from, why);
	}
	if (p->t->type->no_usermod)
		return fail(p, from, "the server sets this attribute itself");
	p->pos = to + 1;
	while (p->pos < p->line.len && p->line.data[p->pos] == ' ')
		p->pos++;
	if (p->pos == p->line.len)
		return fail(p, p->pos, "the expression is missing");
	return 0;
}

static void make_tag(struct prov_template *t)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < t->line.len; i++)
		h = (h ^ (unsigned char)t->line.data[i]) * 16777619u;
	snprintf(t->tag, sizeof(t->tag), "%08x", h);
}

/* The arrays as long as they came out. */
static int settle(struct parser *p)
{
	struct prov_template *t = p->t;
	struct template_part *part = prov_arena_array(p->arena, t->npart + 1, sizeof(*part));

	if (!part)
		return PROV_ENOMEM;
	memcpy(part, t->part, t->npart * sizeof(*part));
	for (size_t i = 0; i < t->npart; i++) {
		size_t n = part[i].nop;
		struct template_op *op = n ? prov_arena_array(p->arena, n, sizeof(*op)) : NULL;
		if (n && !op)
			return PROV_ENOMEM;
		if (n)
			memcpy(op, part[i].op, n * sizeof(*op));
		part[i].op = op;
	}
	t->part = part;
	return 0;
}

int prov_template_compile(struct prov_val line, const struct prov_schema *schema,
	struct prov_arena *arena, const struct prov_template **out, struct prov_error *err)
{
	struct prov_template *t = prov_arena_alloc(arena, sizeof(*t));
	struct parser p = { line, 0, schema, arena, PROV_ARENA_INIT, err, t };
	int rc;

	*out = NULL;
	p.line.data = prov_arena_strndup(arena, line.data, line.len);
	if (!t || !p.line.data ||
		!(t->part = prov_arena_array(&p.scratch, MOST_PARTS, sizeof(*t->part))))
		return prov_error_set(err, PROV_ENOMEM, "out of memory");
	t->line = p.line;
	make_tag(t);
	if (p.line.len > MOST_LINE)
		rc = fail(&p, MOST_LINE, "the line is too long");
	else if (u8_check((const uint8_t *)t->line.data, t->line.len) ||
		memchr(t->line.data, '\0', t->line.len))
		rc = fail(&p, 0, "not UTF-8 text");
	else
		rc = parse_head(&p);
	if (rc == 0)
		rc = parse_expression(&p);
	if (rc == 0)
		rc = settle(&p);
	prov_arena_dispose(&p.scratch);
	struct prov_val value;
	if (rc == 0 && prov_template_literal(t, &value) &&
		schema->validate(schema->ctx, t->type, value)) {
		char why[128];
		snprintf(why, sizeof(why), "the value is not one of %s", t->type->name);
		rc = fail(&p, p.line.len - value.len, why);
	}
	if (rc == PROV_ENOMEM)
		prov_error_set(err, rc, "out of memory");
	if (rc == 0)
		*out = t;
	return rc;
}

enum prov_mode prov_template_mode(const struct prov_template *t)
{
	return t->mode;
}

const struct prov_type *prov_template_type(const struct prov_template *t)
{
	return t->type;
}

struct prov_val prov_template_line(const struct prov_template *t)
{
	return t->line;
}

const char *prov_template_tag(const struct prov_template *t)
{
	return t->tag;
}

bool prov_template_volatile(const struct prov_template *t)
{
	return t->is_volatile;
}

bool prov_template_literal(const struct prov_template *t, struct prov_val *out)
{
	if (t->npart != 1 || t->part[0].kind != PART_TEXT)
		return false;
	*out = t->part[0].text;
	return true;
}

void prov_template_pools(const struct prov_template *t,
	void (*use)(void *ctx, struct prov_val pool), void *ctx)
{
	for (size_t i = 0; i < t->npart; i++)
		if (t->part[i].kind == PART_NEXT)
			use(ctx, t->part[i].text);
}

void prov_template_types(const struct prov_template *t,
	void (*use)(void *ctx, const struct prov_type *type), void *ctx)
{
	for (size_t i = 0; i < t->npart; i++)
		if (t->part[i].kind == PART_ATTR)
			use(ctx, t->part[i].type);
}
