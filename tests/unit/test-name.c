/* SPDX-License-Identifier: MIT */
/* The rule for names, over tables of what is a name and what is not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "native/name.h"

static void test_accepted(void **state)
{
	static const char *const table[][2] = {
		{ "x", "x" },         { "/x", "x" },  { "///x", "x" },
		{ "...", "..." },     { ".x", ".x" }, { "..x", "..x" },
		{ "sem.x", "sem.x" }, { "/ ", " " },  { "a b\n\xff", "a b\n\xff" },
	};
	const char *ret;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
		assert_int_equal(name_normalize(table[i][0], &ret), 0);
		assert_string_equal(ret, table[i][1]);
	}
}

static void test_points_into_its_argument(void **state)
{
	const char *name = "//x";
	const char *ret;

	(void)state;
	assert_int_equal(name_normalize(name, &ret), 0);
	assert_ptr_equal(ret, name + 2);
}

static void test_refused(void **state)
{
	static const char *const table[] = {
		NULL,   "",    "/",    "//", ".",   "/.",  "..",   "/..",
		"//..", "a/b", "/a/b", "a/", "a//", "./a", "../a",
	};
	const char *ret = "untouched";
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(*table); i++)
		assert_int_equal(name_normalize(table[i], &ret), -EINVAL);
	assert_string_equal(ret, "untouched");
}

static void test_length(void **state)
{
	char name[2 + 256 + 1] = "//";
	const char *ret;

	(void)state;
	memset(name + 2, 'x', 255);
	assert_int_equal(name_normalize(name, &ret), 0);
	assert_int_equal(strlen(ret), 255);
	name[2 + 255] = 'x';
	ret = "untouched";
	assert_int_equal(name_normalize(name, &ret), -ENAMETOOLONG);
	assert_string_equal(ret, "untouched");
}

/* One reason for each name: a slash inside is the worse one. */
static void test_long_with_slash(void **state)
{
	char name[300 + 1] = "";
	const char *ret;

	(void)state;
	memset(name, 'x', 300);
	name[150] = '/';
	assert_int_equal(name_normalize(name, &ret), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_points_into_its_argument),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_long_with_slash),
	};

	return cmocka_run_group_tests_name("name", tests, NULL, NULL) != 0;
}
