/* SPDX-License-Identifier: MIT */
/* What is known of a kernel by its release. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/kernel.h"

static void test_waits_before_6_19(void **state)
{
	(void)state;
	assert_true(kernel_waits_for_answers("5.15.0-91-generic"));
	assert_true(kernel_waits_for_answers("6.9"));
	assert_true(kernel_waits_for_answers("6.15.9"));
	assert_true(kernel_waits_for_answers("6.16"));
	assert_true(kernel_waits_for_answers("6.18.44-foo"));
}

static void test_does_not_wait_since(void **state)
{
	(void)state;
	assert_false(kernel_waits_for_answers("6.19-rc1"));
	assert_false(kernel_waits_for_answers("6.19.0"));
	assert_false(kernel_waits_for_answers("6.100.1"));
	assert_false(kernel_waits_for_answers("7.0"));
	assert_false(kernel_waits_for_answers("10.1"));
}

static void test_unknown_is_trusted_with_nothing(void **state)
{
	(void)state;
	assert_false(kernel_waits_for_answers(""));
	assert_false(kernel_waits_for_answers("6"));
	assert_false(kernel_waits_for_answers("6."));
	assert_false(kernel_waits_for_answers("garbage"));
	assert_false(kernel_waits_for_answers("99999999999.1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_before_6_19),
		cmocka_unit_test(test_does_not_wait_since),
		cmocka_unit_test(test_unknown_is_trusted_with_nothing),
	};

	return cmocka_run_group_tests_name("kernel", tests, NULL, NULL) != 0;
}
