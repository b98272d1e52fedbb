/* publish.c - files for everybody to read. See publish.h. */
#include "publish.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int prov_publish(const char *file, const char *text, size_t len, struct prov_error *err)
{
	char *temporary = NULL;

	if (asprintf(&temporary, "%s.%ld", file, (long)getpid()) < 0)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	FILE *f = fopen(temporary, "we");
	bool ok = f && fchmod(fileno(f), 0644) == 0 && fwrite(text, 1, len, f) == len;
	if (f && fclose(f))
		ok = false;
	ok = ok && rename(temporary, file) == 0;
	int why = errno;
	if (f && !ok)
		unlink(temporary);
	free(temporary);
	return ok ? 0 : prov_error_set(err, PROV_EIO, "%s: %s", file, strerror(why));
}
