/*
 * reach.c - asks the access rules what accounts may write of themselves.
 */
#include "reach.h"

#include "account.h"
#include "lookup.h"
#include "schema.h"
#include "types.h"

#define TYPES 64 /* of one role; more are not asked for */
#define ACCOUNTS 100
#define ENTRIES 2000 /* looked at for them: the writer lock is held */

enum { GIVES_ROLE = 1, GIVES_VALUE = 2 };

struct reach {
	struct prov_instance *pi;
	Operation *op;
	int accounts, entries; /* of one URL, so far */
	size_t n;
	struct {
		AttributeDescription *ad;
		unsigned why;
		bool can;
	} type[TYPES];
};

static void look_at(struct reach *r, AttributeDescription *ad, unsigned why)
{
	size_t i = 0;

	while (i < r->n && r->type[i].ad != ad)
		i++;
	if (!ad || i == TYPES || ad->ad_type->sat_no_user_mod)
		return;
	if (i == r->n) {
		r->type[i].ad = ad;
		r->n++;
	}
	r->type[i].why |= why;
}

/* A filter or template that names "name" looks at sn, title and the others, too. */
static void look_at_all(struct reach *r, const struct prov_type *type, unsigned why)
{
	AttributeDescription *ad = prov_type_ad(type);
	AttributeType *at;

	look_at(r, ad, why);
	for (int more = at_start(&at); more; more = at_next(&at))
		if (at != ad->ad_type && is_at_subtype(at, ad->ad_type))
			look_at(r, at->sat_ad, why);
}

static void in_filter(void *ctx, const struct prov_type *type)
{
	look_at_all(ctx, type, GIVES_ROLE);
}

static void in_template(void *ctx, const struct prov_type *type)
{
	look_at_all(ctx, type, GIVES_VALUE);
}

/* The account itself, asking: none of the client's group memberships count. */
static void ask(struct reach *r, Entry *e)
{
	Operation self = *r->op;

	self.o_dn = e->e_name;
	self.o_ndn = e->e_nname;
	self.o_groups = NULL;
	self.o_do_not_cache = 1;
	self.o_authz.sai_ssf = self.o_authz.sai_transport_ssf = self.o_authz.sai_tls_ssf = 256;
	for (size_t i = 0; i < r->n; i++)
		if (!r->type[i].can)
			r->type[i].can =
				access_allowed(&self, e, r->type[i].ad, NULL, ACL_WADD, NULL) ||
				access_allowed(&self, e, r->type[i].ad, NULL, ACL_WDEL, NULL);
	r->accounts++;
}

static int see(void *ctx, Entry *e)
{
	struct reach *r = ctx;

	if (prov_account_is(r->pi, r->op, e, &e->e_nname))
		ask(r, e);
	return r->accounts >= ACCOUNTS || ++r->entries >= ENTRIES;
}

static void ask_of_one_that_could_be(struct reach *r, const struct prov_accounts *a)
{
	static struct berval rdn = BER_BVC("cn=provision");
	struct berval base = a->base, nbase = a->nbase;
	Entry *e = entry_alloc();

	e->e_id = NOID;
	build_new_dn(&e->e_name, &base, &rdn, NULL);
	build_new_dn(&e->e_nname, &nbase, &rdn, NULL);
	attr_merge_normalize_one(e, slap_schema.si_ad_objectClass, &prov_ad.oc_account->soc_cname,
		NULL);
	ask(r, e);
	entry_free(e);
}

static size_t name_them(const struct reach *r, unsigned why, char *out, size_t room)
{
	size_t len = 0;

	*out = '\0';
	for (size_t i = 0; i < r->n; i++) {
		const char *name = r->type[i].ad->ad_cname.bv_val;
		if (!r->type[i].can || !(r->type[i].why & why))
			continue;
		if (len + strlen(name) + 8 > room)
			return len + (size_t)snprintf(out + len, room - len, " ...");
		len += (size_t)snprintf(out + len, room - len, "%s%s", len ? ", " : "", name);
	}
	return len;
}

void prov_reach_role(struct prov_instance *pi, Operation *op, const struct prov_role *role,
	char *out, size_t room)
{
	struct reach r = { .pi = pi, .op = op };
	char roles[120], values[80];

	look_at(&r, prov_ad.assignedRole, GIVES_ROLE);
	look_at(&r, prov_ad.timedRole, GIVES_ROLE);
	for (size_t i = 0; i < role->nfilter; i++)
		prov_filter_types(role->filter[i], in_filter, &r);
	for (size_t i = 0; i < role->ntemplate; i++)
		prov_template_types(role->template[i], in_template, &r);
	for (int i = 0; i < pi->naccounts; i++) {
		r.accounts = r.entries = 0;
		if (prov_lookup_search(pi, op, &pi->accounts[i].nbase, pi->accounts[i].scope,
			    "(objectClass=*)", see, &r) == LDAP_SUCCESS &&
			!r.accounts)
			ask_of_one_that_could_be(&r, &pi->accounts[i]);
	}
	*out = '\0';
	size_t given = name_them(&r, GIVES_ROLE, roles, sizeof(roles)),
	       used = name_them(&r, GIVES_VALUE, values, sizeof(values));
	if (given)
		snprintf(out, room, "accounts may write their own %s and so take this role%s%s",
			roles, used ? "; its templates read " : "", used ? values : "");
	else if (used)
		snprintf(out, room, "accounts may write their own %s, which its templates read",
			values);
}
