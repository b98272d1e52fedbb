/* pages.c - see pages.h. */
#include "pages.h"

#include <time.h>

#include "ldapconn.h"

enum { PAGE = 500 };

/*
 * The next message of a search. A server writes every entry by itself, and its writing is slow when
 * it must wake somebody each time: a reader who has all there is looks again a moment later, and
 * sleeps for news only then.
 */
static int next_message(LDAP *ld, int msgid, LDAPMessage **m)
{
	static const struct timespec moment = { 0, 200000 };
	struct timeval none = { 0, 0 };
	int type = ldap_result(ld, msgid, LDAP_MSG_ONE, &none, m);
	if (type != 0)
		return type;
	nanosleep(&moment, NULL);
	return ldap_result(ld, msgid, LDAP_MSG_ONE, NULL, m);
}

/* Take the results of one page as they come; the page's cookie into *cookie. */
static int take_page(LDAP *ld, int msgid, const char *base, prov_pages_see *see, void *ctx,
	struct berval *cookie, struct prov_error *err)
{
	int rc = 0, code, ldrc;
	for (;;) {
		LDAPMessage *m = NULL;
		int type = next_message(ld, msgid, &m);
		if (type <= 0) {
			ldap_get_option(ld, LDAP_OPT_RESULT_CODE, &ldrc);
			ldap_msgfree(m);
			if (type == 0 || ldrc == LDAP_SUCCESS)
				ldrc = LDAP_TIMEOUT;
			return rc ? rc : prov_ldap_error(ld, ldrc, err, "search %s", base);
		}
		if (type == LDAP_RES_SEARCH_ENTRY && !rc) {
			rc = see(ctx, ld, m, err);
			if (rc)
				ldap_abandon_ext(ld, msgid, NULL, NULL);
		}
		if (type == LDAP_RES_SEARCH_RESULT || rc) {
			LDAPControl **ctrl = NULL, *page;
			ber_int_t total;
			if (!rc) {
				ldrc = ldap_parse_result(ld, m, &code, NULL, NULL, NULL, &ctrl, 0);
				if (ldrc || code)
					rc = prov_ldap_error(ld, ldrc ? ldrc : code, err,
						"search %s", base);
			}
			page = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, ctrl, NULL);
			if (!rc && page &&
				ldap_parse_pageresponse_control(ld, page, &total, cookie))
				rc = prov_error_set(err, PROV_EIO, "search %s: bad page control",
					base);
			ldap_controls_free(ctrl);
			ldap_msgfree(m);
			return rc;
		}
		ldap_msgfree(m);
	}
}

int prov_pages_search(LDAP *ld, const struct prov_pages *p, prov_pages_see *see, void *ctx,
	struct prov_error *err)
{
	struct berval cookie = { 0, NULL };
	int rc;
	do {
		LDAPControl *page = NULL, *ctrl[2] = { NULL, NULL };
		struct berval next = { 0, NULL };
		int msgid = -1;
		/* not critical: cn=monitor has no pages, and needs none */
		int ldrc = ldap_create_page_control(ld, p->page ? p->page : PAGE,
			cookie.bv_val ? &cookie : NULL, 0, &page);
		if (!ldrc) {
			ctrl[0] = page;
			ldrc = ldap_search_ext(ld, p->base, p->scope, p->filter, (char **)p->attrs,
				0, ctrl, NULL, NULL, LDAP_NO_LIMIT, &msgid);
		}
		rc = ldrc ? prov_ldap_error(ld, ldrc, err, "search %s", p->base)
			  : take_page(ld, msgid, p->base, see, ctx, &next, err);
		ldap_control_free(page);
		ber_memfree(cookie.bv_val);
		cookie = next;
	} while (!rc && cookie.bv_val && cookie.bv_len);
	ber_memfree(cookie.bv_val);
	return rc;
}
