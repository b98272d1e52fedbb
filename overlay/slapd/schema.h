/*
 * schema.h - our attribute types and classes inside slapd.
 *
 * Registered once in init_module, constant afterwards.
 */
#ifndef PROV_SLAPD_SCHEMA_H
#define PROV_SLAPD_SCHEMA_H

#include "slapd.h"

struct prov_ads {
	AttributeDescription *status, *assignFilter, *include, *template_, *group, *entitlement,
		*risk, *maxMembers, *conflict, *prerequisite, *approver, *assignedRole, *timedRole,
		*state, *startTime, *endTime, *source, *sourceKey, *type, *exception,
		*effectiveRole, *grant, *stateSince, *changeId, *changeTime, *changeBy, *changeAuth,
		*changeFrom, *changeVia, *changeReason, *createId, *createTime, *createBy,
		*createAuth, *createFrom, *createVia, *createReason, *poolNext, *poolMax,
		*poolRange, *sodRole, *sodLimit, *connectorType, *target, *event, *filter,
		*attribute, *secretFile, *enabled, *timeout, *maxAttempts, *maxAge, *concurrency,
		*option, *due;
	/* under cn=monitor */
	AttributeDescription *monFollowPending, *monFollowDone, *monFollowTotal, *monBacklog,
		*monPolicyGeneration, *monPolicyError, *monRelayed, *monInfo;
	/* of others: prov_schema_late; NULL when not defined */
	AttributeDescription *member, *uniqueMember, *memberUid, *memberOf;
	ObjectClass *oc_role, *oc_account, *oc_pool, *oc_sodset, *oc_connector, *oc_groupOfNames,
		*oc_groupOfUniqueNames, *oc_posixGroup /* these three may be NULL */, *oc_monitor;
};

extern struct prov_ads prov_ad;

int prov_schema_register(void); /* 0, or nonzero after logging why */
/*
 * memberOf, by the stock module's definition, registered by us when nobody did: as the module
 * loads, because indexes and access rules may name it. 0, or nonzero after logging why.
 */
int prov_schema_offer_memberof(void);
/* Can memberOf be kept? Offers it first. 0, or nonzero after logging why. */
int prov_schema_need_memberof(void);
/*
 * What comes with schema files (member, groupOfNames, memberUid, owner ...): cn=config loads
 * those after the module. Called at db_init and db_open: while nothing else runs.
 */
void prov_schema_late(void);

/* What groups are made of, as far as it is defined by now: a schema may come while the server runs. */
void prov_schema_groups(void);

#endif
