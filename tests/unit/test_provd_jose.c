/* Keys of Shared Signals: thumbprints, what is published, and what is no key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jose.h"

/* RFC 8037, appendix A.1 and A.3, as PKCS #8 */
#define ED25519 \
	"-----BEGIN PRIVATE KEY-----\n" \
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n" \
	"-----END PRIVATE KEY-----\n"

static struct prov_jose *keys_of(const char *pem)
{
	struct prov_jose *k = NULL;
	struct prov_error err = { 0 };

	if (prov_jose_read(pem, strlen(pem), &k, &err))
		fail_msg("%s", err.text);
	return k;
}

static void the_thumbprint_of_the_rfc_is_met(void **state)
{
	struct prov_jose *k = keys_of("a comment\n" ED25519);
	json_t *set = prov_jose_set(k);
	const json_t *jwk = json_array_get(json_object_get(set, "keys"), 0);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(jwk, "kid")),
		"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
	assert_string_equal(json_string_value(json_object_get(jwk, "x")),
		"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
	assert_string_equal(json_string_value(json_object_get(jwk, "alg")), "EdDSA");
	assert_null(json_object_get(jwk, "d"));
	json_decref(set);
	prov_jose_free(&k);
}

/* Ed25519 is deterministic (RFC 8032), so that the same claims are the same token. */
static void a_token_has_three_parts_and_is_the_same_again(void **state)
{
	struct prov_jose *k = keys_of(ED25519);
	json_t *claims = json_pack("{s:s}", "iss", "https://example.com");
	char *a = NULL, *b = NULL;

	(void)state;
	assert_int_equal(prov_jose_sign(k, "secevent+jwt", claims, &a, NULL), 0);
	assert_int_equal(prov_jose_sign(k, "secevent+jwt", claims, &b, NULL), 0);
	assert_string_equal(a, b);
	assert_non_null(strchr(a, '.'));
	assert_int_equal(strlen(strrchr(a, '.') + 1), 86);
	assert_null(strpbrk(a, "+/="));
	free(a);
	free(b);
	json_decref(claims);
	prov_jose_free(&k);
}

static void what_is_no_key_is_refused_by_its_number(void **state)
{
	static const struct {
		const char *pem, *says;
	} bad[] = {
		{ "", "no private key" },
		{ "hello\n", "no private key" },
		{ "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "key 1" },
		{ ED25519 "-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----\n", "key 2" },
		{ ED25519 "-----BEGIN PRIVATE KEY-----\n", "key 2" },
		{ ED25519 ED25519 ED25519 ED25519 ED25519 ED25519 ED25519 ED25519 ED25519,
			"more than 8" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct prov_jose *k = NULL;
		struct prov_error err = { 0 };
		int rc = prov_jose_read(bad[i].pem, strlen(bad[i].pem), &k, &err);
		assert_int_equal(rc, PROV_EINVAL);
		assert_null(k);
		if (!strstr(err.text, bad[i].says))
			fail_msg("case %zu: \"%s\"", i, err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_thumbprint_of_the_rfc_is_met),
		cmocka_unit_test(a_token_has_three_parts_and_is_the_same_again),
		cmocka_unit_test(what_is_no_key_is_refused_by_its_number),
	};
	return cmocka_run_group_tests_name("jose", tests, NULL, NULL);
}
