/* fake_values.h - the syntaxes of fake_schema.c: is it a value, and its normalized form. */
#ifndef FAKE_VALUES_H
#define FAKE_VALUES_H

#include "entry.h"

enum fake_syntax {
	FAKE_TEXT,  /* directory string, case ignored, substrings */
	FAKE_WORD,  /* the same without substrings */
	FAKE_EXACT, /* directory string, case matters, substrings */
	FAKE_DN,
	FAKE_INTEGER,
	FAKE_TIME,
	FAKE_BOOLEAN,
	FAKE_OCTETS,
	FAKE_BLOB, /* no matching rule at all */
};

int fake_value_validate(enum fake_syntax s, struct prov_val in);
int fake_value_normalize(enum fake_syntax s, enum prov_norm how, struct prov_val in,
	struct prov_arena *arena, struct prov_val *out);
bool fake_is_alnum(char c); /* ASCII, whatever the locale */

#endif
