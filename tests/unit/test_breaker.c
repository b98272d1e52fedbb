/* The breaker: a sliding window per identity, bounded in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "breaker.h"

static const struct prov_val eve = { "cn=eve", 6 }, bob = { "cn=bob", 6 };

static int make(void **state)
{
	*state = prov_breaker_new();
	return *state ? 0 : -1;
}

static int drop(void **state)
{
	struct prov_breaker *b = *state;

	prov_breaker_free(&b);
	assert_null(b);
	prov_breaker_free(&b);
	return 0;
}

static void count(struct prov_breaker *b, struct prov_val who, int64_t now, unsigned n)
{
	assert_int_equal(prov_breaker_count(b, who, now, n, 60), 0);
}

static void it_opens_at_the_limit_and_closes_with_time(void **state)
{
	struct prov_breaker *b = *state;

	for (int i = 0; i < 3; i++) {
		assert_true(prov_breaker_allows(b, eve, 100 + i, 3, 60));
		count(b, eve, 100 + i, 3);
	}
	assert_false(prov_breaker_allows(b, eve, 103, 3, 60));
	assert_true(prov_breaker_allows(b, bob, 103, 3, 60)); /* each for himself */
	assert_false(prov_breaker_allows(b, eve, 159, 3, 60));
	assert_true(prov_breaker_allows(b, eve, 160, 3, 60)); /* the first is out of the window */
	count(b, eve, 160, 3);
	assert_false(prov_breaker_allows(b, eve, 160, 3, 60));
}

static void no_limit_counts_nothing(void **state)
{
	struct prov_breaker *b = *state;

	for (int i = 0; i < 1000; i++)
		count(b, eve, 100, 0);
	assert_true(prov_breaker_allows(b, eve, 100, 0, 60));
	assert_true(prov_breaker_allows(b, eve, 100, 1, 60));
}

static void a_changed_limit_keeps_the_newest(void **state)
{
	struct prov_breaker *b = *state;

	for (int i = 0; i < 10; i++)
		count(b, eve, 100 + i, 10);
	assert_false(prov_breaker_allows(b, eve, 110, 10, 60));
	count(b, eve, 110, 4); /* the limit was lowered */
	assert_false(prov_breaker_allows(b, eve, 110, 4, 60));
	assert_true(prov_breaker_allows(b, eve, 110, 20, 60)); /* ... and raised */
	count(b, eve, 111, 20);
	assert_false(prov_breaker_allows(b, eve, 111, 5, 60));
}

static void a_clock_that_goes_back_forgives_nothing(void **state)
{
	struct prov_breaker *b = *state;

	count(b, eve, 1000, 1);
	assert_false(prov_breaker_allows(b, eve, 500, 1, 60));
}

static void who_is_over_the_limit_is_not_forgotten(void **state)
{
	struct prov_breaker *b = *state;
	char name[16];

	count(b, eve, 100, 2);
	count(b, eve, 100, 2);
	for (int i = 0; i < 5000; i++) {
		int n = snprintf(name, sizeof(name), "cn=%d", i);
		count(b, (struct prov_val){ name, (size_t)n }, 100, 2);
	}
	assert_false(prov_breaker_allows(b, eve, 100, 2, 60));
	count(b, (struct prov_val){ "cn=0", 4 }, 100, 2); /* its first one was forgotten */
	assert_true(prov_breaker_allows(b, (struct prov_val){ "cn=0", 4 }, 100, 2, 60));
	count(b, (struct prov_val){ "cn=4999", 7 }, 100, 2);
	assert_false(prov_breaker_allows(b, (struct prov_val){ "cn=4999", 7 }, 100, 2, 60));
}

static void the_anonymous_has_a_count_too(void **state)
{
	struct prov_breaker *b = *state;

	count(b, (struct prov_val){ NULL, 0 }, 100, 1);
	assert_false(prov_breaker_allows(b, (struct prov_val){ "", 0 }, 100, 1, 60));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_opens_at_the_limit_and_closes_with_time),
		TEST(no_limit_counts_nothing),
		TEST(a_changed_limit_keeps_the_newest),
		TEST(a_clock_that_goes_back_forgives_nothing),
		TEST(who_is_over_the_limit_is_not_forgotten),
		TEST(the_anonymous_has_a_count_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
