/* What was so at a time, from records alone; CSV and CEF; stamps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit_format.h"
#include "audit_match.h"
#include "csvout.h"
#include "replay.h"
#include "stamps.h"

#define ADA "uid=ada,ou=people,dc=x"
#define UUID "9de3f096-7cc0-1041-95ac-d3a3f06c7960"

static json_t *parse(const char *text)
{
	json_t *r = json_loads(text, 0, NULL);
	assert_non_null(r);
	return r;
}

static void a_moved_dn_keeps_what_is_below(void **state)
{
	static const struct {
		const char *dn, *from, *to, *want;
	} row[] = {
		{ "cn=a,ou=x,dc=z", "ou=X,dc=z", "ou=y,dc=z", "cn=a,ou=y,dc=z" },
		{ "ou=x,dc=z", "ou=x,dc=z", "ou=y,dc=z", "ou=y,dc=z" },
		{ "cn=a\\,b+sn=c;d,cn=e,ou=x,dc=z", "ou=x,dc=z", "dc=w",
			"cn=a\\,b+sn=c;d,cn=e,dc=w" },
		{ "cn=a\\\\,ou=x", "ou=x", "ou=y", "cn=a\\\\,ou=y" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char *got = replay_moved(row[i].dn, row[i].from, row[i].to);
		assert_string_equal(got, row[i].want);
		free(got);
	}
}

static void a_member_is_a_dn_or_a_uid(void **state)
{
	static const char *const row[][2] = { { "UID=Ada, dc=x", "uid=ada,dc=x" },
		{ "uid=ada,dc=x#'0101'B", "uid=ada,dc=x" }, { "Ada", "ada" },
		{ "a#'1'B", "a#'1'b" } };
	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char *got = replay_member_key(row[i][0]);
		assert_string_equal(got, row[i][1]);
		free(got);
	}
}

/* Records in the order of the trail, the time is their place. */
static const char *const life[] = {
	"{\"op\":\"group\",\"dn\":\"cn=g,dc=x\",\"time\":\"2026-01-01T00:00:01Z\",\"members\":[{\"dn\":\"" ADA
	"\",\"add\":true}]}",
	"{\"op\":\"add\",\"dn\":\"" ADA "\",\"entryUUID\":\"" UUID
	"\",\"uid\":\"ada\",\"id\":\"1\",\"time\":"
	"\"2026-01-01T00:00:02Z\",\"state\":{\"after\":\"active\"},\"roles\":{\"gained\":[\"cn=r,dc=x\"]},"
	"\"groups\":{\"gained\":[\"cn=h,dc=x\"]}}",
	"{\"op\":\"delivery\",\"dn\":\"" ADA "\",\"entryUUID\":\"" UUID
	"\",\"time\":\"2026-01-01T00:00:09Z\"}",
	"{\"op\":\"modify\",\"dn\":\"" ADA "\",\"entryUUID\":\"" UUID
	"\",\"uid\":\"ada\",\"id\":\"2\",\"time\":"
	"\"2026-01-01T00:00:03.500Z\",\"state\":{\"before\":\"active\",\"after\":\"terminated\"},"
	"\"roles\":{\"lost\":[\"CN=r,dc=x\"]},\"groups\":{\"lost\":[\"cn=g,dc=x\",\"cn=h,dc=x\"]}}",
};
enum { NLIFE = sizeof(life) / sizeof(life[0]) };

static void replayed_at(int64_t usec, struct replay_find *f, struct replay_account *a)
{
	assert_int_equal(replay_find_init(f, "ADA", usec), 0);
	for (int i = 0; i < NLIFE; i++) {
		json_t *r = parse(life[i]);
		assert_int_equal(replay_find_see(f, (uint64_t)i + 1, r), 0);
		json_decref(r);
	}
	assert_int_equal(replay_account_init(a, UUID), 0);
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < (int)f->cut; i++) {
			json_t *r = parse(life[i]);
			assert_int_equal(pass ? replay_account_see(a, (uint64_t)i + 1, r)
					      : replay_account_learn(a, r),
				0);
			json_decref(r);
		}
	}
}

static void an_account_is_what_its_records_made_of_it(void **state)
{
	struct replay_find f;
	struct replay_account a;
	int64_t second;
	(void)state;
	assert_int_equal(audit_usec("2026-01-01T00:00:00Z", 0, false, &second), 0);
	replayed_at(second + 3499999, &f, &a); /* just before it was terminated */
	assert_int_equal(f.cut, 2);
	assert_int_equal(json_object_size(f.owner), 1);
	assert_string_equal(a.state, "active");
	assert_int_equal(json_object_size(a.groups),
		2); /* by hand before it was there, and by a role */
	assert_int_equal(json_object_size(a.roles), 1);
	assert_true(a.certain);
	replay_find_dispose(&f);
	replay_account_dispose(&a);
	replayed_at(second + 3500000, &f, &a);
	assert_int_equal(f.cut, 4);
	assert_string_equal(a.state, "terminated");
	assert_int_equal(json_object_size(a.groups), 0);
	assert_int_equal(json_object_size(a.roles), 0);
	replay_find_dispose(&f);
	replay_account_dispose(&a);
	replayed_at(second + 1000000, &f, &a);
	assert_int_equal(json_object_size(f.owner), 0);
	assert_int_equal(f.first, 2);
	replay_find_dispose(&f);
	replay_account_dispose(&a);
}

static void odd_records_do_no_harm(void **state)
{
	static const char *const odd[] = { "{}", "{\"op\":7}", "{\"op\":\"modify\",\"state\":5}",
		"{\"op\":\"group\",\"dn\":3,\"members\":[1,{\"dn\":null,\"add\":\"x\"},{}],\"newDn\":\"\"}",
		"{\"op\":\"rename\",\"dn\":\",,=\",\"newDn\":\"=\",\"entryUUID\":\"x\",\"state\":{}}",
		"{\"op\":\"modify\",\"entryUUID\":\"" UUID
		"\",\"state\":{\"after\":[]},\"roles\":[1],\"groups\":{\"gained\":{\"a\":1}},"
		"\"present\":7,\"attributes\":[{}]}" };
	(void)state;
	struct replay_account a;
	struct replay_group g;
	struct stamps *s = NULL;
	assert_int_equal(replay_account_init(&a, UUID), 0);
	assert_int_equal(replay_group_init(&g, "cn=g", 0), 0);
	assert_int_equal(replay_group_named(&g), 0);
	assert_int_equal(stamps_new(&s), 0);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		json_t *r = parse(odd[i]);
		assert_int_equal(replay_account_learn(&a, r), 0);
		assert_int_equal(replay_account_see(&a, i + 1, r), 0);
		assert_int_equal(replay_group_find(&g, i + 1, r), 0);
		assert_int_equal(replay_group_learn(&g, r), 0);
		assert_int_equal(replay_group_see(&g, i + 1, r), 0);
		assert_int_equal(stamps_see(s, i + 1, r), 0);
		json_decref(r);
	}
	assert_false(a.certain); /* the first says nothing of what it did */
	replay_account_dispose(&a);
	replay_group_dispose(&g);
	stamps_free(&s);
}

static void cells_of_csv(void **state)
{
	static const char *const row[][2] = { { "plain", "plain" }, { "", "" }, { "=1", "\"'=1\"" },
		{ " =1", "\"' =1\"" }, { "-1", "\"'-1\"" }, { "@x", "\"'@x\"" },
		{ "'x", "\"''x\"" }, { "\tx", "\"'\tx\"" }, { "\n=x", "\"'\n=x\"" },
		{ "a,b", "\"a,b\"" }, { "a;b", "\"a;b\"" }, { "a\"b", "\"a\"\"b\"" },
		{ "\xef\xbc\x9d"
		  "1",
			"\"'\xef\xbc\x9d"
			"1\"" },
		{ "a=b", "a=b" } };
	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char *text = NULL;
		size_t len = 0;
		FILE *f = open_memstream(&text, &len);
		prov_csv_cell(f, row[i][0], true);
		fclose(f);
		assert_string_equal(text, row[i][1]);
		free(text);
	}
}

static void a_line_of_cef(void **state)
{
	json_t *r = parse(
		"{\"op\":\"a|b\\\\\",\"dn\":\"cn=x\",\"time\":\"1970-01-01T00:00:01.5Z\",\"reason\":"
		"\"a=b\\\\|\\nc\",\"actor\":{\"from\":\"IP=[::1]:77\"}}");
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	(void)state;
	audit_cef_line(f, 1, 5, "", r);
	fclose(f);
	assert_non_null(strstr(text, "CEF:1|slapo-provision|slapo-provision|"));
	assert_non_null(
		strstr(text, "|a\\|b\\\\|Account changed|3|cn1Label=record cn1=5 rt=1500 "));
	assert_non_null(strstr(text, " reason=a\\=b\\\\|\\nc "));
	assert_non_null(strstr(text, " c6a2=::1 "));
	assert_non_null(strstr(text, " spt=77 "));
	assert_non_null(strstr(text, " cs1=cn\\=x"));
	assert_ptr_equal(strchr(text, '\n'), text + len - 1);
	free(text);
	json_decref(r);
}

static void stamps_follow_the_records_that_write_the_entry(void **state)
{
	static const char *const row[] = {
		"{\"op\":\"add\",\"dn\":\"a\",\"entryUUID\":\"" UUID
		"\",\"id\":\"01a21080-6732-720a-bda4-92f1e31f55d1\",\"time\":\"2026-01-01T00:00:00Z\","
		"\"csn\":\"20260101000000.000001Z#000000#003#000000\",\"state\":{\"after\":\"active\"},"
		"\"roles\":{\"gained\":[\"cn=r\",\"cn=q\"]}}",
		/* moved with what is above it: not stamped */
		"{\"op\":\"rename\",\"dn\":\"a\",\"newDn\":\"b\",\"entryUUID\":\"" UUID
		"\",\"id\":\"01a21080-6732-720a-bda4-92f1e31f55d2\",\"time\":\"2026-01-01T00:00:01Z\","
		"\"state\":{\"before\":\"active\",\"after\":\"active\"}}",
		"{\"op\":\"group\",\"dn\":\"g\",\"id\":\"01a21080-6732-720a-bda4-92f1e31f55d3\","
		"\"members\":[{\"dn\":\"b\",\"add\":false}]}",
		"{\"op\":\"follow\",\"dn\":\"b\",\"entryUUID\":\"" UUID
		"\",\"id\":\"01a21080-6732-720a-bda4-92f1e31f55d4\",\"time\":\"2026-01-01T00:00:02Z\","
		"\"state\":{\"before\":\"active\",\"after\":\"active\"},\"roles\":{\"lost\":[\"CN=q\"]}}",
	};
	struct stamps *s = NULL;
	unsigned char id[16];
	(void)state;
	assert_int_equal(stamps_new(&s), 0);
	for (size_t i = 0; i < 4; i++) {
		json_t *r = parse(row[i]);
		assert_int_equal(stamps_see(s, i + 1, r), 0);
		json_decref(r);
		const struct stamp *st = stamps_find(s, UUID);
		assert_int_equal(st->seq, i == 3 ? 4 : 1);
	}
	const struct stamp *st = stamps_find(s, UUID);
	assert_int_equal(st->roles, stamps_role("cn=R"));
	assert_int_equal(st->since, 1767225600);
	assert_true(stamps_uuid("01A21080-6732-720a-bda4-92f1e31f55d3", id));
	assert_int_equal(stamps_taken(s, id), 3);
	assert_true(stamps_knows_until(s, id));
	assert_true(stamps_uuid("01a21080-6732-720a-bda4-92f1e31f55d5", id));
	assert_int_equal(stamps_taken(s, id), 0);
	assert_true(stamps_knows_until(s, id)); /* in one millisecond the order is chance */
	assert_true(stamps_uuid("01a21080-6733-720a-bda4-92f1e31f55d4", id));
	assert_int_equal(stamps_taken(s, id), 0);
	assert_false(stamps_knows_until(s, id));
	assert_true(stamps_knows_server(s, 3) && !stamps_knows_server(s, 0));
	assert_null(stamps_find(s, "nonsense"));
	stamps_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_moved_dn_keeps_what_is_below),
		cmocka_unit_test(a_member_is_a_dn_or_a_uid),
		cmocka_unit_test(an_account_is_what_its_records_made_of_it),
		cmocka_unit_test(odd_records_do_no_harm),
		cmocka_unit_test(cells_of_csv),
		cmocka_unit_test(a_line_of_cef),
		cmocka_unit_test(stamps_follow_the_records_that_write_the_entry),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
