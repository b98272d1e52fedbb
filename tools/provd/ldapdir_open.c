/* ldapdir_open.c - the ldap connector: its options. See ldapdir_impl.h. */
#include "ldapdir_impl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ldapdir_ad.h"

static const char *const ad_classes[] = { "top", "person", "organizationalPerson", "user" };

void prov_ldapdir_close(void *self)
{
	struct ldapdir *s = self;

	prov_ldapdir_free(&s->dir);
	prov_ldapdir_map_free(&s->map);
	for (char **p = s->class; *p; p++)
		free(*p);
	free(s->groups.base);
	free(s->groups.member);
	free(s->rdn);
	free(s->login);
	free(s->key);
	free(s->lock);
	free(s->lock_value);
	free(s);
}

static char *option(const struct prov_connector *c, const char *name, const char *otherwise)
{
	const char *v = prov_connector_option(c, name);

	return v || otherwise ? strdup(v ? v : otherwise) : NULL;
}

static int no_memory(struct prov_error *err)
{
	prov_error_set(err, PROV_ENOMEM, "no memory");
	return PROV_ENOMEM;
}

static int read_lock(struct ldapdir *s, const struct prov_connector *c, struct prov_error *err)
{
	/* as slapo-ppolicy(5) has it: locked for good */
	s->lock = option(c, "disable", "pwdAccountLockedTime=000001010000Z");
	char *eq = s->lock ? strchr(s->lock, '=') : NULL;

	if (!eq || eq == s->lock || !eq[1])
		return prov_error_set(err, PROV_EINVAL,
			"provOption: disable=%.100s: want disable=ATTRIBUTE=VALUE",
			s->lock ? s->lock : "");
	*eq = '\0';
	s->lock_value = strdup(eq + 1);
	return s->lock_value ? 0 : no_memory(err);
}

static int read_classes(struct ldapdir *s, const struct prov_connector *c, struct prov_error *err)
{
	size_t n = 0;

	for (size_t i = 0; i < c->noption; i++) {
		if (strcmp(c->option[i].name, "class") != 0)
			continue;
		if (n == LDAPDIR_CLASSES)
			return prov_error_set(err, PROV_EINVAL,
				"provOption: more than %d class=", LDAPDIR_CLASSES);
		if (!(s->class[n++] = strdup(c->option[i].value)))
			return no_memory(err);
	}
	if (n == 0 && !s->ad)
		return (s->class[0] = strdup("inetOrgPerson")) ? 0 : no_memory(err);
	for (size_t i = 0; n == 0 && i < sizeof(ad_classes) / sizeof(ad_classes[0]); i++)
		if (!(s->class[i] = strdup(ad_classes[i])))
			return no_memory(err);
	return 0;
}

/* What has no meaning there, or has one only there. */
static int check_dialect(const struct ldapdir *s, const struct prov_connector *c,
	struct prov_error *err)
{
	static const char *const never[] = { "rdn", "disable" },
				 *const only[] = { "upnSuffix", "password" };

	for (size_t i = 0; i < 2; i++) {
		const char *wrong = s->ad ? never[i] : only[i];
		if (prov_connector_option(c, wrong))
			return prov_error_set(err, PROV_EINVAL, "provOption: %s= %s dialect=ad",
				wrong, s->ad ? "does not go with" : "goes only with");
	}
	if (s->ad && strcasecmp(s->groups.member, "member") != 0)
		return prov_error_set(err, PROV_EINVAL,
			"provOption: member=%s does not go with dialect=ad", s->groups.member);
	return 0;
}

static int read_map(struct ldapdir *s, const struct prov_connector *c, struct prov_error *err)
{
	const char *suffix = prov_connector_option(c, "upnSuffix");
	char *domain = NULL;

	if (s->ad && !suffix)
		domain = prov_ldapdir_ad_domain(prov_ldapdir_base(s->dir));
	int rc = prov_ldapdir_map_new(c,
		!s->ad           ? NULL
			: suffix ? suffix
			: domain ? domain
				 : "",
		&s->map, err);
	free(domain);
	return rc;
}

int prov_ldapdir_open(const struct prov_connector *c, void **self, struct prov_error *err)
{
	struct ldapdir *s = calloc(1, sizeof(*s));

	*self = NULL;
	if (!s)
		return no_memory(err);
	s->ad = prov_connector_option_is(c, "dialect", "ad");
	s->remove = prov_connector_option_is(c, "delete", "remove");
	s->no_password = prov_connector_option_is(c, "password", "none");
	s->rdn = option(c, "rdn", s->ad ? "cn" : "uid");
	s->login = s->ad ? strdup("sAMAccountName") : s->rdn ? strdup(s->rdn) : NULL;
	s->key = option(c, "idAttribute", NULL);
	s->groups.ad = s->ad;
	s->groups.base = option(c, "groups", NULL);
	s->groups.member = option(c, "member", "member");
	int rc = s->rdn && s->login && s->groups.member ? 0 : no_memory(err);
	if (rc == 0)
		rc = check_dialect(s, c, err);
	if (rc == 0 && !s->ad)
		rc = read_lock(s, c, err);
	if (rc == 0)
		rc = read_classes(s, c, err);
	if (rc == 0)
		rc = prov_ldapdir_new(c, &s->dir, err);
	if (rc == 0)
		rc = read_map(s, c, err);
	if (rc)
		prov_ldapdir_close(s);
	else
		*self = s;
	return rc;
}
