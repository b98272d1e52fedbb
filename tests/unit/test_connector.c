/* Connector entries: what they want to hear, and which ones are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connector.h"
#include "fake_schema.h"

static int compile(struct prov_arena *a, struct prov_connector **c, struct prov_error *err,
	const char *const *lines)
{
	return prov_connector_compile(fake_entry(a, "cn=hr,ou=connectors", lines), &fake_schema, a,
		c, err);
}

#define LINES(...) \
	(const char *const[]) \
	{ \
		"objectClass: provConnector", __VA_ARGS__, NULL \
	}
#define EXEC "cn: hr", "provConnectorType: exec", "provTarget: /bin/true"

static void defaults_are_those_of_the_manual(void **state)
{
	struct prov_arena a = PROV_ARENA_INIT;
	struct prov_connector *c;

	(void)state;
	assert_int_equal(compile(&a, &c, NULL, LINES(EXEC)), 0);
	assert_string_equal(c->name, "hr");
	assert_string_equal(c->type, "exec");
	assert_true(c->enabled);
	assert_int_equal(c->timeout, 30);
	assert_int_equal(c->max_attempts, 20);
	assert_int_equal(c->max_age, 3 * 86400);
	assert_int_equal(c->concurrency, 4);
	assert_null(c->filter);
	assert_true(prov_connector_wants(c, "account.created", NULL, NULL)); /* no provEvent: all */
	prov_arena_dispose(&a);
}

static void what_is_set_is_taken(void **state)
{
	struct prov_arena a = PROV_ARENA_INIT;
	struct prov_connector *c;

	(void)state;
	assert_int_equal(compile(&a, &c, NULL,
				 LINES(EXEC, "provEnabled: FALSE", "provTimeout: 5",
					 "provMaxAttempts: 7", "provMaxAge: 60",
					 "provConcurrency: 256", "provAttribute: mail",
					 "provAttribute: sn", "provSecretFile: /etc/s")),
		0);
	assert_false(c->enabled);
	assert_int_equal(c->timeout, 5);
	assert_int_equal(c->max_attempts, 7);
	assert_int_equal(c->max_age, 60);
	assert_int_equal(c->concurrency, 256);
	assert_int_equal(c->nattr, 2);
	assert_ptr_equal(c->attr[1], fake_type("sn"));
	assert_string_equal(c->secret_file, "/etc/s");
	prov_arena_dispose(&a);
}

static void patterns_and_filters_choose(void **state)
{
	struct prov_arena a = PROV_ARENA_INIT;
	struct prov_connector *c;

	(void)state;
	assert_int_equal(compile(&a, &c, NULL,
				 LINES(EXEC, "provEvent: account.*", "provEvent: role.granted",
					 "provFilter: (departmentNumber=sales)")),
		0);
	const struct prov_entry *in = FAKE_ENTRY(&a, "uid=a", "departmentNumber: sales"),
				*out = FAKE_ENTRY(&a, "uid=a", "departmentNumber: it");
	assert_true(prov_connector_wants(c, "account.created", NULL, in));
	assert_false(prov_connector_wants(c, "account.created", NULL, out));
	assert_true(prov_connector_wants(c, "account.updated", in, out)); /* it leaves the filter */
	assert_true(prov_connector_wants(c, "account.updated", out, in));
	assert_false(prov_connector_wants(c, "account.updated", out, out));
	assert_true(prov_connector_wants(c, "role.granted", in, in));
	assert_false(prov_connector_wants(c, "role.revoked", in, in));
	assert_false(prov_connector_wants(c, "session.revoked", in, in));
	prov_arena_dispose(&a);
}

#define WEB(target) "cn: hr", "provConnectorType: webhook", "provTarget: " target

static void a_webhook_has_options(void **state)
{
	struct prov_arena a = PROV_ARENA_INIT;
	struct prov_connector *c;

	(void)state;
	assert_int_equal(compile(&a, &c, NULL,
				 LINES(WEB("https://h:8443/in?x=1"), "provSecretFile: /etc/s",
					 "provOption: ca=/etc/ca.pem", "provOption: key=/a=b")),
		0);
	assert_string_equal(prov_connector_option(c, "ca"), "/etc/ca.pem");
	assert_string_equal(prov_connector_option(c, "key"), "/a=b");
	assert_null(prov_connector_option(c, "cert"));
	prov_arena_dispose(&a);
}

#define NATS(target) "cn: hr", "provConnectorType: nats", "provTarget: " target

#define KAFKA(target) "cn: hr", "provConnectorType: kafka", "provTarget: " target

static void brokers_of_kafka_may_be_several(void **state)
{
	struct prov_arena a = PROV_ARENA_INIT;
	struct prov_connector *c;

	(void)state;
	assert_int_equal(compile(&a, &c, NULL,
				 LINES(KAFKA("a,b:9093,[::1]:9092"), "provOption: sasl=PLAIN",
					 "provOption: topic=x")),
		0);
	assert_string_equal(c->target, "a,b:9093,[::1]:9092");
	prov_arena_dispose(&a);
}

static void servers_of_nats_may_be_several(void **state)
{
	static const char *const good[] = { "provTarget: tls://a",
		"provTarget: tls://a:1,b:65535,c", "provTarget: TLS://a.example.com:4222,tls://b",
		"provTarget: tls://[::1]:4222,[::2]", "provTarget: tls://127.0.0.1" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct prov_arena a = PROV_ARENA_INIT;
		struct prov_error err = { 0, "" };
		struct prov_connector *c;
		if (compile(&a, &c, &err,
			    LINES("cn: hr", "provConnectorType: nats", good[i],
				    "provOption: cert=/c", "provOption: subject=x")))
			fail_msg("%s: %s", good[i], err.text);
		prov_arena_dispose(&a);
	}
}

static void bad_entries_are_refused_and_named(void **state)
{
	static const struct {
		const char *line[4], *word;
	} bad[] = {
		{ { "cn: hr", "provConnectorType: exec" }, "provTarget" },
		{ { "cn: hr", "provTarget: /x" }, "provConnectorType" },
		{ { "cn: hr", "provConnectorType: pigeon", "provTarget: /x" }, "pigeon" },
		{ { "provConnectorType: exec", "provTarget: /x" }, "cn" },
		{ { EXEC, "provOption: ca=/x" }, "no option \"ca\"" },
		{ { WEB("http://h/"), "provSecretFile: /s" }, "https://" },
		{ { WEB("https://"), "provSecretFile: /s" }, "host" },
		{ { WEB("https://:443/"), "provSecretFile: /s" }, "host" },
		{ { WEB("https://a:b@h/"), "provSecretFile: /s" }, "password" },
		{ { WEB("https://h/"), "provSecretFile: s" }, "absolute" },
		{ { WEB("https://h/") }, "provSecretFile" },
		{ { NATS("nats://h"), "provSecretFile: /s" }, "tls://" },
		{ { NATS("h:4222"), "provSecretFile: /s" }, "tls://" },
		{ { NATS("tls://"), "provSecretFile: /s" }, "host" },
		{ { NATS("tls://a,"), "provSecretFile: /s" }, "host" },
		{ { NATS("tls://:4222"), "provSecretFile: /s" }, "host" },
		{ { NATS("tls://a,,b"), "provSecretFile: /s" }, "host" },
		{ { NATS("tls://a:0"), "provSecretFile: /s" }, "port" },
		{ { NATS("tls://a:65536"), "provSecretFile: /s" }, "port" },
		{ { NATS("tls://a:x"), "provSecretFile: /s" }, "port" },
		{ { NATS("tls://a:"), "provSecretFile: /s" }, "port" },
		{ { NATS("tls://a:1:2"), "provSecretFile: /s" }, "port" },
		{ { NATS("tls://[::1"), "provSecretFile: /s" }, "]" },
		{ { NATS("tls://u:p@a"), "provSecretFile: /s" }, "password" },
		{ { NATS("tls://a/x"), "provSecretFile: /s" }, "hosts and ports" },
		{ { NATS("tls://a, b"), "provSecretFile: /s" }, "hosts and ports" },
		{ { KAFKA("a:9092,") }, "host" },
		{ { KAFKA("kafka://a:9092") }, "port" },
		{ { KAFKA("a:9092"), "provOption: sasl=GSSAPI" }, "SCRAM-SHA-512" },
		{ { NATS("tls://a") }, "client certificate" },
		{ { EXEC, "provTimeout: 0" }, "provTimeout" },
		{ { EXEC, "provTimeout: 3601" }, "provTimeout" },
		{ { EXEC, "provConcurrency: 257" }, "provConcurrency" },
		{ { EXEC, "provMaxAttempts: 99999999999999999999" }, "provMaxAttempts" },
		{ { EXEC, "provFilter: (broken" }, "provFilter" },
		{ { EXEC, "provAttribute: userPassword" }, "secret" },
		{ { EXEC, "provAttribute: nosuch" }, "nosuch" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct prov_arena a = PROV_ARENA_INIT;
		struct prov_error err = { 0, "" };
		struct prov_connector *c;
		const char *lines[6] = { "objectClass: provConnector", bad[i].line[0],
			bad[i].line[1], bad[i].line[2], bad[i].line[3], NULL };
		assert_int_equal(compile(&a, &c, &err, lines), PROV_EINVAL);
		assert_null(c);
		assert_non_null(strstr(err.text, "cn=hr,ou=connectors"));
		assert_non_null(strstr(err.text, bad[i].word));
		prov_arena_dispose(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_manual),
		cmocka_unit_test(what_is_set_is_taken),
		cmocka_unit_test(patterns_and_filters_choose),
		cmocka_unit_test(a_webhook_has_options),
		cmocka_unit_test(brokers_of_kafka_may_be_several),
		cmocka_unit_test(servers_of_nats_may_be_several),
		cmocka_unit_test(bad_entries_are_refused_and_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
