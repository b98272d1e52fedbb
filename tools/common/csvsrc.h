/*
 * csvsrc.h - an authoritative source as a CSV file (RFC 4180): who should exist.
 *
 * A source is named csv:FILE?key=ATTR[&column=NAME]. ATTR is the account attribute
 * that holds the key, NAME the column (default: the same name, any case). The first
 * row names the columns. Keys are compared folded (fold.h).
 *
 * A source that cannot be whole is refused as a whole (PROV_EREFUSED), so that a broken
 * export never makes leavers: no rows, no key column, an empty or repeated key, a row
 * with another number of fields than the head, text that is not UTF-8, a quote that
 * never ends. PROV_EIO: the file cannot be read. PROV_EINVAL: the name does not parse.
 */
#ifndef PROV_CSVSRC_H
#define PROV_CSVSRC_H

#include "error.h"
#include "strmap.h"

struct prov_csvsrc {
	char *file, *attr, *column;
	struct prov_strmap *keys; /* folded; NULL until loaded */
};

int prov_csvsrc_parse(const char *name, struct prov_csvsrc *out, struct prov_error *err);
int prov_csvsrc_load(struct prov_csvsrc *src, struct prov_error *err);
void prov_csvsrc_dispose(struct prov_csvsrc *src);

#endif
