/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes of the user are the object's own; user.shmfs.io is the mount's
 * answer to the question how its files are read.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "util/cleanup.h"

static void make_file(void)
{
	file_make(NATIVE_DIR, "a", 0600, "");
	/* tmpfs has them since Linux 6.6. */
	if (setxattr(NATIVE_DIR "/a", "user.probe", "", 0, 0) < 0 && errno == EOPNOTSUPP)
		skip();
	must(removexattr(NATIVE_DIR "/a", "user.probe"));
}

static void expect(const char *dir, const char *name, const char *value, size_t size)
{
	char found[256];

	assert_int_equal(must(getxattr(at(dir, "a"), name, found, sizeof(found))), size);
	assert_memory_equal(found, value, size);
	assert_int_equal(must(getxattr(at(dir, "a"), name, NULL, 0)), size);
}

static void test_shared_with_native(void **state)
{
	(void)state;
	make_file();
	must(setxattr(MOUNT_DIR "/a", "user.mount", "m\0m", 3, 0));
	expect(NATIVE_DIR, "user.mount", "m\0m", 3);
	must(setxattr(NATIVE_DIR "/a", "user.native", "native", 6, 0));
	expect(MOUNT_DIR, "user.native", "native", 6);
	must(setxattr(NATIVE_DIR "/a", "user.mount", "other", 5, 0));
	expect(MOUNT_DIR, "user.mount", "other", 5);
	must(setxattr(MOUNT_DIR "/a", "user.empty", "", 0, 0));
	expect(NATIVE_DIR, "user.empty", "", 0);
	must(removexattr(MOUNT_DIR "/a", "user.native"));
	refused(getxattr(NATIVE_DIR "/a", "user.native", NULL, 0), ENODATA);
	must(removexattr(NATIVE_DIR "/a", "user.mount"));
	refused(getxattr(MOUNT_DIR "/a", "user.mount", NULL, 0), ENODATA);
}

static void test_refusals(void **state)
{
	char small[2];

	(void)state;
	make_file();
	must(setxattr(MOUNT_DIR "/a", "user.x", "value", 5, XATTR_CREATE));
	refused(setxattr(MOUNT_DIR "/a", "user.x", "value", 5, XATTR_CREATE), EEXIST);
	refused(setxattr(MOUNT_DIR "/a", "user.y", "value", 5, XATTR_REPLACE), ENODATA);
	refused(getxattr(MOUNT_DIR "/a", "user.x", small, sizeof(small)), ERANGE);
	refused(listxattr(MOUNT_DIR "/a", small, sizeof(small)), ERANGE);
	refused(removexattr(MOUNT_DIR "/a", "user.y"), ENODATA);
	refused(setxattr(MOUNT_DIR "/none", "user.x", "", 0, 0), ENOENT);
	refused(setxattr(MOUNT_DIR "/a", "nonsense.x", "", 0, 0), EOPNOTSUPP);
	expect(NATIVE_DIR, "user.x", "value", 5);
}

static void test_list(void **state)
{
	char native[256], mount[256];
	ssize_t n;

	(void)state;
	make_file();
	assert_int_equal(must(listxattr(MOUNT_DIR "/a", mount, sizeof(mount))), 0);
	must(setxattr(MOUNT_DIR "/a", "user.x", "", 0, 0));
	must(setxattr(NATIVE_DIR "/a", "user.y", "", 0, 0));
	n = must(listxattr(NATIVE_DIR "/a", native, sizeof(native)));
	assert_int_equal(must(listxattr(MOUNT_DIR "/a", mount, sizeof(mount))), n);
	assert_int_equal(must(listxattr(MOUNT_DIR "/a", NULL, 0)), n);
	assert_memory_equal(mount, native, n);
}

static void test_by_descriptor(void **state)
{
	_cleanup_close_ int native = -1;
	_cleanup_close_ int fd = -1;
	char value[8];

	(void)state;
	make_file();
	native = file_open(NATIVE_DIR, "a", O_RDWR);
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	must(unlink(NATIVE_DIR "/a"));
	must(fsetxattr(fd, "user.x", "value", 5, 0));
	assert_int_equal(must(fgetxattr(native, "user.x", value, sizeof(value))), 5);
	assert_int_equal(must(fgetxattr(fd, "user.x", value, sizeof(value))), 5);
	assert_memory_equal(value, "value", 5);
	assert_int_equal(must(flistxattr(fd, value, sizeof(value))), 7);
	must(fremovexattr(fd, "user.x"));
	refused(fgetxattr(native, "user.x", value, sizeof(value)), ENODATA);
}

static void test_large_value(void **state)
{
	const size_t size = 30000;
	_cleanup_free_ char *out = malloc(size);
	_cleanup_free_ char *in = calloc(1, size);

	(void)state;
	assert_true(in && out);
	for (size_t i = 0; i < size; i++)
		out[i] = (char)(i * 7);
	make_file();
	must(setxattr(MOUNT_DIR "/a", "user.large", out, size, 0));
	assert_int_equal(must(getxattr(NATIVE_DIR "/a", "user.large", in, size)), size);
	assert_memory_equal(in, out, size);
	memset(in, 0, size);
	assert_int_equal(must(getxattr(MOUNT_DIR "/a", "user.large", in, size)), size);
	assert_memory_equal(in, out, size);
}

static void test_io_mode(void **state)
{
	const char *io = mount_passthrough() ? "passthrough" : "direct";
	char list[64];

	(void)state;
	file_make(NATIVE_DIR, "a", 0400, "");
	expect(MOUNT_DIR, "user.shmfs.io", io, strlen(io));
	snprintf(list, sizeof(list), "io: %s\n", io);
	expect(MOUNT_DIR, "user.shmfs.info", list, strlen(list));
	assert_int_equal(must(listxattr(MOUNT_DIR "/a", list, sizeof(list))), 0);
	/* Read-only: no value sticks, and nothing reaches the object. */
	assert_int_equal(setxattr(MOUNT_DIR "/a", "user.shmfs.io", "x", 1, 0), -1);
	assert_int_equal(removexattr(MOUNT_DIR "/a", "user.shmfs.io"), -1);
	assert_int_equal(getxattr(NATIVE_DIR "/a", "user.shmfs.io", NULL, 0), -1);
	expect(MOUNT_DIR, "user.shmfs.io", io, strlen(io));
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_shared_with_native),
		mount_test(test_refusals),
		mount_test(test_list),
		mount_test(test_by_descriptor),
		mount_test(test_large_value),
		mount_test(test_io_mode),
	};

	return cmocka_run_group_tests_name("xattr", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(30, run);
}
