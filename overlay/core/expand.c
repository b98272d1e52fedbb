/*
 * expand.c - a compiled template and an entry give a value.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "template_impl.h"
#include "text.h"
#include "timefmt.h"

#define MOST_UNIQUE 100000
#define MOST_VALUE 65536

struct expansion {
	const struct prov_template *t;
	const struct prov_entry *e;
	const struct prov_schema *schema;
	const struct prov_services *services;
	int64_t now;
	struct prov_arena *arena;
	struct prov_error *err;
	struct prov_val part[64]; /* expanded, as many as t->npart */
};

static int apply_op(const struct expansion *x, const struct template_op *op, struct prov_val *v)
{
	switch (op->kind) {
	case OP_LOWER:
		return prov_text_lower(*v, x->arena, v);
	case OP_UPPER:
		return prov_text_upper(*v, x->arena, v);
	case OP_ASCII:
		return prov_text_ascii(*v, x->arena, v);
	case OP_TRIM:
		return prov_text_trim(*v, x->arena, v);
	case OP_FIRST:
		return prov_text_first(*v, op->n, x->arena, v);
	case OP_LAST:
		return prov_text_last(*v, op->n, x->arena, v);
	case OP_PAD:
		return prov_text_pad(*v, op->n, x->arena, v);
	case OP_REPLACE:
		return prov_text_replace(*v, op->a, op->b, x->arena, v);
	case OP_OR:
		if (!v->len)
			*v = op->a;
		return 0;
	}
	return PROV_EINVAL;
}

static bool has_or(const struct template_part *p)
{
	for (size_t i = 0; i < p->nop; i++)
		if (p->op[i].kind == OP_OR)
			return true;
	return false;
}

static int random_text(const struct expansion *x, size_t n, struct prov_val *out)
{
	static const char abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	char *p = prov_arena_alloc(x->arena, n + 1);
	size_t have = 0;

	if (!p)
		return PROV_ENOMEM;
	while (have < n) {
		unsigned char b[64];
		if (x->services->random(x->services->ctx, b, sizeof(b)))
			return prov_error_set(x->err, PROV_EIO, "no randomness");
		for (size_t i = 0; i < sizeof(b) && have < n; i++)
			if (b[i] < 248) /* 4 * 62: every character as likely */
				p[have++] = abc[b[i] % 62];
	}
	*out = (struct prov_val){ p, n };
	return 0;
}

static int printed(const struct expansion *x, char *text, struct prov_val *out)
{
	(void)x;
	*out = prov_val_str(text);
	return text ? 0 : PROV_ENOMEM;
}

static int source(const struct expansion *x, const struct template_part *p, struct prov_val *out)
{
	uint64_t n = 0;
	int rc;

	switch (p->kind) {
	case PART_ATTR:
		if (prov_entry_first(x->e, p->type, out))
			return 0;
		*out = (struct prov_val){ "", 0 };
		if (has_or(p))
			return 0;
		return prov_error_set(x->err, PROV_ENOENT, "attribute %s is missing",
			p->type->name);
	case PART_NEXT:
		rc = x->services->next(x->services->ctx, p->text, &n, x->err);
		return rc ? rc : printed(x, prov_arena_printf(x->arena, "%" PRIu64, n), out);
	case PART_RANDOM:
		return random_text(x, p->number, out);
	case PART_NOW: {
		char *text = prov_arena_alloc(x->arena, PROV_TIME_TEXT);
		int64_t then;
		if (__builtin_add_overflow(x->now, (int64_t)p->number, &then))
			then = INT64_MAX; /* printed as the last second of the year 9999 */
		if (text)
			prov_time_generalized(then, text);
		return printed(x, text, out);
	}
	case PART_TEXT:
		*out = p->text;
		return 0;
	case PART_UNIQUE:
		*out = (struct prov_val){ "", 0 };
		return 0;
	}
	return PROV_EINVAL;
}

static int expand_part(const struct expansion *x, const struct template_part *p,
	struct prov_val *out)
{
	const char *name = p->kind == PART_ATTR ? p->type->name : "the value";
	int rc = source(x, p, out);

	for (size_t i = 0; rc == 0 && out->len <= MOST_VALUE && i < p->nop; i++) {
		rc = apply_op(x, &p->op[i], out);
		if (rc == PROV_EINVAL)
			prov_error_set(x->err, rc, "%s is not text", name);
	}
	/* Now and not at the end: each replace may make it a thousand times as long. */
	if (rc == 0 && out->len > MOST_VALUE)
		return prov_error_set(x->err, PROV_EINVAL, "%s has more than %d bytes", name,
			MOST_VALUE);
	if (rc == 0 && x->t->type->dn && p->kind != PART_TEXT && p->kind != PART_UNIQUE) {
		/* A value that is itself a whole DN is only the whole value. */
		bool whole = x->t->npart == 1 && p->type && p->type->dn;
		if (!whole)
			rc = prov_text_escape_rdn(*out, x->arena, out);
	}
	return rc;
}

/* All parts, with {unique} standing for `unique`; in buf, or in new memory when it is NULL. */
static int join(const struct expansion *x, const char *unique, char *buf, struct prov_val *out)
{
	size_t n = 0, u = strlen(unique);

	for (size_t i = 0; i < x->t->npart; i++)
		n += x->t->part[i].kind == PART_UNIQUE ? u : x->part[i].len;
	if (n > MOST_VALUE)
		return prov_error_set(x->err, PROV_EINVAL, "the value has %zu bytes, more than %d",
			n, MOST_VALUE);
	if (!buf && !(buf = prov_arena_alloc(x->arena, n + 1)))
		return prov_error_set(x->err, PROV_ENOMEM, "out of memory");
	char *p = buf;
	for (size_t i = 0; i < x->t->npart; i++) {
		struct prov_val v =
			x->t->part[i].kind == PART_UNIQUE ? prov_val_str(unique) : x->part[i];
		if (v.len)
			p = mempcpy(p, v.data, v.len);
	}
	*p = '\0';
	*out = (struct prov_val){ buf, n };
	return 0;
}

static int make_unique(const struct expansion *x, struct prov_val *out)
{
	char number[16] = "";
	struct prov_val longest = { NULL, 0 };
	int rc = join(x, "99999", NULL, &longest);

	if (rc)
		return rc;
	for (unsigned n = 2; n <= MOST_UNIQUE; n++) {
		bool taken = true;
		/* in one place: the arena cannot take a try back */
		rc = join(x, number, (char *)longest.data, out);
		if (rc == 0)
			rc = x->services->taken(x->services->ctx, x->t->type, *out, &taken, x->err);
		if (rc || !taken)
			return rc;
		snprintf(number, sizeof(number), "%u", n);
	}
	return prov_error_set(x->err, PROV_EFULL, "no unique value of %s among %d",
		x->t->type->name, MOST_UNIQUE);
}

int prov_template_expand(const struct prov_template *t, const struct prov_entry *e,
	const struct prov_schema *schema, const struct prov_services *services, int64_t now,
	struct prov_arena *arena, struct prov_val *out, struct prov_error *err)
{
	struct expansion x = { t, e, schema, services, now, arena, err, { { NULL, 0 } } };
	bool unique = false;

	for (size_t i = 0; i < t->npart; i++) {
		int rc = expand_part(&x, &t->part[i], &x.part[i]);
		if (rc == PROV_ENOMEM)
			prov_error_set(err, rc, "out of memory");
		if (rc)
			return rc;
		unique |= t->part[i].kind == PART_UNIQUE;
	}
	int rc = unique ? make_unique(&x, out) : join(&x, "", NULL, out);
	if (rc)
		return rc;
	if (out->len == 0)
		return prov_error_set(err, PROV_EINVAL, "the value of %s would be empty",
			t->type->name);
	if (schema->validate(schema->ctx, t->type, *out))
		return prov_error_set(err, PROV_EINVAL, "\"%.*s\" is not a value of %s",
			out->len > 100 ? 100 : (int)out->len, out->data, t->type->name);
	return 0;
}
