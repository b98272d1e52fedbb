/*
 * exec_limits.h - the command line of an exec connector with what its options ask for around
 * it: prlimit(1) and setpriv(1), which run the program in their own place.
 *
 *   user=NAME        run as this user, with its groups (provd must be root then)
 *   cpu=SECONDS      of processor time
 *   memory=MIB       of address space
 *   files=N          open files
 *   processes=N      processes of that user
 *   filesize=MIB     of one file that is written
 *
 * With any of them no core is dumped either, and no privilege gained (no_new_privs). Without,
 * the command line stays as it is.
 */
#ifndef PROVD_EXEC_LIMITS_H
#define PROVD_EXEC_LIMITS_H

#include "connector.h"
#include "error.h"

/* argv as argv.h makes it, taken over; *out is one allocation, the caller's (free()).
 * PROV_EINVAL names the option; argv is freed then, too. */
int prov_exec_limits(const struct prov_connector *c, char **argv, char ***out,
	struct prov_error *err);

#endif
