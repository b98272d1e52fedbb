/* fuzz_record.c - any bytes as a capture row: taken in or kept, and the trail stays whole. */
#include <stdint.h>
#include <stdlib.h>

#include "outbox.h"
#include "record.h"
#include "state.h"
#include "trail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const tables[] = { "meta", "trail", "checkpoint", "outbox", NULL };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct prov_kv *kv = NULL;
	struct prov_kv_txn *t = NULL;
	struct prov_trail_report report;
	struct prov_error err = { 0 };
	uint64_t seq = 0;
	unsigned char hash[32];
	bool fresh = false;

	if (prov_kv_open_memory(tables, &kv, NULL) || prov_kv_begin(kv, true, &t, NULL))
		abort();
	if (prov_state_take(t, 1, (struct prov_val){ (const char *)data, size }, &fresh, &err) ||
		!fresh)
		abort();
	if (prov_trail_last(t, &seq, hash) || seq != 1)
		abort();
	if (prov_trail_verify(t, NULL, NULL, NULL, &report, &err) || report.records != 1)
		abort();
	prov_kv_abort(&t);
	prov_kv_close(&kv);
	return 0;
}
