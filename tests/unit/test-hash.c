/* SPDX-License-Identifier: MIT */
/* Hashes that nobody can foresee. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/hash.h"

/* As in the paper: the key 0, 1, ..., 15 and the bytes 0, 1, ..., 14. */
static void test_siphash(void **state)
{
	unsigned char key[16], bytes[15];

	(void)state;
	for (unsigned int i = 0; i < 16; i++)
		key[i] = (unsigned char)i;
	memcpy(bytes, key, 15);
	assert_true(hash_keyed(key, bytes, 15) == UINT64_C(0xa129ca6149be45e5));
	assert_true(hash_keyed(key, bytes, 0) == UINT64_C(0x726fdb47dd0e0e31));
	assert_true(hash_keyed(key, bytes, 8) == UINT64_C(0x93f5f5799a932462));
}

static const char *program;

/* Another process with the same program: what it hashes "a" to. */
static uint32_t elsewhere(void)
{
	char command[512], text[32] = "";
	FILE *other;

	snprintf(command, sizeof(command), "exec '%s' a", program);
	other = popen(command, "re");

	assert_non_null(other);
	assert_non_null(fgets(text, sizeof(text), other));
	assert_int_equal(pclose(other), 0);
	return (uint32_t)strtoul(text, NULL, 10);
}

static void test_key(void **state)
{
	uint32_t here = hash_string("a");
	int status;
	pid_t pid;

	(void)state;
	assert_int_not_equal(elsewhere(), here);
	/* Whoever takes over knows what was hashed. */
	pid = fork();
	if (pid == 0)
		_exit(hash_string("a") != here);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(hash_bytes("a", 1), here);
}

/* Two names that a simple hash takes for one. */
static void test_known_pair(void **state)
{
	(void)state;
	assert_int_not_equal(hash_string("nakmvxxv"), hash_string("tbdxatiq"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_known_pair),
	};

	program = argv[0];
	if (argc > 1)
		return printf("%u\n", hash_string(argv[1])) < 0;
	return cmocka_run_group_tests_name("hash", tests, NULL, NULL) != 0;
}
