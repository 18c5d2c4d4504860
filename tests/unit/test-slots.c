/* SPDX-License-Identifier: MIT */
/* Numbers: never 0, never twice, and none leads astray. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "util/slots.h"

static int things[1000];

static uint64_t add(struct slots *s, void *p)
{
	uint64_t number = 0;

	assert_int_equal(slots_add(s, p, &number), 0);
	assert_int_not_equal(number, 0);
	assert_ptr_equal(slots_get(s, number), p);
	return number;
}

static void test_empty(void **state)
{
	struct slots s = SLOTS_INIT;
	uint32_t at = 0;

	(void)state;
	assert_null(slots_get(&s, 0));
	assert_null(slots_get(&s, 1));
	assert_null(slots_remove(&s, 1));
	assert_null(slots_next(&s, &at));
	slots_done(&s);
	slots_done(&s);
}

/* The root of a file system is number 1 because it is the first. */
static void test_first_is_one(void **state)
{
	struct slots s = SLOTS_INIT;

	(void)state;
	assert_int_equal(add(&s, things), 1);
	slots_done(&s);
	assert_int_equal(add(&s, things), 1);
	slots_done(&s);
}

static void test_grows(void **state)
{
	struct slots s = SLOTS_INIT;
	uint64_t numbers[1000];

	(void)state;
	for (int i = 0; i < 1000; i++)
		numbers[i] = add(&s, &things[i]);
	assert_int_equal(s.used, 1000);
	for (int i = 0; i < 1000; i++) {
		assert_ptr_equal(slots_get(&s, numbers[i]), &things[i]);
		for (int k = 0; k < i; k++)
			assert_int_not_equal(numbers[i], numbers[k]);
	}
	for (int i = 0; i < 1000; i++)
		assert_ptr_equal(slots_remove(&s, numbers[i]), &things[i]);
	assert_int_equal(s.used, 0);
	slots_done(&s);
}

static void test_a_place_is_used_again_but_no_number(void **state)
{
	struct slots s = SLOTS_INIT;
	uint64_t old, new;

	(void)state;
	old = add(&s, &things[0]);
	for (int i = 1; i < 1000; i++) {
		assert_ptr_equal(slots_remove(&s, old), &things[i - 1]);
		new = add(&s, &things[i]);
		assert_int_not_equal(new, old);
		assert_int_equal((uint32_t) new, (uint32_t)old);
		assert_null(slots_get(&s, old));
		assert_null(slots_remove(&s, old));
		assert_ptr_equal(slots_get(&s, new), &things[i]);
		old = new;
	}
	assert_int_equal(s.n, 64);
	slots_done(&s);
}

static void test_memory_follows_what_is_in_use(void **state)
{
	struct slots s = SLOTS_INIT;
	uint64_t numbers[64];

	(void)state;
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 64; i++)
			numbers[i] = add(&s, &things[i]);
		for (int i = 0; i < 64; i++)
			slots_remove(&s, numbers[(i * 7 + round) % 64]);
	}
	assert_int_equal(s.n, 64);
	assert_int_equal(s.used, 0);
	slots_done(&s);
}

/* What was needed once is given back, but the place at the edge. */
static void test_memory_goes_back(void **state)
{
	struct slots s = SLOTS_INIT;
	uint64_t numbers[1000];

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 1000; i++)
			numbers[i] = add(&s, &things[i]);
		assert_int_equal(s.n, 1024);
		for (int i = 0; i < 1000; i++)
			slots_remove(&s, numbers[(i * 7 + round) % 1000]);
		assert_int_equal(s.used, 0);
		assert_int_equal(s.n, 64);
		assert_int_equal(s.places, 16);
	}
	slots_done(&s);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Nor do numbers return with the places that were given back. */
static void test_no_number_returns(void **state)
{
	static uint64_t all[20 * 300];
	struct slots s = SLOTS_INIT;
	uint64_t last;

	(void)state;
	for (int round = 0; round < 20; round++) {
		uint64_t *numbers = all + round * 300;

		for (int i = 0; i < 300; i++)
			numbers[i] = add(&s, &things[i]);
		/* One place is used more often than the others. */
		last = numbers[299];
		for (int i = 0; i < round; i++) {
			slots_remove(&s, last);
			last = add(&s, &things[299]);
			assert_int_not_equal(last, numbers[299]);
		}
		for (int i = 0; i < 299; i++)
			slots_remove(&s, numbers[i]);
		slots_remove(&s, last);
	}
	qsort(all, 20 * 300, sizeof(all[0]), compare);
	for (int i = 1; i < 20 * 300; i++)
		assert_int_not_equal(all[i], all[i - 1]);
	slots_done(&s);
}

/* However often a place is used, what is above a number stays free. */
static void test_numbers_are_bounded(void **state)
{
	struct slots s = { .uses = (UINT32_C(1) << (SLOTS_BITS - 32)) - 5 };
	uint64_t numbers[10];

	(void)state;
	for (int i = 0; i < 10; i++) {
		numbers[i] = add(&s, &things[i]);
		assert_int_equal(numbers[i] >> SLOTS_BITS, 0);
		for (int k = 0; k < i; k++)
			assert_int_not_equal(numbers[i], numbers[k]);
		assert_ptr_equal(slots_remove(&s, numbers[i]), &things[i]);
		assert_null(slots_get(&s, numbers[i]));
	}
	slots_done(&s);
}

static void test_wrong_numbers(void **state)
{
	struct slots s = SLOTS_INIT;
	uint64_t number;

	(void)state;
	number = add(&s, things);
	assert_null(slots_get(&s, 0));
	assert_null(slots_get(&s, number + 1));
	assert_null(slots_get(&s, number + 64));
	assert_null(slots_get(&s, number | UINT64_C(1) << 32));
	assert_null(slots_get(&s, number | UINT64_C(1) << 63));
	assert_null(slots_get(&s, UINT64_MAX));
	assert_null(slots_get(&s, UINT32_MAX));
	assert_null(slots_remove(&s, 0));
	assert_ptr_equal(slots_get(&s, number), things);
	slots_done(&s);
}

static void test_iterates(void **state)
{
	struct slots s = SLOTS_INIT;
	uint64_t numbers[100];
	uint32_t at = 0;
	int *thing;
	int n = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		numbers[i] = add(&s, &things[i]);
	for (int i = 0; i < 100; i += 2)
		slots_remove(&s, numbers[i]);
	while ((thing = slots_next(&s, &at))) {
		assert_int_equal((thing - things) % 2, 1);
		/* What was given out may go meanwhile. */
		assert_ptr_equal(slots_remove(&s, numbers[thing - things]), thing);
		n++;
	}
	assert_int_equal(n, 50);
	assert_int_equal(s.used, 0);
	assert_null(slots_next(&s, &at));
	slots_done(&s);
}

/* Also over places that were given back. */
static void test_iterates_over_holes(void **state)
{
	struct slots s = SLOTS_INIT;
	uint64_t numbers[1000];
	uint32_t at = 0;
	int *thing;
	int n = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		numbers[i] = add(&s, &things[i]);
	for (int i = 0; i < 1000; i++)
		if (i != 0 && i != 500 && i != 576 && i != 960)
			slots_remove(&s, numbers[i]);
	assert_true(s.n < 1000);
	while ((thing = slots_next(&s, &at))) {
		assert_true(thing == &things[0] || thing == &things[500] ||
			    thing == &things[576] || thing == &things[960]);
		n++;
	}
	assert_int_equal(n, 4);
	slots_done(&s);
}

/* A random walk, against a plain table. */
static void test_at_random(void **state)
{
	struct slots s = SLOTS_INIT;
	uint64_t numbers[200] = { 0 };
	unsigned int seed = 1;
	uint32_t used = 0;

	(void)state;
	for (int step = 0; step < 50000; step++) {
		int i = rand_r(&seed) % 200;

		if (numbers[i]) {
			assert_ptr_equal(slots_remove(&s, numbers[i]), &things[i]);
			assert_null(slots_get(&s, numbers[i]));
			numbers[i] = 0;
			used--;
		} else {
			numbers[i] = add(&s, &things[i]);
			used++;
		}
		assert_int_equal(s.used, used);
	}
	assert_true(s.n >= 64 && s.n <= 256);
	slots_done(&s);
}

/* Another table gets the same numbers, and gives none of them again. */
static void test_made_again(void **state)
{
	struct slots before = SLOTS_INIT, after = SLOTS_INIT;
	uint64_t numbers[1000], gone, more;

	(void)state;
	for (int i = 0; i < 1000; i++)
		numbers[i] = add(&before, &things[i]);
	for (int i = 0; i < 1000; i += 3)
		slots_remove(&before, numbers[i]);
	gone = numbers[0];
	/* In any order, and some with more uses than others. */
	for (int i = 0; i < 1000; i += 3)
		numbers[i] = add(&before, &things[i]);
	slots_skip_uses(&after, slots_uses(gone) + 1);
	for (int i = 999; i >= 0; i -= 2)
		assert_int_equal(slots_put(&after, &things[i], numbers[i]), 0);
	assert_int_equal(slots_put(&after, &things[1], numbers[1]), -EEXIST);
	for (int i = 0; i < 1000; i++)
		assert_ptr_equal(slots_get(&after, numbers[i]),
				 i % 2 ? &things[i] : NULL);
	for (int i = 0; i < 600; i++) {
		more = add(&after, &things[0]);
		assert_int_not_equal(more, gone);
		for (int n = 1; n < 1000; n += 2)
			assert_int_not_equal(more, numbers[n]);
	}
	for (int i = 1; i < 1000; i += 2)
		assert_ptr_equal(slots_remove(&after, numbers[i]), &things[i]);
	slots_done(&before);
	slots_done(&after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_first_is_one),
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_a_place_is_used_again_but_no_number),
		cmocka_unit_test(test_memory_follows_what_is_in_use),
		cmocka_unit_test(test_memory_goes_back),
		cmocka_unit_test(test_no_number_returns),
		cmocka_unit_test(test_numbers_are_bounded),
		cmocka_unit_test(test_wrong_numbers),
		cmocka_unit_test(test_iterates),
		cmocka_unit_test(test_iterates_over_holes),
		cmocka_unit_test(test_made_again),
		cmocka_unit_test(test_at_random),
	};

	return cmocka_run_group_tests_name("slots", tests, NULL, NULL) != 0;
}
