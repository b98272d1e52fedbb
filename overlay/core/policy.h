/*
 * policy.h - all roles, pools and connectors compiled into one immutable snapshot.
 *
 * Build: new, add every entry below the policy base, seal. After seal it never
 * changes and any number of threads may read it; the owner swaps the whole.
 * Everything in it lives in its own arena.
 */
#ifndef PROV_POLICY_H
#define PROV_POLICY_H

#include "connector.h"
#include "entry.h"
#include "error.h"
#include "filter.h"
#include "template.h"

struct prov_policy;

enum prov_status { PROV_STATUS_DRAFT, PROV_STATUS_ACTIVE, PROV_STATUS_RETIRED };

struct prov_role;

/* A rule of segregation of duties: how many of these roles one account may hold. */
struct prov_sod {
	struct prov_val dn; /* of the provSodSet, or of the role that says provConflict */
	bool set;           /* false: a role and one that it conflicts with */
	size_t limit;       /* at least 1, less than nrole */
	size_t nrole;
	const struct prov_role **role; /* sorted by ndn, any status */
};

struct prov_role {
	struct prov_val dn, ndn;
	const char *cn;
	enum prov_status status; /* a role without provStatus is active */
	size_t nfilter;
	const struct prov_filter **filter;
	const struct prov_val *filter_text;
	size_t ninclude;
	const struct prov_role **include; /* direct, resolved */
	size_t nclosure;
	const struct prov_role *
		*closure; /* itself and all it includes, active ones only, sorted by ndn */
	size_t ntemplate;
	const struct prov_template **template;
	size_t ngroup;
	const struct prov_val *group_dn, *group_ndn;
	size_t nentitlement;
	const struct prov_val *entitlement;
	size_t nsod;
	const struct prov_sod **sod; /* the rules that name it, whichever side says so */
};

/* What compiling asks of the outside (may be NULL: then not checked). */
struct prov_policy_env {
	void *ctx;
	/* 0, or PROV_ENOENT no such entry, PROV_EINVAL not a group class. */
	int (*group)(void *ctx, struct prov_val ndn);
};

int prov_policy_new(const struct prov_schema *schema, const struct prov_policy_env *env,
	struct prov_policy **out, struct prov_error *err);
/*
 * Add one entry: role, pool, sodset or connector by objectClass; others are passed
 * over. Everything needed is copied. PROV_EINVAL: text names the entry's DN, the
 * attribute or template line, and the reason. A role with provPrerequisite or
 * provMaxMembers is refused as "not supported yet".
 */
int prov_policy_add(struct prov_policy *p, const struct prov_entry *e, struct prov_error *err);
/* Resolve includes, refuse cycles (text shows the cycle), unknown roles, pools and groups,
 * enforce conflicts that are certain, rules of segregation of duties that can never apply, and
 * roles that nobody could hold because of one. */
int prov_policy_seal(struct prov_policy *p, struct prov_error *err);
void prov_policy_free(struct prov_policy **p);

/*
 * Call use() for each active role that may hold e by a filter, some more than once: those whose
 * filters need a value that e has (filter.h), and those that need none. With many roles it is
 * much less than trying all.
 */
void prov_policy_candidates(const struct prov_policy *p, const struct prov_entry *e,
	void (*use)(void *ctx, const struct prov_role *role), void *ctx);
const struct prov_role *prov_policy_role(const struct prov_policy *p, struct prov_val ndn);
const struct prov_role *const *prov_policy_roles(const struct prov_policy *p, size_t *n);
const struct prov_connector *const *prov_policy_connectors(const struct prov_policy *p, size_t *n);
const struct prov_schema *prov_policy_schema(const struct prov_policy *p);
/* Roles that grant this group (any status but retired); NULL when none. */
const struct prov_role *prov_policy_group_user(const struct prov_policy *p,
	struct prov_val group_ndn);

/* Types that any assign filter or template of a non-draft role reads or writes,
 * with the attributes of provAccount that decide (provState, provAssignedRole,
 * provTimedRole, provStartTime, provEndTime, provException, objectClass): a modify that touches none of these
 * or their subtypes needs no evaluation. */
bool prov_policy_watches(const struct prov_policy *p, const struct prov_type *type);

#endif
