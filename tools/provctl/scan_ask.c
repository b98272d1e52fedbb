/*
 * scan_ask.c - many small searches on one connection, a window of them under way at a time.
 *
 * Answers are matched by message id. An entry that is not there is an answer.
 */
#include <stdlib.h>

#include "scan.h"

enum { WINDOW = 64 };

static int send_one(struct scan *s, const struct scan_ask *q, int *id, struct prov_error *err)
{
	int rc = ldap_search_ext(s->ctl->ld, q->base, q->scope, q->filter, (char **)q->attrs, 0,
		NULL, NULL, NULL, LDAP_NO_LIMIT, id);
	return rc ? prov_ldap_error(s->ctl->ld, rc, err, "search %s", q->base) : 0;
}

static int take_one(struct scan *s, struct scan_ask *q, const int *ids, size_t sent,
	struct prov_error *err)
{
	LDAP *ld = s->ctl->ld;
	LDAPMessage *m = NULL;
	int code = LDAP_TIMEOUT, rc;
	if (ldap_result(ld, LDAP_RES_ANY, LDAP_MSG_ALL, NULL, &m) <= 0) {
		ldap_get_option(ld, LDAP_OPT_RESULT_CODE, &code);
		return prov_ldap_error(ld, code ? code : LDAP_TIMEOUT, err, "ask again");
	}
	size_t i = 0;
	while (i < sent && ids[i] != ldap_msgid(m))
		i++;
	if (i == sent) { /* nobody's: an abandoned one's */
		ldap_msgfree(m);
		return 0;
	}
	q[i].m = m;
	rc = ldap_parse_result(ld, m, &code, NULL, NULL, NULL, NULL, 0);
	if (rc || (code && code != LDAP_NO_SUCH_OBJECT && code != LDAP_INVALID_DN_SYNTAX))
		return prov_ldap_error(ld, rc ? rc : code, err, "search %s", q[i].base);
	return 0;
}

static size_t answered(const struct scan_ask *q, size_t sent)
{
	size_t n = 0;
	for (size_t i = 0; i < sent; i++)
		n += q[i].m != NULL;
	return n;
}

int scan_ask(struct scan *s, struct scan_ask *q, size_t n, struct prov_error *err)
{
	int ids[WINDOW], rc = 0;
	for (size_t i = 0; i < n; i++)
		q[i].m = NULL;
	for (size_t at = 0; !rc && at < n; at += WINDOW) {
		size_t some = n - at < WINDOW ? n - at : WINDOW, sent = 0;
		for (; !rc && sent < some; sent++)
			rc = send_one(s, &q[at + sent], &ids[sent], err);
		while (!rc && answered(q + at, sent) < sent)
			rc = take_one(s, q + at, ids, sent, err);
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
