/*
 * table.h - aligned columns of text for people.
 *
 * Owns the cells it is given (copies). Widths are terminal columns, not bytes:
 * wide and combining characters count as the terminal shows them. Directory values
 * are data, so control characters and bytes that are not UTF-8 are printed as
 * \xNN: a value can neither move the cursor nor forge a line. Not thread-safe.
 */
#ifndef PROV_TABLE_H
#define PROV_TABLE_H

#include <stddef.h>
#include <stdio.h>

struct prov_table;

/* head: ncol column titles. PROV_ENOMEM. */
int prov_table_new(size_t ncol, const char *const *head, struct prov_table **out);
/* One row of ncol cells; NULL is an empty cell. PROV_ENOMEM. */
int prov_table_add(struct prov_table *t, const char *const *cell);
size_t prov_table_rows(const struct prov_table *t);
/* The titles, then the rows; the last column is not padded. Nothing when there are no rows. */
void prov_table_print(const struct prov_table *t, FILE *out);
void prov_table_free(struct prov_table **t);

/* Text made safe for a terminal, malloc'ed; NULL when there is no memory. */
char *prov_text_safe(const char *s, size_t len);
/* Columns that a safe text takes. */
size_t prov_text_width(const char *s);

#endif
