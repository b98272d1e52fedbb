/* ldapdir_groups.c - memberships in the other directory. See ldapdir_groups.h. */
#include "ldapdir_groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "ldapdir_ad.h"

/* MS-ADTS 2.2.12: a global (0x2) security (0x80000000) group */
#define GROUP_TYPE "-2147483646"

static const struct {
	const char *member, *class;
	bool names; /* the value is a user name, not a DN */
} kinds[] = {
	{ "member", "groupOfNames", false },
	{ "uniqueMember", "groupOfUniqueNames", false },
	{ "memberUid", "posixGroup", true },
};

static size_t kind_of(const struct prov_ldapdir_groups *g)
{
	size_t i = 0;

	while (i < 2 && strcasecmp(kinds[i].member, g->member) != 0)
		i++;
	return i;
}

static const char *class_of(const struct prov_ldapdir_groups *g)
{
	return g->ad ? "group" : kinds[kind_of(g)].class;
}

/* "(&(objectClass=groupOfNames)(cn=name))"; free(). */
static char *filter_of(const struct prov_ldapdir_groups *g, const char *name)
{
	char *cn = prov_ldapdir_assertion("cn", name), *filter = NULL;
	char *account = g->ad ? prov_ldapdir_assertion("sAMAccountName", name) : NULL;

	if (!cn || (g->ad && !account) ||
		(g->ad ? asprintf(&filter, "(&(objectClass=group)(|%s%s))", cn, account)
		       : asprintf(&filter, "(&(objectClass=%s)%s)", class_of(g), cn)) < 0)
		filter = NULL;
	free(cn);
	free(account);
	return filter;
}

/* *dn: of the one group of that name; NULL: none. The caller's, ldap_memfree(). */
static int find(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call,
	const char *name, char **dn)
{
	static char none[] = LDAP_NO_ATTRS;
	char *attrs[] = { none, NULL }, *filter = filter_of(g, name);
	LDAPMessage *res = NULL;
	int id = 0, n;

	*dn = NULL;
	if (!filter)
		return prov_result_fail(call->out, "no memory");
	int rc = prov_ldapdir_wait(call,
		ldap_search_ext(call->ld, g->base, LDAP_SCOPE_SUBTREE, filter, attrs, 0, NULL, NULL,
			NULL, 2, &id),
		&id, &res);
	free(filter);
	if (rc)
		return -1;
	if (call->code != LDAP_SUCCESS && call->code != LDAP_SIZELIMIT_EXCEEDED) {
		ldap_msgfree(res);
		return prov_ldapdir_fail_code(call, "search for the group");
	}
	n = ldap_count_entries(call->ld, res);
	if (n == 1)
		*dn = ldap_get_dn(call->ld, ldap_first_entry(call->ld, res));
	ldap_msgfree(res);
	return n > 1
		? prov_result_fail(call->out, "several groups there are named \"%.100s\"", name)
		: 0;
}

static int create(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call, char *name,
	char *value)
{
	char *class[] = { (char *)(uintptr_t)class_of(g), NULL }, *cn[] = { name, NULL },
	     *member[] = { value, NULL }, *type[] = { (char *)(uintptr_t)GROUP_TYPE, NULL };
	LDAPMod oc = { LDAP_MOD_ADD, (char *)(uintptr_t) "objectClass", { class } },
		c = { LDAP_MOD_ADD, (char *)(uintptr_t) "cn", { cn } },
		m = { LDAP_MOD_ADD, g->member, { member } },
		account = { LDAP_MOD_ADD, (char *)(uintptr_t) "sAMAccountName", { cn } },
		t = { LDAP_MOD_ADD, (char *)(uintptr_t) "groupType", { type } };
	LDAPMod *mods[] = { &oc, &c, &m, g->ad ? &account : NULL, &t, NULL };
	const char *bad = g->ad ? prov_ldapdir_ad_bad_name(name, PROV_AD_GROUP_NAME) : NULL;
	char *dn = NULL, *rdn;
	int id = 0, rc = -1;

	if (bad)
		return prov_result_fail(call->out,
			"the group \"%.60s\" cannot have this sAMAccountName: it %s", name, bad);
	if (kinds[kind_of(g)].names)
		return prov_result_fail(call->out,
			"there is no posixGroup \"%.100s\", and its gidNumber is not ours to choose",
			name);
	rdn = prov_ldapdir_rdn("cn", name);
	if (rdn && asprintf(&dn, "%s,%s", rdn, g->base) >= 0)
		rc = prov_ldapdir_wait(call, ldap_add_ext(call->ld, dn, mods, NULL, NULL, &id), &id,
			NULL);
	else
		prov_result_fail(call->out, "no memory");
	ldap_memfree(rdn);
	free(dn);
	return rc;
}

static int modify(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call,
	const char *dn, char *value, bool add, bool keep_one)
{
	char *list[] = { value, NULL }, *nobody[] = { (char *)(uintptr_t) "", NULL };
	LDAPMod place = { LDAP_MOD_ADD, g->member, { nobody } },
		m = { add ? LDAP_MOD_ADD : LDAP_MOD_DELETE, g->member, { list } };
	LDAPMod *mods[] = { &m, keep_one ? &place : NULL, NULL };
	int id = 0;

	return prov_ldapdir_wait(call, ldap_modify_ext(call->ld, dn, mods, NULL, NULL, &id), &id,
		NULL);
}

/* After "already exists". In Active Directory it may be another kind of entry, or one elsewhere. */
static int find_now(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call,
	const char *name, char **dn)
{
	struct prov_ldapdir_call then = *call;

	if (find(g, call, name, dn))
		return -1;
	if (*dn || !g->ad)
		return 0;
	call->code = then.code;
	memcpy(call->text, then.text, sizeof(call->text));
	return prov_ldapdir_fail_code(call, "create the group");
}

/* Active Directory has other codes for what is so already. */
static bool is_member_already(const struct prov_ldapdir_call *call)
{
	return call->code == LDAP_TYPE_OR_VALUE_EXISTS || call->code == LDAP_ALREADY_EXISTS;
}

static int join(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call, char *name,
	char *value)
{
	char *dn = NULL;
	int rc = find(g, call, name, &dn);

	if (rc == 0 && !dn) {
		rc = create(g, call, name, value);
		if (rc == 0 && call->code == LDAP_ALREADY_EXISTS) /* another account was faster */
			rc = find_now(g, call, name, &dn);
		else if (rc == 0 && call->code != LDAP_SUCCESS)
			rc = prov_ldapdir_fail_code(call, "create the group");
	}
	if (rc == 0 && dn) {
		rc = modify(g, call, dn, value, true, false);
		if (rc == 0 && call->code != LDAP_SUCCESS && !is_member_already(call))
			rc = prov_ldapdir_fail_code(call, "join the group");
	}
	ldap_memfree(dn);
	return rc;
}

/* Its codes do not tell clearly that a member is none, so the group is asked. */
static int leave_ad(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call,
	const char *dn, char *value)
{
	char *filter = prov_ldapdir_assertion(g->member, value);
	bool is = false;
	int rc = filter ? prov_ldapdir_exists(call, dn, filter, &is)
			: prov_result_fail(call->out, "no memory");

	if (rc == 0 && is) {
		rc = modify(g, call, dn, value, false, false);
		if (rc == 0 && call->code != LDAP_SUCCESS)
			rc = prov_ldapdir_fail_code(call, "leave the group");
		if (rc == 0)
			rc = prov_ldapdir_exists(call, dn, filter, &is);
		if (rc == 0 && is)
			rc = prov_result_fail(call->out,
				"the server took it, but the account is still in \"%.100s\"", dn);
	}
	free(filter);
	return rc;
}

/* The last member of a group that must have one leaves an empty name (RFC 4519, 3.5) behind. */
static int leave_dn(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call,
	const char *dn, char *value)
{
	int rc = modify(g, call, dn, value, false, false);

	if (rc == 0 && call->code == LDAP_OBJECT_CLASS_VIOLATION)
		rc = modify(g, call, dn, value, false, true);
	/* the server's word alone is no proof: it must say that the value is not there */
	if (rc == 0 && call->code == LDAP_SUCCESS)
		rc = modify(g, call, dn, value, false, false);
	if (rc == 0 && call->code != LDAP_NO_SUCH_ATTRIBUTE && call->code != LDAP_NO_SUCH_OBJECT)
		rc = prov_ldapdir_fail_code(call, "leave the group");
	return rc;
}

static int leave(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call,
	const char *name, char *value)
{
	char *dn = NULL;
	int rc = find(g, call, name, &dn);

	if (rc == 0 && dn)
		rc = g->ad ? leave_ad(g, call, dn, value) : leave_dn(g, call, dn, value);
	ldap_memfree(dn);
	return rc;
}

static int each(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call,
	const json_t *list, char *value, bool add)
{
	size_t i;
	json_t *dn;
	int rc = 0;

	json_array_foreach(list, i, dn)
	{
		char *name = rc == 0 && json_is_string(dn)
			? provd_event_group(json_string_value(dn))
			: NULL;
		if (name)
			rc = add ? join(g, call, name, value) : leave(g, call, name, value);
		free(name);
	}
	return rc;
}

static int carry_out(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call,
	const json_t *event, const char *dn, const char *uid, bool add)
{
	const json_t *groups = json_object_get(json_object_get(event, "data"), "groups");
	const json_t *list = json_object_get(groups, add ? "gained" : "lost");
	const char *value = kinds[kind_of(g)].names ? uid : dn;
	char *copy = g->base && list && value ? strdup(value) : NULL;
	int rc = copy ? each(g, call, list, copy, add) : 0;

	free(copy);
	return rc;
}

int prov_ldapdir_groups_leave(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call,
	const json_t *event, const char *dn, const char *uid)
{
	return carry_out(g, call, event, dn, uid, false);
}

int prov_ldapdir_groups_join(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call,
	const json_t *event, const char *dn, const char *uid)
{
	return carry_out(g, call, event, dn, uid, true);
}

/* One value for another, at once; the server may have been faster (refint). */
static int swap(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call, const char *dn,
	char *was, char *is)
{
	char *old[] = { was, NULL }, *new[] = { is, NULL };
	LDAPMod out = { LDAP_MOD_DELETE, g->member, { old } },
		in = { LDAP_MOD_ADD, g->member, { new } };
	LDAPMod *mods[] = { &out, &in, NULL };
	int id = 0;
	int rc = prov_ldapdir_wait(call, ldap_modify_ext(call->ld, dn, mods, NULL, NULL, &id), &id,
		NULL);

	if (rc || call->code == LDAP_SUCCESS || call->code == LDAP_NO_SUCH_ATTRIBUTE ||
		call->code == LDAP_NO_SUCH_OBJECT)
		return rc;
	if (call->code == LDAP_TYPE_OR_VALUE_EXISTS)
		return leave_dn(g, call, dn, was);
	return prov_ldapdir_fail_code(call, "rename a member of a group");
}

static int rename_in(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call,
	const char *filter, char *was, char *is)
{
	static char none[] = LDAP_NO_ATTRS;
	char *attrs[] = { none, NULL };
	LDAPMessage *res = NULL;
	int id = 0;
	int rc = prov_ldapdir_wait(call,
		ldap_search_ext(call->ld, g->base, LDAP_SCOPE_SUBTREE, filter, attrs, 0, NULL, NULL,
			NULL, 0, &id),
		&id, &res);

	if (rc == 0 && call->code != LDAP_SUCCESS && call->code != LDAP_NO_SUCH_OBJECT)
		rc = prov_ldapdir_fail_code(call, "search for its groups");
	LDAPMessage *e = rc == 0 ? ldap_first_entry(call->ld, res) : NULL;
	while (rc == 0 && e) {
		char *dn = ldap_get_dn(call->ld, e);
		if (dn)
			rc = is ? swap(g, call, dn, was, is) : leave_dn(g, call, dn, was);
		/* one that we may not write was never ours */
		if (rc && call->ld && call->code == LDAP_INSUFFICIENT_ACCESS) {
			call->out->error[0] = '\0';
			rc = 0;
		}
		ldap_memfree(dn);
		e = rc == 0 ? ldap_next_entry(call->ld, e) : NULL;
	}
	ldap_msgfree(res);
	return rc;
}

int prov_ldapdir_groups_rename(const struct prov_ldapdir_groups *g, struct prov_ldapdir_call *call,
	const char *was_dn, const char *was_uid, const char *is_dn, const char *is_uid)
{
	bool names = kinds[kind_of(g)].names;
	const char *from = names ? was_uid : was_dn, *to = names ? is_uid : is_dn;

	if (g->ad || !g->base || !from)
		return 0;
	char *filter = prov_ldapdir_assertion(g->member, from), *was = strdup(from),
	     *is = to ? strdup(to) : NULL;
	int rc = filter && was && (is || !to) ? rename_in(g, call, filter, was, is)
					      : prov_result_fail(call->out, "no memory");
	free(filter);
	free(was);
	free(is);
	return rc;
}
