/*
 * toolschema.h - a schema for the tools: knows no attribute in particular and
 * accepts them all.
 *
 * For compiling entries that slapd has checked already, far from slapd's own schema.
 * Every name is a type ("cn;lang-de" is below "cn"); two spellings that differ only
 * in case are one type. Values are compared without case, and with blanks folded;
 * every value is valid. Known password attributes are marked secret.
 *
 * Types live as long as the schema. Not safe in several threads at a time; types
 * that were given out may be read in any.
 */
#ifndef PROV_TOOLSCHEMA_H
#define PROV_TOOLSCHEMA_H

#include "entry.h"

struct prov_toolschema;

int prov_toolschema_new(struct prov_toolschema **out); /* PROV_ENOMEM */
void prov_toolschema_free(struct prov_toolschema **s);
const struct prov_schema *prov_toolschema_schema(struct prov_toolschema *s);

#endif
