/*
 * connector_change.h - provctl connector sync|forget: what an admin does to a connector as a
 * whole, beyond its entry.
 */
#ifndef PROV_CTL_CONNECTOR_CHANGE_H
#define PROV_CTL_CONNECTOR_CHANGE_H

#include "ctl.h"

/* Have it told of all accounts that are there. An exit status. */
int ctl_connector_sync(struct ctl *c, const char *name);
/* Throw away what is kept of one that is not in the directory any more. An exit status. */
int ctl_connector_forget(struct ctl *c, const char *name, const char *reason);

#endif
