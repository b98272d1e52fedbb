/* policy_impl.h - inside of a policy, shared by policy.c, policy_seal.c and policy_sod.c only. */
#ifndef PROV_POLICY_IMPL_H
#define PROV_POLICY_IMPL_H

#include "policy.h"

/* What a role needs until it is sealed. */
struct role_draft {
	struct prov_role *role;
	size_t ninclude;
	const struct prov_val *include_dn, *include; /* as written, normalized */
	size_t nconflict;
	const struct prov_val *conflict_dn, *conflict;
	int mark; /* of the search for cycles: 0 new, 1 on the path, 2 done */
};

/* A rule until its roles are resolved. */
struct sod_draft {
	struct prov_sod *sod;
	const struct prov_val *role_dn, *role; /* sod->nrole, as written, normalized */
};

struct group_user {
	struct prov_val ndn;
	const struct prov_role *role;
};

/* An entry that has this value may be of this role. */
struct role_key {
	struct prov_need need; /* first */
	const struct prov_role *role;
};

struct prov_policy {
	const struct prov_schema *schema;
	struct prov_policy_env env;
	struct prov_arena arena;
	struct prov_role **role;  /* sorted by ndn once sealed */
	struct role_draft *draft; /* in the order of role */
	size_t nrole, role_room, draft_room;
	struct sod_draft *sod; /* provSodSets; once sealed also conflicts */
	size_t nsod, sod_room;
	struct prov_val *pool; /* normalized names */
	size_t npool, pool_room;
	struct prov_connector **connector;
	size_t nconnector, connector_room;
	const struct prov_type **watched; /* sorted by address */
	size_t nwatched, watched_room;
	struct group_user *group_user; /* sorted by ndn, each once */
	size_t ngroup, group_room;
	struct role_key *key; /* sorted by type's address and value */
	size_t nkey, key_room;
	const struct prov_role **any; /* whose filters need no value */
	size_t nany, any_room;
};

int prov_val_order(struct prov_val a, struct prov_val b);

/* policy_index.c: key and any. PROV_ENOMEM. */
int prov_policy_seal_index(struct prov_policy *p);

/* policy_sod.c. Resolve the rules; once the roles know their closures. */
int prov_policy_seal_sod(struct prov_policy *p, struct prov_error *err);

#endif
