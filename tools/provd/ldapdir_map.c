/* ldapdir_map.c - attributes in the other directory. See ldapdir_map.h. */
#include "ldapdir_map.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "event.h"

#define ROWS 64

struct row {
	char *there, *here;
	bool may, one;
	const char *suffix; /* behind each value, or NULL */
};

struct prov_ldapdir_map {
	bool ad;
	char *suffix;
	size_t n;
	struct row row[ROWS];
};

static const char *const defaults[] = { "uid", "cn", "sn", "givenName", "displayName", "initials",
	"mail", "title", "telephoneNumber", "mobile", "departmentNumber", "employeeNumber",
	"employeeType", "preferredLanguage", "o", "ou", "l" };

/* Of the usual ones, those that Active Directory's schema calls single-valued. */
static const char *const ad_single[] = { "sAMAccountName", "userPrincipalName", "cn", "sn",
	"givenName", "displayName", "initials", "mail", "title", "telephoneNumber", "mobile",
	"department", "company", "division", "employeeNumber", "employeeID", "employeeType",
	"preferredLanguage", "l", "st", "c", "co", "streetAddress", "postalCode", "manager",
	"physicalDeliveryOfficeName", "facsimileTelephoneNumber", "homePhone", "pager", "info",
	"description", "wWWHomePage", "adminDescription", "uidNumber", "gidNumber", "loginShell",
	"unixHomeDirectory" };

static void row_dispose(struct row *r)
{
	free(r->there);
	free(r->here);
	memset(r, 0, sizeof(*r));
}

void prov_ldapdir_map_free(struct prov_ldapdir_map **mp)
{
	struct prov_ldapdir_map *m = *mp;

	for (size_t i = 0; m && i < m->n; i++)
		row_dispose(&m->row[i]);
	if (m)
		free(m->suffix);
	free(m);
	*mp = NULL;
}

size_t prov_ldapdir_map_size(const struct prov_ldapdir_map *m)
{
	return m->n;
}

const char *prov_ldapdir_map_name(const struct prov_ldapdir_map *m, size_t n)
{
	return m->row[n].there;
}

const char *prov_ldapdir_map_from(const struct prov_ldapdir_map *m, const char *there)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcasecmp(m->row[i].there, there) == 0)
			return m->row[i].here;
	return NULL;
}

/* RFC 4512, 1.4: a name or an OID, with options. */
static bool is_attribute(const char *s, size_t n)
{
	static const char good[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.;";

	return n && strspn(s, good) >= n;
}

static void forget(struct prov_ldapdir_map *m, const char *there, size_t len)
{
	for (size_t i = 0; i < m->n; i++)
		if (strlen(m->row[i].there) == len &&
			strncasecmp(m->row[i].there, there, len) == 0) {
			row_dispose(&m->row[i]);
			memmove(&m->row[i], &m->row[i + 1], (m->n - i - 1) * sizeof(m->row[0]));
			m->n--;
			return;
		}
}

static bool is_single(const char *there, size_t len)
{
	for (size_t i = 0; i < sizeof(ad_single) / sizeof(ad_single[0]); i++)
		if (strlen(ad_single[i]) == len && strncasecmp(ad_single[i], there, len) == 0)
			return true;
	return false;
}

static int add(struct prov_ldapdir_map *m, const struct prov_connector *c, const char *there,
	size_t len, const char *here)
{
	if (!is_attribute(there, len) || (*here && !is_attribute(here, strlen(here))))
		return PROV_EINVAL;
	forget(m, there, len);
	if (!*here)
		return 0;
	if (m->n == ROWS)
		return PROV_EFULL;
	struct row r = { strndup(there, len), strdup(here), provd_event_may(c, here),
		m->ad && is_single(there, len), NULL };
	if (!r.there || !r.here) {
		row_dispose(&r);
		return PROV_ENOMEM;
	}
	m->row[m->n++] = r;
	return 0;
}

static int add_ad(struct prov_ldapdir_map *m, const struct prov_connector *c, const char *domain)
{
	static const char name[] = "sAMAccountName", principal[] = "userPrincipalName";
	int rc;

	m->ad = true;
	rc = add(m, c, name, strlen(name), "uid");
	if (rc || !*domain)
		return rc;
	if (asprintf(&m->suffix, "@%s", domain) < 0) {
		m->suffix = NULL;
		return PROV_ENOMEM;
	}
	rc = add(m, c, principal, strlen(principal), "uid");
	if (rc == 0)
		m->row[m->n - 1].suffix = m->suffix;
	return rc;
}

int prov_ldapdir_map_new(const struct prov_connector *c, const char *domain,
	struct prov_ldapdir_map **out, struct prov_error *err)
{
	struct prov_ldapdir_map *m = calloc(1, sizeof(*m));
	const char *bad = NULL;
	int rc = m ? 0 : PROV_ENOMEM;

	if (rc == 0 && domain)
		rc = add_ad(m, c, domain);
	/* uid is the first one: sAMAccountName takes its place */
	for (size_t i = domain != NULL; rc == 0 && i < sizeof(defaults) / sizeof(defaults[0]); i++)
		rc = add(m, c, defaults[i], strlen(defaults[i]), defaults[i]);
	for (size_t i = 0; rc == 0 && i < c->noption; i++) {
		if (strcmp(c->option[i].name, "map") != 0)
			continue;
		bad = c->option[i].value;
		const char *eq = strchr(bad, '=');
		rc = eq ? add(m, c, bad, (size_t)(eq - bad), eq + 1) : PROV_EINVAL;
	}
	*out = m;
	if (rc == 0)
		return 0;
	prov_ldapdir_map_free(out);
	return rc == PROV_ENOMEM || !bad
		? prov_error_set(err, rc, "no memory")
		: prov_error_set(err, PROV_EINVAL,
			  "provOption: map=%.150s: want THERE=HERE, two attributes, %d at most",
			  bad, ROWS);
}

static struct berval *value_of(const json_t *v)
{
	const char *text = json_string_value(v),
		   *b64 = json_string_value(json_object_get(v, "base64"));

	if (text)
		return ber_mem2bv(text, json_string_length(v), 1, NULL);
	size_t n = b64 ? strlen(b64) : 0;
	unsigned char *buf = n ? malloc(n) : NULL;
	int len = buf ? EVP_DecodeBlock(buf, (const unsigned char *)b64, (int)n) : -1;
	for (size_t i = n; len > 0 && i && b64[i - 1] == '='; i--)
		len--;
	struct berval *bv = len >= 0 ? ber_mem2bv((char *)buf, (ber_len_t)len, 1, NULL) : NULL;
	free(buf);
	return bv;
}

/* An array of values, or one. */
static struct berval **list_of(const json_t *values, bool one)
{
	bool many = json_is_array(values);
	size_t n = many ? json_array_size(values) : values != NULL, kept = 0;

	if (one && n > 1)
		n = 1;
	struct berval **v = n ? calloc(n + 1, sizeof(struct berval *)) : NULL;

	for (size_t i = 0; v && i < n; i++) {
		v[kept] = value_of(many ? json_array_get(values, i) : values);
		kept += v[kept] != NULL;
	}
	if (v && !kept) {
		free(v);
		v = NULL;
	}
	return v;
}

void prov_ldapdir_values_free(struct berval **v)
{
	for (struct berval **p = v; p && *p; p++)
		ber_bvfree(*p);
	free(v);
}

static int append(struct berval *v, const char *suffix)
{
	size_t n = strlen(suffix);
	char *longer = ber_memrealloc(v->bv_val, v->bv_len + n + 1);

	if (!longer)
		return PROV_ENOMEM;
	memcpy(longer + v->bv_len, suffix, n + 1);
	*v = (struct berval){ v->bv_len + n, longer };
	return 0;
}

int prov_ldapdir_map_get(const struct prov_ldapdir_map *m, size_t n, const json_t *event,
	const char **there, struct berval ***values)
{
	const struct row *r = &m->row[n];

	*there = r->there;
	*values = r->may ? list_of(provd_event_values(event, r->here), r->one) : NULL;
	int rc = r->may ? 0 : PROV_ENOENT;
	for (struct berval **v = *values; r->suffix && v && *v && rc == 0; v++)
		rc = append(*v, r->suffix);
	if (rc) {
		prov_ldapdir_values_free(*values);
		*values = NULL;
	}
	return rc;
}

char *prov_ldapdir_map_first(const struct prov_ldapdir_map *m, const char *there,
	const json_t *event)
{
	char *value = NULL;

	for (size_t i = 0; i < m->n && !value; i++) {
		struct berval **v = NULL;
		const char *attr;
		if (prov_ldapdir_map_get(m, i, event, &attr, &v) == 0 && v &&
			strcasecmp(attr, there) == 0)
			value = strndup(v[0]->bv_val, v[0]->bv_len);
		prov_ldapdir_values_free(v);
	}
	return value;
}

static size_t count(struct berval **v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

bool prov_ldapdir_values_equal(struct berval **a, struct berval **b)
{
	size_t n = count(a);

	if (n != count(b))
		return false;
	for (size_t i = 0; i < n; i++) {
		bool found = false;
		for (size_t k = 0; k < n && !found; k++)
			found = ber_bvcmp(a[i], b[k]) == 0;
		if (!found)
			return false;
	}
	return true;
}
