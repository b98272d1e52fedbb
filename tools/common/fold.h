/*
 * fold.h - texts and DNs in a form in which equal ones compare equal.
 *
 * Without the server's schema: every value is taken as caseIgnoreMatch (RFC 4518:
 * case folded, compatibility forms composed, runs of spaces are one). That is right
 * for what names people and groups; a directory that tells entries apart by case alone
 * sees them as one here, so callers ask the server before they act on a difference.
 */
#ifndef PROV_FOLD_H
#define PROV_FOLD_H

#include <stdbool.h>
#include <stddef.h>

/* malloc'ed; NULL when there is no memory. Bytes that are not UTF-8 are kept as they are. */
char *prov_fold_text(const char *s, size_t len);
/* A DN (RFC 4514) folded, a key to compare and not to show; one that does not parse is folded as a text. malloc'ed or NULL. */
char *prov_fold_dn(const char *s, size_t len);
/*
 * The same into out, *n bytes of at most room, not terminated, when it is simple: ASCII and Latin
 * letters (latin.h); a DN of ASCII without escapes, quotes or several attributes in an RDN, which
 * never grows. False: it is not, use the functions that allocate.
 */
bool prov_fold_text_quick(const char *s, size_t len, char *out, size_t room, size_t *n);
bool prov_fold_name_quick(const char *s, size_t len, char *out, size_t room, size_t *n);
bool prov_fold_dn_quick(const char *s, size_t len, char *out, size_t *n); /* room: len */
/* A person's name to compare: letters and digits only, no case, no accents. malloc'ed or NULL. */
char *prov_fold_name(const char *s, size_t len);
/* Are two DNs, not folded yet, the same? 1, 0, PROV_ENOMEM. */
int prov_fold_dn_same(const char *a, const char *b);
/* Is folded DN dn the same as or below folded DN base? The empty base holds everything. */
int prov_fold_dn_within(const char *dn, const char *base);

#endif
