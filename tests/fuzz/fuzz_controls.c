/*
 * fuzz_controls.c - any bytes as a request control of ours: which one, whether it came before and has
 * a value, and that. A reason that is taken is text, and stands in the record as it came.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "error.h"
#include "record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_record(struct prov_val reason)
{
	struct prov_record r = { .op = "modify", .reason = reason };
	char *text = NULL;
	size_t len = 0;

	if (prov_record_encode(&r, &text, &len, NULL))
		abort();
	json_t *o = json_loadb(text, len, 0, NULL);
	json_t *back = json_object_get(o, "reason");
	if (!json_is_string(back) || json_string_length(back) != reason.len ||
		memcmp(json_string_value(back), reason.data, reason.len) != 0)
		abort();
	for (size_t i = 0; i < reason.len; i++)
		if ((unsigned char)reason.data[i] < ' ')
			abort();
	json_decref(o);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	enum prov_ask what = data[0] % PROV_ASKS;
	bool again = data[0] & 0x40, has = data[0] & 0x80;
	struct prov_val v = { (const char *)data + 1, size - 1 };
	const char *fault = prov_ask_fault(what, again, has ? &v : NULL);

	if (fault && !*fault)
		abort(); /* a refusal has a reason */
	if (!fault && again)
		abort();
	if (!fault && has != (what == PROV_ASK_REASON))
		abort();
	if (!fault && has)
		check_record(v);
	return 0;
}
