/*
 * filter.h - LDAP search filters (RFC 4515) compiled against a schema.
 *
 * A compiled filter is immutable, lives in the arena it was compiled into and
 * may be matched from many threads. Matching is three-valued (RFC 4511,
 * 4.5.1.7) and neither allocates nor fails.
 */
#ifndef PROV_FILTER_H
#define PROV_FILTER_H

#include "entry.h"
#include "error.h"

struct prov_filter;

enum prov_match { PROV_MATCH_FALSE, PROV_MATCH_TRUE, PROV_MATCH_UNDEFINED };

/*
 * Compile text. PROV_EINVAL with a text that names the offset (bytes from 0) and
 * the reason: syntax, unknown attribute, value not of the attribute's syntax, no
 * matching rule, extensible match (not supported), nesting over 64.
 */
int prov_filter_compile(struct prov_val text, const struct prov_schema *schema,
	struct prov_arena *arena, const struct prov_filter **out, struct prov_error *err);

enum prov_match prov_filter_match(const struct prov_filter *f, const struct prov_entry *e);

/* Call use() once per attribute type the filter looks at (repeats possible). */
void prov_filter_types(const struct prov_filter *f,
	void (*use)(void *ctx, const struct prov_type *type), void *ctx);

#endif
