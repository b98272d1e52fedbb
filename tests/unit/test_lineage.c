/* Lineages: where two copies of one environment part, and what is stored of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lineage.h"

static void begin(struct prov_lineage *l, uint64_t from, unsigned id)
{
	unsigned char raw[PROV_LINEAGE_ID] = { (unsigned char)(id >> 8), (unsigned char)id };

	prov_lineage_begin(l, from, raw);
}

static void one_that_only_went_on_parts_after_what_was_known(void **state)
{
	struct prov_lineage was = { 0 }, is = { 0 };

	(void)state;
	begin(&was, 1, 1);
	begin(&is, 1, 1);
	assert_true(prov_lineage_fork(&was, &is) == UINT64_MAX);
	begin(&is, 101, 2);
	begin(&is, 150, 3);
	assert_int_equal(prov_lineage_fork(&was, &is), 101);
	assert_int_equal(prov_lineage_fork(&is, &was), 101);
}

static void one_that_was_put_back_parts_where_it_went_another_way(void **state)
{
	struct prov_lineage was = { 0 }, is = { 0 };

	(void)state;
	begin(&was, 1, 1);
	begin(&was, 101, 2);
	begin(&is, 1, 1);
	begin(&is, 91, 3); /* from a copy at 90 */
	assert_int_equal(prov_lineage_fork(&was, &is), 91);
}

static void those_of_different_environments_have_nothing_in_common(void **state)
{
	struct prov_lineage a = { 0 }, b = { 0 };

	(void)state;
	assert_int_equal(prov_lineage_fork(&a, &b), 0);
	begin(&a, 1, 1);
	assert_int_equal(prov_lineage_fork(&a, &b), 0);
	begin(&b, 1, 2);
	assert_int_equal(prov_lineage_fork(&a, &b), 0);
}

static void a_stretch_without_numbers_is_replaced(void **state)
{
	struct prov_lineage l = { 0 };

	(void)state;
	begin(&l, 1, 1);
	begin(&l, 5, 2);
	begin(&l, 5, 3);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.at[1].id[1], 3);
}

static void the_oldest_are_forgotten_and_the_others_still_tell(void **state)
{
	static struct prov_lineage was, is;

	(void)state;
	for (unsigned i = 1; i <= 400; i++)
		begin(&was, i * 10, i);
	assert_int_equal(was.n, PROV_LINEAGE_MOST);
	assert_int_equal(was.at[0].from, (400 - PROV_LINEAGE_MOST + 1) * 10);
	for (unsigned i = 1; i <= 200; i++)
		begin(&is, i * 10, i);
	begin(&is, 2005, 1000);
	assert_int_equal(prov_lineage_fork(&was, &is), 2005);
}

static void what_is_stored_comes_back_and_rubbish_does_not(void **state)
{
	static const char golden[] = "\1\0\0\0\0\0\0\1\2\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
	static struct prov_lineage l, got;
	static char bytes[PROV_LINEAGE_BYTES + 24];

	(void)state;
	assert_int_equal(prov_lineage_decode((struct prov_val){ "", 0 }, &got), 0);
	assert_int_equal(got.n, 0);
	l.n = 1;
	l.at[0] = (struct prov_stretch){ 258, { 7 } };
	assert_int_equal(prov_lineage_encode(&l, bytes), 25);
	assert_memory_equal(bytes, golden, 25);
	for (unsigned i = 1; i <= PROV_LINEAGE_MOST; i++)
		begin(&l, i * 1000, i);
	size_t n = prov_lineage_encode(&l, bytes);
	assert_int_equal(n, PROV_LINEAGE_BYTES);
	assert_int_equal(prov_lineage_decode((struct prov_val){ bytes, n }, &got), 0);
	assert_int_equal(got.n, l.n);
	assert_memory_equal(got.at, l.at, sizeof(l.at));
	assert_int_equal(prov_lineage_decode((struct prov_val){ bytes, n - 1 }, &got),
		PROV_ECORRUPT);
	assert_int_equal(prov_lineage_decode((struct prov_val){ bytes, n + 24 }, &got),
		PROV_ECORRUPT);
	bytes[0] = 2;
	assert_int_equal(prov_lineage_decode((struct prov_val){ bytes, n }, &got), PROV_ECORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_only_went_on_parts_after_what_was_known),
		cmocka_unit_test(one_that_was_put_back_parts_where_it_went_another_way),
		cmocka_unit_test(those_of_different_environments_have_nothing_in_common),
		cmocka_unit_test(a_stretch_without_numbers_is_replaced),
		cmocka_unit_test(the_oldest_are_forgotten_and_the_others_still_tell),
		cmocka_unit_test(what_is_stored_comes_back_and_rubbish_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
