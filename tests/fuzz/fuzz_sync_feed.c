/*
 * fuzz_sync_feed.c - any bytes as a mapping and a feed: read whole, or refused with a reason.
 *
 * The first byte says what comes: 'c' a CSV and 'l' an LDIF file for a fixed mapping, 'm' a
 * mapping, which a fixed row is then put through, 'd' a format of dates, a NUL and a date.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sync_date.h"
#include "sync_feed.h"
#include "sync_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char mapping[] =
	"source f\nkey {k|trim}\nmatch mail: {mail|lower}\nrdn default uid: {sn|ascii|lower}{unique}\n"
	"parent enforce ou={ou|or:x},dc=x\nclass person\nrequire sn: {sn}\nenforce title: {t|trim}\n"
	"manager {m}\nmanager-id {k}\ndates YYYY-MM-DD\nstart {b}\nend {e}\nstatus {s|or:in}\n"
	"active in\nterminated out\nempty -\n";

static struct sync_map *parse(const void *text, size_t len)
{
	struct sync_map *map = NULL;
	struct prov_error err = { 0 };
	FILE *in = len ? fmemopen((void *)text, len, "r") : NULL;
	if (!in)
		return NULL;
	if (sync_map_parse(in, "map", &map, &err) && (map || !err.text[0]))
		abort(); /* a refusal has a reason */
	fclose(in);
	return map;
}

struct taking {
	struct sync_rows *rows;
	struct sync_problems broken, bad;
};

static int take(void *ctx, size_t row, const struct prov_val *cell, struct prov_error *err)
{
	struct taking *t = ctx;
	return sync_rows_add(t->rows, row, cell, &t->broken, &t->bad, err);
}

static bool taken(void *ctx, struct prov_val value)
{
	(void)ctx;
	return value.len < 4;
}

/* Every row that was taken can be looked at again, and is found by its key. */
static void look(const struct sync_map *map, const struct taking *t)
{
	for (size_t i = 0; i < t->rows->n; i++) {
		struct prov_arena arena = PROV_ARENA_INIT;
		struct prov_error err = { 0 };
		struct sync_wish w;
		struct sync_place place;
		size_t at;
		int rc = sync_rows_wish(t->rows, i, &arena, &w, &err);
		if (!rc != !t->rows->row[i].bad)
			abort();
		if (!w.key.data || sync_rows_by_key(t->rows, w.key, &at) || at != i)
			abort();
		const struct prov_val *cell = sync_rows_cells(t->rows, i, &arena);
		rc = sync_map_place(map, cell, taken, NULL, &arena, &place, &err);
		if (rc ? !err.text[0] : !place.rdn || !place.parent)
			abort();
		prov_arena_dispose(&arena);
	}
}

static void feed(const uint8_t *data, size_t size, bool ldif)
{
	struct sync_map *map = parse(mapping, sizeof(mapping) - 1);
	struct taking t = { .rows = NULL };
	struct prov_error err = { 0 };
	char path[64];
	int fd = memfd_create("feed", 0);
	if (!map || fd < 0 || write(fd, data, size) != (ssize_t)size || sync_rows_new(map, &t.rows))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	struct sync_feed f = { .name = "feed",
		.delimiter = ',',
		.ncolumn = map->ncolumn,
		.column = map->column,
		.take = take,
		.ctx = &t,
		.bad = &t.broken };
	int rc = ldif ? sync_feed_ldif(&f, path, &err) : sync_feed_csv(&f, path, &err);
	if (rc)
		abort(); /* it is there, and can be read */
	if (!t.broken.n && t.rows->n != f.rows)
		abort(); /* none is lost without a word */
	look(map, &t);
	sync_feed_dispose(&f);
	sync_problems_dispose(&t.broken);
	sync_problems_dispose(&t.bad);
	sync_rows_free(&t.rows);
	sync_map_free(&map);
	close(fd);
}

static void map_alone(const uint8_t *data, size_t size)
{
	struct sync_map *map = parse(data, size);
	struct prov_val cell[SYNC_MOST_COLUMNS];
	struct prov_arena arena = PROV_ARENA_INIT;
	struct prov_error err = { 0 };
	struct sync_wish w;
	struct sync_place place;
	if (!map)
		return;
	for (size_t i = 0; i < SYNC_MOST_COLUMNS; i++)
		cell[i] = prov_val_str(i % 3 ? "Zo\xc3\xab 2026-02-28" : "");
	if (sync_map_row(map, cell, &arena, &w, &err) && !err.text[0])
		abort();
	sync_map_place(map, cell, taken, NULL, &arena, &place, &err);
	prov_arena_dispose(&arena);
	sync_map_free(&map);
}

static void date(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	size_t len = text ? strlen(text) : 0;
	int64_t t;
	if (!text)
		abort();
	if (len < size && !sync_date_check(text, NULL))
		sync_date_parse(text,
			(struct prov_val){ (const char *)data + len + 1, size - len - 1 }, 1440,
			&t);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	switch (*data) {
	case 'm':
		map_alone(data + 1, size - 1);
		break;
	case 'd':
		date(data + 1, size - 1);
		break;
	default:
		feed(data + 1, size - 1, *data == 'l');
	}
	return 0;
}
