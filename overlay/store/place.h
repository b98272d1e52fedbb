/*
 * place.h - where in the state directory a file is, and who may use it.
 *
 * Usually slapd and provd are one user, and all files are in the state directory, closed to
 * others. Where they are two, each has a directory of its own in it, which the other cannot
 * write: "slapd" and "provd", with the set-group-ID bit and a group that both are in. That
 * bit, and nothing else, opens files to the group: data for reading, what LMDB locks with and
 * the socket that wakes provd for writing.
 *
 * (One directory for both, with the sticky bit, would not do: with fs.protected_regular=2,
 * Debian's default, nobody may open there with O_CREAT what another user than the directory's
 * owner has made, not even root; and LMDB opens its lock file so.)
 */
#ifndef PROV_PLACE_H
#define PROV_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"

#define PROV_PLACE_DATA 0640 /* modes of what is shared */
#define PROV_PLACE_LOCK 0660
#define PROV_PLACE_OWN 0600 /* of what is not */

/*
 * The path of `file`, which `whose` ("slapd" or "provd") writes: in <dir>/<whose> when there is
 * such a directory, else in dir. PROV_EINVAL: too long, or a file of that name is in both.
 */
int prov_place_find(const char *dir, const char *whose, const char *file, char *out, size_t room,
	struct prov_error *err);

/* Has the directory of this path the set-group-ID bit? */
bool prov_place_shared(const char *path);

/*
 * Make the file if it is not there, empty, with mode PROV_PLACE_OWN, or this mode where the
 * directory is shared; there one that is ours already gets it, too. What root makes belongs to
 * the directory's owner. A failure is left for whoever opens the file to find.
 */
void prov_place_make(const char *path, mode_t shared);

/* The name of a file that was made must last as long as what is written into it. PROV_EIO: errno. */
int prov_place_sync(const char *path);

#endif
