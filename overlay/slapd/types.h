/*
 * types.h - slapd's schema behind the core's struct prov_schema.
 *
 * Attribute types are interned for the life of the process, found by the
 * attribute description's own index; looking one up takes no lock once it is there.
 */
#ifndef PROV_SLAPD_TYPES_H
#define PROV_SLAPD_TYPES_H

#include "slapd.h"

#include "entry.h"

extern const struct prov_schema prov_slap_schema;

const struct prov_type *prov_type_of(AttributeDescription *ad); /* NULL: there are too many */
AttributeDescription *prov_type_ad(const struct prov_type *type);

#endif
