/* SPDX-License-Identifier: MIT */
/* Extended attributes: the object's, which pass through, and ours, which only tell. */
#include <sys/xattr.h>

#include "fixture.h"

#define IO   "user.shmfs.io"
#define INFO "user.shmfs.info"

static ssize_t get(struct room *room, uint64_t node, const char *name, char *value,
		   size_t size)
{
	return fs_getxattr(room->fs, &somebody, node, name, value, size);
}

static void expect_io(struct room *room, uint64_t node, const char *io)
{
	char value[32] = "";

	assert_int_equal(get(room, node, IO, value, sizeof(value)), strlen(io));
	assert_string_equal(value, io);
}

static uint64_t known(struct room *room, const char *name)
{
	fake_add(&room->fake, name);
	return lookup(room, name).node;
}

static void test_io_while_open(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct fs_open_file file;

	/* What will be, before it is decided. */
	expect_io(room, node, "passthrough");
	file = open_node(room, node);
	expect_io(room, node, "passthrough");
	fs_release(room->fs, file.number);
	fake_fail(&room->fake, FAKE_BACKING, 1, -ELOOP);
	file = open_node(room, node);
	expect_io(room, node, "direct");
	fs_release(room->fs, file.number);
}

static void test_io_without_backing(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");

	fs_set_direct(room->fs);
	expect_io(room, node, "direct");
}

static void test_sizes(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	char value[12] = "unchanged!!";

	assert_int_equal(get(room, node, IO, NULL, 0), 11);
	assert_int_equal(get(room, node, IO, value, 10), -ERANGE);
	assert_string_equal(value, "unchanged!!");
	assert_int_equal(get(room, node, IO, value, 11), 11);
	assert_memory_equal(value, "passthrough", 11);
}

/* One that knows nothing of itself still says how its data flows. */
static void test_info(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	const char *all = "io: passthrough\n";
	char value[64] = "";

	assert_int_equal(get(room, node, INFO, NULL, 0), strlen(all));
	assert_int_equal(get(room, node, INFO, value, strlen(all) - 1), -ERANGE);
	assert_int_equal(get(room, node, INFO, value, sizeof(value)), strlen(all));
	assert_string_equal(value, all);
	assert_int_equal(get(room, FS_ROOT, INFO, NULL, 0), -ENODATA);
}

static void test_ours_only_tell(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct fs *fs = room->fs;

	assert_int_equal(fs_setxattr(fs, &somebody, node, IO, "direct", 6, 0), -EPERM);
	assert_int_equal(fs_removexattr(fs, &somebody, node, IO), -EPERM);
	assert_int_equal(fs_setxattr(fs, &somebody, node, "user.shmfs.x", "y", 1, 0),
			 -EPERM);
	assert_int_equal(get(room, node, "user.shmfs.x", NULL, 0), -ENODATA);
	assert_int_equal(get(room, FS_ROOT, IO, NULL, 0), -ENODATA);
	assert_int_equal(room->fake.calls[FAKE_SETXATTR], 0);
	assert_int_equal(room->fake.calls[FAKE_GETXATTR], 0);
	assert_int_equal(room->fake.calls[FAKE_REMOVEXATTR], 0);
}

/* So that a copy does not try to carry them along. */
static void test_ours_are_not_listed(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	char list[64];

	assert_int_equal(fs_listxattr(room->fs, &somebody, node, list, sizeof(list)), 0);
	assert_int_equal(fs_setxattr(room->fs, &somebody, node, "user.x", "y", 1, 0), 0);
	assert_int_equal(fs_listxattr(room->fs, &somebody, node, list, sizeof(list)), 7);
	assert_memory_equal(list, "user.x", 7);
}

static void test_the_objects_pass_through(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct fs *fs = room->fs;
	char value[8];

	assert_int_equal(get(room, node, "user.x", value, 8), -ENODATA);
	assert_int_equal(fs_setxattr(fs, &somebody, node, "user.x", "abc", 3,
				     XATTR_REPLACE),
			 -ENODATA);
	assert_int_equal(
		fs_setxattr(fs, &somebody, node, "user.x", "abc", 3, XATTR_CREATE), 0);
	assert_int_equal(fs_setxattr(fs, &somebody, node, "user.x", "abc", 3,
				     XATTR_CREATE),
			 -EEXIST);
	assert_int_equal(get(room, node, "user.x", value, 8), 3);
	assert_memory_equal(value, "abc", 3);
	assert_int_equal(get(room, node, "user.x", value, 2), -ERANGE);
	assert_int_equal(fs_listxattr(fs, &somebody, node, value, 2), -ERANGE);
	assert_int_equal(fs_removexattr(fs, &somebody, node, "user.x"), 0);
	assert_int_equal(fs_removexattr(fs, &somebody, node, "user.x"), -ENODATA);
	assert_ptr_equal(room->fake.callers[FAKE_SETXATTR], &somebody);
	assert_ptr_equal(room->fake.callers[FAKE_GETXATTR], &somebody);
	assert_ptr_equal(room->fake.callers[FAKE_LISTXATTR], &somebody);
	assert_ptr_equal(room->fake.callers[FAKE_REMOVEXATTR], &somebody);
}

/* Capabilities go by a change of no owner, for who may write or is the owner. */
static void test_capabilities_are_removed(void **state)
{
	static const char name[] = "security.capability";
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct fs *fs = room->fs;

	assert_int_equal(fs_removexattr(fs, &somebody, node, name), -ENODATA);
	assert_int_equal(fs_setxattr(fs, &somebody, node, name, "x", 1, 0), 0);
	assert_int_equal(fs_removexattr(fs, &somebody, node, name), 0);
	assert_null(room->fake.callers[FAKE_CHOWN]);
	assert_int_equal(room->fake.calls[FAKE_CHOWN], 1);
	fake_fail(&room->fake, FAKE_ACCESS, 1, -EACCES);
	assert_int_equal(fs_removexattr(fs, &somebody, node, name), 0);
	assert_ptr_equal(room->fake.callers[FAKE_CHOWN], &somebody);
	assert_int_equal(room->fake.calls[FAKE_REMOVEXATTR], 0);
}

/* "user.shmfsx" is not of our family. */
static void test_the_prefix_ends_with_its_dot(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");

	assert_int_equal(fs_setxattr(room->fs, &somebody, node, "user.shmfsx", "1", 1, 0),
			 0);
	assert_int_equal(get(room, node, "user.shmfsx", NULL, 0), 1);
}

/* A kind without them says so, and ours are there all the same. */
static void test_kind_without(void **state)
{
	struct kind_ops ops = fake_kind;
	struct room *room = *state;
	uint64_t node = known(room, "a");

	ops.getxattr = NULL;
	ops.listxattr = NULL;
	ops.setxattr = NULL;
	ops.removexattr = NULL;
	room->fake.kind.ops = &ops;
	assert_int_equal(get(room, node, "user.x", NULL, 0), -EOPNOTSUPP);
	assert_int_equal(fs_listxattr(room->fs, &somebody, node, NULL, 0), 0);
	assert_int_equal(fs_setxattr(room->fs, &somebody, node, "user.x", "y", 1, 0),
			 -EOPNOTSUPP);
	assert_int_equal(fs_removexattr(room->fs, &somebody, node, "user.x"),
			 -EOPNOTSUPP);
	expect_io(room, node, "passthrough");
	room->fake.kind.ops = &fake_kind;
}

static void test_unknown_nodes(void **state)
{
	struct room *room = *state;
	struct fs *fs = room->fs;

	assert_int_equal(get(room, 99, IO, NULL, 0), -ESTALE);
	assert_int_equal(fs_listxattr(fs, &somebody, 99, NULL, 0), -ESTALE);
	assert_int_equal(fs_setxattr(fs, &somebody, 99, IO, "y", 1, 0), -ESTALE);
	assert_int_equal(fs_removexattr(fs, &somebody, 99, IO), -ESTALE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		room_test(test_io_while_open),
		room_test(test_io_without_backing),
		room_test(test_sizes),
		room_test(test_info),
		room_test(test_ours_only_tell),
		room_test(test_ours_are_not_listed),
		room_test(test_the_objects_pass_through),
		room_test(test_capabilities_are_removed),
		room_test(test_the_prefix_ends_with_its_dot),
		room_test(test_kind_without),
		room_test(test_unknown_nodes),
	};

	return cmocka_run_group_tests_name("xattr", tests, NULL, NULL) != 0;
}
