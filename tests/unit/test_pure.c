/* Times, ids, waiting and the values of controls: pure functions against known answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <time.h>

#include <cmocka.h>

#include "ask.h"
#include "backoff.h"
#include "error.h"
#include "timefmt.h"
#include "uuid.h"

static void known_times_are_written(void **state)
{
	static const struct {
		int64_t secs;
		const char *text;
	} known[] = {
		{ 0, "19700101000000Z" },
		{ -1, "19691231235959Z" },
		{ 951782400, "20000229000000Z" },
		{ 1700000000, "20231114221320Z" },
		{ 253402300799, "99991231235959Z" },
		{ INT64_MAX, "99991231235959Z" },
		{ INT64_MIN, "00000101000000Z" },
	};
	char out[PROV_TIME_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		prov_time_generalized(known[i].secs, out);
		assert_string_equal(out, known[i].text);
	}
	prov_time_rfc3339(1700000000, 42, out);
	assert_string_equal(out, "2023-11-14T22:13:20.000042Z");
}

static void the_c_library_agrees(void **state)
{
	(void)state;
	for (int64_t t = -62135596800; t < 253402300799; t += 86399 * 97 + 12345) {
		char ours[PROV_TIME_TEXT], theirs[40];
		time_t tt = (time_t)t;
		struct tm tm;
		int64_t back = 0;
		assert_non_null(gmtime_r(&tt, &tm));
		snprintf(theirs, sizeof(theirs), "%04d%02d%02d%02d%02d%02dZ",
			(tm.tm_year + 1900) % 10000, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
			tm.tm_min, tm.tm_sec);
		prov_time_generalized(t, ours);
		assert_string_equal(ours, theirs);
		assert_int_equal(prov_time_parse(prov_val_str(ours), &back), 0);
		assert_true(back == t);
		prov_time_rfc3339(t, 999999, ours);
		assert_int_equal(prov_time_parse(prov_val_str(ours), &back), 0);
		assert_true(back == t);
	}
}

static void forms_of_the_standards_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t secs;
	} good[] = {
		{ "20231114221320Z", 1700000000 },
		{ "202311142213Z", 1699999980 },
		{ "2023111422Z", 1699999200 },
		{ "20231114221320.5Z", 1700000000 },
		{ "20231114221320,5Z", 1700000000 },
		{ "20231114231320+0100", 1700000000 },
		{ "20231114231320+01", 1700000000 },
		{ "20231114171320-0500", 1700000000 },
		{ "2023-11-14T22:13:20Z", 1700000000 },
		{ "2023-11-14t22:13:20.123z", 1700000000 },
		{ "2023-11-15T03:43:20+05:30", 1700000000 },
		{ "20240229000000Z", 1709164800 },
	};
	static const char *const bad[] = { "", "2023", "20231114", "20231114221320",
		"20230229000000Z", "20231314221320Z", "20231100221320Z", "20231114241320Z",
		"20231114226020Z", "2023-11-14", "2023-11-14T22:13Z", "20231114221320Zx",
		"20231114221320+2500", "x0231114221320Z", "2023-1114221320Z" };
	int64_t t;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(prov_time_parse(prov_val_str(good[i].text), &t), 0);
		assert_true(t == good[i].secs);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(prov_time_parse(prov_val_str(bad[i]), &t), PROV_EINVAL);
}

static void the_example_of_rfc_9562_is_met(void **state)
{
	/* Appendix A.6: time 0x017F22E279B0, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F */
	static const unsigned char random[10] = { 0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07,
		0x39, 0x8f };
	char out[PROV_UUID_TEXT];

	(void)state;
	prov_uuid7(0x017F22E279B0, random, out);
	assert_string_equal(out, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
}

static void later_ids_sort_behind(void **state)
{
	static const unsigned char high[10] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 },
				   low[10] = { 0 };
	char a[PROV_UUID_TEXT], b[PROV_UUID_TEXT];

	(void)state;
	prov_uuid7(1700000000000, high, a);
	prov_uuid7(1700000000001, low, b);
	assert_true(strcmp(a, b) < 0);
	assert_int_equal(a[14], '7'); /* version and variant, whatever the randomness */
	assert_int_equal(b[14], '7');
	assert_int_equal(a[19], 'b');
	assert_int_equal(b[19], '8');
}

static void waits_double_within_bounds(void **state)
{
	static const int64_t middle[] = { 5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600,
		3600 };

	(void)state;
	for (unsigned n = 1; n <= 12; n++)
		for (uint64_t seed = 0; seed < 500; seed++) {
			int64_t wait = prov_backoff_next(1000, n, seed) - 1000, m = middle[n - 1];
			assert_true(wait >= m - m / 5 && wait <= m + m / 5 && wait > 0);
			assert_true(prov_backoff_next(1000, n, seed) == 1000 + wait);
		}
	assert_true(prov_backoff_next(0, 4000000000u, 1) <= 3600 + 720);
}

static void seeds_spread_the_waits(void **state)
{
	bool seen[4321] = { false };
	unsigned different = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 2000; seed++) {
		int64_t wait = prov_backoff_next(0, 20, seed);
		different += !seen[wait];
		seen[wait] = true;
	}
	assert_true(different > 350); /* of 401 */
}

static void a_reason_is_text_on_one_line(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} row[] = {
		{ "CHG-4711", true },
		{ " ", true },
		{ "Umzug nach K\xc3\xb6ln \xf0\x9f\x93\xa6", true },
		{ "\xf4\x8f\xbf\xbf", true }, /* the last one there is */
		{ "", false },
		{ "a\nb", false },
		{ "a\x7f", false },
		{ "a\xc2\x85"
		  "b",
			false }, /* next line (U+0085) */
		{ "\xc2\x9b"
		  "31m",
			false }, /* what ESC [ begins for a terminal */
		{ "a\xe2\x80\xa8"
		  "b",
			false }, /* U+2028 */
		{ "\xff\xfe", false },
		{ "x\xc3", false }, /* cut within a character */
		{ "x\xf0\x9f\x93", false },
		{ "\xc0\xaf", false },         /* longer than it need be */
		{ "\xed\xa0\x80", false },     /* half of a pair of UTF-16 */
		{ "\xf4\x90\x80\x80", false }, /* past the last one */
		{ "\xf8\x88\x80\x80\x80", false },
	};
	char most[PROV_REASON_MOST + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct prov_val v = prov_val_str(row[i].text);
		const char *fault = prov_ask_fault(PROV_ASK_REASON, false, &v);
		assert_true(row[i].good == !fault);
	}
	memset(most, 'x', sizeof(most));
	assert_null(prov_ask_fault(PROV_ASK_REASON, false,
		&(struct prov_val){ most, PROV_REASON_MOST }));
	assert_non_null(
		prov_ask_fault(PROV_ASK_REASON, false, &(struct prov_val){ most, sizeof(most) }));
	assert_non_null(prov_ask_fault(PROV_ASK_REASON, false, &(struct prov_val){ "a\0b", 3 }));
	assert_non_null(prov_ask_fault(PROV_ASK_REASON, false, NULL));
}

static void the_other_controls_take_no_value_and_all_come_once(void **state)
{
	const struct prov_val text = prov_val_str("x"), empty = prov_val_str("");

	(void)state;
	for (enum prov_ask a = PROV_ASK_PLAN; a < PROV_ASKS; a++) {
		assert_null(prov_ask_fault(a, false, NULL));
		assert_non_null(prov_ask_fault(a, false, &text));
		assert_non_null(prov_ask_fault(a, false, &empty));
		assert_non_null(prov_ask_fault(a, true, NULL));
	}
	assert_non_null(prov_ask_fault(PROV_ASK_REASON, true, &text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_times_are_written),
		cmocka_unit_test(the_c_library_agrees),
		cmocka_unit_test(forms_of_the_standards_are_read),
		cmocka_unit_test(the_example_of_rfc_9562_is_met),
		cmocka_unit_test(later_ids_sort_behind),
		cmocka_unit_test(waits_double_within_bounds),
		cmocka_unit_test(seeds_spread_the_waits),
		cmocka_unit_test(a_reason_is_text_on_one_line),
		cmocka_unit_test(the_other_controls_take_no_value_and_all_come_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
