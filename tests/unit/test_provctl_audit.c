/* Which records an audit question asks for, and what a record says in one line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit_match.h"
#include "fold.h"

#define ADA "uid=ada,ou=people,dc=x"
#define NOW 1795496400 /* 2026-11-24T05:00:00Z */

static const char record_text[] =
	"{\"v\":1,\"id\":\"0190-a\",\"time\":\"2026-11-24T04:00:00.000001Z\",\"op\":\"modify\","
	"\"dn\":\"" ADA "\",\"uid\":\"ada\",\"reason\":\"CHG-4711 moved\","
	"\"actor\":{\"authz\":\"cn=hr,dc=x\",\"authc\":\"cn=app,dc=x\"},"
	"\"state\":{\"before\":\"active\",\"after\":\"terminated\"},"
	"\"roles\":{\"gained\":[],\"lost\":[\"cn=sales\\\\, big,ou=roles,dc=x\"]},"
	"\"groups\":{\"gained\":[\"cn=it,dc=x\"],\"lost\":[\"cn=sales,dc=x\"]},"
	"\"entitlements\":{\"gained\":[\"git:org,dev\"],\"lost\":[]},"
	"\"attributes\":[\"title\",\"mail\"]}";

static const char group_text[] =
	"{\"v\":1,\"id\":\"0190-b\",\"time\":\"2026-11-24T04:30:00Z\",\"op\":\"modify\","
	"\"dn\":\"cn=it,dc=x\",\"members\":[{\"dn\":\"UID=Ada,ou=people,dc=x\",\"add\":true},"
	"{\"dn\":\"uid=bob,dc=x\",\"add\":false}]}";

static json_t *parse(const char *text)
{
	json_t *r = json_loads(text, 0, NULL);
	assert_non_null(r);
	return r;
}

static bool matches(struct audit_filter f, const char *text)
{
	json_t *r = parse(text);
	if (f.account)
		f.account = f.account_is_uid ? prov_fold_text(f.account, strlen(f.account))
					     : prov_fold_dn(f.account, strlen(f.account));
	if (f.actor)
		f.actor = prov_fold_dn(f.actor, strlen(f.actor));
	if (f.group)
		f.group = prov_fold_dn(f.group, strlen(f.group));
	bool yes = audit_match(&f, r);
	json_decref(r);
	audit_filter_dispose(&f);
	return yes;
}

static void each_filter_narrows(void **state)
{
	(void)state;
	assert_true(matches((struct audit_filter){ 0 }, record_text));
	assert_true(matches((struct audit_filter){ .account = "UID=Ada, ou=People,dc=x" },
		record_text));
	assert_false(matches((struct audit_filter){ .account = "uid=bob,dc=x" }, record_text));
	assert_true(matches((struct audit_filter){ .account = "ADA", .account_is_uid = true },
		record_text));
	assert_false(matches((struct audit_filter){ .account = "ad", .account_is_uid = true },
		record_text));
	assert_true(matches((struct audit_filter){ .actor = "cn=HR,dc=x" }, record_text));
	assert_true(matches((struct audit_filter){ .actor = "cn=app,dc=x" }, record_text));
	assert_false(matches((struct audit_filter){ .actor = "cn=x" }, record_text));
	assert_true(matches((struct audit_filter){ .group = "cn=Sales,dc=x" }, record_text));
	assert_true(matches((struct audit_filter){ .group = "cn=it,dc=x" }, record_text));
	assert_false(matches((struct audit_filter){ .group = "cn=hr,dc=x" }, record_text));
	assert_true(matches((struct audit_filter){ .change = "0190-A" }, record_text));
	assert_false(matches((struct audit_filter){ .change = "0190" }, record_text));
	assert_true(matches((struct audit_filter){ .reason = "chg-4711" }, record_text));
	assert_false(matches((struct audit_filter){ .reason = "CHG-9" }, record_text));
	assert_true(matches((struct audit_filter){ .has_since = true, .since = NOW - 3600 },
		record_text));
	assert_false(matches((struct audit_filter){ .has_since = true, .since = NOW - 3599 },
		record_text));
	assert_true(matches((struct audit_filter){ .has_until = true, .until = NOW - 3600 },
		record_text));
	assert_false(matches((struct audit_filter){ .has_until = true, .until = NOW - 3601 },
		record_text));
}

static void a_group_write_is_about_its_members_and_the_group(void **state)
{
	(void)state;
	assert_true(matches((struct audit_filter){ .account = ADA }, group_text));
	assert_false(matches((struct audit_filter){ .account = "uid=eve,dc=x" }, group_text));
	assert_true(matches((struct audit_filter){ .group = "cn=it,dc=x" }, group_text));
	/* an account's own dn is no group */
	assert_false(matches((struct audit_filter){ .group = ADA }, record_text));
}

static void odd_records_match_nothing_and_do_no_harm(void **state)
{
	static const char *const odd[] = { "{}",
		"{\"time\":5,\"members\":7,\"groups\":[1],\"actor\":\"x\"}",
		"{\"members\":[1,null,{\"dn\":3}],\"groups\":{\"gained\":[null]}}" };
	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		assert_true(matches((struct audit_filter){ 0 }, odd[i]));
		assert_false(matches((struct audit_filter){ .account = ADA }, odd[i]));
		assert_false(matches((struct audit_filter){ .group = ADA }, odd[i]));
		assert_false(matches((struct audit_filter){ .actor = ADA }, odd[i]));
		assert_false(matches((struct audit_filter){ .has_since = true }, odd[i]));
		json_t *r = parse(odd[i]);
		char *text = audit_summary(r);
		assert_non_null(text);
		free(text);
		json_decref(r);
	}
}

static void a_record_in_one_line(void **state)
{
	json_t *r = parse(record_text);
	char *text = audit_summary(r);
	(void)state;
	assert_string_equal(text,
		"active->terminated -cn=sales\\, big +cn=it -cn=sales +git:org,dev "
		"title, mail");
	free(text);
	json_decref(r);
	r = parse(group_text);
	text = audit_summary(r);
	assert_string_equal(text, "+UID=Ada -uid=bob");
	free(text);
	json_decref(r);
}

static void times_in_every_spelling(void **state)
{
	static const struct {
		const char *text;
		int64_t at;
	} good[] = {
		{ "20261124050000Z", NOW },
		{ "2026-11-24T05:00:00Z", NOW },
		{ "2026-11-24", NOW - 5 * 3600 },
		{ "90s", NOW - 90 },
		{ "30m", NOW - 1800 },
		{ "5h", NOW - 5 * 3600 },
		{ "7d", NOW - 7 * 86400 },
		{ "2w", NOW - 14 * 86400 },
	};
	static const char *const bad[] = { "", "yesterday", "5", "5y", "-5h", "2026-13-01",
		"99999999999d", "h" };
	int64_t at;
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(audit_time(good[i].text, NOW, &at), 0);
		assert_int_equal(at, good[i].at);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(audit_time(bad[i], NOW, &at), PROV_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_filter_narrows),
		cmocka_unit_test(a_group_write_is_about_its_members_and_the_group),
		cmocka_unit_test(odd_records_match_nothing_and_do_no_harm),
		cmocka_unit_test(a_record_in_one_line),
		cmocka_unit_test(times_in_every_spelling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
