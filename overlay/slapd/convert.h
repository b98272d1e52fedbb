/*
 * convert.h - slapd's entries and modifications to the core's and back.
 *
 * The one border: no slapd pointer is kept past it except where a comment says
 * that the result borrows.
 */
#ifndef PROV_SLAPD_CONVERT_H
#define PROV_SLAPD_CONVERT_H

#include "slapd.h"

#include "evaluate.h"

static inline struct prov_val prov_bv(struct berval bv)
{
	return (struct prov_val){ bv.bv_val ? bv.bv_val : "", bv.bv_val ? bv.bv_len : 0 };
}

static inline struct berval prov_val_bv(struct prov_val v)
{
	return (struct berval){ v.len, (char *)v.data };
}

/* out borrows every value from e (which must not change or go while out is used). */
int prov_convert_entry(Entry *e, struct prov_arena *arena, struct prov_entry *out);

/* A copy of an entry, all in the arena, that outlives e. */
int prov_convert_entry_copy(Entry *e, struct prov_arena *arena, struct prov_entry *out);

/* One internal modification (ch_malloc'ed: slap_mods_free) put at the end of the list.
 * Values are copied, checked, pretty-printed and normalized. LDAP result code. */
int prov_mods_append(Operation *op, Modifications **list, int mod_op, AttributeDescription *ad,
	const struct prov_val *val, size_t n, struct prov_error *err);

/* The plan's changes on the account itself, at the end of the list. LDAP result code. */
int prov_mods_append_plan(Operation *op, Modifications **list, const struct prov_plan *plan,
	struct prov_error *err);

/* Apply modifications to an entry in memory (an entry_dup). LDAP result code. */
int prov_mods_apply(Operation *op, Entry *e, Modifications *mods);

#endif
