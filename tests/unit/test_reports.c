/* Records about deliveries: from the delivery environment into the trail, each once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "delivery_tables.h"
#include "outbox.h"
#include "reports.h"
#include "state.h"
#include "trail.h"

#define EVENT \
	"{\"data\":{\"changeId\":\"c1\",\"dn\":\"uid=a\",\"uid\":\"a\"},\"id\":\"e1\",\"route\":[\"hr\"]," \
	"\"sequence\":\"00000000000000000007\",\"source\":\"ldap://x/\",\"subject\":\"u1\"," \
	"\"time\":\"2026-11-25T01:02:03.123456Z\",\"type\":\"org.slapo-provision.account.terminated\"}"

struct envs {
	struct prov_kv *state, *delivery;
};

static int open_envs(void **state)
{
	static const char *const tables[] = { "meta", "trail", "checkpoint", "outbox", NULL };
	static const char *const delivery[] = { PROV_DELIVERY_TABLES, NULL };
	struct envs *e = calloc(1, sizeof(*e));

	*state = e;
	assert_int_equal(prov_kv_open_memory(tables, &e->state, NULL), 0);
	assert_int_equal(prov_kv_open_memory(delivery, &e->delivery, NULL), 0);
	return 0;
}

static int close_envs(void **state)
{
	struct envs *e = *state;

	prov_kv_close(&e->state);
	prov_kv_close(&e->delivery);
	free(e);
	return 0;
}

static struct prov_kv_txn *begin(struct prov_kv *kv)
{
	struct prov_kv_txn *t = NULL;

	assert_int_equal(prov_kv_begin(kv, true, &t, NULL), 0);
	return t;
}

static char *a_report(void)
{
	char *record = NULL;
	const struct prov_report r = { .id = "r1",
		.ms = 1700000000123,
		.outcome = PROV_REPORT_PROVEN,
		.connector = "hr",
		.note = "made inactive",
		.seq = 7,
		.event = EVENT,
		.len = strlen(EVENT) };

	assert_int_equal(prov_report_encode(&r, &record, NULL), 0);
	return record;
}

static char *an_import(void)
{
	char *record = NULL;
	const struct prov_import i = { .id = "i1",
		.actor = "cn=me",
		.source = "ldap://lost/",
		.ms = 1700000000123,
		.event = EVENT,
		.len = strlen(EVENT) };

	assert_int_equal(prov_import_encode(&i, &record, NULL), 0);
	return record;
}

static void a_report_has_golden_bytes(void **state)
{
	char *record = a_report();

	(void)state;
	assert_string_equal(record,
		"{\"actor\":{\"authz\":\"provd\"},\"delivery\":{\"changeId\":\"c1\","
		"\"committed\":\"2026-11-25T01:02:03.123456Z\",\"connector\":\"hr\",\"event\":\"e1\","
		"\"note\":\"made inactive\",\"outcome\":\"proven\",\"sequence\":7,"
		"\"type\":\"org.slapo-provision.account.terminated\"},\"dn\":\"uid=a\",\"entryUUID\":\"u1\","
		"\"id\":\"r1\",\"op\":\"delivery\",\"time\":\"2023-11-14T22:13:20.123000Z\",\"uid\":\"a\",\"v\":1}");
	free(record);
}

static void an_import_becomes_an_event_of_this_outbox(void **state)
{
	char *record = an_import(), *event = NULL;

	(void)state;
	assert_int_equal(prov_report_take(record, strlen(record), 42, &event, NULL), 0);
	assert_non_null(strstr(event, "\"id\":\"e1\""));
	assert_non_null(strstr(event, "\"imported\":true"));
	assert_non_null(strstr(event, "\"route\":[\"hr\"]"));
	assert_non_null(strstr(event, "\"sequence\":\"00000000000000000042\""));
	free(event);
	free(record);
}

static void what_is_no_event_is_not_imported(void **state)
{
	static const struct {
		const char *event, *why;
	} bad[] = {
		{ "", "not a JSON object" },
		{ "[]", "not a JSON object" },
		{ "{}", "\"id\" is missing" },
		{ "{\"id\":\"a\",\"type\":\"t\",\"subject\":\"\",\"time\":\"x\",\"source\":\"s\"}",
			"\"subject\" is missing or empty" },
		{ "{\"id\":\"a\",\"type\":\"t\",\"subject\":\"u\",\"time\":\"x\",\"source\":\"s\"}",
			"\"data\" is missing" },
		{ "{\"data\":{},\"id\":\"a\",\"type\":\"t\",\"subject\":\"u\",\"time\":\"x\",\"source\":\"s\","
		  "\"route\":[]}",
			"\"route\" is missing or empty" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct prov_error err = { 0 };
		char *record = NULL;
		const struct prov_import in = { .id = "i",
			.source = "s",
			.event = bad[i].event,
			.len = strlen(bad[i].event) };
		assert_int_equal(prov_import_encode(&in, &record, &err), PROV_EINVAL);
		assert_non_null(strstr(err.text, bad[i].why));
		assert_null(record);
	}
}

static void rows_have_numbers_that_go_on(void **state)
{
	struct envs *e = *state;
	struct prov_kv_txn *t = begin(e->delivery);
	struct prov_kv_cursor *c = NULL;
	struct prov_val k, v;
	uint64_t number = 0;

	assert_int_equal(prov_reports_put(t, 0, "{}"), 0);
	assert_int_equal(prov_reports_put(t, 0, "{}"), 0);
	assert_int_equal(prov_reports_put(t, 9, "{}"), 0); /* the trail has had nine */
	assert_int_equal(prov_reports_put(t, 9, "{}"), 0);
	assert_int_equal(prov_kv_cursor_open(t, PROV_T_REPORT, &c), 0);
	assert_int_equal(prov_kv_cursor_last(c, &k, &v), 0);
	assert_int_equal(prov_be64_get(k, &number), 0);
	assert_int_equal(number, 11);
	prov_kv_cursor_close(&c);
	assert_int_equal(prov_reports_trim(t, 10), 0);
	uint64_t left = 0;
	assert_int_equal(prov_kv_count(t, PROV_T_REPORT, &left), 0);
	assert_int_equal(left, 1);
	prov_kv_abort(&t);
}

static void the_relay_takes_each_once(void **state)
{
	struct envs *e = *state;
	struct prov_kv_txn *t = begin(e->state);
	char *report = a_report(), *import = an_import();
	unsigned char hash[32];
	struct prov_val event;
	uint64_t seq = 0, noted = 0;
	bool fresh = false;

	for (int round = 0; round < 2; round++) {
		assert_int_equal(prov_state_take_report(t, 1, prov_val_str(report), &fresh, NULL),
			0);
		assert_int_equal(fresh, round == 0);
		assert_int_equal(prov_state_take_report(t, 2, prov_val_str(import), &fresh, NULL),
			0);
		assert_int_equal(fresh, round == 0);
	}
	assert_int_equal(prov_trail_last(t, &seq, hash), 0);
	assert_int_equal(seq, 2);
	assert_int_equal(prov_outbox_last(t, &seq), 0);
	assert_int_equal(seq, 1);
	assert_int_equal(prov_outbox_get(t, 1, &event), 0);
	assert_int_equal(prov_reports_noted(t, &noted), 0);
	assert_int_equal(noted, 2);
	prov_kv_abort(&t);
	free(report);
	free(import);
}

static void what_is_no_report_is_left_out_and_does_not_come_again(void **state)
{
	static const char *const bad[] = { "", "{}", "null", "{\"op\":\"add\",\"id\":\"x\"}",
		"{\"op\":\"delivery\"}",
		"{\"op\":\"import\",\"id\":\"x\",\"event\":{\"id\":\"y\"}}" };
	struct envs *e = *state;
	struct prov_kv_txn *t = begin(e->state);
	uint64_t noted = 0, seq = 0;
	unsigned char hash[32];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct prov_error err = { 0 };
		bool fresh = true;
		assert_int_equal(prov_state_take_report(t, i + 1, prov_val_str(bad[i]), &fresh,
					 &err),
			0);
		assert_false(fresh);
		assert_int_equal(err.code, PROV_ECORRUPT);
		assert_int_equal(prov_reports_noted(t, &noted), 0);
		assert_int_equal(noted, i + 1);
	}
	assert_int_equal(prov_trail_last(t, &seq, hash), 0);
	assert_int_equal(seq, 0);
	prov_kv_abort(&t);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_envs, close_envs)
	const struct CMUnitTest tests[] = {
		TEST(a_report_has_golden_bytes),
		TEST(an_import_becomes_an_event_of_this_outbox),
		TEST(what_is_no_event_is_not_imported),
		TEST(rows_have_numbers_that_go_on),
		TEST(the_relay_takes_each_once),
		TEST(what_is_no_report_is_left_out_and_does_not_come_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
