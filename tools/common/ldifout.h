/*
 * ldifout.h - LDIF lines (RFC 2849), for change records that ldapmodify takes.
 *
 * Values that are no SAFE-STRING go base64; no line is folded. Writes to the caller's stream.
 */
#ifndef PROV_LDIFOUT_H
#define PROV_LDIFOUT_H

#include <stddef.h>
#include <stdio.h>

/* "name: value\n" or "name:: base64\n". */
void prov_ldif_line(FILE *out, const char *name, const char *value, size_t len);

/*
 * One change record, ended by an empty line; malloc'ed, NULL when there is no memory. op is "add",
 * "delete" or "replace". The first two carry the control that makes them say yes when it is so
 * already (permissive modify), so that records that were made together may be applied together.
 */
char *prov_ldif_change(const char *dn, const char *op, const char *attr, const char *value,
	size_t len);

#endif
