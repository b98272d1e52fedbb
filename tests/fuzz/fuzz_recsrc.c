/* fuzz_recsrc.c - any bytes as a file of records: read whole, or refused with a reason. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "recsrc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int see(void *ctx, const struct prov_record *r, struct prov_error *err)
{
	size_t *seen = ctx;
	(void)err;
	for (size_t c = 0; c < 2; c++)
		for (size_t i = 0; i < r->col[c].n; i++)
			if (!r->col[c].val[i].len || r->col[c].val[i].data[r->col[c].val[i].len])
				abort(); /* empty is none, and each is ended */
	++*seen;
	return 0;
}

static void try(const char *kind, int fd)
{
	static const char *const column[] = { "k", "name" };
	struct prov_recsrc s;
	struct prov_error err = { 0 };
	char name[64];
	size_t seen = 0;

	snprintf(name, sizeof(name), "%s:/proc/self/fd/%d?key=k", kind, fd);
	if (prov_recsrc_parse(name, &s, &err))
		abort();
	int rc = prov_recsrc_read(&s, column, 2, see, &seen, &err);
	if (seen != s.seen || (rc == 0 && !seen))
		abort();
	if (rc && (rc != PROV_EREFUSED || !err.text[0]))
		abort(); /* a refusal has a reason */
	prov_recsrc_dispose(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("records", 0);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	try("csv", fd);
	try("ldif", fd);
	try("passwd", fd);
	close(fd);
	return 0;
}
