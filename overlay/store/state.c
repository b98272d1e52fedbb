/*
 * state.c - the state environment: meta values, and taking capture rows in.
 */
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failpoint.h"
#include "history.h"
#include "outbox.h"
#include "place.h"
#include "record.h"
#include "trail.h"

#define FORMAT 1
#define MAP_BYTES ((size_t)1 << 30)
#define CAPTURE_VERSION 1

static const char *const tables[] = { "meta", "trail", "checkpoint", "outbox", NULL };

struct prov_statedir {
	struct prov_kv *kv;
};

struct prov_kv *prov_statedir_kv(struct prov_statedir *s)
{
	return s->kv;
}

static int check_format(struct prov_kv *kv, const char *path, bool write, struct prov_error *err)
{
	struct prov_kv_txn *t = NULL;
	uint64_t format = 0;
	int rc = prov_kv_begin(kv, write, &t, err);

	if (rc)
		return rc;
	rc = prov_meta_get64(t, "format", &format);
	if (rc == 0 && format == 0 && write) {
		format = FORMAT;
		rc = prov_meta_put64(t, "format", format);
	}
	if (rc == 0 && format == 0) /* slapd made the file a moment ago, and is not done */
		rc = prov_error_set(err, PROV_ENOENT, "%s: not made yet", path);
	if (rc == 0 && format != FORMAT)
		rc = prov_error_set(err, PROV_EVERSION, "%s: format %llu, this program knows %d",
			path, (unsigned long long)format, FORMAT);
	if (rc == 0 && write)
		rc = prov_history_begin_outbox(t);
	if (rc || !write) {
		prov_kv_abort(&t);
		return rc;
	}
	return prov_kv_commit(&t, err);
}

int prov_statedir_open(const char *dir, bool write, struct prov_statedir **out,
	struct prov_error *err)
{
	char path[4096];
	struct prov_statedir *s = calloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	if (!s)
		return prov_error_set(err, PROV_ENOMEM, "out of memory");
	rc = prov_place_find(dir, "slapd", "state.mdb", path, sizeof(path), err);
	if (rc) {
		free(s);
		return rc;
	}
	rc = prov_kv_open(path, tables, MAP_BYTES, write ? PROV_KV_CREATE : PROV_KV_RDONLY, &s->kv,
		err);
	if (rc == 0)
		rc = check_format(s->kv, path, write, err);
	if (rc)
		prov_statedir_close(&s);
	*out = s;
	return rc;
}

void prov_statedir_close(struct prov_statedir **s)
{
	if (!*s)
		return;
	prov_kv_close(&(*s)->kv);
	free(*s);
	*s = NULL;
}

int prov_meta_get(struct prov_kv_txn *t, const char *name, struct prov_val *out)
{
	return prov_kv_get(t, PROV_T_META, prov_val_str(name), out);
}

int prov_meta_put(struct prov_kv_txn *t, const char *name, struct prov_val v)
{
	return prov_kv_put(t, PROV_T_META, prov_val_str(name), v);
}

int prov_meta_get64(struct prov_kv_txn *t, const char *name, uint64_t *out)
{
	struct prov_val v;
	int rc = prov_meta_get(t, name, &v);

	*out = 0;
	if (rc == PROV_ENOENT)
		return 0;
	return rc ? rc : prov_be64_get(v, out);
}

int prov_meta_put64(struct prov_kv_txn *t, const char *name, uint64_t v)
{
	unsigned char b[8];

	prov_be64_put(b, v);
	return prov_meta_put(t, name, (struct prov_val){ (const char *)b, sizeof(b) });
}

void prov_capture_encode(const char *record, size_t len, char *row)
{
	row[0] = CAPTURE_VERSION;
	memcpy(row + 1, record, len);
}

int prov_capture_decode(struct prov_val row, struct prov_val *record)
{
	if (row.len < 2 || row.data[0] != CAPTURE_VERSION)
		return PROV_ECORRUPT;
	*record = (struct prov_val){ row.data + 1, row.len - 1 };
	return 0;
}

/* A row nobody can read is chained as hexadecimal text, so that the trail is whole. */
static int take_undecodable(struct prov_kv_txn *t, uint64_t seq, struct prov_val row,
	struct prov_error *err)
{
	static const char hex[] = "0123456789abcdef";
	char head[128];
	uint64_t n;
	int h = snprintf(head, sizeof(head),
		"{\"dn\":\"\",\"id\":\"\",\"op\":\"undecodable\",\"row\":%llu,\"bytes\":\"",
		(unsigned long long)seq);
	char *text = malloc((size_t)h + row.len * 2 + 64), *p;

	if (!text)
		return prov_error_set(err, PROV_ENOMEM, "out of memory");
	memcpy(text, head, (size_t)h);
	p = text + h;
	for (size_t i = 0; i < row.len; i++) {
		*p++ = hex[(unsigned char)row.data[i] >> 4];
		*p++ = hex[(unsigned char)row.data[i] & 15];
	}
	static const char tail[] = "\",\"time\":\"\",\"v\":1}";
	memcpy(p, tail, sizeof(tail) - 1);
	p += sizeof(tail) - 1;
	int rc = prov_trail_append(t, (struct prov_val){ text, (size_t)(p - text) }, &n, err);
	free(text);
	return rc;
}

static int take_events(struct prov_kv_txn *t, struct prov_val record, const char *source,
	struct prov_error *err)
{
	struct prov_record_doc *doc = NULL;
	uint64_t seq = 0;
	int rc = prov_record_parse(record.data, record.len, &doc, err);
	size_t n = rc == 0 ? prov_record_events(doc) : 0;

	if (rc == 0 && n)
		rc = prov_meta_get64(t, "outbox", &seq);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		char *json = NULL;
		size_t len;
		rc = prov_record_event_json(doc, i, source, seq + 1, &json, &len, err);
		if (rc == 0)
			rc = prov_outbox_put(t, ++seq, json, len);
		free(json);
	}
	if (rc == 0 && n)
		rc = prov_meta_put64(t, "outbox", seq);
	prov_record_free(&doc);
	return rc;
}

int prov_state_take(struct prov_kv_txn *t, uint64_t capture_seq, struct prov_val row, bool *fresh,
	struct prov_error *err)
{
	char source[1024] = "";
	struct prov_val record, src;
	uint64_t done, n;
	int rc = prov_meta_get64(t, "capture", &done);

	*fresh = rc == 0 && capture_seq > done;
	if (rc || !*fresh)
		return rc;
	if (prov_meta_get(t, "source", &src) == 0 && src.len < sizeof(source)) {
		memcpy(source, src.data, src.len);
		source[src.len] = '\0';
	}
	rc = prov_capture_decode(row, &record);
	if (rc == 0) {
		rc = take_events(t, record, source, err);
		PROV_FAILPOINT("relay.events");
		if (rc == 0)
			rc = prov_trail_append(t, record, &n, err);
	}
	if (rc == PROV_ECORRUPT || rc == PROV_EINVAL)
		rc = take_undecodable(t, capture_seq, row, err);
	if (rc == 0)
		rc = prov_meta_put64(t, "capture", capture_seq);
	if (rc && err && !err->text[0])
		prov_error_set(err, rc, "cannot take row %llu in: %s",
			(unsigned long long)capture_seq, prov_strerror(rc));
	return rc;
}
