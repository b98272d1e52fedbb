/* fake_world.c - see fake_world.h. */
#include "fake_world.h"

#include <stdlib.h>
#include <string.h>

static int taken(void *ctx, const struct prov_type *type, struct prov_val value, bool *is,
	struct prov_error *err)
{
	(void)ctx, (void)type, (void)value, (void)err;
	*is = false;
	return 0;
}

static int zeros(void *ctx, unsigned char *out, size_t len)
{
	(void)ctx;
	memset(out, 0, len);
	return 0;
}

static int no_memberships(void *ctx, struct prov_arena *arena, struct prov_val **dn,
	struct prov_val **ndn, size_t *n, struct prov_error *err)
{
	(void)ctx, (void)arena, (void)err;
	*dn = *ndn = NULL;
	*n = 0;
	return 0;
}

const struct prov_services fake_services = { NULL, taken, NULL, zeros, no_memberships };

int world_new(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	return w ? prov_policy_new(&fake_schema, NULL, &w->policy, NULL) : -1;
}

int world_free(void **state)
{
	struct world *w = *state;

	prov_policy_free(&w->policy);
	prov_arena_dispose(&w->arena);
	free(w);
	return 0;
}

int world_evaluate(struct world *w, enum prov_op op, const struct prov_entry *before,
	const struct prov_entry *after, int64_t now)
{
	const struct prov_request r = { .op = op,
		.before = before,
		.after = after,
		.change_id = prov_val_str("c1"),
		.actor = prov_val_str("cn=hr"),
		.now = now };

	memset(&w->err, 0, sizeof(w->err));
	return prov_evaluate(w->policy, &r, &fake_services, &w->arena, &w->plan, &w->err);
}
