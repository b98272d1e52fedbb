/* event.c - what an event says about its account. See event.h. */
#include "event.h"

#include <ldap.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

bool provd_event_is(const json_t *event, const char *type)
{
	const char *t = json_string_value(json_object_get(event, "type"));
	size_t n = t ? strlen(t) : 0, m = strlen(type);

	return n >= m && strcmp(t + n - m, type) == 0;
}

bool provd_event_active(const json_t *event)
{
	const json_t *data = json_object_get(event, "data");
	const char *after = json_string_value(json_object_get(data, "stateAfter"));

	return after && strcmp(after, "active") == 0 && !provd_event_is(event, "account.deleted");
}

const json_t *provd_event_values(const json_t *event, const char *attr)
{
	const json_t *data = json_object_get(event, "data"), *list = NULL;
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)json_object_get(data, "values"), name, v)
	{
		if (strcasecmp(name, attr) == 0)
			list = v;
	}
	return !list && strcasecmp(attr, "uid") == 0 ? json_object_get(data, "uid") : list;
}

bool provd_event_may(const struct prov_connector *c, const char *attr)
{
	bool may = strcasecmp(attr, "uid") == 0;

	for (size_t i = 0; i < c->nattr && !may; i++)
		may = strcasecmp(c->attr[i]->name, attr) == 0;
	return may;
}

char *provd_event_group(const char *dn)
{
	LDAPDN parts = NULL;
	char *name = NULL;

	if (ldap_str2dn(dn, &parts, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS && parts && parts[0] &&
		parts[0][0])
		name = strndup(parts[0][0]->la_value.bv_val, parts[0][0]->la_value.bv_len);
	ldap_dnfree(parts);
	return name;
}
