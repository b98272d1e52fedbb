/*
 * scim_map.h - an account's attributes as a SCIM User, and what must change for it (RFC 7643, 4.1;
 * RFC 7644, 3.5.2). Pure.
 *
 * Owns: the mapping of the connector entry, one option each, "map=PATH=ATTRIBUTE":
 *
 *   displayName                 an attribute of the resource
 *   name.givenName              a sub-attribute
 *   emails[work]                the element of that type; its value
 *   urn:...:User:department     an attribute of an extension
 *
 * PATH= without an attribute takes a default away. The first value of the attribute counts.
 * A mapped attribute may only leave when provAttribute lists it (uid and entryUUID always
 * do), and a mapped one that is listed and has no value is taken away at the destination.
 */
#ifndef PROVD_SCIM_MAP_H
#define PROVD_SCIM_MAP_H

#include <jansson.h>

#include "connector.h"
#include "error.h"

struct prov_scim_map;

/* PROV_EINVAL names the option. */
int prov_scim_map_new(const struct prov_connector *c, struct prov_scim_map **out,
	struct prov_error *err);
void prov_scim_map_free(struct prov_scim_map **m);

/* The User that the event (body.h) asks for, "active" as given; new, NULL: out of memory. */
json_t *prov_scim_map_user(const struct prov_scim_map *m, const json_t *event, bool active);
/* Operations that make `remote` agree with `user` in all that is mapped, and in active and
 * externalId; new, an array, empty when it agrees. */
json_t *prov_scim_map_patch(const struct prov_scim_map *m, const json_t *user,
	const json_t *remote);
/* `remote` with the same changes done to it: for PUT (RFC 7644, 3.5.1); new. */
json_t *prov_scim_map_replace(const struct prov_scim_map *m, const json_t *user,
	const json_t *remote);
/* "active" as the servers that are met write it: true, false, or those words as text; a
 * missing one is true. */
bool prov_scim_active(const json_t *remote);

#endif
