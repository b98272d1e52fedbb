/*
 * entry.h - values, attribute types and entries as the core sees them.
 *
 * Plain data. Whoever builds an entry owns what it points to and keeps it
 * alive while the entry is used; the core only borrows. Types are interned by
 * the schema: two equal types have the same address, and they live as long as
 * the schema does.
 */
#ifndef PROV_ENTRY_H
#define PROV_ENTRY_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"

/* Bytes with a length. data may hold NULs; it is NOT promised to be terminated. */
struct prov_val {
	const char *data;
	size_t len;
};

enum prov_order { PROV_ORDER_NONE, PROV_ORDER_OCTETS, PROV_ORDER_INTEGER };

/* An attribute description (RFC 4512, 2.5). "cn;lang-de" has sup "cn", "cn" has sup "name". */
struct prov_type {
	const char *name; /* canonical spelling */
	const struct prov_type *sup;
	bool single;     /* SINGLE-VALUE */
	bool dn;         /* distinguishedName syntax (RFC 4517, 3.3.9) or name and optional UID */
	bool no_usermod; /* NO-USER-MODIFICATION */
	bool secret;     /* a password or key: never leaves in an event */
	bool loose;      /* normalized values of different bytes may be equal: prov_schema.equal */
	bool power;      /* says who may act for whom, or holds access rules */
	enum prov_order order;
};

enum prov_norm { PROV_NORM_EQUALITY, PROV_NORM_INITIAL, PROV_NORM_ANY, PROV_NORM_FINAL };

/*
 * The schema, as functions: slapd's own behind it in the server, a small table
 * in tests. normalize and validate return 0, PROV_EINVAL (no such rule, or not a
 * value of that syntax) or PROV_ENOMEM. equal may be NULL; it is asked when the bytes of two
 * normalized values of a loose type differ (is inetOrgPerson a person?), from any thread.
 */
struct prov_schema {
	void *ctx;
	const struct prov_type *(*type)(void *ctx, const char *name, size_t len); /* or NULL */
	int (*normalize)(void *ctx, const struct prov_type *type, enum prov_norm how,
		struct prov_val in, struct prov_arena *arena, struct prov_val *out);
	int (*validate)(void *ctx, const struct prov_type *type, struct prov_val in);
	bool (*equal)(void *ctx, const struct prov_type *type, struct prov_val stored,
		struct prov_val asserted);
};

struct prov_attr {
	const struct prov_type *type;
	size_t n;
	const struct prov_val *val;  /* n values as given */
	const struct prov_val *nval; /* n values normalized for equality; may equal val */
};

struct prov_entry {
	struct prov_val dn;   /* pretty */
	struct prov_val ndn;  /* normalized: compare these */
	struct prov_val uuid; /* entryUUID in text form, empty when not there yet */
	size_t n;
	const struct prov_attr *attr;
};

/* Is t the type asked, or below it? */
bool prov_type_is(const struct prov_type *t, const struct prov_type *asked);

bool prov_val_equal(struct prov_val a, struct prov_val b);
struct prov_val prov_val_str(const char *s); /* borrowed; NULL gives the empty value */

/* First attribute of exactly this type, or NULL. e may be NULL. */
const struct prov_attr *prov_entry_attr(const struct prov_entry *e, const struct prov_type *type);
/* First value of this type or one below it; false when there is none. */
bool prov_entry_first(const struct prov_entry *e, const struct prov_type *type,
	struct prov_val *out);
/* Is this normalized value there? */
bool prov_attr_has(const struct prov_attr *a, struct prov_val nval);

#endif
