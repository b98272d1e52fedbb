/* fuzz_template.c - any bytes as a template line; what compiles is expanded. */
#include <stdint.h>
#include <stdlib.h>

#include "fuzz_schema.h"
#include "template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int taken(void *ctx, const struct prov_type *type, struct prov_val value, bool *out,
	struct prov_error *err)
{
	(void)type, (void)value, (void)err;
	*out = ++*(unsigned *)ctx < 12;
	return 0;
}

static int next(void *ctx, struct prov_val pool, uint64_t *number, struct prov_error *err)
{
	(void)ctx;
	if (pool.len == 4)
		return prov_error_set(err, PROV_ENOENT, "no such pool");
	*number = UINT64_MAX;
	return 0;
}

static int any(void *ctx, unsigned char *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (unsigned char)(++*(unsigned *)ctx * 37);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct prov_arena a = PROV_ARENA_INIT;
	struct prov_val line = { (const char *)data, size }, out = { NULL, 0 };
	const struct prov_template *t;
	struct prov_error err = { 0 };
	unsigned calls = 0;
	const struct prov_services services = { &calls, taken, next, any, NULL };

	int rc = prov_template_compile(line, &fuzz_schema, &a, &t, &err);
	if (rc == 0) {
		rc = prov_template_expand(t, &fuzz_entry, &fuzz_schema, &services,
			size % 2 ? INT64_MAX - 5 : 1764000000, &a, &out, &err);
		if (rc == 0 && (!out.len || out.len > 65536 || out.data[out.len]))
			abort();
		if (rc == 0 && prov_template_literal(t, &line) && !prov_val_equal(line, out))
			abort(); /* a literal is its own expansion */
	}
	if (rc && !err.text[0])
		abort(); /* a refusal has a reason */
	prov_arena_dispose(&a);
	return 0;
}
