/* SPDX-License-Identifier: MIT */
/* Numbers as text: digits and nothing else, up to each limit and not one more. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/number.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static int parse(const char *s, unsigned int base, uint64_t max, uint64_t *ret)
{
	return number_parse(s, strlen(s), base, max, ret);
}

static void test_accepted(void **state)
{
	static const struct {
		const char *s;
		unsigned int base;
		uint64_t max, value;
	} table[] = {
		{ "0", 10, 0, 0 },
		{ "7", 8, 7, 7 },
		{ "1777", 8, UINT64_MAX, 01777 },
		{ "019", 10, 19, 19 },
		{ "00000000000000000000000000001", 10, UINT64_MAX, 1 },
		{ "deadbeef", 16, UINT32_MAX, 0xdeadbeef },
		{ "2147483647", 10, INT32_MAX, INT32_MAX },
		{ "18446744073709551615", 10, UINT64_MAX, UINT64_MAX },
		{ "1777777777777777777777", 8, UINT64_MAX, UINT64_MAX },
		{ "ffffffffffffffff", 16, UINT64_MAX, UINT64_MAX },
	};
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		assert_int_equal(parse(table[i].s, table[i].base, table[i].max, &value),
				 0);
		assert_true(value == table[i].value);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *s;
		unsigned int base;
		uint64_t max;
	} table[] = {
		{ "", 10, UINT64_MAX },
		{ " 1", 10, UINT64_MAX },
		{ "1 ", 10, UINT64_MAX },
		{ "+1", 10, UINT64_MAX },
		{ "-1", 10, UINT64_MAX },
		{ "-0", 10, UINT64_MAX },
		{ "0x1", 16, UINT64_MAX },
		{ "1a", 10, UINT64_MAX },
		{ "8", 8, UINT64_MAX },
		{ "A", 16, UINT64_MAX },
		{ "g", 16, UINT64_MAX },
		{ "/", 10, UINT64_MAX },
		{ ":", 10, UINT64_MAX },
		{ "`", 16, UINT64_MAX },
		{ "\xb1", 10, UINT64_MAX },
		{ "1", 10, 0 },
		{ "2147483648", 10, INT32_MAX },
		{ "4294967296", 10, UINT32_MAX },
		{ "18446744073709551616", 10, UINT64_MAX },
		{ "18446744073709551620", 10, UINT64_MAX },
		{ "99999999999999999999", 10, UINT64_MAX },
		{ "2000000000000000000000", 8, UINT64_MAX },
		{ "10000000000000000", 16, UINT64_MAX },
	};
	uint64_t value = 42;

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		assert_int_equal(parse(table[i].s, table[i].base, table[i].max, &value),
				 -EINVAL);
	assert_true(value == 42);
}

static void test_ends_where_it_is_told(void **state)
{
	uint64_t value;

	(void)state;
	assert_int_equal(number_parse("123", 2, 10, 99, &value), 0);
	assert_true(value == 12);
	assert_int_equal(number_parse("1\0", 2, 10, 99, &value), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_ends_where_it_is_told),
	};

	return cmocka_run_group_tests_name("number", tests, NULL, NULL) != 0;
}
