/* scan_people.c - policy, break-glass accounts and accounts as they pass. */
#include <stdlib.h>
#include <string.h>

#include "scan.h"
#include "search.h"

enum { PAGE = 4000 };

/* "MODE ATTR: EXPRESSION": the attribute is looked at on every account. */
static void note_template(struct scan *s, const struct berval *v)
{
	const char *name = memchr(v->bv_val, ' ', v->bv_len);
	char text[128];
	if (!name)
		return;
	name += strspn(name, " ");
	size_t len = strcspn(name, ": ");
	if (len && len < sizeof(text) && strncmp(v->bv_val, "default", 7) != 0) {
		memcpy(text, name, len);
		text[len] = '\0';
		scan_attr_add(&s->attrs, text);
	}
}

/* The first two are no references. */
static const char *const policy_attrs[] = { "provTemplate", "provSodLimit", "owner", "provInclude",
	"provGroup", "provConflict", "provPrerequisite", "provApprover", "provSodRole", NULL };

static int see_policy(void *ctx, LDAP *ld, LDAPMessage *m, struct prov_error *err)
{
	struct scan *s = ctx;
	struct berval **v = ldap_get_values_len(ld, m, policy_attrs[0]);
	char *dn = ldap_get_dn(ld, m);
	uint32_t n, holder = dn ? scan_text(s, dn, strlen(dn)) : SCAN_NONE;
	int rc = holder == SCAN_NONE ||
			prov_hashindex_add(&s->roles, prov_hash_dn(dn, strlen(dn)), &n, NULL)
		? scan_nomem(err)
		: 0;
	for (size_t i = 0; v && v[i]; i++)
		note_template(s, v[i]);
	ldap_value_free_len(v);
	if (!rc && scan_sod_note(s, holder, ld, m))
		rc = scan_nomem(err);
	for (size_t k = 2; !rc && policy_attrs[k]; k++) {
		v = ldap_get_values_len(ld, m, policy_attrs[k]);
		for (size_t i = 0; !rc && v && v[i]; i++)
			if (scan_ref_add(&s->others, prov_hash_dn(v[i]->bv_val, v[i]->bv_len),
				    holder))
				rc = scan_nomem(err);
		ldap_value_free_len(v);
	}
	ldap_memfree(dn);
	return rc;
}

int scan_policy(struct scan *s, struct prov_error *err)
{
	if (!s->ctl->policy)
		return 0;
	int rc = ctl_search(s->ctl, s->ctl->policy, LDAP_SCOPE_SUBTREE,
		"(|(objectClass=provRole)(objectClass=provSodSet))", policy_attrs, see_policy, s,
		err);
	return rc == PROV_ENOENT ? 0 : rc;
}

static int see_glass(void *ctx, LDAP *ld, LDAPMessage *m, struct prov_error *err)
{
	struct scan *s = ctx;
	uint32_t n;
	char *dn = ldap_get_dn(ld, m);
	int rc = dn ? prov_hashindex_add(&s->glass, prov_hash_dn(dn, strlen(dn)), &n, NULL)
		    : PROV_ENOMEM;
	ldap_memfree(dn);
	return rc ? scan_nomem(err) : 0;
}

int scan_glass(struct scan *s, struct prov_error *err)
{
	static const char *const none[] = { LDAP_NO_ATTRS, NULL };
	int rc = 0;
	for (size_t i = 0; !rc && s->opt->break_glass && i < s->ctl->nscope; i++) {
		const struct ctl_scope *sc = &s->ctl->scope[i];
		char *filter = NULL;
		if (asprintf(&filter, "(&%s%s)", sc->filter, s->opt->break_glass) < 0)
			return scan_nomem(err);
		rc = ctl_search(s->ctl, sc->base, sc->scope, filter, none, see_glass, s, err);
		free(filter);
	}
	return rc ? prov_error_prefix(err, "--break-glass") : 0;
}

static int see_person(void *ctx, LDAP *ld, LDAPMessage *m, struct prov_error *err)
{
	struct scan *s = ctx;
	struct scan_entry e = { 0 };
	uint32_t number = 0, suspect = 0;
	int fresh = 0, rc = scan_entry_decode(&s->attrs, ld, m, &e, err);
	if (!rc && scan_account_add(s, &e.dn, &number, &fresh))
		rc = scan_nomem(err);
	if (!rc && fresh) { /* else in the scope of two accounts URLs */
		if (s->glass.n && prov_hashindex_find(&s->glass, s->dns.hash[number]) != SCAN_NONE)
			s->account[number].flag |= SCAN_F_GLASS;
		rc = scan_judge(s, number, &e, false, &suspect, err);
		s->account[number].suspect = suspect;
	}
	if (!rc && fresh)
		rc = scan_keep(s, number, &e, err);
	scan_entry_dispose(&e);
	scan_progress(s, "accounts", scan_accounts(s));
	return rc;
}

int scan_people(struct scan *s, struct prov_error *err)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < s->ctl->nscope; i++) {
		const struct ctl_scope *sc = &s->ctl->scope[i];
		struct prov_pages p = { sc->base, sc->filter, sc->scope, s->attrs.name, PAGE };
		rc = prov_pages_search(s->ctl->ld, &p, see_person, s, err);
	}
	for (int k = 0; k < SCAN_IDS; k++)
		scan_id_sort(s, (enum scan_id)k);
	s->found->accounts = scan_accounts(s);
	return rc;
}
