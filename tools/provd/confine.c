/* confine.c - where programs and secrets may come from. See confine.h. */
#include "confine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const what_is_it[] = { "programs", "secrets" };
static char *below[PROV_CONFINE_COUNT]; /* resolved */

int prov_confine_to(enum prov_confine what, const char *dir, struct prov_error *err)
{
	char *real = realpath(dir, NULL);
	struct stat st;

	if (!real || stat(real, &st) || !S_ISDIR(st.st_mode)) {
		prov_error_set(err, PROV_EINVAL, "--%s %s: %s", what_is_it[what], dir,
			real ? "not a directory" : strerror(errno));
		free(real);
		return PROV_EINVAL;
	}
	free(below[what]);
	below[what] = real;
	return 0;
}

int prov_confine_check(enum prov_confine what, const char *path, struct prov_error *err)
{
	if (!below[what])
		return 0;
	char *real = *path == '/' ? realpath(path, NULL) : NULL;
	size_t n = strlen(below[what]);
	int rc = 0;

	if (!real && *path == '/')
		rc = prov_error_set(err, errno == ENOENT ? PROV_ENOENT : PROV_EIO, "%s: %s", path,
			strerror(errno));
	else if (!real || strncmp(real, below[what], n) || (real[n] != '/' && n > 1))
		rc = prov_error_set(err, PROV_EREFUSED, "%s: not below %s (provd --%s)", path,
			below[what], what_is_it[what]);
	free(real);
	return rc;
}
