/* SPDX-License-Identifier: MIT */
/* The names of System V segments: each has one spelling, and no other is accepted. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ipc.h>

#include <cmocka.h>

#include "native/sysv-name.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static const struct {
	const char *name;
	key_t key;
} keys[] = {
	{ "0x00000001", 1 },
	{ "0x00001234", 0x1234 },
	{ "0x7fffffff", INT_MAX },
	{ "0x80000000", INT_MIN },
	{ "0xdeadbeef", (key_t)0xdeadbeef },
	{ "0xffffffff", -1 },
};

/* What programs and people write for 0xabcd. */
static const char *const spellings[] = {
	"0xabcd", "0xABCD", "0x0000ABCD", "0xAbCd", "0X0000abcd", "0x0abcd",
};

static const struct {
	const char *name;
	int id;
} ids[] = {
	{ "id-0", 0 },
	{ "id-1", 1 },
	{ "id-10", 10 },
	{ "id-32768", 32768 },
	{ "id-2147483647", INT_MAX },
};

static void test_keys(void **state)
{
	struct sysv_name name;
	char text[SYSV_NAME_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		assert_int_equal(sysv_name_parse(keys[i].name, &name), 0);
		assert_false(name.by_id);
		assert_int_equal(name.key, keys[i].key);
		sysv_name_format(keys[i].key, 7, text);
		assert_string_equal(text, keys[i].name);
	}
}

static void test_spellings(void **state)
{
	struct sysv_name name;

	(void)state;
	for (size_t i = 0; i < COUNT(spellings); i++) {
		assert_int_equal(sysv_name_parse(spellings[i], &name), 0);
		assert_false(name.by_id);
		assert_int_equal(name.key, 0xabcd);
	}
}

static void test_ids(void **state)
{
	struct sysv_name name;
	char text[SYSV_NAME_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(ids); i++) {
		assert_int_equal(sysv_name_parse(ids[i].name, &name), 0);
		assert_true(name.by_id);
		assert_int_equal(name.id, ids[i].id);
		sysv_name_format(IPC_PRIVATE, ids[i].id, text);
		assert_string_equal(text, ids[i].name);
	}
}

/* What to create a private segment by: no segment is listed as that. */
static void test_private_key(void **state)
{
	struct sysv_name name;

	(void)state;
	assert_int_equal(sysv_name_parse("0x00000000", &name), 0);
	assert_false(name.by_id);
	assert_int_equal(name.key, IPC_PRIVATE);
}

static void test_refused(void **state)
{
	static const char *const table[] = {
		"",
		"0",
		"x",
		".",
		"0x",
		"0x000001234",
		"0x0000123g",
		"0x+0001234",
		"0x-0001234",
		"0x 0001234",
		"0x0000123 ",
		"0x00001234\n",
		"0x0x001234",
		" 0x00001234",
		"00x00001234",
		"00001234",
		"id",
		"id-",
		"id-00",
		"id-01",
		"id-+1",
		"id--1",
		"id- 1",
		"id-1 ",
		"id-1\n",
		"id-1.",
		"id-a",
		"id-0x1",
		"id-2147483648",
		"id-4294967296",
		"id-18446744073709551616",
		"ID-1",
		"id1",
		"id_1",
	};
	struct sysv_name name = { .key = 42 };

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		assert_int_equal(sysv_name_parse(table[i], &name), -EINVAL);
	assert_int_equal(name.key, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),    cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_ids),     cmocka_unit_test(test_private_key),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("sysv-name", tests, NULL, NULL) != 0;
}
