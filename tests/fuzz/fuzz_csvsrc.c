/* fuzz_csvsrc.c - any bytes as a CSV source: loaded whole, or refused with a reason. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "csvsrc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct prov_csvsrc s;
	struct prov_error err = { 0 };
	char name[64];
	int fd = memfd_create("csv", 0);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(name, sizeof(name), "csv:/proc/self/fd/%d?key=k", fd);
	if (prov_csvsrc_parse(name, &s, &err))
		abort();
	int rc = prov_csvsrc_load(&s, &err);
	if (rc == 0 && !s.keys)
		abort();
	if (rc && (rc != PROV_EREFUSED || !err.text[0]))
		abort(); /* a refusal has a reason */
	prov_csvsrc_dispose(&s);
	close(fd);
	return 0;
}
