/*
 * evaluate_impl.h - one evaluation in progress, shared by evaluate.c, held.c, sod.c,
 * desired.c, due.c, work.c and diff.c only. Everything lives in the arena.
 */
#ifndef PROV_EVALUATE_IMPL_H
#define PROV_EVALUATE_IMPL_H

#include "evaluate.h"

struct eval_types {
	const struct prov_type *object_class, *state, *state_since, *start, *end, *due, *assigned,
		*timed, *exception, *effective, *grant, *group;
};

/* The account while templates fill it: copies of what they change. */
struct work {
	struct prov_entry entry;
	struct prov_attr *attr;
	size_t room;
};

/* A grant with what comparing needs. */
struct thing {
	struct prov_grant g;
	struct prov_val text;         /* as stored; empty when new */
	const struct prov_type *type; /* of a value */
	struct prov_val key;          /* normalized value, group or entitlement */
	struct prov_val value;        /* as written */
	const struct prov_role *by;   /* a desired thing's role */
	bool kept;                    /* an old grant that is desired still */
};

struct things {
	size_t n, room;
	struct thing *t;
};

struct vals {
	size_t n, room;
	struct prov_val *v;
};

struct roles {
	size_t n;
	const struct prov_role **r; /* sorted by ndn */
};

/* A provTimedRole value. */
struct timed {
	int64_t from, until;          /* INT64_MIN, INT64_MAX: open */
	const struct prov_role *role; /* NULL: there is none of this name */
};

struct eval {
	const struct prov_policy *policy;
	const struct prov_schema *schema;
	const struct prov_request *req;
	const struct prov_services *services;
	struct prov_arena *arena;
	struct prov_error *err;
	struct prov_plan *plan;
	struct eval_types type;
	const struct prov_entry *entry; /* the account after the write, else before it */
	struct prov_request timed_req;  /* req, when time has changed the state */
	struct prov_val state_set;      /* by time; empty: it was not */
	struct work work;
	struct roles held;  /* closure */
	bool grants_access; /* groups, entitlements and effective roles, not only attributes */
	struct things old, want, except; /* grants as they were, as they shall be; exceptions */
	struct vals new_exceptions;
	size_t nmod, mod_room;
	struct prov_mod *mod;
	size_t nmember, member_room;
	struct prov_member *member;
	bool oom; /* what could not return it: prov_evaluate() does */
};

/* All return 0 or a prov_err with the text in ev->err. */

/* evaluate.c */
int prov_ev_push(struct prov_arena *arena, void *array, size_t n, size_t *room, size_t size);
int prov_ev_val(struct eval *ev, struct vals *list, struct prov_val v);
struct prov_val prov_ev_normal(struct eval *ev, const struct prov_type *type, struct prov_val v);
bool prov_ev_is_over(enum prov_state s); /* terminated or archived */
bool prov_ev_excepted(const struct eval *ev, const struct thing *t);
bool prov_ev_same_thing(const struct thing *a, const struct thing *b);
int prov_ev_thing(struct eval *ev, struct thing *t); /* fill type, key and value from t->g */

/* due.c */
int prov_ev_time(struct eval *ev); /* first of all: what time does to the state */
int prov_ev_timed(struct eval *ev, struct prov_val v,
	struct timed *out);                               /* PROV_EINVAL: no such value */
int prov_ev_due(struct eval *ev, struct prov_val *value); /* provDue; empty: none */

/* work.c */
int prov_work_init(struct eval *ev);
int prov_work_set(struct eval *ev, const struct prov_type *type, struct prov_val v);
int prov_work_add(struct eval *ev, const struct prov_type *type, struct prov_val v);
int prov_work_remove(struct eval *ev, const struct prov_type *type, struct prov_val key);

/* held.c. The roles that e, the account before or after the write, has at this time by this
 * policy, whether or not it is over. */
int prov_ev_held(struct eval *ev, const struct prov_entry *e, struct roles *out);
bool prov_ev_holds(const struct roles *held, const struct prov_role *r);
/* By what, for people: "assigned". Empty: only because another role includes it. */
const char *prov_ev_direct(struct eval *ev, const struct prov_entry *e, const struct prov_role *r);

/* sod.c: refuses the write, or takes roles out of ev->held */
int prov_ev_sod(struct eval *ev);

/* desired.c: fills ev->want */
int prov_ev_desired(struct eval *ev);

/* diff.c: fills mods, members and lists of the plan */
int prov_ev_diff(struct eval *ev);

#endif
