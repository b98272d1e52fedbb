/* The arena: zeroed, aligned, overflow-checked, freed as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"

/* The address sanitizer would end the program instead of giving NULL. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void memory_is_zeroed_and_aligned_whatever_was_asked_before(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;

	for (size_t size = 0; size < 300; size++) {
		unsigned char *p = prov_arena_alloc(&a, size);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, size);
	}
	prov_arena_dispose(&a);
}

static void pieces_do_not_overlap_across_blocks(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;
	unsigned char *p[500];
	static const size_t sizes[] = { 1, 17, 4000, 4096, 4097, 20000, 64 };

	for (size_t i = 0; i < 500; i++) {
		size_t size = sizes[i % 7];
		p[i] = prov_arena_alloc(&a, size);
		assert_non_null(p[i]);
		memset(p[i], (int)(i & 0xff), size);
	}
	for (size_t i = 0; i < 500; i++) {
		size_t size = sizes[i % 7];
		assert_int_equal(p[i][0], i & 0xff);
		assert_int_equal(p[i][size - 1], i & 0xff);
	}
	prov_arena_dispose(&a);
	assert_null(a.head);
}

static void a_size_that_cannot_be_gives_null_and_the_arena_goes_on(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;

	assert_non_null(prov_arena_alloc(&a, 1));
	assert_null(prov_arena_alloc(&a, SIZE_MAX));
	assert_null(prov_arena_alloc(&a, SIZE_MAX - 16));
	assert_null(prov_arena_alloc(&a, SIZE_MAX - 100));
	assert_null(prov_arena_alloc(&a, (size_t)1 << 62));
	assert_null(prov_arena_array(&a, SIZE_MAX / 2, 3));
	assert_null(prov_arena_array(&a, SIZE_MAX / 8 + 2, 8));
	assert_null(prov_arena_array(&a, (size_t)1 << 33, (size_t)1 << 33));
	assert_null(prov_arena_strndup(&a, "x", SIZE_MAX));
	assert_non_null(prov_arena_alloc(&a, 1));
	prov_arena_dispose(&a);
}

static void an_array_of_nothing_is_no_error(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;

	assert_non_null(prov_arena_array(&a, 0, 8));
	assert_non_null(prov_arena_array(&a, 8, 0));
	assert_non_null(prov_arena_array(&a, SIZE_MAX, 0));
	prov_arena_dispose(&a);
}

static void copies_are_terminated_and_may_hold_nul(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;

	assert_string_equal(prov_arena_strndup(&a, "abcdef", 3), "abc");
	assert_string_equal(prov_arena_strndup(&a, NULL, 0), "");
	char *p = prov_arena_strndup(&a, "a\0b", 3);
	assert_memory_equal(p, "a\0b", 4);
	prov_arena_dispose(&a);
}

static void printing_makes_room_for_any_length(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;

	assert_string_equal(prov_arena_printf(&a, "%s-%d", "x", -7), "x--7");
	assert_string_equal(prov_arena_printf(&a, "%s", ""), "");
	char *p = prov_arena_printf(&a, "%0*d", 9000, 5);
	assert_int_equal(strlen(p), 9000);
	assert_int_equal(p[8999], '5');
	prov_arena_dispose(&a);
}

static void disposing_twice_or_of_an_empty_arena_is_fine(void **state)
{
	(void)state;
	struct prov_arena a = PROV_ARENA_INIT;

	prov_arena_dispose(&a);
	prov_arena_alloc(&a, 10);
	prov_arena_dispose(&a);
	prov_arena_dispose(&a);
	assert_non_null(prov_arena_alloc(&a, 10));
	prov_arena_dispose(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_and_aligned_whatever_was_asked_before),
		cmocka_unit_test(pieces_do_not_overlap_across_blocks),
		cmocka_unit_test(a_size_that_cannot_be_gives_null_and_the_arena_goes_on),
		cmocka_unit_test(an_array_of_nothing_is_no_error),
		cmocka_unit_test(copies_are_terminated_and_may_hold_nul),
		cmocka_unit_test(printing_makes_room_for_any_length),
		cmocka_unit_test(disposing_twice_or_of_an_empty_arena_is_fine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
