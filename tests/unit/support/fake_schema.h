/*
 * fake_schema.h - a small schema and entries made of text, for unit tests.
 *
 * A table behind struct prov_schema. It knows about sup, options ("cn;lang-de"),
 * aliases ("surname") and the syntaxes that matter to the core; rules are simpler
 * than slapd's, and never laxer in what the tests rely on. What a test gets wrong
 * (an unknown attribute, a value that is none) ends the program with a word about it.
 * May be used from many threads.
 */
#ifndef FAKE_SCHEMA_H
#define FAKE_SCHEMA_H

#include "arena.h"
#include "entry.h"

extern const struct prov_schema fake_schema;

/* The type of this name; never NULL. */
const struct prov_type *fake_type(const char *name);

/* value normalized for equality, in the arena. */
struct prov_val fake_norm(struct prov_arena *arena, const char *type, struct prov_val value);

/*
 * An entry from its DN and a list of "attr: value" that ends with NULL. Values of one
 * type are kept together in the order given; "entryUUID: ..." also becomes e->uuid.
 * Everything is copied into the arena.
 */
struct prov_entry *fake_entry(struct prov_arena *arena, const char *dn, const char *const *lines);

/* FAKE_ENTRY(&arena, "cn=x", "cn: x", "sn: y") */
#define FAKE_ENTRY(arena, dn, ...) fake_entry(arena, dn, (const char *const[]){ __VA_ARGS__, NULL })

/* A copy of e with these lines on top (all values of a type that is named are replaced;
 * "attr:" with nothing behind takes the attribute away). */
struct prov_entry *fake_entry_with(struct prov_arena *arena, const struct prov_entry *e,
	const char *const *lines);
#define FAKE_ENTRY_WITH(arena, e, ...) \
	fake_entry_with(arena, e, (const char *const[]){ __VA_ARGS__, NULL })

#endif
