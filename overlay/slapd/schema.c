/*
 * schema.c - registers our attribute types and classes, and finds those of others.
 *
 * Never replaces a definition: a server that has ours from a schema file already is told
 * what to do, because there the operational attributes are writable by everybody.
 */
#include "schema.h"

#include "schema_defs.h"

#define DN_SYNTAX "1.3.6.1.4.1.1466.115.121.1.12"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct prov_ads prov_ad;

static int failed(const char *what, const char *def, int code)
{
	if (code == SLAP_SCHERR_ATTR_DUP || code == SLAP_SCHERR_CLASS_DUP)
		Debug(LDAP_DEBUG_ANY,
			"provision: the %s of \"%s\" is there already: the module brings its schema with it, so take "
			"provision.schema or provision.ldif out of this server's configuration\n",
			what, def);
	else
		Debug(LDAP_DEBUG_ANY, "provision: cannot register the %s \"%s\": %s\n", what, def,
			scherr2str(code));
	return -1;
}

int prov_schema_register(void)
{
	for (size_t i = 0; i < COUNT(types); i++) {
		int rc = register_at(types[i].def, types[i].ad, 0);
		if (rc)
			return failed("attribute type", types[i].def, rc);
	}
	for (size_t i = 0; i < COUNT(classes); i++) {
		int rc = register_oc(classes[i].def, classes[i].oc, 0);
		if (rc)
			return failed("object class", classes[i].def, rc);
		if (classes[i].hidden)
			(*classes[i].oc)->soc_flags |= SLAP_OC_HIDE;
	}
	/* like the rest of cn=Monitor's schema */
	AttributeDescription *hidden[] = { prov_ad.monFollowPending, prov_ad.monFollowDone,
		prov_ad.monFollowTotal, prov_ad.monBacklog, prov_ad.monPolicyGeneration,
		prov_ad.monPolicyError, prov_ad.monRelayed, prov_ad.monInfo };
	for (size_t i = 0; i < COUNT(hidden); i++)
		hidden[i]->ad_type->sat_flags |= SLAP_AT_HIDE;
	prov_schema_late();
	return 0;
}

int prov_schema_offer_memberof(void)
{
	if (at_find("memberOf"))
		return 0;
	/* A later memberof.la finds the same OID and name, and is content. */
	int rc = register_at("( 1.2.840.113556.1.2.102 NAME 'memberOf' "
			     "DESC 'Group that the entry belongs to' "
			     "EQUALITY distinguishedNameMatch SYNTAX " DN_SYNTAX " "
			     "NO-USER-MODIFICATION USAGE dSAOperation "
			     "X-ORIGIN 'iPlanet Delegated Administrator' )",
		&prov_ad.memberOf, 1);
	return rc ? failed("attribute type", "memberOf", rc) : 0;
}

int prov_schema_need_memberof(void)
{
	const char *text = NULL;

	if (prov_schema_offer_memberof())
		return -1;
	if (!prov_ad.memberOf && slap_str2ad("memberOf", &prov_ad.memberOf, &text)) {
		Debug(LDAP_DEBUG_ANY, "provision: cannot use memberOf: %s\n", text);
		return -1;
	}
	const AttributeType *at = prov_ad.memberOf->ad_type;
	if (strcmp(at->sat_syntax->ssyn_oid, DN_SYNTAX) != 0 || !at->sat_equality) {
		Debug(LDAP_DEBUG_ANY,
			"provision: memberOf comes from a schema file here (msuser?) that does not make it a DN with an "
			"equality rule, so it cannot be kept: take it out of that file, and the module defines it\n");
		return -1;
	}
	return 0;
}

static void find_type(const char *name, AttributeDescription **ad)
{
	const char *text;

	if (!*ad && at_find(name))
		slap_str2ad(name, ad, &text);
}

static void find_class(const char *name, ObjectClass **oc)
{
	if (!*oc)
		*oc = oc_find(name);
}

static bool allows(const ObjectClass *oc, const AttributeType *at)
{
	for (AttributeType **p = oc->soc_allowed; p && *p; p++)
		if (*p == at)
			return true;
	return false;
}

/* Another attribute for a class of ours, as if it had been in its definition. */
static void allow(ObjectClass *oc, AttributeType *at)
{
	size_t n = 0, names = 0;

	if (allows(oc, at))
		return;
	while (oc->soc_allowed && oc->soc_allowed[n])
		n++;
	oc->soc_allowed = ch_realloc(oc->soc_allowed, (n + 2) * sizeof(*oc->soc_allowed));
	oc->soc_allowed[n] = at;
	oc->soc_allowed[n + 1] = NULL;
	/* what cn=subschema shows */
	while (oc->soc_at_oids_may && oc->soc_at_oids_may[names])
		names++;
	oc->soc_at_oids_may = ch_realloc(oc->soc_at_oids_may, (names + 2) * sizeof(char *));
	oc->soc_at_oids_may[names] = ch_strdup(at->sat_cname.bv_val);
	oc->soc_at_oids_may[names + 1] = NULL;
}

void prov_schema_groups(void)
{
	find_type("member", &prov_ad.member);
	find_type("uniqueMember", &prov_ad.uniqueMember);
	find_type("memberUid", &prov_ad.memberUid);
	find_class("groupOfNames", &prov_ad.oc_groupOfNames);
	find_class("groupOfUniqueNames", &prov_ad.oc_groupOfUniqueNames);
	find_class("posixGroup", &prov_ad.oc_posixGroup);
}

void prov_schema_late(void)
{
	prov_schema_groups();
	find_type("memberOf", &prov_ad.memberOf);
	for (size_t i = 0; i < COUNT(classes); i++) {
		for (size_t j = 0; j < COUNT(classes[i].later) && classes[i].later[j]; j++) {
			AttributeType *at = at_find(classes[i].later[j]);
			if (at)
				allow(*classes[i].oc, at);
		}
	}
}
