/* reports.c - see reports.h. */
#include "reports.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "delivery_tables.h"
#include "outbox.h"
#include "state.h"
#include "trail.h"
#include "uuid.h"

#define VERSION 1
#define NOTED "report"

int prov_report_new_id(int64_t ms, char *out)
{
	unsigned char random[10];

	if (RAND_bytes(random, sizeof(random)) != 1)
		return PROV_EIO;
	prov_uuid7((uint64_t)ms, random, out);
	return 0;
}

static int last_number(struct prov_kv_txn *t, uint64_t *number)
{
	struct prov_kv_cursor *c = NULL;
	struct prov_val k, v;
	int rc = prov_kv_cursor_open(t, PROV_T_REPORT, &c);

	*number = 0;
	if (rc == 0)
		rc = prov_kv_cursor_last(c, &k, &v);
	if (rc == 0)
		rc = prov_be64_get(k, number);
	prov_kv_cursor_close(&c);
	return rc == PROV_ENOENT ? 0 : rc;
}

int prov_reports_put(struct prov_kv_txn *t, uint64_t noted, const char *record)
{
	unsigned char key[8];
	uint64_t last;
	size_t n = strlen(record);
	char *row = malloc(n + 1);
	int rc = row ? last_number(t, &last) : PROV_ENOMEM;

	if (rc == 0) {
		row[0] = VERSION;
		memcpy(row + 1, record, n);
		prov_be64_put(key, (last > noted ? last : noted) + 1);
		rc = prov_kv_put(t, PROV_T_REPORT, (struct prov_val){ (char *)key, 8 },
			(struct prov_val){ row, n + 1 });
	}
	free(row);
	return rc;
}

int prov_reports_noted(struct prov_kv_txn *t, uint64_t *noted)
{
	return prov_meta_get64(t, NOTED, noted);
}

int prov_reports_each(struct prov_kv_txn *t, uint64_t after,
	int (*see)(void *ctx, uint64_t number, struct prov_val record), void *ctx)
{
	struct prov_kv_cursor *c = NULL;
	struct prov_val k, v;
	unsigned char key[8];
	uint64_t number;
	int rc = prov_kv_cursor_open(t, PROV_T_REPORT, &c);

	prov_be64_put(key, after + 1);
	if (rc == 0)
		rc = prov_kv_cursor_seek(c, (struct prov_val){ (char *)key, 8 }, &k, &v);
	while (rc == 0) {
		rc = prov_be64_get(k, &number);
		if (rc == 0) {
			bool known = v.len > 1 && v.data[0] == VERSION;
			rc = see(ctx, number,
				known ? (struct prov_val){ v.data + 1, v.len - 1 }
				      : (struct prov_val){ "", 0 });
		}
		if (rc == 0)
			rc = prov_kv_cursor_next(c, &k, &v);
	}
	prov_kv_cursor_close(&c);
	return rc == PROV_ENOENT ? 0 : rc;
}

static int see_oldest(void *ctx, uint64_t number, struct prov_val record)
{
	uint64_t *oldest = ctx;

	(void)record;
	*oldest = number;
	return 1;
}

int prov_reports_trim(struct prov_kv_txn *t, uint64_t upto)
{
	uint64_t oldest;
	unsigned char key[8];
	int rc;

	for (;;) { /* a row cannot be deleted while the rows are walked */
		oldest = 0;
		rc = prov_reports_each(t, 0, see_oldest, &oldest);
		if (rc < 0 || !oldest || oldest > upto)
			return rc < 0 ? rc : 0;
		prov_be64_put(key, oldest);
		rc = prov_kv_delete(t, PROV_T_REPORT, (struct prov_val){ (char *)key, 8 });
		if (rc)
			return rc;
	}
}

static int put_event(struct prov_kv_txn *t, const char *event, uint64_t seq)
{
	int rc = prov_outbox_put(t, seq, event, strlen(event));

	return rc ? rc : prov_meta_put64(t, "outbox", seq);
}

int prov_state_take_report(struct prov_kv_txn *t, uint64_t number, struct prov_val record,
	bool *fresh, struct prov_error *err)
{
	uint64_t noted, seq, n;
	char *event = NULL;
	int rc = prov_reports_noted(t, &noted);

	*fresh = rc == 0 && number > noted;
	if (rc || !*fresh)
		return rc;
	rc = prov_meta_get64(t, "outbox", &seq);
	if (rc == 0)
		rc = prov_report_take(record.data, record.len, seq + 1, &event, err);
	if (rc == PROV_ECORRUPT) {
		*fresh = false;
		return prov_meta_put64(t, NOTED, number);
	}
	if (rc == 0)
		rc = prov_trail_append(t, record, &n, err);
	if (rc == 0 && event)
		rc = put_event(t, event, seq + 1);
	if (rc == 0)
		rc = prov_meta_put64(t, NOTED, number);
	free(event);
	return rc;
}
