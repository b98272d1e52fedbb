/*
 * apply.h - changes of the configuration while the database is open.
 *
 * config.c calls begin before it changes a member of an instance; the rest follows when
 * slapd runs the operation's cleanup. While the database is closed it does nothing.
 */
#ifndef PROV_SLAPD_APPLY_H
#define PROV_SLAPD_APPLY_H

#include "instance.h"

/* 0, or nonzero with c->cr_msg filled. */
int prov_apply_begin(ConfigArgs *c, struct prov_instance *pi);
/* The key was set: the file may hold another one now even when its name is the same. */
void prov_apply_key_touched(void);

#endif
