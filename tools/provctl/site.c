/*
 * site.c - connection and site of a run: suffix, policy base, account scopes.
 *
 * Asks the server's cn=config; what may not be read there comes from --policy and
 * --accounts, and at last from the suffix with every provAccount in it. Says
 * why when something needed is missing.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "search.h"
#include "table.h"

int ctl_say(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	/* texts hold the server's words and the directory's names */
	char *safe = n < 0 ? NULL : prov_text_safe(text, (size_t)n);
	fflush(stdout);
	fprintf(stderr, "provctl: %s\n", safe ? safe : "no memory");
	free(safe);
	if (n >= 0)
		free(text);
	return PROV_EXIT_CANNOT;
}

int ctl_fail(const struct prov_error *err)
{
	return ctl_say("%s", err->text);
}

const char *ctl_takes_no_writes(int code)
{
	switch (code) {
	case LDAP_UNAVAILABLE_CRITICAL_EXTENSION:
		return "the server does not know the reason control: the overlay is not loaded";
	case LDAP_REFERRAL:
		return "the server takes no writes (a consumer?): use a provider";
	default:
		return NULL;
	}
}

int ctl_nomem(void)
{
	return ctl_say("no memory");
}

int ctl_connect(struct ctl *c)
{
	struct prov_error err = { 0 };
	if (c->ld)
		return 0;
	if (prov_ldap_connect(&c->common.ldap, &c->ld, &err))
		return ctl_fail(&err);
	ldap_set_option(c->ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	return 0;
}

static int add_scope(struct ctl *c, const char *base, int scope, const char *filter)
{
	struct ctl_scope *s = reallocarray(c->scope, c->nscope + 1, sizeof(*s));
	if (!s)
		return PROV_ENOMEM;
	c->scope = s;
	s += c->nscope;
	s->base = strdup(base);
	s->filter = strdup(filter);
	s->scope = scope;
	c->nscope++;
	return s->base && s->filter ? 0 : PROV_ENOMEM;
}

static int add_url(struct ctl *c, const char *url, struct prov_error *err)
{
	LDAPURLDesc *u = NULL;
	/* cn=config orders its values: {0}ldap:///... */
	if (*url == '{' && strchr(url, '}'))
		url = strchr(url, '}') + 1;
	if (ldap_url_parse(url, &u))
		return prov_error_set(err, PROV_EINVAL, "accounts: not an LDAP URL: %s", url);
	int rc = add_scope(c, u->lud_dn ? u->lud_dn : "",
		u->lud_scope == LDAP_SCOPE_DEFAULT ? LDAP_SCOPE_SUBTREE : u->lud_scope,
		u->lud_filter ? u->lud_filter : "(objectClass=*)");
	ldap_free_urldesc(u);
	return rc ? prov_error_set(err, rc, "no memory") : 0;
}

int ctl_site_scopes(struct ctl *c, struct prov_error *err)
{
	static const char *const attrs[] = { "olcProvisionAccounts", NULL };
	LDAPMessage *m = NULL;
	int rc = 0;
	for (size_t i = 0; !rc && i < c->accounts_opt.n; i++)
		rc = add_url(c, c->accounts_opt.item[i], err);
	if (rc || c->nscope)
		return rc;
	if (c->server.config && !ctl_read(c, c->server.config, NULL, attrs, &m, err)) {
		struct berval **v =
			ldap_get_values_len(c->ld, ldap_first_entry(c->ld, m), attrs[0]);
		for (int i = 0; !rc && v && v[i]; i++)
			rc = add_url(c, v[i]->bv_val, err);
		ldap_value_free_len(v);
		ldap_msgfree(m);
	}
	if (!rc && !c->nscope &&
		add_scope(c, c->server.suffix, LDAP_SCOPE_SUBTREE, "(objectClass=provAccount)"))
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	return rc;
}

int ctl_site(struct ctl *c)
{
	struct prov_error err = { 0 };
	int st = ctl_connect(c);
	if (st || c->asked)
		return st;
	if (prov_ldap_server_ask(c->ld, c->common.ldap.suffix, &c->server, &err) ||
		ctl_site_scopes(c, &err))
		return ctl_fail(&err);
	c->policy = c->policy_opt ? c->policy_opt : c->server.policy;
	c->asked = true;
	return 0;
}

int ctl_state_dir(struct ctl *c, char **out)
{
	struct prov_error err = { 0 };
	int st;
	*out = NULL;
	if (c->common.state) {
		*out = strdup(c->common.state);
		return *out ? 0 : ctl_nomem();
	}
	st = ctl_connect(c);
	if (st)
		return st;
	if (prov_ldap_state_dir(c->ld, c->common.ldap.suffix, NULL, out, &err))
		return ctl_fail(&err);
	return 0;
}

void ctl_state_dir_try(struct ctl *c, char **out)
{
	const char *dir = c->common.state ? c->common.state : c->server.state;
	*out = dir ? strdup(dir) : NULL;
}

void ctl_dispose(struct ctl *c)
{
	for (size_t i = 0; i < c->nscope; i++) {
		free(c->scope[i].base);
		free(c->scope[i].filter);
	}
	free(c->scope);
	if (c->asked)
		prov_ldap_server_dispose(&c->server);
	prov_ldap_close(&c->ld);
	prov_options_dispose(&c->opt);
}
