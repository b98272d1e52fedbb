/*
 * snapshot.h - the compiled policy in force, swapped whole.
 *
 * A writer takes a reference inside its transaction, so that the policy it sees is
 * the one that was committed last; a policy write swaps before it commits and swaps back
 * when the commit fails. What replication changes is noted only, and loaded by the next writer, or
 * else in the background: a consumer that gets a thousand roles must not compile them a thousand times
 * before it hears of a leaver. Whoever swaps holds the writer lock (but while the database opens).
 * References are counted; the last one frees.
 */
#ifndef PROV_SLAPD_SNAPSHOT_H
#define PROV_SLAPD_SNAPSHOT_H

#include "instance.h"

#include "group.h"

struct prov_snapshot; /* opaque */

/* Compile all entries below the policy base as op sees them now. PROV_EINVAL: err
 * names the entry and the reason. A database without provision-policy has an empty policy. */
int prov_snapshot_load(struct prov_instance *pi, Operation *op, struct prov_snapshot **out,
	struct prov_error *err);
/* A policy that could not be loaded (rc: prov_snapshot_load's): every account write is refused with this text. Never NULL: without
 * any the database would be taken for closed. */
struct prov_snapshot *prov_snapshot_broken(struct prov_instance *pi, int rc, const char *why);
/* Not loaded, and not because of what is in it: to be tried again. */
bool prov_snapshot_lacking(const struct prov_snapshot *s);

bool prov_snapshot_is_broken(struct prov_instance *pi); /* the one in force */

/* A replicated write to the policy was committed, or one that may mend it. */
void prov_snapshot_outdate(struct prov_instance *pi);
bool prov_snapshot_outdated(struct prov_instance *pi);
/* Load it anew when it is outdated, or lacking. In a transaction of op that has written nothing yet. */
void prov_snapshot_refresh(struct prov_instance *pi, Operation *op);

struct prov_snapshot *prov_snapshot_get(struct prov_instance *pi); /* with a reference */
void prov_snapshot_put(struct prov_snapshot **s);
/* Put s (consumed) in force; the one before comes back with its reference. */
struct prov_snapshot *prov_snapshot_swap(struct prov_instance *pi, struct prov_snapshot *s);

const struct prov_policy *prov_snapshot_policy(
	const struct prov_snapshot *s);                         /* NULL when broken */
const char *prov_snapshot_error(const struct prov_snapshot *s); /* NULL when fine */
uint64_t prov_snapshot_generation(const struct prov_snapshot *s);
/* What kind of group a role's group is; PROV_GROUP_NONE when not known here. */
enum prov_group_kind prov_snapshot_group(const struct prov_snapshot *s, struct prov_val ndn);

#endif
