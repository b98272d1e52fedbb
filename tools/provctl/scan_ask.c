/*
 * scan_ask.c - many small searches on one connection, a window of them under way at a time.
 *
 * An entry that is not there is an answer.
 */
#include <stdlib.h>

#include "scan.h"

static int send_one(struct scan *s, struct scan_ask *q, struct prov_error *err)
{
	int rc = ldap_search_ext(s->ctl->ld, q->base, q->scope, q->filter, (char **)q->attrs, 0,
		NULL, NULL, NULL, LDAP_NO_LIMIT, &q->id);
	return rc ? prov_ldap_error(s->ctl->ld, rc, err, "search %s", q->base) : 0;
}

static int take_one(struct scan *s, struct scan_ask *q, struct prov_error *err)
{
	LDAP *ld = s->ctl->ld;
	int code = LDAP_TIMEOUT, rc;
	if (ldap_result(ld, q->id, LDAP_MSG_ALL, NULL, &q->m) <= 0) {
		ldap_get_option(ld, LDAP_OPT_RESULT_CODE, &code);
		return prov_ldap_error(ld, code ? code : LDAP_TIMEOUT, err, "ask again");
	}
	rc = ldap_parse_result(ld, q->m, &code, NULL, NULL, NULL, NULL, 0);
	if (rc || (code && code != LDAP_NO_SUCH_OBJECT && code != LDAP_INVALID_DN_SYNTAX))
		return prov_ldap_error(ld, rc ? rc : code, err, "search %s", q->base);
	return 0;
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
