/* fuzz_filter.c - any bytes as a search filter; what compiles is matched. */
#include <stdint.h>
#include <stdlib.h>

#include "filter.h"
#include "fuzz_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(void *ctx, const struct prov_type *type)
{
	*(size_t *)ctx += type != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct prov_arena a = PROV_ARENA_INIT;
	struct prov_val text = { (const char *)data, size };
	const struct prov_filter *f;
	struct prov_error err = { 0 };
	size_t types = 0;

	if (prov_filter_compile(text, &fuzz_schema, &a, &f, &err) == 0) {
		prov_filter_types(f, use, &types);
		enum prov_match m = prov_filter_match(f, &fuzz_entry);
		if (m != prov_filter_match(f, &fuzz_entry) || m == PROV_MATCH_UNDEFINED)
			abort(); /* a compiled filter has one answer, and knows it */
	} else if (!err.text[0]) {
		abort(); /* a refusal has a reason */
	}
	prov_arena_dispose(&a);
	return 0;
}
