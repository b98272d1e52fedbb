/* The mapping: what is good is understood, what is not is refused with its line; rows, dates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sync_date.h"
#include "sync_map.h"
#include "timefmt.h"

#define BASE \
	"source hr\nkey {Nr|trim}\nrdn default uid: {Last Name|ascii|lower}{unique}\n" \
	"parent enforce ou={Dept|or:none},dc=x\nclass person\n"

static int parse(const char *text, struct sync_map **map, struct prov_error *err)
{
	FILE *in = fmemopen((void *)text, strlen(text), "r");
	assert_non_null(in);
	int rc = sync_map_parse(in, "m", map, err);
	fclose(in);
	return rc;
}

static void a_mapping_is_read(void **state)
{
	struct sync_map *map;
	struct prov_error err = { 0 };
	(void)state;
	assert_int_equal(parse("# c\n\n  " BASE "require sn: {Last Name}\ndefault mail: {Mail}\n"
			       "empty -\ndelimiter ;\n",
				 &map, &err),
		0);
	assert_string_equal(map->source, "hr");
	assert_int_equal(map->ncolumn, 4);
	assert_string_equal(map->column[1], "Last Name");
	assert_int_equal(map->delimiter, ';');
	assert_int_equal(map->target[0].mode, SYNC_REQUIRE);
	assert_string_equal(map->name[map->target[1].at], "mail");
	sync_map_free(&map);
}

static void wrong_mappings_are_refused_with_their_line(void **state)
{
	static const struct {
		const char *text, *word;
	} t[] = {
		{ "source hr\n", "key is missing" },
		{ BASE "frobnicate x\n", "m:6: unknown keyword" },
		{ BASE "source x\n", "m:6: source is there already" },
		{ BASE "enforce sn:\n", "m:6:" },
		{ BASE "enforce sn: {A|frob}\n", "unknown filter" },
		{ BASE "enforce sn: {A\n", "without '}'" },
		{ BASE "enforce sn: {A}\nenforce SN: {B}\n", "m:7: SN is there already" },
		{ BASE "enforce userPassword: {A}\n", "secret" },
		{ BASE "enforce provState: {A}\n", "keyword of its own" },
		{ BASE "enforce provChangeBy: {A}\n", "server" },
		{ BASE "enforce sn: {A}{unique}\n", "unique" },
		{ BASE "enforce sn: {next:uids}\n", "roles" },
		{ BASE "default sn: {random:8}\n", "roles" },
		{ BASE "default sn: {now}\n", "roles" },
		{ BASE "add sn: {A}\n", "add" },
		{ BASE "enforce uid: {A}\n", "names the entry" },
		{ BASE "start {A}\n", "dates is missing" },
		{ BASE "dates YYYY\n", "YYYY" },
		{ BASE "zone Atlantis/Capital\n", "zone" },
		{ BASE "zone ../../etc/passwd\n", "zone" },
		{ BASE "zone Europe\n", "zone" },
		{ BASE "end-at 25:00\n", "hh:mm" },
		{ BASE "status {S}\n", "status goes with" },
		{ BASE "active x\n", "status goes with" },
		{ BASE "status {S}\nactive x\nterminated X\n", "there already" },
		{ BASE "delimiter ab\n", "delimiter" },
		{ BASE "rdn enforce cn: {A}\n", "there already" },
		{ BASE "manager {A}\nenforce manager: {B}\n", "twice" },
		{ BASE "class\n", "what?" },
		{ "source hr\nkey {A}\nrdn enforce uid: {B}{unique}\n", "m:3: {unique}" },
		{ "source hr\nkey {A}\nrdn always uid: {B}\n", "default" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct sync_map *map;
		struct prov_error err = { 0 };
		int rc = parse(t[i].text, &map, &err);
		if (!rc || !strstr(err.text, t[i].word))
			print_message("case %zu: %d %s\n", i, rc, err.text);
		assert_int_equal(rc, PROV_EINVAL);
		assert_null(map);
		assert_non_null(strstr(err.text, t[i].word));
	}
}

#define TIMES \
	"dates YYYY-MM-DD\nstart {Start}\nend {End}\nstatus {S|or:in}\nactive in\n" \
	"suspended away\nterminated out\nempty 0000-00-00\nrequire sn: {Last Name}\n"

static void rows_are_understood_or_say_what_is_wrong(void **state)
{
	/* columns: Nr, Last Name, Dept, Start, End, S */
	static const struct {
		const char *cell[6];
		int rc;
		const char *word;
	} t[] = {
		{ { " 1 ", "Roe", "", "2026-01-01", "0000-00-00", "IN " }, 0, NULL },
		{ { " ", "Roe", "", "", "", "" }, PROV_ENOENT, "Nr is empty" },
		{ { "1", " ", "", "", "", "" }, PROV_EINVAL, "Last Name is empty" },
		{ { "1", "", "", "", "", "out" }, 0, NULL }, /* a leaver's row may say less */
		{ { "1", "Roe", "", "2026-02-29", "", "" }, PROV_EINVAL, "2026-02-29" },
		{ { "1", "Roe", "", "2026-1-1", "", "" }, PROV_EINVAL, "like YYYY-MM-DD" },
		{ { "1", "Roe", "", "", "2026-01-01x", "" }, PROV_EINVAL, "end:" },
		{ { "1", "Roe", "", "2026-01-02", "2026-01-01", "" }, PROV_EINVAL, "before" },
		{ { "1", "Roe", "", "2026-01-02", "2026-01-02", "" }, 0, NULL },
		{ { "1", "Roe", "", "", "", "gone" }, PROV_EINVAL, "gone" },
	};
	struct sync_map *map;
	struct prov_error err = { 0 };
	(void)state;
	assert_int_equal(parse(BASE TIMES, &map, &err), 0);
	assert_int_equal(map->ncolumn, 6);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct prov_arena arena = PROV_ARENA_INIT;
		struct prov_val cell[6];
		struct sync_wish w;
		err.text[0] = '\0';
		for (int k = 0; k < 6; k++)
			cell[k] = prov_val_str(t[i].cell[k]);
		int rc = sync_map_row(map, cell, &arena, &w, &err);
		if (rc != t[i].rc)
			print_message("case %zu: %d %s\n", i, rc, err.text);
		assert_int_equal(rc, t[i].rc);
		if (t[i].word)
			assert_non_null(strstr(err.text, t[i].word));
		else
			assert_true(prov_val_equal(w.key, prov_val_str("1")));
		if (!i) {
			assert_true(w.starts && !w.ends);
			assert_int_equal(w.said, SYNC_HERE);
		}
		prov_arena_dispose(&arena);
	}
	sync_map_free(&map);
}

static bool taken(void *ctx, struct prov_val value)
{
	(void)ctx;
	return value.len < 5;
}

static void places_are_escaped_and_unique(void **state)
{
	struct sync_map *map;
	struct prov_error err = { 0 };
	struct prov_arena arena = PROV_ARENA_INIT;
	struct prov_val cell[3] = { prov_val_str("1"), prov_val_str("Ro,E"),
		prov_val_str("a,ou=b") };
	struct sync_place place;
	(void)state;
	assert_int_equal(parse(BASE, &map, &err), 0);
	assert_int_equal(sync_map_place(map, cell, taken, NULL, &arena, &place, &err), 0);
	assert_string_equal(place.rdn, "uid=ro\\,e2");
	assert_string_equal(place.parent, "ou=a\\,ou\\=b,dc=x");
	assert_true(prov_val_equal(place.value, prov_val_str("ro,e2")));
	prov_arena_dispose(&arena);
	sync_map_free(&map);
}

static void dates_are_moments_in_their_zone(void **state)
{
	static const struct {
		const char *zone, *format, *text;
		int minute;
		const char *time; /* NULL: no date */
	} t[] = {
		{ "UTC", "YYYY-MM-DD", "2026-11-25", 0, "20261125000000Z" },
		{ "UTC", "YYYY-MM-DD", "2026-12-31", 1440, "20270101000000Z" },
		{ "Europe/Berlin", "DD.MM.YYYY", "01.07.2026", 0, "20260630220000Z" },
		{ "Europe/Berlin", "DD.MM.YYYY", "01.01.2026", 0, "20251231230000Z" },
		/* the day on which the clocks go forward ends after 23 hours */
		{ "Europe/Berlin", "DD.MM.YYYY", "29.03.2026", 1440, "20260329220000Z" },
		{ "+05:30", "D-Mon-YYYY", "5-Feb-2026", 570, "20260205040000Z" },
		{ "-08:00", "M/D/YYYY", "11/5/2026", 0, "20261105080000Z" },
		{ "UTC", "M/D/YYYY", "11/05/2026", 0, "20261105000000Z" },
		{ "UTC", "MM/DD/YYYY", "1/05/2026", 0, NULL },
		{ "UTC", "M/D/YYYY", "13/1/2026", 0, NULL },
		{ "UTC", "YYYY-MM-DD", "2026-11-31", 0, NULL },
		{ "UTC", "YYYY-MM-DD", "2100-02-29", 0, NULL },
		{ "UTC", "YYYY-MM-DD", "2000-02-29", 0, "20000229000000Z" },
		{ "UTC", "YYYY-MM-DD", "0001-01-01", 0, NULL },
		{ "UTC", "YYYY-MM-DD", "2026-11-25 ", 0, NULL },
		{ "UTC", "YYYY-MM-DD", "26-11-25", 0, NULL },
		{ "UTC", "DD-Mon-YYYY", "05-Foo-2026", 0, NULL },
		{ "UTC", "YYYYMMDD", "20261125", 0, "20261125000000Z" },
		{ "UTC", "YYYY-MM-DD", "", 0, NULL },
	};
	struct prov_error err;
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		int64_t at;
		char text[PROV_TIME_TEXT];
		assert_int_equal(sync_zone_use(t[i].zone, &err), 0);
		int rc = sync_date_parse(t[i].format, prov_val_str(t[i].text), t[i].minute, &at);
		if (rc != (t[i].time ? 0 : PROV_EINVAL))
			print_message("case %zu: %d\n", i, rc);
		assert_int_equal(rc, t[i].time ? 0 : PROV_EINVAL);
		if (rc)
			continue;
		prov_time_generalized(at, text);
		assert_string_equal(text, t[i].time);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mapping_is_read),
		cmocka_unit_test(wrong_mappings_are_refused_with_their_line),
		cmocka_unit_test(rows_are_understood_or_say_what_is_wrong),
		cmocka_unit_test(places_are_escaped_and_unique),
		cmocka_unit_test(dates_are_moments_in_their_zone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
