/*
 * settings.h - the configuration members of an instance, taken as one thing.
 *
 * `from` and `to` are instances of which nothing but these members is read or written; a copy is
 * made for `to`'s database.
 */
#ifndef PROV_SLAPD_SETTINGS_H
#define PROV_SLAPD_SETTINGS_H

#include "instance.h"

void prov_settings_default(struct prov_instance *to);
/* Afterwards `from` owns nothing. */
void prov_settings_move(struct prov_instance *to, struct prov_instance *from);
void prov_settings_copy(struct prov_instance *to, const struct prov_instance *from);
void prov_settings_dispose(struct prov_instance *pi);

/* What must hold of all of them together before the database opens or goes on. 0, or
 * nonzero with the reason in msg. */
int prov_settings_check(const struct prov_instance *pi, char *msg, size_t len);

#endif
