/* wholefile.c - see wholefile.h. */
#include "wholefile.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(const char *file, int why, struct prov_error *err)
{
	return prov_error_set(err, PROV_EIO, "%s: %s", file, strerror(why));
}

/* Closes f. */
static int fill(FILE *f, const char *file, bool sync, int (*write)(void *ctx, FILE *f), void *ctx,
	struct prov_error *err)
{
	int rc = write(ctx, f), why = 0;

	if (!rc && (ferror(f) || fflush(f) || (sync && fsync(fileno(f)))))
		why = errno ? errno : EIO;
	if (fclose(f) && !why)
		why = errno;
	if (rc && err && !*err->text)
		prov_error_set(err, rc, "%s: %s", file, prov_strerror(rc));
	return rc ? rc : why ? failed(file, why, err) : 0;
}

/* The rename must last, too. Where a directory cannot be synced, so be it. */
static void sync_directory(const char *file)
{
	char *copy = strdup(file);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(copy);
}

int prov_wholefile(const char *file, mode_t mode, int (*write)(void *ctx, FILE *f), void *ctx,
	struct prov_error *err)
{
	struct stat st;
	char *aside = NULL;
	bool there = stat(file, &st) == 0;

	errno = 0;
	if (there && !S_ISREG(st.st_mode)) {
		FILE *f = fopen(file, "we");
		return f ? fill(f, file, false, write, ctx, err) : failed(file, errno, err);
	}
	if (asprintf(&aside, "%s.XXXXXX", file) < 0)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	int fd = mkostemp(aside, O_CLOEXEC), rc = 0;
	FILE *f = fd >= 0 && fchmod(fd, there ? st.st_mode & 0777 : mode) == 0 ? fdopen(fd, "w")
									       : NULL;
	if (!f) {
		rc = failed(file, errno, err);
		if (fd >= 0)
			close(fd);
	} else {
		rc = fill(f, file, true, write, ctx, err);
	}
	if (!rc && rename(aside, file))
		rc = failed(file, errno, err);
	if (!rc)
		sync_directory(file);
	else if (fd >= 0)
		unlink(aside);
	free(aside);
	return rc;
}
