/* hooks.h - what slapd calls: the life of an instance, and the operations. */
#ifndef PROV_SLAPD_HOOKS_H
#define PROV_SLAPD_HOOKS_H

#include "slapd.h"

/* filled in by module.c */
extern slap_overinst prov_overlay;

int prov_db_init(BackendDB *be, ConfigReply *cr);
int prov_db_open(BackendDB *be, ConfigReply *cr);
int prov_db_close(BackendDB *be, ConfigReply *cr);
int prov_db_destroy(BackendDB *be, ConfigReply *cr);

int prov_op_add(Operation *op, SlapReply *rs);
int prov_op_modify(Operation *op, SlapReply *rs);
int prov_op_modrdn(Operation *op, SlapReply *rs);
int prov_op_delete(Operation *op, SlapReply *rs);
int prov_op_bind(Operation *op, SlapReply *rs);
int prov_op_search(Operation *op, SlapReply *rs);
int prov_op_compare(Operation *op, SlapReply *rs);
int prov_op_extended(Operation *op, SlapReply *rs);
/* syncprov, looking at what is shown, or for contextCSN when slapd starts. */
int prov_op_entry_get(Operation *op, struct berval *ndn, ObjectClass *oc, AttributeDescription *at,
	int rw, Entry **e);
int prov_op_response(Operation *op, SlapReply *rs);

#endif
