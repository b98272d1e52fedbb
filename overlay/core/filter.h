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

/*
 * An equality. A filter needs some when it is true only of entries for which one of them is: then
 * they are a quick way to the few filters that an entry can be true of.
 */
struct prov_need {
	const struct prov_type *type;
	struct prov_val value; /* normalized, the filter's */
};
enum { PROV_NEEDS = 16 };
/* How many entries, or filters, this one is likely to leave: of several ways the least is taken. */
typedef size_t prov_need_cost(void *ctx, const struct prov_need *need);
/* Number of needs in out; 0: there are none, or more than PROV_NEEDS. */
size_t prov_filter_needs(const struct prov_filter *f, prov_need_cost *cost, void *ctx,
	struct prov_need out[PROV_NEEDS]);
/* Call use() for every equality in it that could be a need. */
void prov_filter_equalities(const struct prov_filter *f,
	void (*use)(void *ctx, const struct prov_need *need), void *ctx);

/* Call use() once per attribute type the filter looks at (repeats possible). */
void prov_filter_types(const struct prov_filter *f,
	void (*use)(void *ctx, const struct prov_type *type), void *ctx);

#endif
