/*
 * text.h - the operations on Unicode text that template filters need. Input that is
 * not UTF-8 is refused (PROV_EINVAL). Results are in the arena. By libunistring.
 */
#ifndef PROV_TEXT_H
#define PROV_TEXT_H

#include "entry.h"
#include "error.h"

int prov_text_lower(struct prov_val in, struct prov_arena *arena, struct prov_val *out);
int prov_text_upper(struct prov_val in, struct prov_arena *arena, struct prov_val *out);
/* Compatibility decomposition, marks dropped, letters without decomposition by a table,
 * what is still beyond ASCII dropped. */
int prov_text_ascii(struct prov_val in, struct prov_arena *arena, struct prov_val *out);
int prov_text_trim(struct prov_val in, struct prov_arena *arena, struct prov_val *out);
/* The first or last n characters (code points after composition, NFC). */
int prov_text_first(struct prov_val in, unsigned n, struct prov_arena *arena, struct prov_val *out);
int prov_text_last(struct prov_val in, unsigned n, struct prov_arena *arena, struct prov_val *out);
int prov_text_pad(struct prov_val in, unsigned n, struct prov_arena *arena, struct prov_val *out);
int prov_text_replace(struct prov_val in, struct prov_val from, struct prov_val to,
	struct prov_arena *arena, struct prov_val *out);
/* An attribute value of an RDN (RFC 4514, 2.4). */
int prov_text_escape_rdn(struct prov_val in, struct prov_arena *arena, struct prov_val *out);

#endif
