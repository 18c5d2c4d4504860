/* SPDX-License-Identifier: MIT */
/* Making, removing and renaming objects, and what their nodes learn of it. */
#include "fixture.h"
#include "fs/internal.h"

static int getattr(struct room *room, uint64_t node)
{
	struct stat st;

	return fs_getattr(room->fs, &somebody, node, &st);
}

static void test_create(void **state)
{
	struct room *room = *state;
	struct fs_open_file file;
	struct fs_entry e;

	assert_int_equal(fs_create(room->fs, &somebody, "a", O_RDWR | O_EXCL, 06640, &e,
				   &file),
			 0);
	assert_int_equal(e.attr.st_mode, S_IFREG | 0640);
	assert_int_equal(e.attr.st_ino, fake_find(&room->fake, "a")->info.stat.st_ino);
	assert_ptr_equal(room->fake.callers[FAKE_CREATE], &somebody);
	assert_int_equal(room->fake.files, 1);
	assert_int_equal(lookup(room, "a").node, e.node);
	assert_int_equal(fs_create(room->fs, &somebody, "a", O_RDWR | O_EXCL, 0600, &e,
				   &file),
			 -EEXIST);
	assert_int_equal(room->fake.files, 1);
	fs_release(room->fs, file.number);
	assert_int_equal(room->fake.files, 0);
}

/* It counts one lookup and one open, each to be given back by itself. */
static void test_create_counts_both(void **state)
{
	struct room *room = *state;
	struct fs_open_file file;
	struct fs_entry e;

	assert_int_equal(fs_create(room->fs, &somebody, "a", O_RDWR, 0600, &e, &file), 0);
	fs_release(room->fs, file.number);
	assert_int_equal(getattr(room, e.node), 0);
	fs_forget(room->fs, e.node, 1);
	assert_int_equal(getattr(room, e.node), -ESTALE);
}

static void test_create_opens_what_is_there(void **state)
{
	struct room *room = *state;
	struct fs_open_file file;
	struct fs_entry e;
	uint64_t node;

	fake_add(&room->fake, "a");
	node = lookup(room, "a").node;
	assert_int_equal(fs_create(room->fs, &somebody, "a", O_RDWR, 0600, &e, &file), 0);
	assert_int_equal(e.node, node);
	assert_int_equal(e.attr.st_mode, S_IFREG | 0644);
	fs_release(room->fs, file.number);
}

/* The kernel may keep the attributes that come with the answer. */
static void test_create_tells_what_is_emptied(void **state)
{
	struct room *room = *state;
	struct fs_open_file file;
	struct fs_entry e;

	fake_add(&room->fake, "a")->info.stat.st_size = 45;
	assert_int_equal(fs_create(room->fs, &somebody, "a", O_RDWR | O_TRUNC, 0600, &e,
				   &file),
			 0);
	assert_int_equal(e.attr.st_size, 0);
	fs_release(room->fs, file.number);
}

static void test_mknod(void **state)
{
	static const mode_t others[] = { S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK,
					 S_IFDIR, S_IFLNK,  0 };
	struct room *room = *state;
	struct fs_entry e;

	assert_int_equal(fs_mknod(room->fs, &somebody, "a", S_IFREG | 0600, &e), 0);
	assert_int_equal(room->fake.files, 0);
	assert_int_equal(lookup(room, "a").node, e.node);
	assert_int_equal(fs_mknod(room->fs, &somebody, "a", S_IFREG | 0600, &e), -EEXIST);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_int_equal(fs_mknod(room->fs, &somebody, "b", others[i] | 0600, &e),
				 -EPERM);
	assert_null(fake_find(&room->fake, "b"));
}

static int link_node(struct room *room, uint64_t node, const char *name)
{
	struct fs_entry e = { .node = 0 };
	int r = fs_link(room->fs, &somebody, node, name, &e);

	if (r == 0)
		assert_int_equal(e.node, node);
	return r;
}

static void test_link(void **state)
{
	struct room *room = *state;
	struct fs_entry e;
	uint64_t node;

	fake_add(&room->fake, "a");
	fake_add(&room->fake, "c");
	node = lookup(room, "a").node;
	assert_int_equal(fs_link(room->fs, &somebody, node, "b", &e), 0);
	assert_ptr_equal(room->fake.callers[FAKE_LINK], &somebody);
	assert_int_equal(e.node, node);
	assert_int_equal(e.attr.st_nlink, 2);
	assert_ptr_equal(fake_find(&room->fake, "b"), fake_find(&room->fake, "a"));
	assert_int_equal(link_node(room, node, "c"), -EEXIST);
	assert_int_equal(link_node(room, node, "a/b"), -EINVAL);
	expire(room);
	/* It counts one lookup. */
	fs_forget(room->fs, node, 1);
	assert_int_equal(fs_unlink(room->fs, &somebody, "b"), 0);
	assert_int_equal(getattr(room, node), 0);
	fs_forget(room->fs, node, 1);
	assert_int_equal(getattr(room, node), -ESTALE);
	assert_int_equal(link_node(room, node, "d"), -ESTALE);
}

/* What is removed and open stays removed. */
static void test_link_of_what_is_removed(void **state)
{
	struct room *room = *state;
	struct fs_open_file file;
	uint64_t node;

	fake_add(&room->fake, "a");
	node = lookup(room, "a").node;
	file = open_node(room, node);
	assert_int_equal(fs_unlink(room->fs, &somebody, "a"), 0);
	assert_int_equal(link_node(room, node, "a"), -ENOENT);
	fs_release(room->fs, file.number);
}

static void test_tmpfile(void **state)
{
	struct room *room = *state;
	struct fs_open_file file, exclusive;
	struct fs_entry e;

	assert_int_equal(fs_create(room->fs, &somebody, NULL, O_RDWR | O_EXCL, 06640, &e,
				   &exclusive),
			 0);
	assert_int_equal(link_node(room, e.node, "a"), -ENOENT);
	fs_release(room->fs, exclusive.number);
	assert_int_equal(fs_create(room->fs, &somebody, NULL, O_RDWR, 06640, &e, &file),
			 0);
	assert_ptr_equal(room->fake.callers[FAKE_TMPFILE], &somebody);
	assert_int_equal(e.attr.st_mode, S_IFREG | 0640);
	assert_int_equal(e.attr.st_nlink, 0);
	assert_false(e.keep_name || e.keep_attr);
	assert_int_equal(getattr(room, e.node), 0);
	assert_int_equal(link_node(room, e.node, "a"), 0);
	assert_int_equal(lookup(room, "a").node, e.node);
	fs_release(room->fs, file.number);
	assert_int_equal(getattr(room, e.node), 0);
	fake_fail(&room->fake, FAKE_BACKING, 1, -EMFILE);
	assert_int_equal(fs_create(room->fs, &somebody, NULL, O_RDWR, 0600, &e, &file),
			 -EMFILE);
	assert_int_equal(room->fake.files, 0);
}

/* Without a name, nothing leads to it but the file. */
static void test_tmpfile_that_is_kept(void **state)
{
	struct room *room = *state;
	struct fs_open_file file;
	struct fs_entry e;

	assert_int_equal(fs_create(room->fs, &somebody, NULL, O_RDWR, 0600, &e, &file),
			 0);
	assert_int_equal(room->fs->by_name.used, 0);
	assert_int_equal(getattr(room, e.node), 0);
	/* Once, as with what is opened by a name that leads elsewhere by now. */
	assert_int_equal(link_node(room, e.node, "a"), -ESTALE);
	assert_int_equal(link_node(room, e.node, "a"), 0);
	fs_release(room->fs, file.number);
	assert_int_equal(lookup(room, "a").node, e.node);
}

static void test_unlink(void **state)
{
	struct room *room = *state;
	uint64_t node;

	fake_add(&room->fake, "a");
	node = lookup(room, "a").node;
	assert_int_equal(fs_unlink(room->fs, &somebody, "a"), 0);
	assert_ptr_equal(room->fake.callers[FAKE_REMOVE], &somebody);
	assert_null(fake_find(&room->fake, "a"));
	/* The memory of what is removed is not kept by the lookup before it. */
	assert_int_equal(room->fake.handles, 0);
	assert_int_equal(getattr(room, node), -ESTALE);
	assert_int_equal(fs_unlink(room->fs, &somebody, "a"), -ENOENT);
}

static void test_unlink_refused_changes_nothing(void **state)
{
	struct room *room = *state;
	uint64_t node;

	fake_add(&room->fake, "a");
	node = lookup(room, "a").node;
	fake_fail(&room->fake, FAKE_REMOVE, 1, -EPERM);
	assert_int_equal(fs_unlink(room->fs, &somebody, "a"), -EPERM);
	assert_int_equal(getattr(room, node), 0);
}

static void test_rename_tells_the_node(void **state)
{
	struct room *room = *state;
	uint64_t node;

	fake_add(&room->fake, "a");
	node = lookup(room, "a").node;
	assert_int_equal(fs_rename(room->fs, &somebody, "a", "b", 0), 0);
	assert_ptr_equal(room->fake.callers[FAKE_RENAME], &somebody);
	expire(room);
	assert_int_equal(getattr(room, node), 0);
	assert_int_equal(lookup(room, "b").node, node);
}

static void test_rename_over(void **state)
{
	struct room *room = *state;
	uint64_t a, b;

	fake_add(&room->fake, "a");
	fake_add(&room->fake, "b");
	a = lookup(room, "a").node;
	b = lookup(room, "b").node;
	assert_int_equal(fs_rename(room->fs, &somebody, "a", "b", RENAME_NOREPLACE),
			 -EEXIST);
	assert_int_equal(getattr(room, b), 0);
	assert_int_equal(fs_rename(room->fs, &somebody, "a", "b", 0), 0);
	assert_int_equal(room->fake.handles, 0);
	assert_int_equal(getattr(room, a), 0);
	assert_int_equal(getattr(room, b), -ESTALE);
}

static void test_exchange_tells_both(void **state)
{
	struct room *room = *state;
	uint64_t a, b;

	fake_add(&room->fake, "a");
	fake_add(&room->fake, "b");
	a = lookup(room, "a").node;
	b = lookup(room, "b").node;
	assert_int_equal(fs_rename(room->fs, &somebody, "a", "b", RENAME_EXCHANGE), 0);
	expire(room);
	assert_int_equal(getattr(room, a), 0);
	assert_int_equal(getattr(room, b), 0);
	assert_int_equal(lookup(room, "a").node, b);
	assert_int_equal(lookup(room, "b").node, a);
}

static void test_rename_of_what_is_unknown(void **state)
{
	struct room *room = *state;

	fake_add(&room->fake, "a");
	assert_int_equal(fs_rename(room->fs, &somebody, "a", "b", 0), 0);
	assert_int_equal(fs_rename(room->fs, &somebody, "a", "c", 0), -ENOENT);
	assert_int_equal(fs_rename(room->fs, &somebody, "b", "..", 0), -EINVAL);
	assert_int_equal(room->fs->nodes.used, 1);
}

/* Natively renamed: the old name verifies no longer, the new one leads to the node. */
static void test_native_rename(void **state)
{
	struct room *room = *state;
	uint64_t node;

	fake_add(&room->fake, "a");
	node = lookup(room, "a").node;
	expire(room);
	fake_move(&room->fake, "a", "b");
	assert_int_equal(getattr(room, node), -ESTALE);
	assert_int_equal(lookup(room, "b").node, node);
	expire(room);
	assert_int_equal(getattr(room, node), 0);
}

static void test_long_names(void **state)
{
	struct room *room = *state;
	char name[257];
	uint64_t node;

	memset(name, 'x', 256);
	name[256] = '\0';
	assert_int_equal(fs_unlink(room->fs, &somebody, name), -ENAMETOOLONG);
	name[255] = '\0';
	fake_add(&room->fake, name);
	node = lookup(room, name).node;
	expire(room);
	assert_int_equal(getattr(room, node), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		room_test(test_create),
		room_test(test_create_counts_both),
		room_test(test_create_opens_what_is_there),
		room_test(test_create_tells_what_is_emptied),
		room_test(test_mknod),
		room_test(test_link),
		room_test(test_link_of_what_is_removed),
		room_test(test_tmpfile),
		keeping_test(test_tmpfile_that_is_kept),
		room_test(test_unlink),
		room_test(test_unlink_refused_changes_nothing),
		room_test(test_rename_tells_the_node),
		room_test(test_rename_over),
		room_test(test_exchange_tells_both),
		room_test(test_rename_of_what_is_unknown),
		room_test(test_native_rename),
		room_test(test_long_names),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL) != 0;
}
