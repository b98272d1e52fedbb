/*
 * fake_world.h - one policy and what the evaluation of writes by it gives, for unit tests.
 *
 * The schema is that of fake_schema.h. Everything that a test makes lies in the arena of its world.
 */
#ifndef FAKE_WORLD_H
#define FAKE_WORLD_H

#include "evaluate.h"
#include "fake_schema.h"

/* No value is taken, no account is in a group, what is random is zero; there are no pools. Any thread. */
extern const struct prov_services fake_services;

struct world {
	struct prov_arena arena;
	struct prov_policy *policy; /* to be filled and sealed by the test */
	struct prov_plan plan;
	struct prov_error err;
};

/* cmocka's fixtures: *state is a struct world. */
int world_new(void **state);
int world_free(void **state);

/* prov_evaluate() with fake_services: by cn=hr, change c1, at `now` seconds. */
int world_evaluate(struct world *w, enum prov_op op, const struct prov_entry *before,
	const struct prov_entry *after, int64_t now);

#endif
