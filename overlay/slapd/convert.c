/*
 * convert.c - entries and modifications across the border between slapd and the core.
 */
#include "convert.h"

#include "types.h"

static struct prov_val *values(BerVarray a, unsigned n, struct prov_arena *arena, bool copy)
{
	struct prov_val *v = prov_arena_array(arena, n ? n : 1, sizeof(*v));

	for (unsigned i = 0; v && i < n; i++) {
		v[i].data =
			copy ? prov_arena_strndup(arena, a[i].bv_val, a[i].bv_len) : a[i].bv_val;
		v[i].len = a[i].bv_len;
		if (!v[i].data)
			return NULL;
	}
	return v;
}

static int convert(Entry *e, struct prov_arena *arena, bool copy, struct prov_entry *out)
{
	size_t n = 0;

	for (Attribute *a = e->e_attrs; a; a = a->a_next)
		n++;
	struct prov_attr *attr = prov_arena_array(arena, n ? n : 1, sizeof(*attr));
	if (!attr)
		return PROV_ENOMEM;
	memset(out, 0, sizeof(*out));
	struct berval names[2] = { e->e_name, e->e_nname };
	struct prov_val *dn = values(names, 2, arena, copy);
	if (!dn)
		return PROV_ENOMEM;
	out->dn = dn[0];
	out->ndn = dn[1];
	n = 0;
	for (Attribute *a = e->e_attrs; a; a = a->a_next, n++) {
		attr[n].type = prov_type_of(a->a_desc);
		attr[n].n = a->a_numvals;
		attr[n].val = values(a->a_vals, a->a_numvals, arena, copy);
		attr[n].nval = a->a_nvals == a->a_vals
			? attr[n].val
			: values(a->a_nvals, a->a_numvals, arena, copy);
		if (!attr[n].type || !attr[n].val || !attr[n].nval)
			return PROV_ENOMEM;
		if (a->a_desc == slap_schema.si_ad_entryUUID && a->a_numvals)
			out->uuid = attr[n].val[0];
	}
	out->n = n;
	out->attr = attr;
	return 0;
}

int prov_convert_entry(Entry *e, struct prov_arena *arena, struct prov_entry *out)
{
	return convert(e, arena, false, out);
}

int prov_convert_entry_copy(Entry *e, struct prov_arena *arena, struct prov_entry *out)
{
	return convert(e, arena, true, out);
}

int prov_mods_append(Operation *op, Modifications **list, int mod_op, AttributeDescription *ad,
	const struct prov_val *val, size_t n, struct prov_error *err)
{
	Modifications *m = ch_calloc(1, sizeof(*m));
	char buf[SLAP_TEXT_BUFLEN] = "";
	const char *text = NULL;

	m->sml_op = mod_op;
	m->sml_desc = ad;
	m->sml_type = ad->ad_cname;
	m->sml_flags = SLAP_MOD_INTERNAL;
	if (n) {
		m->sml_values = ch_calloc(n + 1, sizeof(struct berval));
		for (size_t i = 0; i < n; i++) {
			struct berval bv = prov_val_bv(val[i]);
			ber_dupbv(&m->sml_values[i], &bv);
		}
		m->sml_numvals = n;
		int rc = slap_mods_check(op, m, &text, buf, sizeof(buf), NULL);
		if (rc != LDAP_SUCCESS) {
			slap_mods_free(m, 1);
			prov_error_set(err, PROV_EINVAL, "%s: %s", ad->ad_cname.bv_val,
				text ? text : "bad value");
			return rc;
		}
	}
	while (*list)
		list = &(*list)->sml_next;
	*list = m;
	return LDAP_SUCCESS;
}

int prov_mods_append_plan(Operation *op, Modifications **list, const struct prov_plan *plan,
	struct prov_error *err)
{
	static const int ops[] = { [PROV_MOD_ADD] = LDAP_MOD_ADD,
		[PROV_MOD_DELETE] = LDAP_MOD_DELETE,
		[PROV_MOD_REPLACE] = LDAP_MOD_REPLACE };

	for (size_t i = 0; i < plan->nmod; i++) {
		const struct prov_mod *m = &plan->mod[i];
		int rc = prov_mods_append(op, list, ops[m->op], prov_type_ad(m->type), m->val, m->n,
			err);
		if (rc != LDAP_SUCCESS)
			return rc;
	}
	return LDAP_SUCCESS;
}

int prov_mods_apply(Operation *op, Entry *e, Modifications *mods)
{
	char buf[SLAP_TEXT_BUFLEN];
	const char *text;
	int rc = LDAP_SUCCESS, permissive = get_permissiveModify(op);

	for (Modifications *ml = mods; ml && rc == LDAP_SUCCESS; ml = ml->sml_next) {
		Modification *m = &ml->sml_mod;
		int saved = m->sm_op;
		switch (saved) {
		case LDAP_MOD_ADD:
			rc = modify_add_values(e, m, permissive, &text, buf, sizeof(buf));
			break;
		case LDAP_MOD_DELETE:
			rc = modify_delete_values(e, m, permissive, &text, buf, sizeof(buf));
			break;
		case LDAP_MOD_REPLACE:
			rc = modify_replace_values(e, m, permissive, &text, buf, sizeof(buf));
			break;
		case LDAP_MOD_INCREMENT:
			rc = modify_increment_values(e, m, permissive, &text, buf, sizeof(buf));
			break;
		case SLAP_MOD_SOFTADD:
			m->sm_op = LDAP_MOD_ADD;
			rc = modify_add_values(e, m, 1, &text, buf, sizeof(buf));
			break;
		case SLAP_MOD_SOFTDEL:
			m->sm_op = LDAP_MOD_DELETE;
			rc = modify_delete_values(e, m, 1, &text, buf, sizeof(buf));
			break;
		case SLAP_MOD_ADD_IF_NOT_PRESENT:
			if (!attr_find(e->e_attrs, m->sm_desc)) {
				m->sm_op = LDAP_MOD_ADD;
				rc = modify_add_values(e, m, permissive, &text, buf, sizeof(buf));
			}
			break;
		default:
			rc = LDAP_OTHER;
		}
		m->sm_op = saved;
		if (rc == LDAP_TYPE_OR_VALUE_EXISTS && saved == SLAP_MOD_SOFTADD)
			rc = LDAP_SUCCESS;
		if (rc == LDAP_NO_SUCH_ATTRIBUTE && saved == SLAP_MOD_SOFTDEL)
			rc = LDAP_SUCCESS;
		if (rc == LDAP_SUCCESS && m->sm_desc == slap_schema.si_ad_objectClass)
			e->e_ocflags = 0;
	}
	return rc;
}
