/* control.h - the reason, plan, override and adopt controls (docs/formats.md). */
#ifndef PROV_SLAPD_CONTROL_H
#define PROV_SLAPD_CONTROL_H

#include "slapd.h"

#include <stdbool.h>

int prov_control_register(void); /* 0, or nonzero after logging why */
/* This database knows them; at db_init. Without it slapd refuses them when critical. */
int prov_control_attach(BackendDB *be);
void prov_control_detach(BackendDB *be); /* and no more; at db_destroy */
/* What is wrong with this operation's controls taken together (protocolError), or NULL. */
const char *prov_control_check(Operation *op);
/* Text of the reason control, or an empty value. Borrowed from the operation. */
struct berval prov_control_reason(Operation *op);
bool prov_control_plan(Operation *op);
bool prov_control_override(Operation *op);
bool prov_control_adopt(Operation *op);
/* A response control that carries the plan; freed with ldap_control_free(). */
LDAPControl *prov_control_plan_response(const char *json, size_t len);

#endif
