/* config.h - the provision-* keywords and olcProvision* attributes. */
#ifndef PROV_SLAPD_CONFIG_H
#define PROV_SLAPD_CONFIG_H

#include "instance.h"

extern ConfigTable prov_config_table[];
extern ConfigOCs prov_config_ocs[];

struct prov_instance *prov_instance_new(void); /* with all defaults */
void prov_instance_free(struct prov_instance *pi);

/*
 * Called by config.c after a value was accepted while the database is open; in
 * runtime.c. Each returns 0 or nonzero with msg filled, and then the change is
 * undone by config.c.
 */
int prov_runtime_policy_changed(struct prov_instance *pi, char *msg, size_t len);
int prov_runtime_accounts_changed(struct prov_instance *pi, char *msg, size_t len);
int prov_runtime_state_changed(struct prov_instance *pi, char *msg,
	size_t len); /* state dir, key, checkpoint */
int prov_runtime_memberof_changed(struct prov_instance *pi, char *msg, size_t len);

#endif
