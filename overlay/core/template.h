/*
 * template.h - `<mode> <attribute>: <expression>` of a role (provTemplate).
 *
 * mode is default, add or enforce. The expression is literal text with {...}:
 * {attr} (first value) then |filters: lower upper ascii trim first:N last:N
 * replace:X:Y or:TEXT pad:N; {next:POOL} {random:N} {now} {now+90d} {unique};
 * {{ and }} are literal braces. N counts Unicode characters. now+ takes a number
 * and one of s m h d w; the result is generalized time (RFC 4517, 3.3.13) in UTC.
 * ascii transliterates (NFKD, marks dropped, a table for ß ø ł æ and the like)
 * and drops what is left beyond ASCII; pad:N pads with leading zeros; random:N is
 * N characters of [A-Za-z0-9] from services.random.
 *
 * A compiled template is immutable and lives in its arena.
 */
#ifndef PROV_TEMPLATE_H
#define PROV_TEMPLATE_H

#include <stdint.h>

#include "entry.h"
#include "error.h"

enum prov_mode { PROV_MODE_DEFAULT, PROV_MODE_ADD, PROV_MODE_ENFORCE };

struct prov_template; /* opaque */

/*
 * What an expansion may ask of the outside. All are called at most a bounded
 * number of times per expansion, inside the transaction of the write.
 */
struct prov_services {
	void *ctx;
	/* *taken = does an account other than the one at hand hold attr = value? */
	int (*taken)(void *ctx, const struct prov_type *type, struct prov_val value, bool *taken,
		struct prov_error *err);
	/* Next number of the pool with this cn; PROV_ENOENT no such pool, PROV_EFULL used up. */
	int (*next)(void *ctx, struct prov_val pool, uint64_t *number, struct prov_error *err);
	int (*random)(void *ctx, unsigned char *out, size_t len);
	/* Groups (any class) that hold the account now, given or manual. In the arena. */
	int (*memberships)(void *ctx, struct prov_arena *arena, struct prov_val **dn,
		struct prov_val **ndn, size_t *n, struct prov_error *err);
};

int prov_template_compile(struct prov_val line, const struct prov_schema *schema,
	struct prov_arena *arena, const struct prov_template **out, struct prov_error *err);

enum prov_mode prov_template_mode(const struct prov_template *t);
const struct prov_type *prov_template_type(const struct prov_template *t);
struct prov_val prov_template_line(const struct prov_template *t); /* the text as written */
/* 8 hex digits over the line, to find a line again from a grant. */
const char *prov_template_tag(const struct prov_template *t);
/* Has it {next}, {random}, {now} or {unique}: a value once given is then kept. */
bool prov_template_volatile(const struct prov_template *t);
/* Only literal text: *out is the value. */
bool prov_template_literal(const struct prov_template *t, struct prov_val *out);
/* Pools named by {next:POOL}, for checking at policy compile time. */
void prov_template_pools(const struct prov_template *t,
	void (*use)(void *ctx, struct prov_val pool), void *ctx);
/* Attribute types it reads. */
void prov_template_types(const struct prov_template *t,
	void (*use)(void *ctx, const struct prov_type *type), void *ctx);

/*
 * Expand for an entry. now: seconds since the epoch. out is in the arena and has
 * been validated against the attribute's syntax; for DN-valued attributes every
 * {...} is escaped as an RDN value (RFC 4514, 2.4).
 * PROV_ENOENT: an attribute is missing and there is no or: (text names it);
 * PROV_EINVAL: the value breaks the attribute's syntax; others from services.
 */
int prov_template_expand(const struct prov_template *t, const struct prov_entry *e,
	const struct prov_schema *schema, const struct prov_services *services, int64_t now,
	struct prov_arena *arena, struct prov_val *out, struct prov_error *err);

#endif
