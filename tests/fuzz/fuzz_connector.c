/* fuzz_connector.c - lines "attribute: value" as a connector entry; what compiles is asked. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "connector.h"
#include "fake_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = { "cn", "provConnectorType", "provTarget", "provEvent",
	"provFilter", "provAttribute", "provSecretFile", "provEnabled", "provTimeout",
	"provMaxAttempts", "provMaxAge", "provConcurrency" };

/* One value per attribute: line n of the input is the value of names[n]; an empty one is none. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { NAMES = sizeof(names) / sizeof(names[0]) };
	struct prov_arena a = PROV_ARENA_INIT;
	struct prov_val val[NAMES];
	struct prov_attr attr[NAMES];
	struct prov_entry e = { prov_val_str("cn=x"), prov_val_str("cn=x"), { NULL, 0 }, 0, attr };
	struct prov_connector *c;
	struct prov_error err = { 0 };
	const char *p = (const char *)data, *end = p + size;

	for (size_t i = 0; i < NAMES && p && p < end; i++) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		val[e.n] = (struct prov_val){ p, (size_t)((stop ? stop : end) - p) };
		if (val[e.n].len) {
			attr[e.n] =
				(struct prov_attr){ fake_type(names[i]), 1, &val[e.n], &val[e.n] };
			e.n++;
		}
		p = stop ? stop + 1 : NULL;
	}
	if (prov_connector_compile(&e, &fake_schema, &a, &c, &err) == 0) {
		if (!c->name || !c->target || !c->timeout || !c->concurrency)
			abort();
		bool wants = prov_connector_wants(c, "account.created", NULL, &e);
		if (wants != prov_connector_wants(c, "account.created", &e, NULL))
			abort();
	} else if (!err.text[0]) {
		abort(); /* a refusal has a reason */
	}
	prov_arena_dispose(&a);
	return 0;
}
