/* fuzz_scan_files.c - any bytes as exemptions and as a history of scans: whole, or refused with a reason. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "exemptions.h"
#include "findings_history.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_exemptions(const char *file)
{
	struct finding f = { .check = FINDING_DORMANT, .dn = "uid=a,dc=x", .related = "cn=g" };
	const struct exemption *holds, *expired;
	struct exemptions x;
	struct prov_error err = { 0 };
	int rc = exemptions_read(file, &x, &err);

	if (rc && (rc != PROV_EINVAL || !err.text[0] || x.n))
		abort();
	for (size_t i = 0; i < x.n; i++)
		if (!x.item[i].dn == !x.item[i].pattern || !x.item[i].reason || !x.item[i].owner)
			abort(); /* nobody is exempt without a reason */
	if (exemptions_find(&x, &f, 0, &holds, &expired) || (holds && expired))
		abort();
	exemptions_dispose(&x);
}

static void as_history(const char *file)
{
	struct history h;
	struct prov_error err = { 0 };
	int rc = history_read(file, "dc=x", &h, &err);

	if (rc && (!err.text[0] || h.n))
		abort();
	for (size_t i = 0; i < h.n; i++)
		if (h.row[i].check >= FINDING_CHECKS || strlen(h.row[i].key) != 32 ||
			!history_find(&h, h.row[i].key))
			abort();
	history_dispose(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char file[40];
	int fd = memfd_create("scan", 0);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
	as_exemptions(file);
	as_history(file);
	close(fd);
	return 0;
}
