/*
 * services.h - what the evaluator may ask during one write: uniqueness, pools,
 * randomness, memberships. All inside the write's transaction.
 */
#ifndef PROV_SLAPD_SERVICES_H
#define PROV_SLAPD_SERVICES_H

#include "instance.h"

#include "group.h"
#include "template.h"
#include "txn.h"

struct prov_service_ctx {
	struct prov_txn *txn;
	struct berval self_ndn; /* the account at hand, as it is named in the database now */
	struct berval uid;
	struct prov_membership *membership; /* filled by the first memberships() */
	size_t nmembership;
};

/* ctx must outlive the services. */
struct prov_services prov_services_for(struct prov_service_ctx *ctx);

#endif
