/*
 * secret.h - secrets from files, never from the directory, never into a log.
 *
 * A name is an absolute path, or "credential:NAME": a file in $CREDENTIALS_DIRECTORY,
 * where systemd puts them (systemd.exec(5), LoadCredential). The file must be a regular
 * one of at most 64 KiB that only its owner may read or write (mode 0600 or less; of a
 * credential also 0440), or it is refused.
 */
#ifndef PROVD_SECRET_H
#define PROVD_SECRET_H

#include <stddef.h>

#include "error.h"

#define PROV_SECRET_MOST 65536

/* *out: the whole file, with a terminator behind it; end it with prov_secret_free().
 * PROV_EINVAL, PROV_ENOENT, PROV_EIO: the text names the file, never its content. */
int prov_secret_read(const char *name, char **out, size_t *len, struct prov_error *err);
/* The same, but *out ends with its first line: a password or a token. *len is for the end of it. */
int prov_secret_line(const char *name, char **out, size_t *len, struct prov_error *err);
void prov_secret_free(char **secret, size_t len); /* overwritten before it is given back */

#endif
