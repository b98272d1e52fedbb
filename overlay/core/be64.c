/* be64.c - see be64.h. */
#include "be64.h"

#include "error.h"

void prov_be64_put(unsigned char out[8], uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		out[i] = (unsigned char)v;
}

int prov_be64_get(struct prov_val in, uint64_t *v)
{
	*v = 0;
	if (in.len != 8)
		return PROV_ECORRUPT;
	for (int i = 0; i < 8; i++)
		*v = *v << 8 | (unsigned char)in.data[i];
	return 0;
}
