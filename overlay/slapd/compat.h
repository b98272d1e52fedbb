/*
 * compat.h - what OpenLDAP 2.6 has differently from 2.5, as far as we meet it.
 *
 * The only file that asks for slapd's version. Differences of behaviour that need no code are
 * in docs/slapd-notes.md.
 */
#ifndef PROV_SLAPD_COMPAT_H
#define PROV_SLAPD_COMPAT_H

#include "slapd.h"

/*
 * The DN that a rename gives: 2.6 wants it from whoever makes the operation, and its backend
 * and overlays believe it; those of 2.5 each make it of superior and RDN. Borrowed by op.
 */
static inline void prov_compat_set_new_dn(Operation *op, struct berval dn, struct berval ndn)
{
#if LDAP_VENDOR_VERSION >= 20600
	op->orr_newDN = dn;
	op->orr_nnewDN = ndn;
#else
	(void)op;
	(void)dn;
	(void)ndn;
#endif
}

/*
 * Where the entry of a rename that is done already is to be found, for an overlay that asks by
 * its old name: syncprov of 2.6 forgets a rename whose entry it did not see before. NULL: need
 * not be found, as with 2.5.
 */
static inline struct berval *prov_compat_renamed(Operation *op)
{
#if LDAP_VENDOR_VERSION >= 20600
	return op->o_tag == LDAP_REQ_MODRDN ? &op->orr_nnewDN : NULL;
#else
	(void)op;
	return NULL;
#endif
}

#endif
