/* kind.c - the kinds that deliver from a worker. */
#include "kind.h"

#include <string.h>

#include "caep.h"
#include "kafka.h"
#include "ldapdir.h"
#include "natsjs.h"
#include "scim.h"
#include "webhook.h"

static const struct {
	const char *type;
	const struct prov_kind_ops *ops;
} kinds[] = {
	{ "caep", &prov_caep_ops },
	{ "kafka", &prov_kafka_ops },
	{ "ldap", &prov_ldapdir_ops },
	{ "nats", &prov_nats_ops },
	{ "scim", &prov_scim_ops },
	{ "webhook", &prov_webhook_ops },
};

const struct prov_kind_ops *prov_kind_find(const char *type)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].type, type) == 0)
			return kinds[i].ops;
	return NULL;
}
