/* SPDX-License-Identifier: MIT */
/* Nodes: how long they live, how they are numbered, and which object each stands for. */
#include "fixture.h"
#include "fs/file.h"
#include "fs/internal.h"

static int getattr(struct room *room, uint64_t node)
{
	struct stat st;

	return fs_getattr(room->fs, &somebody, node, &st);
}

static void test_lookup_tells_all(void **state)
{
	struct room *room = *state;
	struct fake_object *o = fake_add(&room->fake, "a");
	struct fs_entry e;

	o->info.stat.st_size = 5;
	e = lookup(room, "a");
	assert_int_not_equal(e.node, FS_ROOT);
	assert_int_not_equal(e.generation, 0);
	assert_int_equal(e.attr.st_ino, o->info.stat.st_ino);
	assert_int_equal(e.attr.st_size, 5);
	assert_ptr_equal(room->fake.callers[FAKE_LOOKUP], &somebody);
}

static void test_missing(void **state)
{
	struct room *room = *state;
	struct fs_entry e;

	assert_int_equal(fs_lookup(room->fs, &somebody, "a", &e), -ENOENT);
	assert_int_equal(fs_lookup(room->fs, &somebody, ".", &e), -EINVAL);
	assert_int_equal(fs_lookup(room->fs, &somebody, "a/b", &e), -EINVAL);
	assert_int_equal(fs_lookup(room->fs, &somebody, "/a", &e), -EINVAL);
}

static void test_same_number_while_known(void **state)
{
	struct room *room = *state;
	struct fs_entry a, again;

	fake_add(&room->fake, "a");
	fake_add(&room->fake, "b");
	a = lookup(room, "a");
	again = lookup(room, "a");
	assert_int_equal(a.node, again.node);
	assert_int_equal(a.generation, again.generation);
	assert_int_not_equal(lookup(room, "b").node, a.node);
}

static void test_lookups_count(void **state)
{
	struct room *room = *state;
	uint64_t node;

	fake_add(&room->fake, "a");
	node = lookup(room, "a").node;
	lookup(room, "a");
	lookup(room, "a");
	fs_forget(room->fs, node, 2);
	assert_int_equal(getattr(room, node), 0);
	fs_forget(room->fs, node, 1);
	assert_int_equal(getattr(room, node), -ESTALE);
	assert_int_equal(room->fs->nodes.used, 1);
}

static void test_forget_too_many(void **state)
{
	struct room *room = *state;
	uint64_t a, b;

	fake_add(&room->fake, "a");
	fake_add(&room->fake, "b");
	a = lookup(room, "a").node;
	b = lookup(room, "b").node;
	fs_forget(room->fs, a, UINT64_MAX);
	assert_int_equal(getattr(room, a), -ESTALE);
	fs_forget(room->fs, a, 1);
	assert_int_equal(getattr(room, b), 0);
}

static void test_forget_unknown(void **state)
{
	struct room *room = *state;
	struct stat st;

	fs_forget(room->fs, 0, 1);
	fs_forget(room->fs, 2, 1);
	fs_forget(room->fs, UINT64_MAX, UINT64_MAX);
	fs_forget(room->fs, FS_ROOT, 1);
	fs_forget(room->fs, FS_ROOT, UINT64_MAX);
	assert_int_equal(fs_getattr(room->fs, &somebody, FS_ROOT, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
}

static void test_numbers_never_return(void **state)
{
	struct room *room = *state;
	uint64_t numbers[1000];

	fake_add(&room->fake, "a");
	for (int i = 0; i < 1000; i++) {
		numbers[i] = lookup(room, "a").node;
		fs_forget(room->fs, numbers[i], 1);
		for (int k = 0; k < i; k++)
			assert_int_not_equal(numbers[i], numbers[k]);
		assert_int_equal(getattr(room, numbers[i]), -ESTALE);
	}
	/* The places do. */
	assert_int_equal(room->fs->nodes.used, 1);
	assert_true(room->fs->nodes.n >= 1 && room->fs->nodes.n <= 64);
}

static void test_two_names_one_node(void **state)
{
	struct room *room = *state;
	uint64_t node;

	fake_add(&room->fake, "a");
	fake_link(&room->fake, "a", "b");
	node = lookup(room, "a").node;
	assert_int_equal(lookup(room, "b").node, node);
	fs_forget(room->fs, node, 1);
	assert_int_equal(getattr(room, node), 0);
	expire(room);
	/* It is found by the name that was seen last. */
	fake_take(&room->fake, "a");
	assert_int_equal(getattr(room, node), 0);
}

/* As well as by those that were seen before, while the object has several. */
static void test_other_names_lead_to_it(void **state)
{
	struct room *room = *state;
	uint64_t node;

	fake_add(&room->fake, "a");
	fake_link(&room->fake, "a", "b");
	fake_link(&room->fake, "a", "c");
	node = lookup(room, "a").node;
	lookup(room, "b");
	lookup(room, "c");
	expire(room);
	fake_take(&room->fake, "c");
	assert_int_equal(getattr(room, node), 0);
	expire(room);
	fake_replace(&room->fake, "b");
	assert_int_equal(getattr(room, node), 0);
	/* It is the only name, and seen as that. */
	assert_int_equal(lookup(room, "a").node, node);
	expire(room);
	fake_take(&room->fake, "b");
	fake_link(&room->fake, "a", "b");
	fake_take(&room->fake, "a");
	assert_int_equal(getattr(room, node), -ESTALE);
	assert_int_equal(lookup(room, "b").node, node);
}

/* However many names it has had, a few are known. */
static void test_many_names(void **state)
{
	struct room *room = *state;
	struct node_names names;
	char name[8] = "n0";
	struct node *n;
	uint64_t node;

	fake_add(&room->fake, name);
	node = lookup(room, name).node;
	for (int i = 1; i < 50; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		fake_link(&room->fake, "n0", name);
		assert_int_equal(lookup(room, name).node, node);
		/* Again and again the same two. */
		lookup(room, "n0");
	}
	n = slots_get(&room->fs->nodes, node);
	node_names(room->fs, n, &names);
	assert_int_equal(names.n, 1 + ALIASES_MAX);
	assert_string_equal(names.text[0], "n0");
	for (unsigned int i = 1; i <= ALIASES_MAX; i++) {
		snprintf(name, sizeof(name), "n%u", 50 - i);
		assert_string_equal(names.text[i], name);
	}
}

static void test_identity_is_verified(void **state)
{
	struct room *room = *state;
	uint64_t old, new;

	fake_add(&room->fake, "a");
	old = lookup(room, "a").node;
	expire(room);
	fake_replace(&room->fake, "a");
	assert_int_equal(getattr(room, old), -ESTALE);
	new = lookup(room, "a").node;
	assert_int_not_equal(new, old);
	assert_int_equal(getattr(room, new), 0);
	expire(room);
	assert_int_equal(getattr(room, old), -ESTALE);
	assert_int_equal(getattr(room, new), 0);
}

/* The same inode number on the same device is another object if it was born later. */
static void test_identity_is_also_the_birth(void **state)
{
	struct room *room = *state;
	struct fake_object *o = fake_add(&room->fake, "a");
	uint64_t old = lookup(room, "a").node;

	expire(room);
	o->info.id.birth++;
	assert_int_equal(getattr(room, old), -ESTALE);
	assert_int_not_equal(lookup(room, "a").node, old);
}

static void test_vanished(void **state)
{
	struct room *room = *state;
	struct fs_open_file file;
	uint64_t node;
	struct stat st;

	fake_add(&room->fake, "a");
	node = lookup(room, "a").node;
	expire(room);
	fake_take(&room->fake, "a");
	assert_int_equal(getattr(room, node), -ESTALE);
	assert_int_equal(fs_open(room->fs, &somebody, node, O_RDONLY, &file), -ESTALE);
	assert_int_equal(fs_access(room->fs, &somebody, node, R_OK), -ESTALE);
	assert_int_equal(fs_setattr(room->fs, &somebody, node, 0, &(struct stat){ 0 }, 0,
				    &st),
			 -ESTALE);
	assert_int_equal(fs_getxattr(room->fs, &somebody, node, "user.shmfs.io", NULL, 0),
			 -ESTALE);
}

/* A removed object lives on in its open file, and is asked there. */
static void test_open_file_answers(void **state)
{
	struct room *room = *state;
	struct fake_object *o = fake_add(&room->fake, "a");
	uint64_t node = lookup(room, "a").node;
	struct fs_open_file file = open_node(room, node);
	struct stat st;

	expire(room);
	fake_replace(&room->fake, "a");
	o->info.stat.st_size = 9;
	assert_int_equal(fs_getattr(room->fs, &somebody, node, &st), 0);
	assert_int_equal(st.st_size, 9);
	assert_int_equal(st.st_nlink, 0);
	fs_release(room->fs, file.number);
	assert_int_equal(getattr(room, node), -ESTALE);
}

/* The kernel may forget while a file is open, and closing then frees the node. */
static void test_forgotten_while_open(void **state)
{
	struct room *room = *state;
	uint64_t node;
	struct fs_open_file file;

	fake_add(&room->fake, "a");
	node = lookup(room, "a").node;
	file = open_node(room, node);
	fs_forget(room->fs, node, 1);
	assert_int_equal(getattr(room, node), 0);
	fs_release(room->fs, file.number);
	assert_int_equal(getattr(room, node), -ESTALE);
	assert_int_equal(room->fs->nodes.used, 1);
}

static void test_unknown_numbers(void **state)
{
	static const uint64_t unknown[] = { 0, 2, 64, 65, 1000, UINT64_MAX };
	struct room *room = *state;
	struct fs_open_file file;

	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
		assert_int_equal(getattr(room, unknown[i]), -ESTALE);
		assert_int_equal(fs_open(room->fs, &somebody, unknown[i], 0, &file),
				 -ESTALE);
		assert_int_equal(fs_access(room->fs, &somebody, unknown[i], 0), -ESTALE);
	}
	assert_int_equal(room->fake.calls[FAKE_STAT], 0);
	assert_int_equal(room->fake.calls[FAKE_LOOKUP], 0);
}

/* Thousands of nodes cost memory, and hold nothing. */
static void test_nodes_hold_nothing(void **state)
{
	struct room *room = *state;
	char name[8];

	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		fake_add(&room->fake, name);
		lookup(room, name);
	}
	expire(room);
	assert_int_equal(room->fake.handles, 0);
	assert_int_equal(room->fake.files, 0);
	assert_int_equal(room->fs->nodes.used, 51);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		room_test(test_lookup_tells_all),
		room_test(test_missing),
		room_test(test_same_number_while_known),
		room_test(test_lookups_count),
		room_test(test_forget_too_many),
		room_test(test_forget_unknown),
		room_test(test_numbers_never_return),
		room_test(test_two_names_one_node),
		room_test(test_other_names_lead_to_it),
		room_test(test_many_names),
		room_test(test_identity_is_verified),
		room_test(test_identity_is_also_the_birth),
		room_test(test_vanished),
		room_test(test_open_file_answers),
		room_test(test_forgotten_while_open),
		room_test(test_unknown_numbers),
		room_test(test_nodes_hold_nothing),
	};

	return cmocka_run_group_tests_name("nodes", tests, NULL, NULL) != 0;
}
