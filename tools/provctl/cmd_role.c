/*
 * cmd_role.c - provctl role list: the policy at a glance.
 *
 * Read only; from the entries below the policy base, with what the admin wrote.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "jsonout.h"
#include "search.h"
#include "strmap.h"
#include "table.h"
#include "fold.h"

static bool count_members;

static const struct prov_option role_option[] = {
	{ "count", 0, PROV_OPTION_FLAG, &count_members, NULL,
		"also how many accounts hold each role (reads every account)" },
};

struct listing {
	struct ctl *c;
	struct prov_table *table;
	struct prov_strmap *roles; /* folded DN to held */
	size_t *held, room;
	bool (*row)(struct listing *l, LDAP *ld, LDAPMessage *e, const char *dn);
};

static int nvalues(LDAP *ld, LDAPMessage *e, const char *attr)
{
	struct berval **v = ldap_get_values_len(ld, e, attr);
	int n = ldap_count_values_len(v);
	ldap_value_free_len(v);
	return n;
}

static size_t members_of(const struct listing *l, const char *dn)
{
	char *key = prov_fold_dn(dn, strlen(dn));
	size_t at = key && l->roles ? prov_strmap_find(l->roles, key) : PROV_STRMAP_NONE;
	free(key);
	return at == PROV_STRMAP_NONE ? 0 : l->held[at];
}

static bool role_row(struct listing *l, LDAP *ld, LDAPMessage *e, const char *dn)
{
	static const char *const list[] = { "provAssignFilter", "provInclude", "provTemplate",
		"provGroup", "provEntitlement" };
	enum { NLIST = sizeof(list) / sizeof(list[0]) };
	char *status = prov_ldap_first(ld, e, "provStatus"), *cn = prov_ldap_first(ld, e, "cn");
	const char *shown = status ? status : "active";
	size_t held = members_of(l, dn);
	bool ok;
	if (l->c->json) {
		json_t *v = json_pack("{s:s,s:o,s:s}", "dn", dn, "cn",
			prov_json_text(cn ? cn : "", cn ? strlen(cn) : 0), "status", shown);
		for (size_t i = 0; i < NLIST; i++)
			json_object_set_new(v, list[i], ctl_values_json(ld, e, list[i]));
		if (count_members)
			json_object_set_new(v, "accounts", json_integer((json_int_t)held));
		ok = !prov_json_line_take(stdout, v);
	} else {
		char n[NLIST + 1][24];
		for (size_t i = 0; i < NLIST; i++)
			snprintf(n[i], sizeof(n[i]), "%d", nvalues(ld, e, list[i]));
		snprintf(n[NLIST], sizeof(n[NLIST]), "%zu", held);
		const char *cell[NLIST + 4] = { cn, shown, n[0], n[1], n[2], n[3], n[4] };
		cell[NLIST + 2] = count_members ? n[NLIST] : dn;
		cell[NLIST + 3] = dn;
		ok = !prov_table_add(l->table, cell);
	}
	free(status);
	free(cn);
	return ok;
}

static int see_entry(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	struct listing *l = ctx;
	char *dn = ldap_get_dn(ld, e);
	bool ok = dn && l->row(l, ld, e, dn);
	ldap_memfree(dn);
	return ok ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
}

static int see_holder(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	struct listing *l = ctx;
	struct berval **v = ldap_get_values_len(ld, e, "provEffectiveRole");
	int rc = 0;
	for (int i = 0; !rc && v && v[i]; i++) {
		size_t at;
		char *key = prov_fold_dn(v[i]->bv_val, v[i]->bv_len);
		rc = key ? prov_strmap_add(l->roles, key, &at, NULL) : PROV_ENOMEM;
		free(key);
		if (!rc && at >= l->room) {
			size_t room = l->room ? 2 * l->room : 64;
			size_t *held = reallocarray(l->held, room, sizeof(*held));
			if (held) {
				memset(held + l->room, 0, (room - l->room) * sizeof(*held));
				l->held = held;
				l->room = room;
			} else {
				rc = PROV_ENOMEM;
			}
		}
		if (!rc)
			l->held[at]++;
	}
	ldap_value_free_len(v);
	return rc ? prov_error_set(err, rc, "no memory") : 0;
}

static int count_holders(struct listing *l, struct prov_error *err)
{
	static const char *const attrs[] = { "provEffectiveRole", NULL };
	int rc = prov_strmap_new(&l->roles);
	if (rc)
		return prov_error_set(err, rc, "no memory");
	for (size_t i = 0; !rc && i < l->c->nscope; i++) {
		const struct ctl_scope *sc = &l->c->scope[i];
		rc = ctl_search(l->c, sc->base, sc->scope, sc->filter, attrs, see_holder, l, err);
	}
	return rc;
}

static int list(struct ctl *c, int argc, char **argv, const char *class, struct listing *l,
	const char *const *head, size_t nhead)
{
	static const char *const attrs[] = { LDAP_ALL_USER_ATTRIBUTES, NULL };
	struct prov_error err = { 0 };
	char filter[64];
	int rc, st;
	if (argc != 2 || strcmp(argv[1], "list"))
		return prov_options_misuse(&c->opt, "%s: want list", argv[0]);
	l->c = c;
	st = ctl_site(c);
	if (st)
		return st;
	snprintf(filter, sizeof(filter), "(objectClass=%s)", class);
	rc = prov_table_new(nhead, head, &l->table);
	if (rc)
		prov_error_set(&err, rc, "no memory");
	if (!rc && count_members)
		rc = count_holders(l, &err);
	if (!rc)
		rc = ctl_search(c, c->policy ? c->policy : c->server.suffix, LDAP_SCOPE_SUBTREE,
			filter, attrs, see_entry, l, &err);
	if (!rc && !c->json)
		prov_table_print(l->table, stdout);
	prov_table_free(&l->table);
	prov_strmap_free(&l->roles);
	free(l->held);
	return rc ? ctl_fail(&err) : 0;
}

static int run_role(struct ctl *c, int argc, char **argv)
{
	const char *const head[] = { "ROLE", "STATUS", "FILTERS", "INCLUDES", "TEMPLATES", "GROUPS",
		"ENTITLEMENTS", count_members ? "ACCOUNTS" : "DN", "DN" };
	struct listing l = { .row = role_row };
	return list(c, argc, argv, "provRole", &l, head, count_members ? 9 : 8);
}

const struct ctl_command cmd_role = {
	"role",
	"[options] role list [--count]",
	"the roles of the policy",
	NULL,
	role_option,
	sizeof(role_option) / sizeof(role_option[0]),
	run_role,
};
