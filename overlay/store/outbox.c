/*
 * outbox.c - events in the state environment.
 */
#include "outbox.h"

#include <stdlib.h>
#include <string.h>

#define VERSION 1

int prov_outbox_put(struct prov_kv_txn *t, uint64_t seq, const char *json, size_t len)
{
	unsigned char key[8];
	char *row = malloc(len + 1);

	if (!row)
		return PROV_ENOMEM;
	row[0] = VERSION;
	memcpy(row + 1, json, len);
	prov_be64_put(key, seq);
	int rc = prov_kv_put(t, PROV_T_OUTBOX, (struct prov_val){ (char *)key, 8 },
		(struct prov_val){ row, len + 1 });
	free(row);
	return rc;
}

static int decode(struct prov_val row, struct prov_val *json)
{
	if (row.len < 3 || row.data[0] != VERSION)
		return PROV_ECORRUPT;
	*json = (struct prov_val){ row.data + 1, row.len - 1 };
	return 0;
}

int prov_outbox_get(struct prov_kv_txn *t, uint64_t seq, struct prov_val *json)
{
	unsigned char key[8];
	struct prov_val row;

	prov_be64_put(key, seq);
	int rc = prov_kv_get(t, PROV_T_OUTBOX, (struct prov_val){ (char *)key, 8 }, &row);
	return rc ? rc : decode(row, json);
}

int prov_outbox_first_after(struct prov_kv_txn *t, uint64_t seq, uint64_t *found,
	struct prov_val *json)
{
	struct prov_kv_cursor *c = NULL;
	struct prov_val k, v;
	unsigned char key[8];
	int rc = prov_kv_cursor_open(t, PROV_T_OUTBOX, &c);

	*found = 0;
	prov_be64_put(key, seq + 1);
	if (rc == 0)
		rc = prov_kv_cursor_seek(c, (struct prov_val){ (char *)key, 8 }, &k, &v);
	if (rc == 0)
		rc = prov_be64_get(k, found);
	if (rc == 0)
		rc = decode(v, json);
	prov_kv_cursor_close(&c);
	return rc;
}

int prov_outbox_last(struct prov_kv_txn *t, uint64_t *seq)
{
	struct prov_kv_cursor *c = NULL;
	struct prov_val k, v;
	int rc = prov_kv_cursor_open(t, PROV_T_OUTBOX, &c);

	*seq = 0;
	if (rc == 0)
		rc = prov_kv_cursor_last(c, &k, &v);
	if (rc == 0)
		rc = prov_be64_get(k, seq);
	prov_kv_cursor_close(&c);
	return rc == PROV_ENOENT ? 0 : rc;
}

int prov_outbox_trim(struct prov_kv_txn *t, uint64_t upto, unsigned most, unsigned *trimmed)
{
	uint64_t seq = 0;
	struct prov_val json;
	unsigned char key[8];
	int rc = 0;

	for (*trimmed = 0; *trimmed < most; (*trimmed)++) {
		rc = prov_outbox_first_after(t, 0, &seq, &json);
		if ((rc && rc != PROV_ECORRUPT) || seq > upto)
			break;
		prov_be64_put(key, seq);
		rc = prov_kv_delete(t, PROV_T_OUTBOX, (struct prov_val){ (char *)key, 8 });
		if (rc)
			return rc;
	}
	return rc == PROV_ENOENT || rc == PROV_ECORRUPT ? 0 : rc;
}
