/* Deliveries a second over the last minute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rate.h"

static void nothing_was_counted(void **state)
{
	const struct prov_rate r = { 0 };

	(void)state;
	assert_true(prov_rate_per_second(&r, 1000) == 0);
}

static void a_steady_rate_is_found(void **state)
{
	struct prov_rate r = { 0 };

	(void)state;
	for (int64_t t = 1000; t < 1120; t++)
		for (int i = 0; i < 7; i++)
			prov_rate_count(&r, t);
	assert_true(prov_rate_per_second(&r, 1119) == 7.0);
}

static void it_fades_when_nothing_comes_any_more(void **state)
{
	struct prov_rate r = { 0 };

	(void)state;
	for (int i = 0; i < 600; i++)
		prov_rate_count(&r, 1000);
	assert_true(prov_rate_per_second(&r, 1000) == 10.0);
	assert_true(prov_rate_per_second(&r, 1054) == 10.0);
	assert_true(prov_rate_per_second(&r, 1060) == 0.0);
	prov_rate_count(&r, 100000);
	assert_true(prov_rate_per_second(&r, 100000) < 0.02);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_was_counted),
		cmocka_unit_test(a_steady_rate_is_found),
		cmocka_unit_test(it_fades_when_nothing_comes_any_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
