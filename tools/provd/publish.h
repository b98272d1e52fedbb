/* publish.h - files for everybody to read (metrics, public keys), never half written. */
#ifndef PROVD_PUBLISH_H
#define PROVD_PUBLISH_H

#include <stddef.h>

#include "error.h"

/* Put text there, mode 0644, by a rename, so that a reader finds the old or the new one. PROV_EIO. */
int prov_publish(const char *file, const char *text, size_t len, struct prov_error *err);

#endif
