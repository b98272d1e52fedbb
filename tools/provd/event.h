/*
 * event.h - what an event (body.h) says about its account, for connectors that keep accounts
 * elsewhere. Pure.
 */
#ifndef PROVD_EVENT_H
#define PROVD_EVENT_H

#include <jansson.h>
#include <stdbool.h>

#include "connector.h"

/* Is it of this type ("account.deleted")? */
bool provd_event_is(const json_t *event, const char *type);
/* Shall the account be usable after it? */
bool provd_event_active(const json_t *event);
/* Values of an attribute, borrowed: an array, or a string (uid); NULL: it has none. */
const json_t *provd_event_values(const json_t *event, const char *attr);
/* May this attribute be mapped at all: uid, and what provAttribute lists? */
bool provd_event_may(const struct prov_connector *c, const char *attr);
/* A group's name: the value of the first RDN; malloc'ed, NULL: not a DN. */
char *provd_event_group(const char *dn);

#endif
