/* SPDX-License-Identifier: MIT */
/* A hash table: what is in it is found, whatever its size and however hashes fall. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "util/hash.h"
#include "util/table.h"

#define THINGS 5000

static struct link things[THINGS];

static bool contains(const struct table *t, const struct link *thing, uint32_t hash)
{
	struct link *l = table_first(t, hash);

	while (l && l != thing)
		l = table_next(l);
	return l != NULL;
}

static void add(struct table *t, int i, uint32_t hash)
{
	assert_int_equal(table_add(t, &things[i], hash), 0);
	assert_true(contains(t, &things[i], hash));
}

static uint32_t hash_of(int i)
{
	return hash_bytes(&i, sizeof(i));
}

static void test_empty(void **state)
{
	struct table t = { .buckets = NULL };

	(void)state;
	assert_null(table_first(&t, 0));
	assert_null(table_first(&t, UINT32_MAX));
	table_done(&t);
	table_done(&t);
}

static void test_grows_and_shrinks(void **state)
{
	struct table t = { .buckets = NULL };

	(void)state;
	for (int i = 0; i < THINGS; i++) {
		add(&t, i, hash_of(i));
		/* Neither long chains nor empty buckets. */
		assert_true(t.n >= t.used / 2 && t.n <= t.used / 2 + 1);
		assert_true(t.room < 2 * t.n || t.room == 16);
	}
	for (int i = 0; i < THINGS; i++) {
		assert_true(contains(&t, &things[i], hash_of(i)));
		table_remove(&t, &things[i]);
		assert_false(contains(&t, &things[i], hash_of(i)));
		assert_true(t.n >= t.used / 2 && t.n <= t.used + 1);
		assert_true(t.room <= 4 * t.n || t.room == 16);
	}
	assert_int_equal(t.used, 0);
	assert_int_equal(t.n, 1);
	table_done(&t);
}

/* All at each size, since growing and shrinking move some of them each time. */
static void test_all_are_found_at_each_size(void **state)
{
	struct table t = { .buckets = NULL };

	(void)state;
	for (int n = 0; n < 300; n++) {
		add(&t, n, hash_of(n));
		for (int i = 0; i <= n; i++)
			assert_true(contains(&t, &things[i], hash_of(i)));
	}
	for (int n = 0; n < 300; n++) {
		table_remove(&t, &things[n]);
		for (int i = 0; i < 300; i++)
			assert_int_equal(contains(&t, &things[i], hash_of(i)), i > n);
	}
	table_done(&t);
}

static void test_equal_hashes(void **state)
{
	struct table t = { .buckets = NULL };
	unsigned int n = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		add(&t, i, i % 2 ? 7 : UINT32_MAX);
	table_remove(&t, &things[1]);
	table_remove(&t, &things[51]);
	table_remove(&t, &things[99]);
	for (struct link *l = table_first(&t, 7); l; l = table_next(l)) {
		assert_int_equal((l - things) % 2, 1);
		n++;
	}
	assert_int_equal(n, 47);
	assert_null(table_first(&t, 8));
	table_done(&t);
}

/* A random walk, against a plain table. */
static void test_at_random(void **state)
{
	struct table t = { .buckets = NULL };
	bool in[THINGS] = { false };
	unsigned int seed = 1;
	uint32_t used = 0;

	(void)state;
	for (int step = 0; step < 200000; step++) {
		int i = rand_r(&seed) % THINGS;

		assert_int_equal(contains(&t, &things[i], hash_of(i)), in[i]);
		if (in[i])
			table_remove(&t, &things[i]);
		else
			add(&t, i, hash_of(i));
		in[i] = !in[i];
		used += in[i] ? 1 : UINT32_MAX;
		assert_int_equal(t.used, used);
	}
	table_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_grows_and_shrinks),
		cmocka_unit_test(test_all_are_found_at_each_size),
		cmocka_unit_test(test_equal_hashes),
		cmocka_unit_test(test_at_random),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL) != 0;
}
