/* Change records and the events cut out of them, down to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "fake_schema.h"
#include "record.h"

static struct prov_val S(const char *s) {
	return prov_val_str(s);
}

static const char *const routes[] = { "hr", "mail" };
static const struct prov_record_event two_events[] = {
	{ PROV_EV_UPDATED, "id-1", 1, (const char **)routes },
	{ PROV_EV_ROLE_GRANTED, "id-2", 2, (const char **)routes },
};

static struct prov_record plain(void)
{
	return (struct prov_record){ .op = "modify",
		.change_id = S("c1"),
		.time = S("2026-01-02T03:04:05.000006Z"),
		.dn = S("uid=ada,ou=people"),
		.uuid = S("uuid-1"),
		.uid = S("ada"),
		.actor = { .authz = S("cn=admin"), .from = S("IP=127.0.0.1:1") } };
}

static void encoded(const struct prov_record *r, const char *want)
{
	char *out = NULL;
	size_t len = 0;

	assert_int_equal(prov_record_encode(r, &out, &len, NULL), 0);
	assert_int_equal(strlen(out), len);
	assert_string_equal(out, want);
	free(out);
}

static void a_record_has_these_bytes(void **state)
{
	static const struct prov_val gained = { "cn=sales", 8 }, values[] = { { "a@x", 3 } };
	static const char *const attrs[] = { "mail", "title" };
	struct prov_plan plan = { .before = PROV_STATE_ACTIVE,
		.after = PROV_STATE_ACTIVE,
		.roles_gained = { 1, &gained } };
	struct prov_member member = { .add = true, .dn = S("uid=bob") };
	struct prov_attr mail = { fake_type("mail"), 1, values, values };
	struct prov_record r = plain();

	(void)state;
	encoded(&r,
		"{\"actor\":{\"authz\":\"cn=admin\",\"from\":\"IP=127.0.0.1:1\"},"
		"\"dn\":\"uid=ada,ou=people\",\"entryUUID\":\"uuid-1\",\"id\":\"c1\","
		"\"op\":\"modify\",\"time\":\"2026-01-02T03:04:05.000006Z\",\"uid\":\"ada\",\"v\":1}");
	r.plan = &plan;
	r.reason = S("say \"why\"\n");
	r.nattr = 2;
	r.attr = (const char **)attrs;
	r.nmember_change = 1;
	r.member_change = &member;
	r.nevent = 2;
	r.event = two_events;
	r.nvalue = 1;
	r.value = &mail;
	r.csn = S("csn");
	r.new_dn = S("uid=eva");
	encoded(&r,
		"{\"actor\":{\"authz\":\"cn=admin\",\"from\":\"IP=127.0.0.1:1\"},"
		"\"attributes\":[\"mail\",\"title\"],\"csn\":\"csn\",\"dn\":\"uid=ada,ou=people\","
		"\"entryUUID\":\"uuid-1\",\"events\":[{\"id\":\"id-1\",\"route\":[\"hr\"],"
		"\"type\":\"account.updated\"},{\"id\":\"id-2\",\"route\":[\"hr\",\"mail\"],"
		"\"type\":\"role.granted\"}],\"id\":\"c1\",\"members\":[{\"add\":true,"
		"\"dn\":\"uid=bob\"}],\"newDn\":\"uid=eva\",\"op\":\"modify\","
		"\"reason\":\"say \\\"why\\\"\\n\",\"roles\":{\"gained\":[\"cn=sales\"]},"
		"\"state\":{\"after\":\"active\",\"before\":\"active\"},"
		"\"time\":\"2026-01-02T03:04:05.000006Z\",\"uid\":\"ada\",\"v\":1,"
		"\"values\":{\"mail\":[\"a@x\"]}}");
}

static void no_byte_is_lost(void **state)
{
	static const struct {
		const char *data;
		size_t len;
		const char *base64; /* NULL: text */
	} in[] = { { "\xff", 1, "/w==" }, { "\xff\xfe", 2, "//4=" }, { "\xc3\x28\x01", 3, "wygB" },
		{ "Zo\xc3\xab", 4, NULL }, { "\xed\xa0\x80", 3, "7aCA" } /* a lone surrogate */,
		{ "a\0b", 3, NULL } };

	(void)state;
	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		struct prov_record r = plain();
		char *out = NULL;
		size_t len;
		r.reason = (struct prov_val){ in[i].data, in[i].len };
		assert_int_equal(prov_record_encode(&r, &out, &len, NULL), 0);
		json_t *o = json_loadb(out, len, JSON_ALLOW_NUL, NULL);
		json_t *v = json_object_get(o, "reason");
		if (in[i].base64) {
			assert_string_equal(json_string_value(json_object_get(v, "base64")),
				in[i].base64);
		} else {
			assert_int_equal(json_string_length(v), in[i].len);
			assert_memory_equal(json_string_value(v), in[i].data, in[i].len);
		}
		json_decref(o);
		free(out);
	}
}

static void an_event_has_these_bytes(void **state)
{
	struct prov_record_doc *doc = NULL;
	struct prov_record r = plain();
	char *record = NULL, *out = NULL;
	size_t len, n;

	(void)state;
	r.nevent = 2;
	r.event = two_events;
	r.new_dn = S("uid=eva");
	assert_int_equal(prov_record_encode(&r, &record, &len, NULL), 0);
	assert_int_equal(prov_record_parse(record, len, &doc, NULL), 0);
	assert_int_equal(prov_record_events(doc), 2);
	assert_int_equal(prov_record_event_json(doc, 1, "ldap://h/dc=x", 42, &out, &n, NULL), 0);
	assert_int_equal(strlen(out), n);
	assert_string_equal(out,
		"{\"data\":{\"actor\":{\"authz\":\"cn=admin\",\"from\":\"IP=127.0.0.1:1\"},"
		"\"changeId\":\"c1\",\"dn\":\"uid=eva\",\"oldDn\":\"uid=ada,ou=people\",\"uid\":\"ada\"},"
		"\"datacontenttype\":\"application/json\",\"id\":\"id-2\",\"route\":[\"hr\",\"mail\"],"
		"\"sequence\":\"00000000000000000042\",\"source\":\"ldap://h/dc=x\","
		"\"specversion\":\"1.0\",\"subject\":\"uuid-1\",\"time\":\"2026-01-02T03:04:05.000006Z\","
		"\"type\":\"org.slapo-provision.role.granted\"}");
	free(out);
	assert_int_equal(prov_record_event_json(doc, 2, "s", 1, &out, &n, NULL), PROV_ENOENT);
	assert_null(out);
	prov_record_free(&doc);
	prov_record_free(&doc);
	free(record);
}

static void what_is_no_record_is_told(void **state)
{
	static const char *const bad[] = { "", "[]", "{", "\"x\"", "{\"a\":1,\"a\":2}", "{} x",
		"{\"a\":\"\xff\"}" };
	struct prov_record_doc *doc = NULL;
	char *out;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct prov_error err = { 0, "" };
		assert_int_equal(prov_record_parse(bad[i], strlen(bad[i]), &doc, &err),
			PROV_ECORRUPT);
		assert_null(doc);
		assert_true(err.text[0]);
	}
	static const char broken[] = "{\"events\":[{\"type\":\"x\"},{\"id\":\"x\"},7]}";
	assert_int_equal(prov_record_parse(broken, strlen(broken), &doc, NULL), 0);
	assert_int_equal(prov_record_events(doc), 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(prov_record_event_json(doc, i, "s", 1, &out, &n, NULL),
			PROV_ECORRUPT);
	prov_record_free(&doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_has_these_bytes),
		cmocka_unit_test(no_byte_is_lost),
		cmocka_unit_test(an_event_has_these_bytes),
		cmocka_unit_test(what_is_no_record_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
