/*
 * connector_change.h - provctl connector sync|forget: what an admin does to a connector as a
 * whole, beyond its entry.
 */
#ifndef PROV_CTL_CONNECTOR_CHANGE_H
#define PROV_CTL_CONNECTOR_CHANGE_H

#include "ctl.h"

/* Have it told of all accounts that are there. An exit status. */
int ctl_connector_sync(struct ctl *c, const char *name);

#endif
