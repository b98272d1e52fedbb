/*
 * flow.h - the kinds of client writes, each from begin to answer.
 *
 * Every function returns the LDAP result code it has sent to the client.
 */
#ifndef PROV_SLAPD_FLOW_H
#define PROV_SLAPD_FLOW_H

#include "instance.h"

struct prov_write;

int prov_flow_account_add(struct prov_instance *pi, Operation *op, SlapReply *rs);
int prov_flow_account_modify(struct prov_instance *pi, Operation *op, SlapReply *rs);
/* Deletes: an account, a group, or any other entry (which costs one look). */
int prov_flow_delete(struct prov_instance *pi, Operation *op, SlapReply *rs);
/* Renames: an account, a group, or a subtree that holds some. */
int prov_flow_rename(struct prov_instance *pi, Operation *op, SlapReply *rs);
/* Adding or modifying a group by hand. */
int prov_flow_group_add(struct prov_instance *pi, Operation *op, SlapReply *rs);
int prov_flow_group_modify(struct prov_instance *pi, Operation *op, SlapReply *rs);
/* Any write below the policy base. */
int prov_flow_policy(struct prov_instance *pi, Operation *op, SlapReply *rs);
/* A no-op of an add or a modify of anything else. */
int prov_flow_noop(struct prov_instance *pi, Operation *op, SlapReply *rs);

/* Parts that flows share (flow_group.c). LDAP result codes; text in w->err. */

/* Somebody took this entry out of a group by hand: its grant, if any, becomes an
 * exception; memberOf follows. gdn/gndn: the group. */
int prov_group_taken(struct prov_write *w, struct berval dn, struct berval ndn, struct berval gdn,
	struct berval gndn);
/* memberOf of everybody in this group: add it, take it, or (new_dn not empty) rename it. */
int prov_group_members_follow(struct prov_write *w, Entry *group, bool add, struct berval new_dn);
/* Does this change write members? */
bool prov_group_touched(Modifications *mods);
/* The client's modify of this entry is done: what its members owe to that. */
int prov_group_changed(struct prov_write *w, Entry *before);
/* The same for an entry that was added. */
int prov_group_added(struct prov_write *w, Entry *e);

#endif
