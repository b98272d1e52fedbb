/*
 * group.c - group membership and memberOf as internal modifies in one transaction.
 */
#include "group.h"

#include "convert.h"
#include "lookup.h"
#include "schema.h"

/* A class may be undefined: not even core.schema is there in every server. */
static bool is_of(Entry *e, ObjectClass *oc)
{
	return oc && is_entry_objectclass(e, oc, 0);
}

enum prov_group_kind prov_group_kind_of(Entry *e)
{
	if (is_of(e, prov_ad.oc_groupOfNames))
		return PROV_GROUP_MEMBER;
	if (is_of(e, prov_ad.oc_groupOfUniqueNames))
		return PROV_GROUP_UNIQUE;
	/* groupOfMembers and the like: whatever holds member is a group by DN */
	if (attr_find(e->e_attrs, prov_ad.member))
		return PROV_GROUP_MEMBER;
	if (is_of(e, oc_find("groupOfMembers")))
		return PROV_GROUP_MEMBER;
	if (is_of(e, prov_ad.oc_posixGroup))
		return PROV_GROUP_UID;
	return PROV_GROUP_NONE;
}

AttributeDescription *prov_group_attr(enum prov_group_kind kind)
{
	switch (kind) {
	case PROV_GROUP_MEMBER:
		return prov_ad.member;
	case PROV_GROUP_UNIQUE:
		return prov_ad.uniqueMember;
	case PROV_GROUP_UID:
		return prov_ad.memberUid;
	case PROV_GROUP_NONE:
		break;
	}
	return NULL;
}

enum prov_group_kind prov_group_kind_of_attr(AttributeDescription *ad)
{
	if (ad == prov_ad.member)
		return PROV_GROUP_MEMBER;
	if (ad == prov_ad.uniqueMember)
		return PROV_GROUP_UNIQUE;
	if (ad && ad == prov_ad.memberUid)
		return PROV_GROUP_UID;
	return PROV_GROUP_NONE;
}

struct found {
	struct prov_arena *arena;
	struct prov_membership *m;
	size_t n, room;
	bool oom;
};

static int see_group(void *ctx, Entry *e)
{
	struct found *f = ctx;
	enum prov_group_kind kind = prov_group_kind_of(e);

	if (kind == PROV_GROUP_NONE)
		return 0;
	if (f->n == f->room) {
		size_t room = f->room ? f->room * 2 : 16;
		struct prov_membership *m = prov_arena_array(f->arena, room, sizeof(*m));
		if (!m) {
			f->oom = true;
			return 1;
		}
		if (f->n)
			memcpy(m, f->m, f->n * sizeof(*m));
		f->m = m;
		f->room = room;
	}
	struct prov_membership *m = &f->m[f->n];
	m->dn.data = prov_arena_strndup(f->arena, e->e_name.bv_val, e->e_name.bv_len);
	m->dn.len = e->e_name.bv_len;
	m->ndn.data = prov_arena_strndup(f->arena, e->e_nname.bv_val, e->e_nname.bv_len);
	m->ndn.len = e->e_nname.bv_len;
	m->kind = kind;
	f->oom = !m->dn.data || !m->ndn.data;
	f->n++;
	return f->oom;
}

int prov_group_memberships(struct prov_instance *pi, Operation *op, struct berval dn,
	struct berval uid, struct prov_arena *arena, struct prov_membership **out, size_t *n,
	struct prov_error *err)
{
	struct found f = { arena, NULL, 0, 0, false };
	const char *d = prov_lookup_escape(arena, prov_bv(dn));
	const char *u = prov_lookup_escape(arena, prov_bv(uid));
	char *filter = NULL;

	if (d && u)
		filter = prov_ad.memberUid && uid.bv_len
			? prov_arena_printf(arena, "(|(member=%s)(uniqueMember=%s)(memberUid=%s))",
				  d, d, u)
			: prov_arena_printf(arena, "(|(member=%s)(uniqueMember=%s))", d, d);
	if (!filter)
		return LDAP_OTHER;
	int rc = prov_lookup_search(pi, op, &op->o_bd->be_nsuffix[0], LDAP_SCOPE_SUBTREE, filter,
		see_group, &f);
	if (f.oom)
		rc = LDAP_OTHER;
	if (rc != LDAP_SUCCESS)
		prov_error_set(err, PROV_EIO, "cannot search the groups of \"%s\": %s", dn.bv_val,
			f.oom ? "out of memory" : ldap_err2string(rc));
	*out = f.m;
	*n = f.n;
	return rc;
}

static struct prov_val member_value(enum prov_group_kind kind, struct berval dn, struct berval uid)
{
	return prov_bv(kind == PROV_GROUP_UID ? uid : dn);
}

int prov_group_add(struct prov_txn *t, struct berval gdn, struct berval gndn,
	enum prov_group_kind kind, struct berval dn, struct berval uid, bool *had,
	struct prov_error *err)
{
	struct prov_val v = member_value(kind, dn, uid);
	Modifications *mods = NULL;

	if (had)
		*had = false;
	if (v.len == 0) {
		prov_error_set(err, PROV_EREFUSED,
			"group \"%s\" lists members by uid and the account has none", gdn.bv_val);
		return LDAP_CONSTRAINT_VIOLATION;
	}
	int rc = prov_mods_append(t->op, &mods, LDAP_MOD_ADD, prov_group_attr(kind), &v, 1, err);
	if (rc == LDAP_SUCCESS)
		rc = prov_txn_modify(t, gdn, gndn, mods, err);
	if (rc == LDAP_TYPE_OR_VALUE_EXISTS) {
		if (had)
			*had = true;
		rc = LDAP_SUCCESS;
	}
	if (rc != LDAP_SUCCESS)
		prov_error_prefix(err, "cannot add the account to group");
	return rc;
}

int prov_group_remove(struct prov_txn *t, struct berval gdn, struct berval gndn,
	enum prov_group_kind kind, struct berval dn, struct berval uid, struct prov_error *err)
{
	struct prov_val v = member_value(kind, dn, uid), nobody = prov_val_str("");
	AttributeDescription *ad = prov_group_attr(kind);
	Modifications *mods = NULL;

	if (v.len == 0)
		return LDAP_SUCCESS;
	int rc = prov_mods_append(t->op, &mods, LDAP_MOD_DELETE, ad, &v, 1, err);
	if (rc == LDAP_SUCCESS)
		rc = prov_txn_modify(t, gdn, gndn, mods, err);
	if (rc == LDAP_OBJECT_CLASS_VIOLATION && kind != PROV_GROUP_UID) {
		mods = NULL;
		rc = prov_mods_append(t->op, &mods, LDAP_MOD_ADD, ad, &nobody, 1, err);
		if (rc == LDAP_SUCCESS)
			rc = prov_mods_append(t->op, &mods, LDAP_MOD_DELETE, ad, &v, 1, err);
		if (rc == LDAP_SUCCESS)
			rc = prov_txn_modify(t, gdn, gndn, mods, err);
	}
	if (rc == LDAP_NO_SUCH_ATTRIBUTE || rc == LDAP_NO_SUCH_OBJECT)
		rc = LDAP_SUCCESS;
	if (rc != LDAP_SUCCESS)
		prov_error_prefix(err, "cannot take the account out of group");
	return rc;
}

int prov_group_rename(struct prov_txn *t, const struct prov_membership *m, struct berval old_dn,
	struct berval new_dn, struct berval old_uid, struct berval new_uid, struct prov_error *err)
{
	struct prov_val was = member_value(m->kind, old_dn, old_uid);
	struct prov_val is = member_value(m->kind, new_dn, new_uid);
	AttributeDescription *ad = prov_group_attr(m->kind);
	Modifications *mods = NULL;

	if (prov_val_equal(was, is) || was.len == 0)
		return LDAP_SUCCESS;
	int rc = LDAP_SUCCESS;
	/* A rename that only changes case or spacing is the same value to the group. */
	rc = prov_mods_append(t->op, &mods, LDAP_MOD_DELETE, ad, &was, 1, err);
	if (rc == LDAP_SUCCESS && is.len)
		rc = prov_mods_append(t->op, &mods, LDAP_MOD_ADD, ad, &is, 1, err);
	if (rc == LDAP_SUCCESS)
		rc = prov_txn_modify(t, prov_val_bv(m->dn), prov_val_bv(m->ndn), mods, err);
	else
		slap_mods_free(mods, 1);
	if (rc == LDAP_NO_SUCH_ATTRIBUTE)
		rc = LDAP_SUCCESS;
	if (rc != LDAP_SUCCESS)
		prov_error_prefix(err, "cannot follow the rename in group");
	return rc;
}

int prov_memberof_change(struct prov_txn *t, struct berval dn, struct berval ndn, bool add,
	struct berval gdn, struct prov_error *err)
{
	struct prov_val v = prov_bv(gdn);
	Modifications *mods = NULL;

	if (BER_BVISEMPTY(&ndn) || !dnIsSuffix(&ndn, &t->op->o_bd->be_nsuffix[0]))
		return LDAP_SUCCESS;
	int rc = prov_mods_append(t->op, &mods, add ? LDAP_MOD_ADD : LDAP_MOD_DELETE,
		prov_ad.memberOf, &v, 1, err);
	if (rc == LDAP_SUCCESS)
		rc = prov_txn_modify(t, dn, ndn, mods, err);
	if (rc == LDAP_TYPE_OR_VALUE_EXISTS || rc == LDAP_NO_SUCH_ATTRIBUTE ||
		rc == LDAP_NO_SUCH_OBJECT || rc == LDAP_REFERRAL)
		rc = LDAP_SUCCESS;
	if (rc != LDAP_SUCCESS)
		prov_error_prefix(err, "cannot keep memberOf of");
	return rc;
}
