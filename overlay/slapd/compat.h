/*
 * compat.h - what OpenLDAP 2.6 has differently from 2.5, as far as we meet it.
 *
 * The only file that asks for slapd's version. Differences of behaviour that need no code are
 * in docs/slapd-notes.md.
 */
#ifndef PROV_SLAPD_COMPAT_H
#define PROV_SLAPD_COMPAT_H

#include "slapd.h"

#if LDAP_VENDOR_VERSION >= 20600
#define PROV_RENAME_TELLS_DN 1
#else
#define PROV_RENAME_TELLS_DN 0
#endif

/*
 * The DN that a rename gives: 2.6 wants it from whoever makes the operation, and its backend
 * and overlays believe it; those of 2.5 each make it of superior and RDN. Borrowed by op.
 */
static inline void prov_compat_rename_to(Operation *op, struct berval dn, struct berval ndn)
{
#if PROV_RENAME_TELLS_DN
	op->orr_newDN = dn;
	op->orr_nnewDN = ndn;
#else
	(void)op;
	(void)dn;
	(void)ndn;
#endif
}

#endif
