/*
 * ldapdir_ad.h - what Active Directory has of its own: names, ids, passwords, error codes. Pure,
 * but for the randomness of a password.
 */
#ifndef PROVD_LDAPDIR_AD_H
#define PROVD_LDAPDIR_AD_H

#include <ldap.h>

#define PROV_AD_USER_NAME 20   /* characters of a sAMAccountName, for accounts */
#define PROV_AD_GROUP_NAME 256 /* for groups */

/* userAccountControl (MS-ADTS 2.2.16): an ordinary account; the bit that disables one. */
#define PROV_AD_NORMAL_ACCOUNT 0x200
#define PROV_AD_ACCOUNT_DISABLE 0x2

/* An objectGUID as text, as <GUID=...> wants it (MS-DTYP 2.3.4.3: the first three parts are
 * little-endian). 0, or PROV_EINVAL: not 16 octets. */
int prov_ldapdir_ad_guid(const struct berval *octets, char out[37]);

/* NULL, or why this cannot be a sAMAccountName of at most `most` characters (MS-SAMR 3.1.1.6). */
const char *prov_ldapdir_ad_bad_name(const char *name, size_t most);

/* "ad.example.com" of "OU=x,DC=ad,DC=example,DC=com"; free(). NULL: it has no DC, or no memory. */
char *prov_ldapdir_ad_domain(const char *dn);

/* A random password as unicodePwd takes it (MS-ADTS 3.1.1.3.1.5): in quotes, UTF-16LE. A list of
 * one, prov_ldapdir_values_free() after OPENSSL_cleanse(). NULL: no memory, or no randomness. */
struct berval **prov_ldapdir_ad_password(void);

/* What the code in a diagnostic message ("00002071: ...", "... data 533, ...") means, for people; or NULL. */
const char *prov_ldapdir_ad_hint(const char *text);

#endif
