/* SPDX-License-Identifier: MIT */
/* Who may have how much of what there is only so much of. */
#include "fixture.h"
#include "fs/quota.h"

#define ROOT  0
#define ALICE 1000
#define BOB   1001
#define CAROL 1002

/* Takes for @uid until that is refused with @error. Returns how many it was. */
static unsigned int take_all(struct quota *q, uid_t uid, int error)
{
	unsigned int n = 0;
	int r;

	while ((r = quota_take(q, uid)) == 0)
		n++;
	assert_int_equal(r, error);
	assert_true(quota_is_full(q, uid));
	return n;
}

static void give(struct quota *q, uid_t uid, unsigned int n)
{
	while (n-- > 0)
		quota_give(q, uid);
}

/* All have given back. */
static void leave(struct quota *q)
{
	assert_int_equal(q->taken, 0);
	assert_null(q->shares);
	quota_done(q);
}

/* 1600, of which 100 are root's: each leaves as much to others as he has. */
static void test_shares(void **state)
{
	unsigned int alice, bob, carol;
	struct quota q;

	(void)state;
	quota_init(&q, 1600, true);
	alice = take_all(&q, ALICE, -EMFILE);
	assert_int_equal(alice, 750);
	bob = take_all(&q, BOB, -EMFILE);
	assert_int_equal(bob, 375);
	assert_int_equal(quota_take(&q, ALICE), -EMFILE);
	give(&q, ALICE, alice);
	/* What one gives back is there for all. */
	carol = take_all(&q, CAROL, -EMFILE);
	assert_in_range(carol, 560, 565);
	bob += take_all(&q, BOB, -EMFILE);
	give(&q, BOB, bob);
	give(&q, CAROL, carol);
	leave(&q);
}

static void test_root_has_the_rest(void **state)
{
	unsigned int alice, root;
	struct quota q;

	(void)state;
	quota_init(&q, 1600, true);
	alice = take_all(&q, ALICE, -EMFILE);
	root = take_all(&q, ROOT, -ENFILE);
	assert_int_equal(alice + root, 1600);
	assert_int_equal(quota_take(&q, BOB), -ENFILE);
	give(&q, ROOT, root);
	give(&q, ALICE, alice);
	leave(&q);
}

/* Several are taken together, or none of them. */
static void test_many_together(void **state)
{
	struct quota q;

	(void)state;
	quota_init(&q, 1600, true);
	assert_int_equal(quota_take_many(&q, ALICE, 700), 0);
	assert_int_equal(quota_take_many(&q, ALICE, 101), -EMFILE);
	assert_int_equal(quota_take_many(&q, BOB, 801), -ENFILE);
	assert_int_equal(q.taken, 700);
	assert_int_equal(quota_take_many(&q, ALICE, 100), 0);
	assert_int_equal(quota_take_many(&q, BOB, 700), 0);
	assert_int_equal(quota_take_many(&q, ROOT, 101), -ENFILE);
	assert_int_equal(quota_take_many(&q, ROOT, 100), 0);
	quota_give_many(&q, ALICE, 800);
	quota_give_many(&q, BOB, 700);
	quota_give_many(&q, ROOT, 100);
	leave(&q);
}

/* However many users there are, the last is told that there is no more, not he. */
static void test_many_users(void **state)
{
	unsigned int n = 0, root;
	struct quota q;
	uid_t uid;

	(void)state;
	quota_init(&q, 1600, true);
	for (uid = 1; quota_take(&q, uid) == 0; uid++)
		n++;
	assert_int_equal(n, 1500);
	assert_int_equal(quota_take(&q, uid), -ENFILE);
	root = take_all(&q, ROOT, -ENFILE);
	assert_int_equal(root, 100);
	while (--uid > 0)
		quota_give(&q, uid);
	give(&q, ROOT, root);
	leave(&q);
}

static void test_one_user(void **state)
{
	unsigned int n;
	struct quota q;

	(void)state;
	quota_init(&q, 16, false);
	n = take_all(&q, ALICE, -ENFILE);
	assert_int_equal(n, 16);
	assert_int_equal(quota_take(&q, ROOT), -ENFILE);
	give(&q, ALICE, n);
	leave(&q);
}

static void test_little(void **state)
{
	struct quota q;

	(void)state;
	quota_init(&q, 1, true);
	assert_int_equal(quota_take(&q, ALICE), 0);
	assert_int_equal(quota_take(&q, BOB), -ENFILE);
	quota_give(&q, ALICE);
	assert_int_equal(quota_take(&q, BOB), 0);
	quota_give(&q, BOB);
	leave(&q);
}

/* What is counted but not asked for. */
static void test_force(void **state)
{
	struct quota q;

	(void)state;
	quota_init(&q, 2, true);
	for (int i = 0; i < 3; i++)
		assert_int_equal(quota_force(&q, ALICE), 0);
	assert_true(quota_is_full(&q, ALICE));
	assert_true(quota_is_full(&q, BOB));
	give(&q, ALICE, 2);
	assert_true(quota_is_full(&q, ALICE));
	assert_false(quota_is_full(&q, BOB));
	give(&q, ALICE, 1);
	leave(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_root_has_the_rest),
		cmocka_unit_test(test_many_together),
		cmocka_unit_test(test_many_users),
		cmocka_unit_test(test_one_user),
		cmocka_unit_test(test_little),
		cmocka_unit_test(test_force),
	};

	return cmocka_run_group_tests_name("quota", tests, NULL, NULL) != 0;
}
