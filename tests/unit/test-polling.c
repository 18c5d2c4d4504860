/* SPDX-License-Identifier: MIT */
/* How the window grows and shrinks. Times are made up: nothing here waits. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/polling.h"

#define US UINT64_C(1000)

static struct polling polling_of(uint64_t max)
{
	struct polling p;

	polling_init(&p, max);
	/* As on a machine with several processors, whatever this one is. */
	p.max = max;
	return p;
}

static void test_begins_closed(void **state)
{
	struct polling p = polling_of(100 * US);

	(void)state;
	assert_int_equal(polling_window(&p, 0), 0);
}

static void test_grows_to_the_maximum(void **state)
{
	struct polling p = polling_of(100 * US);
	uint64_t last = 0;

	(void)state;
	for (int i = 0; i < 10; i++) {
		polling_came(&p, 90 * US);
		assert_true(polling_window(&p, 0) >= last);
		last = polling_window(&p, 0);
	}
	/* 90 us fit into the window now; it need not be larger. */
	assert_true(last >= 90 * US);
	assert_true(last <= 100 * US);
}

static void test_stays_while_requests_come_inside(void **state)
{
	struct polling p = polling_of(100 * US);

	(void)state;
	polling_came(&p, 50 * US);
	polling_came(&p, 5 * US);
	assert_int_equal(polling_window(&p, 0), 10 * US);
	polling_came(&p, 10 * US);
	assert_int_equal(polling_window(&p, 0), 10 * US);
	polling_came(&p, 11 * US);
	assert_int_equal(polling_window(&p, 0), 20 * US);
}

static void test_closes_when_requests_are_rare(void **state)
{
	struct polling p = polling_of(100 * US);

	(void)state;
	for (int i = 0; i < 10; i++)
		polling_came(&p, 90 * US);
	polling_came(&p, 101 * US);
	assert_int_equal(polling_window(&p, 0), 0);
	polling_came(&p, 5000 * US);
	assert_int_equal(polling_window(&p, 0), 0);
}

static void test_zero_is_never(void **state)
{
	struct polling p = polling_of(0);

	(void)state;
	for (int i = 0; i < 10; i++)
		polling_came(&p, 0);
	polling_came(&p, 1);
	assert_int_equal(polling_window(&p, 0), 0);
}

static void test_gives_way(void **state)
{
	struct polling p = polling_of(100 * US);
	uint64_t now = 1000000 * US;

	(void)state;
	polling_came(&p, 50 * US);
	assert_true(polling_goes_on(&p, now, now + 20 * US));
	assert_int_equal(polling_window(&p, now), 10 * US);
	/* Another had the processor for three milliseconds. */
	assert_false(polling_goes_on(&p, now, now + 3000 * US));
	now += 3000 * US;
	assert_int_equal(polling_window(&p, now), 0);
	assert_int_equal(polling_window(&p, now + 9000 * US), 0);
	assert_int_equal(polling_window(&p, now + 11000 * US), 10 * US);
}

static void test_one_processor(void **state)
{
	cpu_set_t before, one;
	struct polling p;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
		if (CPU_ISSET(i, &before))
			CPU_SET(i, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	polling_init(&p, 100 * US);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	polling_came(&p, 50 * US);
	assert_int_equal(polling_window(&p, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begins_closed),
		cmocka_unit_test(test_grows_to_the_maximum),
		cmocka_unit_test(test_stays_while_requests_come_inside),
		cmocka_unit_test(test_closes_when_requests_are_rare),
		cmocka_unit_test(test_zero_is_never),
		cmocka_unit_test(test_gives_way),
		cmocka_unit_test(test_one_processor),
	};

	return cmocka_run_group_tests_name("polling", tests, NULL, NULL) != 0;
}
