/*
 * wholefile.h - files that are whole at any moment: written aside, synced, renamed.
 *
 * A reader finds the old one or the new one. What is there and is no regular file (a pipe, a
 * device) is written to as it is.
 */
#ifndef PROV_WHOLEFILE_H
#define PROV_WHOLEFILE_H

#include <stdio.h>
#include <sys/types.h>

#include "error.h"

/*
 * write() gives the content; a nonzero return of it is returned, and the old file stays, as after
 * PROV_EIO and PROV_ENOMEM. mode: of a new file, whatever the umask; one that is there keeps its own.
 */
int prov_wholefile(const char *file, mode_t mode, int (*write)(void *ctx, FILE *f), void *ctx,
	struct prov_error *err);

#endif
