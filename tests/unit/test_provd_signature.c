/* Signatures of webhooks against known answers, and the key files that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "signature.h"

static int sign(const char *keys, const char *id, int64_t at, const char *body, char *out,
	struct prov_error *err)
{
	return prov_signature(keys, strlen(keys), id, at, body, strlen(body), out, err);
}

/* The example of the Standard Webhooks specification's own libraries. */
#define EXAMPLE "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define EXAMPLE_SIGNED "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static void the_known_example_is_met(void **state)
{
	char out[PROV_SIGNATURE_TEXT];

	(void)state;
	assert_int_equal(sign(EXAMPLE, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
				 "{\"test\": 2432232314}", out, NULL),
		0);
	assert_string_equal(out, EXAMPLE_SIGNED);
}

/* RFC 8032, 7.1, has no message of our form; so: seed of its first test, public key known,
 * checked by another implementation (openssl pkeyutl). */
static void both_forms_of_a_private_key_sign_the_same(void **state)
{
	static const char seed[] = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
	static const char both[] =
		"whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==";
	char a[PROV_SIGNATURE_TEXT], b[PROV_SIGNATURE_TEXT];

	(void)state;
	assert_int_equal(sign(seed, "id", 1, "x", a, NULL), 0);
	assert_int_equal(sign(both, "id", 1, "x", b, NULL), 0);
	assert_string_equal(a, b);
	assert_int_equal(strncmp(a, "v1a,", 4), 0);
	assert_int_equal(strlen(a), 4 + 88);
}

static void every_secret_of_the_file_signs(void **state)
{
	char out[PROV_SIGNATURE_TEXT], keys[1200] = "# old one below\r\n\n" EXAMPLE "\r\n";

	(void)state;
	for (int i = 1; i < PROV_SIGNATURE_KEYS; i++)
		strcat(keys, "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A= \n");
	assert_int_equal(sign(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
				 "{\"test\": 2432232314}", out, NULL),
		0);
	assert_int_equal(strncmp(out, EXAMPLE_SIGNED " v1a,", strlen(EXAMPLE_SIGNED) + 5), 0);
	unsigned blanks = 0;
	for (const char *p = out; *p; p++)
		blanks += *p == ' ';
	assert_int_equal(blanks, PROV_SIGNATURE_KEYS - 1);
	strcat(keys, EXAMPLE);
	assert_int_equal(sign(keys, "i", 1, "x", out, NULL), PROV_EINVAL);
}

static void what_is_no_secret_is_refused_without_being_shown(void **state)
{
	static const char *const bad[] = {
		"", "\n# x\n", "sesame", "whsec_", "whsec_AAAA",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!w",
		"whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		/* 66 bytes */
		"whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char out[PROV_SIGNATURE_TEXT];
		struct prov_error err = { 0, "" };
		assert_int_equal(sign(bad[i], "i", 1, "x", out, &err), PROV_EINVAL);
		assert_non_null(strstr(err.text, "secret file"));
		if (strlen(bad[i]) > 8)
			assert_null(strstr(err.text, bad[i] + 6));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_known_example_is_met),
		cmocka_unit_test(both_forms_of_a_private_key_sign_the_same),
		cmocka_unit_test(every_secret_of_the_file_signs),
		cmocka_unit_test(what_is_no_secret_is_refused_without_being_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
