/* ldapdir_ad.c - what Active Directory has of its own. See ldapdir_ad.h. */
#include "ldapdir_ad.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "error.h"

int prov_ldapdir_ad_guid(const struct berval *octets, char out[37])
{
	/* where each octet of the text comes from */
	static const unsigned char order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14,
		15 };
	size_t n = 0;

	if (octets->bv_len != 16)
		return PROV_EINVAL;
	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[n++] = '-';
		n += (size_t)snprintf(out + n, 37 - n, "%02x",
			(unsigned char)octets->bv_val[order[i]]);
	}
	return 0;
}

const char *prov_ldapdir_ad_bad_name(const char *name, size_t most)
{
	size_t chars = 0;

	for (const char *p = name; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f || strchr("\"/\\[]:;|=,+*?<>", *p))
			return "has a character that must not be in it: one of \"/\\[]:;|=,+*?<>";
		chars += ((unsigned char)*p & 0xc0) != 0x80;
	}
	if (chars == 0)
		return "is empty";
	if (chars > most)
		return most == PROV_AD_USER_NAME ? "is longer than 20 characters"
						 : "is longer than 256 characters";
	return name[strlen(name) - 1] == '.' ? "ends with a dot" : NULL;
}

char *prov_ldapdir_ad_domain(const char *dn)
{
	LDAPDN parts = NULL;
	char *domain = strdup("");

	if (ldap_str2dn(dn, &parts, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
		parts = NULL;
	for (size_t i = 0; domain && parts && parts[i]; i++) {
		const LDAPAVA *ava = parts[i][0];
		char *more = NULL;
		if (ava->la_attr.bv_len != 2 || strncasecmp(ava->la_attr.bv_val, "dc", 2) != 0)
			continue;
		if (asprintf(&more, "%s%s%.*s", domain, *domain ? "." : "",
			    (int)ava->la_value.bv_len, ava->la_value.bv_val) < 0)
			more = NULL;
		free(domain);
		domain = more;
	}
	ldap_dnfree(parts);
	if (domain && !*domain) {
		free(domain);
		domain = NULL;
	}
	return domain;
}

/*
 * 28 characters of 64, 168 bits, and one of each kind that a domain may ask for. There are no
 * vowels among them, so that no part of the account's name turns up, which is refused.
 */
struct berval **prov_ldapdir_ad_password(void)
{
	static const char set[64] =
		"bcdfghjklmnpqrstvwxzBCDFGHJKLMNPQRSTVWXZ0123456789!#$%&()*+-.:=?",
			  kinds[] = "\"xX7-";
	enum { RANDOM = 28, ALL = RANDOM + 6 };
	unsigned char raw[RANDOM];
	struct berval **list = calloc(2, sizeof(struct berval *));
	char *wide = ber_memcalloc(2, ALL);

	if (list)
		list[0] = ber_memcalloc(1, sizeof(struct berval));
	if (!list || !list[0] || !wide || RAND_bytes(raw, sizeof(raw)) != 1) {
		ber_memfree(wide);
		if (list)
			ber_memfree(list[0]);
		free(list);
		return NULL;
	}
	/* ASCII: every second octet of UTF-16LE is 0 */
	for (size_t i = 0; i < ALL; i++)
		wide[2 * i] = i < 5 ? kinds[i] : i < 5 + RANDOM ? set[raw[i - 5] & 63] : '"';
	OPENSSL_cleanse(raw, sizeof(raw));
	*list[0] = (struct berval){ 2 * ALL, wide };
	return list;
}

/* Codes of Windows (MS-ERREF 2.2), and those that a refused bind has in its "data". */
static const struct {
	const char *code, *means;
} hints[] = {
	{ "00000005", "access is denied" },
	{ "0000052D", "the password policy there refuses the password" },
	{ "00000524", "another account there has this sAMAccountName" },
	{ "00000525", "there is no such object" },
	{ "00000526", "another group there has this sAMAccountName" },
	{ "00000057", "an attribute is not known there" },
	{ "00002071", "the name is taken there" },
	{ "00002081", "the attribute takes one value only" },
	{ "00002082", "a value has not the length that is wanted there" },
	{ "00002098", "bindDn has not the right to do it" },
	{ "000021C8", "another account there has this userPrincipalName" },
	{ "0000200B", "a value is not what the attribute takes" },
	{ "data 525", "there is no such account" },
	{ "data 52e", "wrong password" },
	{ "data 532", "the password has expired" },
	{ "data 533", "the account is disabled" },
	{ "data 701", "the account has expired" },
	{ "data 773", "the password must be changed first" },
	{ "data 775", "the account is locked out" },
};

const char *prov_ldapdir_ad_hint(const char *text)
{
	const char *data = strncmp(text, "80090308:", 9) == 0 ? strstr(text, "data ") : NULL,
		   *code = data ? data : text;

	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (strncasecmp(code, hints[i].code, 8) == 0 && (code[8] == ':' || code[8] == ','))
			return hints[i].means;
	return NULL;
}
