/* SPDX-License-Identifier: MIT */
/* Events: what native users take away is told, what we take away ourselves is not. */
#include "fixture.h"
#include "fs/internal.h"

static void test_counts(void **state)
{
	static struct echo e;

	(void)state;
	assert_false(echo_take(&e, "a"));
	echo_expect(&e, "a");
	echo_expect(&e, "a");
	assert_false(echo_take(&e, "b"));
	assert_true(echo_take(&e, "a"));
	echo_cancel(&e, "a");
	assert_false(echo_take(&e, "a"));
	/* One too many takes nothing away. */
	echo_cancel(&e, "a");
	echo_expect(&e, "a");
	assert_true(echo_take(&e, "a"));
}

static void expect_told(struct room *room, const char *name)
{
	char told[256];

	assert_int_equal(fs_removed(room->fs, told), 1);
	assert_string_equal(told, name);
}

static void expect_nothing_told(struct room *room)
{
	char told[256];

	assert_int_equal(fs_removed(room->fs, told), 0);
}

static void test_native_removals_are_told(void **state)
{
	struct room *room = *state;

	assert_int_equal(fs_watch(room->fs), -EOPNOTSUPP);
	fake_event(&room->fake, "a");
	fake_event(&room->fake, "b");
	assert_int_equal(fs_watch(room->fs), 1000);
	expect_told(room, "a");
	expect_told(room, "b");
	expect_nothing_told(room);
}

static void test_own_unlink_is_not_told(void **state)
{
	struct room *room = *state;

	fake_add(&room->fake, "a");
	assert_int_equal(fs_unlink(room->fs, &somebody, "a"), 0);
	fake_event(&room->fake, "b");
	fake_event(&room->fake, "a");
	fake_event(&room->fake, "a");
	expect_told(room, "b");
	expect_told(room, "a");
	expect_nothing_told(room);
}

/* A refused request has no echo: the next event is somebody else's. */
static void test_refused_requests_have_no_echo(void **state)
{
	struct room *room = *state;

	assert_int_equal(fs_unlink(room->fs, &somebody, "a"), -ENOENT);
	assert_int_equal(fs_rename(room->fs, &somebody, "b", "c", 0), -ENOENT);
	assert_int_equal(fs_rename(room->fs, &somebody, "d", "e", RENAME_EXCHANGE),
			 -ENOENT);
	for (const char *name = "abcde"; *name; name++)
		fake_event(&room->fake, (const char[]){ *name, '\0' });
	for (const char *name = "abcde"; *name; name++)
		expect_told(room, (const char[]){ *name, '\0' });
}

/* A rename is told of both names, an exchange of both twice. */
static void test_own_renames_are_not_told(void **state)
{
	struct room *room = *state;

	fake_add(&room->fake, "a");
	assert_int_equal(fs_rename(room->fs, &somebody, "a", "b", 0), 0);
	fake_event(&room->fake, "a");
	fake_event(&room->fake, "b");
	expect_nothing_told(room);
	fake_add(&room->fake, "a");
	assert_int_equal(fs_rename(room->fs, &somebody, "a", "b", RENAME_EXCHANGE), 0);
	for (int i = 0; i < 2; i++) {
		fake_event(&room->fake, "a");
		fake_event(&room->fake, "b");
	}
	expect_nothing_told(room);
	fake_event(&room->fake, "a");
	expect_told(room, "a");
}

/* Two names of one object stay as they are, and nothing is told of them. */
static void test_renames_that_are_none_have_no_echo(void **state)
{
	static const unsigned int flags[] = { 0, RENAME_EXCHANGE };
	struct room *room = *state;

	fake_add(&room->fake, "a");
	fake_link(&room->fake, "a", "b");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fs_rename(room->fs, &somebody, "a", "b", flags[i]), 0);
		assert_ptr_equal(fake_find(&room->fake, "a"),
				 fake_find(&room->fake, "b"));
		fake_event(&room->fake, "a");
		fake_event(&room->fake, "b");
		expect_told(room, "a");
		expect_told(room, "b");
	}
}

static void test_overflow_is_told(void **state)
{
	struct room *room = *state;
	char told[256];

	fake_event(&room->fake, "");
	assert_int_equal(fs_removed(room->fs, told), -EOVERFLOW);
}

struct gone {
	int n;
	char names[8][8];
};

static void take_gone(void *context, const char *name)
{
	struct gone *gone = context;

	snprintf(gone->names[gone->n++], sizeof(gone->names[0]), "%s", name);
}

static void test_sweep(void **state)
{
	struct gone gone = { .n = 0 };
	struct room *room = *state;
	struct fs_open_file open_file;

	fake_add(&room->fake, "stays");
	fake_add(&room->fake, "goes");
	fake_add(&room->fake, "moves");
	fake_add(&room->fake, "other");
	fake_add(&room->fake, "open");
	fake_link(&room->fake, "stays", "second");
	lookup(room, "second");
	lookup(room, "stays");
	lookup(room, "goes");
	lookup(room, "moves");
	lookup(room, "other");
	open_file = open_node(room, lookup(room, "open").node);
	expire(room);
	fake_take(&room->fake, "goes");
	fake_take(&room->fake, "second");
	fake_move(&room->fake, "moves", "moved");
	fake_replace(&room->fake, "other");
	/* What is open is in use: the kernel forgets it in its own time. */
	fake_take(&room->fake, "open");
	fs_sweep(room->fs, take_gone, &gone);
	assert_int_equal(gone.n, 4);
	assert_string_equal(gone.names[0], "second");
	assert_string_equal(gone.names[1], "goes");
	assert_string_equal(gone.names[2], "moves");
	assert_string_equal(gone.names[3], "other");
	assert_int_equal(room->fake.handles, 0);
	fs_release(room->fs, open_file.number);
}

static struct room *sweeping;

/* The kernel forgets what it is told of at once, in the midst of the sweep. */
static void forget_gone(void *context, const char *name)
{
	const uint64_t *nodes = context;

	fs_forget(sweeping->fs, nodes[name[1] - '0'], 1);
}

static void test_sweep_while_forgetting(void **state)
{
	struct room *room = *state;
	uint64_t nodes[10];
	char name[8];

	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		fake_add(&room->fake, name);
		nodes[i] = lookup(room, name).node;
		if (i % 2)
			fake_take(&room->fake, name);
	}
	sweeping = room;
	fs_sweep(room->fs, forget_gone, nodes);
	assert_int_equal(room->fs->nodes.used, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		room_test(test_native_removals_are_told),
		room_test(test_own_unlink_is_not_told),
		room_test(test_refused_requests_have_no_echo),
		room_test(test_own_renames_are_not_told),
		room_test(test_renames_that_are_none_have_no_echo),
		room_test(test_overflow_is_told),
		room_test(test_sweep),
		room_test(test_sweep_while_forgetting),
	};

	return cmocka_run_group_tests_name("echo", tests, NULL, NULL) != 0;
}
