/*
 * ask.h - the request controls of ours, and what is wrong with one (docs/formats.md).
 *
 * Pure; from any thread.
 */
#ifndef PROV_ASK_H
#define PROV_ASK_H

#include "entry.h"

enum prov_ask { PROV_ASK_REASON, PROV_ASK_PLAN, PROV_ASK_OVERRIDE, PROV_ASK_ADOPT, PROV_ASKS };

#define PROV_REASON_MOST 1024 /* bytes */

/*
 * value: NULL when the control has none; an empty one is one. again: the request has this control
 * already. The answer is for the client, and constant; NULL: nothing is wrong.
 *
 * A reason is UTF-8 (RFC 3629) of 1 to PROV_REASON_MOST bytes, on one line: without control characters
 * (U+0000 to U+001F, U+007F to U+009F) and separators of lines (U+2028, U+2029). The others take no
 * value.
 */
const char *prov_ask_fault(enum prov_ask what, bool again, const struct prov_val *value);

#endif
