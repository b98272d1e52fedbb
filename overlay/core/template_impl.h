/* template_impl.h - the compiled form, shared by template.c and expand.c only. */
#ifndef PROV_TEMPLATE_IMPL_H
#define PROV_TEMPLATE_IMPL_H

#include "template.h"

enum part_kind { PART_TEXT, PART_ATTR, PART_NEXT, PART_RANDOM, PART_NOW, PART_UNIQUE };
enum op_kind {
	OP_LOWER,
	OP_UPPER,
	OP_ASCII,
	OP_TRIM,
	OP_FIRST,
	OP_LAST,
	OP_REPLACE,
	OP_OR,
	OP_PAD
};

struct template_op {
	enum op_kind kind;
	unsigned n;
	struct prov_val a, b; /* replace:a:b, or:a */
};

struct template_part {
	enum part_kind kind;
	struct prov_val text; /* literal, pool, or the attribute as written */
	const struct prov_type *type;
	uint64_t number; /* random: characters; now: seconds to add */
	size_t nop;
	struct template_op *op;
};

struct prov_template {
	enum prov_mode mode;
	const struct prov_type *type;
	struct prov_val line;
	char tag[9];
	bool is_volatile;
	size_t npart;
	struct template_part *part;
};

#endif
