/* fuzz_grant.c - any bytes as a provGrant value; what parses comes back from its own text. */
#include <stdint.h>
#include <stdlib.h>

#include "grant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct prov_grant *a, const struct prov_grant *b)
{
	return a->kind == b->kind && a->had == b->had && prov_val_equal(a->since, b->since) &&
		prov_val_equal(a->change, b->change) && prov_val_equal(a->role, b->role) &&
		prov_val_equal(a->tag, b->tag) && prov_val_equal(a->what, b->what);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct prov_arena a = PROV_ARENA_INIT;
	struct prov_grant g, back;
	struct prov_val text, attr, value;
	struct prov_error err = { 0 };

	if (prov_grant_parse((struct prov_val){ (const char *)data, size }, &a, &g, &err)) {
		if (!err.text[0])
			abort(); /* a refusal has a reason */
	} else {
		if (prov_grant_print(&g, false, &a, &text) ||
			prov_grant_parse(text, &a, &back, &err) || !same(&g, &back))
			abort();
		if (prov_grant_split(g.what, &attr, &value) &&
			attr.len + value.len + 2 != g.what.len)
			abort();
	}
	prov_arena_dispose(&a);
	return 0;
}
