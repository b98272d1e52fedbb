/* recsrc_impl.h - what the kinds of recsrc.h share. */
#ifndef PROV_RECSRC_IMPL_H
#define PROV_RECSRC_IMPL_H

#include "recsrc.h"

struct prov_recsrc_reading {
	struct prov_recsrc *src;
	const char *const *column;
	size_t ncolumn;
	prov_recsrc_see *see;
	void *ctx;
	struct prov_error *err;
	/* the record that is being put together */
	struct prov_record record;
	struct prov_vals *col;
	struct prov_val *val; /* of all columns, those of one together */
	size_t nval, room;
	struct prov_arena arena; /* the values' bytes, until the record was seen */
};

/* Columns named so, from `from` on; ncolumn: no more. */
size_t prov_recsrc_find(const struct prov_recsrc_reading *r, const char *name, size_t len,
	size_t from);
/* Add a value, copied, to the column after all of the columns before it. */
int prov_recsrc_put(struct prov_recsrc_reading *r, size_t column, const char *s, size_t len);
/* The record is whole: hand it on, and begin the next. */
int prov_recsrc_emit(struct prov_recsrc_reading *r, size_t number, const char *name);
int prov_recsrc_nomem(struct prov_recsrc_reading *r);

int prov_recsrc_csv(struct prov_recsrc_reading *r);
int prov_recsrc_ldif(struct prov_recsrc_reading *r);
int prov_recsrc_ldap(struct prov_recsrc_reading *r);
int prov_recsrc_scim(struct prov_recsrc_reading *r);
int prov_recsrc_passwd(struct prov_recsrc_reading *r);

#endif
