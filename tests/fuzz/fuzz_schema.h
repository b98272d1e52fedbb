/*
 * fuzz_schema.h - six attributes and one account, for targets that need a schema. A header
 * with bodies, because a fuzz target is linked of one source file.
 */
#ifndef FUZZ_SCHEMA_H
#define FUZZ_SCHEMA_H

#include <string.h>
#include <strings.h>

#include "entry.h"
#include "error.h"

static const struct prov_type fuzz_types[] = {
	{ .name = "name" },
	{ .name = "cn", .sup = &fuzz_types[0] },
	{ .name = "uid", .order = PROV_ORDER_OCTETS },
	{ .name = "uidNumber", .single = true, .order = PROV_ORDER_INTEGER },
	{ .name = "manager", .dn = true },
	{ .name = "title", .order = PROV_ORDER_OCTETS },
};

static const struct prov_type *fuzz_type(void *ctx, const char *name, size_t len)
{
	(void)ctx;
	for (size_t i = 0; i < sizeof(fuzz_types) / sizeof(fuzz_types[0]); i++)
		if (strlen(fuzz_types[i].name) == len &&
			strncasecmp(fuzz_types[i].name, name, len) == 0)
			return &fuzz_types[i];
	return NULL;
}

static int fuzz_validate(void *ctx, const struct prov_type *type, struct prov_val in)
{
	(void)ctx;
	if (type->order != PROV_ORDER_INTEGER)
		return 0;
	size_t i = in.len && in.data[0] == '-';
	int rc = i == in.len ? PROV_EINVAL : 0;
	for (; i < in.len; i++)
		if (in.data[i] < '0' || in.data[i] > '9')
			rc = PROV_EINVAL;
	return rc;
}

static int fuzz_normalize(void *ctx, const struct prov_type *type, enum prov_norm how,
	struct prov_val in, struct prov_arena *arena, struct prov_val *out)
{
	(void)how;
	out->data = prov_arena_strndup(arena, in.data, in.len);
	out->len = in.len;
	return out->data ? fuzz_validate(ctx, type, in) : PROV_ENOMEM;
}

static const struct prov_schema fuzz_schema = { NULL, fuzz_type, fuzz_normalize, fuzz_validate,
	NULL };

#define FUZZ_VAL(s) \
	{ \
		s, sizeof(s) - 1 \
	}
static const struct prov_val fuzz_cn[] = { FUZZ_VAL("\xc3\x84nne  B\xc3\xb8rg"), FUZZ_VAL("aab") };
static const struct prov_val fuzz_uid[] = { FUZZ_VAL("anna"), FUZZ_VAL("\xff\0x") };
static const struct prov_val fuzz_number[] = { FUZZ_VAL("-0042") };
static const struct prov_val fuzz_manager[] = { FUZZ_VAL("uid=bo,dc=x") };
static const struct prov_attr fuzz_attr[] = {
	{ &fuzz_types[1], 2, fuzz_cn, fuzz_cn },
	{ &fuzz_types[2], 2, fuzz_uid, fuzz_uid },
	{ &fuzz_types[3], 1, fuzz_number, fuzz_number },
	{ &fuzz_types[4], 1, fuzz_manager, fuzz_manager },
};
static const struct prov_entry fuzz_entry = { FUZZ_VAL("uid=anna,dc=x"), FUZZ_VAL("uid=anna,dc=x"),
	{ NULL, 0 }, 4, fuzz_attr };

#endif
