/* grow.c - see grow.h. */
#include "grow.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

int prov_grow(void *array, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return 0;
	size_t more = *room ? 2 * *room : 64;
	union any {
		void *p;
		unsigned char byte[sizeof(void *)];
	} old, grown; /* array is a T **, whatever T is */
	memcpy(old.byte, array, sizeof(old));
	grown.p = reallocarray(old.p, more, size);
	if (!grown.p)
		return PROV_ENOMEM;
	memcpy(array, grown.byte, sizeof(grown));
	*room = more;
	return 0;
}
