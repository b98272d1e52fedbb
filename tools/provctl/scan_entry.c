/* scan_entry.c - an entry's attributes by number, without copying them; see scan.h. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scan.h"
#include "timefmt.h"

size_t scan_attr_add(struct scan_attrs *a, const char *name)
{
	for (size_t i = 0; i < a->n; i++)
		if (!strcasecmp(a->name[i], name))
			return i;
	if (a->n == SCAN_ATTRS)
		return SCAN_ATTRS;
	char *copy = strdup(name);
	if (!copy)
		return SCAN_ATTRS;
	a->name[a->n] = copy;
	return a->n++;
}

static bool is(const struct scan_attrs *a, size_t i, const struct berval *name)
{
	return i < a->n && !strncasecmp(a->name[i], name->bv_val, name->bv_len) &&
		!a->name[i][name->bv_len];
}

/* A server gives attributes in the same order again and again: guess what the last entry had here. */
static size_t find(struct scan_attrs *a, const struct berval *name, size_t place)
{
	size_t i = 0;
	if (place < SCAN_ATTRS && is(a, a->guess[place], name))
		return a->guess[place];
	while (i < a->n && !is(a, i, name))
		i++;
	if (i == a->n)
		return SCAN_ATTRS; /* with an option, or nothing that was asked for */
	if (place < SCAN_ATTRS)
		a->guess[place] = (uint8_t)i;
	return i;
}

int scan_entry_decode(struct scan_attrs *a, LDAP *ld, LDAPMessage *m, struct scan_entry *e,
	struct prov_error *err)
{
	BerElement *ber = NULL;
	struct berval name;
	BerVarray vals = NULL;
	memset(e->val, 0, sizeof(e->val[0]) * a->n);
	e->n = a->n;
	if (ldap_get_dn_ber(ld, m, &ber, &e->dn))
		return prov_error_set(err, PROV_EIO, "an entry that does not decode");
	for (size_t place = 0;
		ldap_get_attribute_ber(ld, m, ber, &name, &vals) == LDAP_SUCCESS && name.bv_val;
		place++) {
		size_t i = find(a, &name, place);
		if (i < SCAN_ATTRS && !e->val[i])
			e->val[i] = vals;
		else
			ber_memfree(vals);
		vals = NULL;
	}
	ber_free(ber, 0);
	return 0;
}

void scan_entry_dispose(struct scan_entry *e)
{
	for (size_t i = 0; i < e->n; i++) {
		ber_memfree(e->val[i]);
		e->val[i] = NULL;
	}
}

const struct berval *scan_first(const struct scan_entry *e, size_t attr)
{
	return e->val[attr] && e->val[attr][0].bv_val ? &e->val[attr][0] : NULL;
}

bool scan_is(const struct scan_entry *e, size_t attr, const char *text)
{
	const struct berval *v = scan_first(e, attr);
	return v && v->bv_len == strlen(text) && !strncasecmp(v->bv_val, text, v->bv_len);
}

int64_t scan_time(const struct scan_entry *e, size_t attr)
{
	const struct berval *v = scan_first(e, attr);
	int64_t secs = 0;
	if (!v || prov_time_parse((struct prov_val){ v->bv_val, v->bv_len }, &secs))
		return 0;
	return secs;
}

const char *scan_timed_role(const char *value)
{
	for (int i = 0; i < 2; i++) {
		value += strcspn(value, " ");
		value += strspn(value, " ");
	}
	return value;
}

bool scan_same_csn(const struct scan_entry *a, const struct scan_entry *b)
{
	const struct berval *x = scan_first(a, SCAN_A_CSN), *y = scan_first(b, SCAN_A_CSN);
	return x && y && x->bv_len == y->bv_len && !memcmp(x->bv_val, y->bv_val, x->bv_len);
}

bool scan_left(const struct scan_entry *e)
{
	return scan_is(e, SCAN_A_STATE, "terminated") || scan_is(e, SCAN_A_STATE, "archived");
}

/* May it bind? As the overlay says, and ppolicy(5): locked for good is 000001010000Z. */
bool scan_works(const struct scan_entry *e)
{
	const struct berval *locked = scan_first(e, SCAN_A_LOCKED);
	if (locked && locked->bv_len >= 12 && !memcmp(locked->bv_val, "000001010000", 12))
		return false;
	return !scan_first(e, SCAN_A_STATE) || scan_is(e, SCAN_A_STATE, "active");
}

bool scan_machine(const struct scan_entry *e)
{
	return scan_is(e, SCAN_A_TYPE, "service") || scan_is(e, SCAN_A_TYPE, "shared") ||
		scan_is(e, SCAN_A_TYPE, "admin");
}
