/* ask.c - see ask.h. */
#include "ask.h"

#include <unistr.h>

static const struct {
	const char *twice, *with_value;
} texts[PROV_ASKS] = {
	[PROV_ASK_REASON] = { "reason control given more than once", NULL },
	[PROV_ASK_PLAN] = { "plan control given more than once", "plan control takes no value" },
	[PROV_ASK_OVERRIDE] = { "override control given more than once",
		"override control takes no value" },
	[PROV_ASK_ADOPT] = { "adopt control given more than once", "adopt control takes no value" },
};

static bool is_line(struct prov_val v)
{
	for (size_t i = 0; i < v.len;) {
		ucs4_t c;
		int step = u8_mbtoucr(&c, (const uint8_t *)v.data + i, v.len - i);
		if (step <= 0 || c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029)
			return false;
		i += (size_t)step;
	}
	return true;
}

const char *prov_ask_fault(enum prov_ask what, bool again, const struct prov_val *value)
{
	if (again)
		return texts[what].twice;
	if (what != PROV_ASK_REASON)
		return value ? texts[what].with_value : NULL;
	if (!value || !value->len)
		return "reason control without a text";
	if (value->len > PROV_REASON_MOST)
		return "reason control's text is longer than 1024 bytes";
	return is_line(*value) ? NULL : "reason control's value is not UTF-8 text on one line";
}
