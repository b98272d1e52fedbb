/*
 * evaluate.h - one write and a policy give a plan or a refusal.
 *
 * Pure: time, ids and lookups come as arguments. Everything in the plan lives in
 * the arena or is borrowed from the request and the policy.
 */
#ifndef PROV_EVALUATE_H
#define PROV_EVALUATE_H

#include <stdint.h>

#include "entry.h"
#include "error.h"
#include "grant.h"
#include "policy.h"

enum prov_op {
	PROV_OP_ADD,
	PROV_OP_MODIFY,
	PROV_OP_RENAME,
	PROV_OP_DELETE,
	PROV_OP_FOLLOW,
	PROV_OP_ADOPT
};

enum prov_state {
	PROV_STATE_NONE,
	PROV_STATE_PENDING,
	PROV_STATE_ACTIVE,
	PROV_STATE_SUSPENDED,
	PROV_STATE_TERMINATED,
	PROV_STATE_ARCHIVED
};

struct prov_request {
	enum prov_op op;
	const struct prov_entry *before; /* NULL: was no account before */
	const struct prov_entry *after;  /* the client's write applied; NULL: no account after */
	struct prov_val change_id;       /* UUIDv7 text */
	struct prov_val actor;           /* authorized DN, "" for anonymous */
	int64_t now;                     /* seconds since the epoch */
	/* Groups somebody took this account out of by hand in this write (normalized). */
	size_t nremoved;
	const struct prov_val *removed;
};

enum prov_mod_op { PROV_MOD_ADD, PROV_MOD_DELETE, PROV_MOD_REPLACE };

struct prov_mod {
	enum prov_mod_op op;
	const struct prov_type *type;
	size_t n;
	const struct prov_val *val; /* n = 0 with REPLACE or DELETE: the whole attribute */
};

struct prov_member {
	bool add;
	struct prov_val dn, ndn;      /* of the group */
	const struct prov_role *role; /* why, when added; NULL for removals */
};

struct prov_list {
	size_t n;
	const struct prov_val *val;
};

/* Bits of event types, in the order in which they are sent. */
enum prov_event {
	PROV_EV_CREATED = 1 << 0,
	PROV_EV_RENAMED = 1 << 1,
	PROV_EV_UPDATED = 1 << 2,
	PROV_EV_RESTORED = 1 << 3,
	PROV_EV_ROLE_GRANTED = 1 << 4,
	PROV_EV_ROLE_REVOKED = 1 << 5,
	PROV_EV_SUSPENDED = 1 << 6,
	PROV_EV_TERMINATED = 1 << 7,
	PROV_EV_DELETED = 1 << 8,
	PROV_EV_SESSION_REVOKED = 1 << 9,
	PROV_EV_SNAPSHOT = 1 << 10, /* nothing happened: all there is, for a full sync */
};
const char *prov_event_name(enum prov_event one); /* "account.created" ... */

/* Ends that are set so short before are counted like leavers: seconds. */
#define PROV_ENDS_SOON 86400

struct prov_plan {
	enum prov_state before, after;
	size_t nmod;
	const struct prov_mod *mod; /* on the account itself, grants and effective roles included */
	size_t nmember;
	const struct prov_member *member; /* on groups */
	size_t ngrant;
	const struct prov_grant *grant;              /* all grants in force after this write */
	struct prov_list roles_gained, roles_lost;   /* DNs */
	struct prov_list groups_gained, groups_lost; /* DNs */
	struct prov_list ent_gained, ent_lost;
	struct prov_list exceptions_new; /* texts */
	/* Roles that segregation of duties keeps from the account although the write is not to
	 * blame: DNs, and why (empty: there are none). They are not in roles_gained. */
	struct prov_list withheld;
	struct prov_val withheld_why;
	unsigned events; /* enum prov_event bits */
	bool leaver;     /* terminated, archived or deleted by this write */
	bool ends_soon;  /* the write gave it an end within PROV_ENDS_SOON */
	int64_t due;     /* when it has to be evaluated next, seconds; 0: only when written */
};

enum prov_state prov_state_parse(struct prov_val v); /* NONE when not a state */
const char *prov_state_name(enum prov_state s);
/* provState of an entry; ACTIVE when the attribute is missing, NONE when e is NULL. */
enum prov_state prov_entry_state(const struct prov_entry *e, const struct prov_schema *schema);
/* May an account in this state authenticate? */
bool prov_state_may_bind(enum prov_state s);

/*
 * PROV_EREFUSED: the text names the role, the template line and the reason (or the
 * attribute and value for a bad provState, provAssignedRole ...; or the roles that must
 * not be held together, and how the account would come by them).
 */
int prov_evaluate(const struct prov_policy *policy, const struct prov_request *req,
	const struct prov_services *services, struct prov_arena *arena, struct prov_plan *out,
	struct prov_error *err);

/* The plan as JSON (UTF-8, in the arena) for the plan control. */
int prov_plan_json(const struct prov_plan *plan, struct prov_arena *arena, struct prov_val *out);

#endif
