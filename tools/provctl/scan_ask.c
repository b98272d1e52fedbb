/*
 * scan_ask.c - many small searches on one connection, a window of them under way at a time.
 *
 * An entry that is not there is an answer.
 */
#include <stdlib.h>

#include "scan.h"

static int send_one(struct scan *s, struct scan_ask *q, struct prov_error *err)
{
	LDAP *ld = s->ctl->ld;
	struct berval value = { q->value.len, (char *)q->value.data };
	int rc = q->compare ? ldap_compare_ext(ld, q->base, q->compare, &value, NULL, NULL, &q->id)
			    : ldap_search_ext(ld, q->base, q->scope, q->filter, (char **)q->attrs,
				      0, NULL, NULL, NULL, LDAP_NO_LIMIT, &q->id);
	return rc ? prov_ldap_error(ld, rc, err, "ask for %s", q->base) : 0;
}

/* What is an answer, and no error. */
static bool answers(const struct scan_ask *q)
{
	switch (q->code) {
	case LDAP_SUCCESS:
	case LDAP_NO_SUCH_OBJECT:
		return true;
	case LDAP_INVALID_DN_SYNTAX:
		return !q->compare;
	case LDAP_COMPARE_TRUE:
	case LDAP_COMPARE_FALSE:
	case LDAP_NO_SUCH_ATTRIBUTE:
	case LDAP_UNDEFINED_TYPE:
	case LDAP_INVALID_SYNTAX:
		return q->compare;
	default:
		return false;
	}
}

static int take_one(struct scan *s, struct scan_ask *q, struct prov_error *err)
{
	LDAP *ld = s->ctl->ld;
	int code = LDAP_TIMEOUT, rc;
	if (ldap_result(ld, q->id, LDAP_MSG_ALL, NULL, &q->m) <= 0) {
		ldap_get_option(ld, LDAP_OPT_RESULT_CODE, &code);
		return prov_ldap_error(ld, code ? code : LDAP_TIMEOUT, err, "ask again");
	}
	rc = ldap_parse_result(ld, q->m, &q->code, NULL, NULL, NULL, NULL, 0);
	return rc || !answers(q) ? prov_ldap_error(ld, rc ? rc : q->code, err, "%s %s",
					   q->compare ? "compare" : "search", q->base)
				 : 0;
}

int scan_ask_send(struct scan *s, struct scan_ask *q, size_t n, struct prov_error *err)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < n; i++) {
		q[i].m = NULL;
		rc = send_one(s, &q[i], err);
	}
	return rc;
}

int scan_ask_take(struct scan *s, struct scan_ask *q, size_t n, struct prov_error *err)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < n; i++)
		rc = take_one(s, &q[i], err);
	return rc;
}

int scan_ask(struct scan *s, struct scan_ask *q, size_t n, struct prov_error *err)
{
	int rc = 0;
	for (size_t i = 0; i < n; i++)
		q[i].m = NULL;
	for (size_t at = 0; !rc && at < n; at += SCAN_WINDOW) {
		size_t some = n - at < SCAN_WINDOW ? n - at : SCAN_WINDOW;
		rc = scan_ask_send(s, q + at, some, err);
		if (!rc)
			rc = scan_ask_take(s, q + at, some, err);
	}
	return rc;
}

void scan_asked_free(struct scan_ask *q, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		ldap_msgfree(q[i].m);
		q[i].m = NULL;
	}
}

bool scan_asked(struct scan *s, const struct scan_ask *q, struct scan_entry *e)
{
	LDAPMessage *m = q->m ? ldap_first_entry(s->ctl->ld, q->m) : NULL;
	return m && !scan_entry_decode(&s->attrs, s->ctl->ld, m, e, NULL);
}

int scan_unchanged(struct scan *s, const struct scan_entry *const *e, bool *same, size_t n,
	struct prov_error *err)
{
	static const char *const csn[] = { "entryCSN", NULL };
	struct scan_ask *q = calloc(n + 1, sizeof(*q));
	size_t asks = 0, k = 0;
	if (!q)
		return scan_nomem(err);
	for (size_t i = 0; i < n; i++)
		if (same[i])
			q[asks++] = scan_ask_entry(e[i]->dn.bv_val, csn);
	int rc = scan_ask(s, q, asks, err);
	for (size_t i = 0; !rc && i < n; i++) {
		struct scan_entry now = { 0 };
		if (!same[i])
			continue;
		same[i] = scan_asked(s, &q[k++], &now) && scan_same_csn(e[i], &now);
		scan_entry_dispose(&now);
	}
	scan_asked_free(q, asks);
	free(q);
	return rc;
}
