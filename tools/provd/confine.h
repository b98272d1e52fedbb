/*
 * confine.h - which programs and secret files connectors may name, whoever writes their entries.
 *
 * The directory says what is run and read; the machine's admin says where from. Set once, before
 * there are threads; any number of them may ask.
 */
#ifndef PROVD_CONFINE_H
#define PROVD_CONFINE_H

#include "error.h"

enum prov_confine { PROV_CONFINE_PROGRAMS, PROV_CONFINE_SECRETS, PROV_CONFINE_COUNT };

/* Only what lies below dir from now on. PROV_EINVAL: there is no such directory. */
int prov_confine_to(enum prov_confine what, const char *dir, struct prov_error *err);

/* 0 when nothing was set; else path must be absolute and lie below, symbolic links followed.
 * PROV_EREFUSED, PROV_ENOENT. */
int prov_confine_check(enum prov_confine what, const char *path, struct prov_error *err);

#endif
