/*
 * random.c - random bytes from the kernel.
 */
#include "random.h"

#include <errno.h>
#include <sys/random.h>

#include "error.h"

int prov_random(void *out, size_t len)
{
	for (char *p = out; len;) {
		ssize_t n = getrandom(p, len, 0);
		if (n < 0 && errno != EINTR)
			return PROV_EIO;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}
