/*
 * planview.h - the plan control from the client's side: ask, take, show.
 *
 * The server evaluates a write with the no-op and the plan control, changes nothing,
 * and answers LDAP_X_NO_OPERATION (0x410e) with the plan as JSON.
 */
#ifndef PROV_CTL_PLANVIEW_H
#define PROV_CTL_PLANVIEW_H

#include <jansson.h>
#include <ldap.h>
#include <stdio.h>

#include "error.h"

#define PLANVIEW_NOOP 0x410e

/* The two controls, and adopt and permissive modify when asked. Constant; NULL-terminated. */
LDAPControl **planview_controls(void);
LDAPControl **planview_adopt_controls(int plan); /* plan: with no-op and plan */

/*
 * Take the answer of a planned write: 0 with *plan (json_decref(); an empty object when
 * the server had nothing to evaluate), else a PROV_ code and the server's reason. m is not freed.
 */
int planview_take(LDAP *ld, LDAPMessage *m, json_t **plan, struct prov_error *err);

/* Lines "  + group cn=..." for people. */
void planview_print(FILE *out, const json_t *plan);
/* Would the plan do anything to the account or its groups? */
int planview_empty(const json_t *plan);

#endif
