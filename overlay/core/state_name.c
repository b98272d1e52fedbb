/*
 * state_name.c - account states and event types by name.
 */
#include <string.h>
#include <strings.h>

#include "evaluate.h"

static const char *const names[] = {
	[PROV_STATE_NONE] = "none",
	[PROV_STATE_PENDING] = "pending",
	[PROV_STATE_ACTIVE] = "active",
	[PROV_STATE_SUSPENDED] = "suspended",
	[PROV_STATE_TERMINATED] = "terminated",
	[PROV_STATE_ARCHIVED] = "archived",
};

enum prov_state prov_state_parse(struct prov_val v)
{
	for (int s = PROV_STATE_PENDING; s <= PROV_STATE_ARCHIVED; s++)
		if (v.len == strlen(names[s]) && strncasecmp(v.data, names[s], v.len) == 0)
			return (enum prov_state)s;
	return PROV_STATE_NONE;
}

const char *prov_state_name(enum prov_state s)
{
	return s <= PROV_STATE_ARCHIVED ? names[s] : "none";
}

enum prov_state prov_entry_state(const struct prov_entry *e, const struct prov_schema *schema)
{
	const struct prov_type *t = schema->type(schema->ctx, "provState", 9);
	struct prov_val v;

	if (!e)
		return PROV_STATE_NONE;
	if (!t || !prov_entry_first(e, t, &v))
		return PROV_STATE_ACTIVE;
	return prov_state_parse(v);
}

bool prov_state_may_bind(enum prov_state s)
{
	return s == PROV_STATE_ACTIVE;
}

const char *prov_event_name(enum prov_event one)
{
	switch (one) {
	case PROV_EV_CREATED:
		return "account.created";
	case PROV_EV_RENAMED:
		return "account.renamed";
	case PROV_EV_UPDATED:
		return "account.updated";
	case PROV_EV_RESTORED:
		return "account.restored";
	case PROV_EV_ROLE_GRANTED:
		return "role.granted";
	case PROV_EV_ROLE_REVOKED:
		return "role.revoked";
	case PROV_EV_SUSPENDED:
		return "account.suspended";
	case PROV_EV_TERMINATED:
		return "account.terminated";
	case PROV_EV_DELETED:
		return "account.deleted";
	case PROV_EV_SESSION_REVOKED:
		return "session.revoked";
	case PROV_EV_SNAPSHOT:
		return "account.snapshot";
	}
	return "unknown";
}
