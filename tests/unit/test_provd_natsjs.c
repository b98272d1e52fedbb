/* What the nats connector reads and writes: acknowledgements, credentials, servers, signatures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "natsjs_key.h"
#include "natsjs_text.h"

/* The bytes 0, 1, ... 31, once as a user's seed and once as an account's. */
#define SEED "SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y"
#define ACCOUNT "SAAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4HYMHI"
#define CREDS \
	"-----BEGIN NATS USER JWT-----\neyJ0.eyJq.c2ln\n------END NATS USER JWT------\n\n" \
	"************************* IMPORTANT *************************\n"
#define CREDS_SEED \
	"-----BEGIN USER NKEY SEED-----\r\n" SEED "\r\n------END USER NKEY SEED------\r\n"

static void a_nonce_is_signed_as_openssl_signs_it(void **state)
{
	char sig[PROV_NATSJS_SIGNATURE];

	(void)state;
	assert_int_equal(prov_natsjs_sign(SEED, "PXoWU7zWAMt75FY", sig, NULL), 0);
	assert_string_equal(sig,
		"bnxg5G8aOV2LQdSE_lcM9clxm_fbTTZxsqQ1EpTNgJXmH6z5ezesd49kXfuNhoAqw"
		"_DmEtsGcNsJdug9wMuRDQ");
}

static void what_is_no_seed_of_a_user_is_refused_and_not_shown(void **state)
{
	static const char *const bad[] = { "", "SU", ACCOUNT,
		"SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H775Y",   /* the CRC */
		"SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776",    /* too short */
		"SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776YAA", /* too long */
		"suaaaaicamcakbqhbaequcymbuha6earcijrifiwc4mbsgq3dqor4h776y" };
	char sig[PROV_NATSJS_SIGNATURE];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct prov_error err = { 0 };
		assert_int_equal(prov_natsjs_sign(bad[i], "x", sig, &err), PROV_EINVAL);
		assert_null(strstr(err.text, "AAAAICAM"));
	}
}

static void both_parts_of_a_credentials_file_are_found(void **state)
{
	char *jwt = NULL, *seed = NULL;

	(void)state;
	assert_true(prov_natsjs_is_creds(CREDS CREDS_SEED));
	assert_false(prov_natsjs_is_creds("a token\n"));
	assert_int_equal(prov_natsjs_creds(CREDS CREDS_SEED, &jwt, &seed, NULL), 0);
	assert_string_equal(jwt, "eyJ0.eyJq.c2ln");
	assert_string_equal(seed, SEED);
	free(jwt);
	free(seed);
}

static void a_part_that_is_missing_or_empty_is_named(void **state)
{
	static const struct {
		const char *text, *word;
	} bad[] = { { CREDS, "seed" }, { CREDS "-----BEGIN USER NKEY SEED-----", "seed" },
		{ CREDS "-----BEGIN USER NKEY SEED-----\n------END USER NKEY SEED------", "seed" },
		{ CREDS_SEED, "JWT" }, { "-----BEGIN NATS USER JWT-----\n" CREDS_SEED, "JWT" } };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct prov_error err = { 0 };
		char *jwt = NULL, *seed = NULL;
		assert_int_equal(prov_natsjs_creds(bad[i].text, &jwt, &seed, &err), PROV_EINVAL);
		assert_non_null(strstr(err.text, bad[i].word));
		free(jwt);
		free(seed);
	}
}

static void an_acknowledgement_tells_stream_and_sequence(void **state)
{
	static const char ack[] = "{\"stream\":\"PROV\",\"seq\":17}";
	static const char again[] = "{\"stream\":\"PROV\",\"seq\":17,\"duplicate\":true}";
	struct prov_result r = { 0 };

	(void)state;
	assert_int_equal(prov_natsjs_ack(ack, strlen(ack), &r), 0);
	assert_int_equal(r.outcome, PROV_OUTCOME_DONE);
	assert_string_equal(r.reply, "stream PROV, sequence 17");
	assert_null(r.note);
	assert_int_equal(prov_natsjs_ack(again, strlen(again), &r), 0);
	assert_int_equal(r.outcome, PROV_OUTCOME_DONE);
	assert_string_equal(r.note, "the stream had it already");
}

static void any_other_answer_is_a_failed_attempt(void **state)
{
	static const struct {
		const char *json, *word;
	} bad[] = { { "", "nothing" }, { "+OK", "+OK" }, { "{}", "{}" }, { "[]", "no stream" },
		{ "{\"stream\":\"X\"}", "no stream" }, { "{\"seq\":1}", "no stream" },
		{ "{\"stream\":1,\"seq\":1}", "no stream" },
		{ "{\"stream\":\"X\",\"seq\":\"1\"}", "no stream" },
		{ "{\"error\":{\"code\":503,\"err_code\":10077,\"description\":\"full\"},"
		  "\"stream\":\"X\",\"seq\":0}",
			"the stream X refuses it: full (10077)" },
		{ "{\"error\":{\"code\":503}}", "no reason given (503)" } };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct prov_result r = { 0 };
		assert_int_equal(prov_natsjs_ack(bad[i].json, strlen(bad[i].json), &r), -1);
		assert_int_equal(r.outcome, PROV_OUTCOME_FAILED);
		assert_non_null(strstr(r.error, bad[i].word));
	}
}

static void servers_are_taken_from_the_list_one_by_one(void **state)
{
	static const struct {
		const char *list;
		const char *server[3][2];
	} good[] = {
		{ "tls://a", { { "a", "4222" } } },
		{ "TLS://a:1,b,tls://c:65535",
			{ { "a", "1" }, { "b", "4222" }, { "c", "65535" } } },
		{ "tls://[::1]:7,[fe80::1]", { { "::1", "7" }, { "fe80::1", "4222" } } },
	};
	char host[PROV_NATSJS_HOST], port[8];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const char *rest = good[i].list;
		for (size_t k = 0; k < 3 && good[i].server[k][0]; k++) {
			rest = prov_natsjs_server(rest, host, port);
			assert_non_null(rest);
			assert_string_equal(host, good[i].server[k][0]);
			assert_string_equal(port, good[i].server[k][1]);
		}
		assert_null(prov_natsjs_server(rest, host, port));
	}
}

static void a_prefix_has_whole_parts_and_no_wildcards(void **state)
{
	static const char *const bad[] = { "", ".", "a.", ".a", "a..b", "a.*", "a.>", "a b", "a\tb",
		"\xc3\xa4", "$JS.API", "_INBOX" };

	(void)state;
	assert_null(prov_natsjs_prefix("a"));
	assert_null(prov_natsjs_prefix("corp.idm-1.events_x"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(prov_natsjs_prefix(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_nonce_is_signed_as_openssl_signs_it),
		cmocka_unit_test(what_is_no_seed_of_a_user_is_refused_and_not_shown),
		cmocka_unit_test(both_parts_of_a_credentials_file_are_found),
		cmocka_unit_test(a_part_that_is_missing_or_empty_is_named),
		cmocka_unit_test(an_acknowledgement_tells_stream_and_sequence),
		cmocka_unit_test(any_other_answer_is_a_failed_attempt),
		cmocka_unit_test(servers_are_taken_from_the_list_one_by_one),
		cmocka_unit_test(a_prefix_has_whole_parts_and_no_wildcards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
