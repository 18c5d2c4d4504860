/* SPDX-License-Identifier: MIT */
/* The ranges of one owner, against a model that has a type for each byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/range.h"

#define BYTES 40
#define TIMES 200000

/* The last byte of the model stands for all that are behind it. */
static int64_t end_of(int at)
{
	return at == BYTES - 1 ? INT64_MAX : at;
}

/* The next range of one type in @model from *@at on. */
static bool next_range(const short *model, int *at, struct range *ret)
{
	int from;

	while (*at < BYTES && model[*at] == F_UNLCK)
		++*at;
	if (*at == BYTES)
		return false;
	from = *at;
	while (*at < BYTES && model[*at] == model[from])
		++*at;
	*ret = (struct range){ from, end_of(*at - 1), model[from] };
	return true;
}

static void check(const struct ranges *r, const short *model)
{
	struct range want;
	size_t n = 0;
	int at = 0;

	for (; next_range(model, &at, &want); n++) {
		assert_true(n < r->n);
		assert_int_equal(r->at[n].start, want.start);
		assert_int_equal(r->at[n].end, want.end);
		assert_int_equal(r->at[n].type, want.type);
		assert_true(ranges_has(r, &want));
		want.type = want.type == F_RDLCK ? F_WRLCK : F_RDLCK;
		assert_false(ranges_has(r, &want));
	}
	assert_int_equal(r->n, n);
}

/* Whether all that is unlocked lies within one range, with bytes left on either side. */
static bool splits(const short *model, int from, int to)
{
	if (from == 0 || to == BYTES - 1 || model[from - 1] == F_UNLCK)
		return false;
	for (int i = from; i <= to + 1; i++)
		if (model[i] != model[from - 1])
			return false;
	return true;
}

static void test_as_the_model(void **state)
{
	static const short types[] = { F_RDLCK, F_WRLCK, F_UNLCK };
	struct ranges r = { .n = 0 };
	short model[BYTES];

	(void)state;
	srand(1);
	for (int i = 0; i < BYTES; i++)
		model[i] = F_UNLCK;
	for (int i = 0; i < TIMES; i++) {
		int from = rand() % BYTES;
		int to = from + rand() % (BYTES - from);
		struct range range = { from, end_of(to), types[rand() % 3] };

		/* Mostly short ones, so that there are many. */
		if (rand() % 4 && to > from + 3)
			range.end = to = from + 3;
		assert_int_equal(ranges_splits(&r, &range), splits(model, from, to));
		assert_int_equal(ranges_reserve(&r), 0);
		ranges_set(&r, &range);
		for (int j = from; j <= to; j++)
			model[j] = range.type;
		check(&r, model);
	}
	ranges_done(&r);
}

/* Memory for as many as there are, and not for as many as there were. */
static void test_memory(void **state)
{
	const struct range all = { 0, INT64_MAX, F_UNLCK };
	struct ranges r = { .n = 0 };

	(void)state;
	for (int64_t i = 0; i < 10000; i++) {
		const struct range one = { 2 * i, 2 * i, F_WRLCK };

		assert_int_equal(ranges_reserve(&r), 0);
		ranges_set(&r, &one);
	}
	assert_int_equal(r.n, 10000);
	ranges_set(&r, &all);
	assert_int_equal(r.n, 0);
	assert_true(r.room < 10);
	ranges_done(&r);
}

static void test_as_of_fcntl(void **state)
{
	static const struct {
		off_t start, length;
		int64_t first, last;
	} cases[] = {
		{ 0, 0, 0, INT64_MAX },
		{ 5, 0, 5, INT64_MAX },
		{ 5, 1, 5, 5 },
		{ 5, -2, 3, 4 },
		{ INT64_MAX, 1, INT64_MAX, INT64_MAX },
		{ 1, INT64_MAX, 1, INT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct flock lock = { .l_type = F_WRLCK,
					    .l_start = cases[i].start,
					    .l_len = cases[i].length };
		struct range range = range_of(&lock);
		struct flock back = range_lock(&range);

		assert_int_equal(range.start, cases[i].first);
		assert_int_equal(range.end, cases[i].last);
		range = range_of(&back);
		assert_int_equal(range.start, cases[i].first);
		assert_int_equal(range.end, cases[i].last);
		assert_int_equal(range.type, F_WRLCK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_the_model),
		cmocka_unit_test(test_as_of_fcntl),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests_name("ranges", tests, NULL, NULL) != 0;
}
