/* SPDX-License-Identifier: MIT */
/*
 * What chattr(1), lsattr(1) and statx(2) have beside stat(2): append-only objects take
 * what is written at their end and nothing else, flags are seen from both sides, and an
 * object has a time of birth.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "config.h"
#include "files.h"
#include "mount.h"
#include "person.h"
#include "util/cleanup.h"

static int get_flags(const char *dir)
{
	_cleanup_close_ int fd = file_open(dir, "a", O_RDONLY);
	int flags = 0;

	return ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 ? -errno : flags;
}

static int set_flags(const char *dir, int flags)
{
	_cleanup_close_ int fd = file_open(dir, "a", O_RDONLY);

	return errno_or(ioctl(fd, FS_IOC_SETFLAGS, &flags));
}

/* An object with @flags, which only who may make it so can. */
static void make_with(int flags)
{
	person_needs_root();
	file_make(NATIVE_DIR, "a", 0644, "one");
	if (set_flags(NATIVE_DIR, flags) < 0)
		skip(); /* Before Linux 6.0 tmpfs has none. */
}

static void test_append_only(void **state)
{
	struct statx x;
	int appending;

	(void)state;
	make_with(FS_APPEND_FL);
	refused(open(MOUNT_DIR "/a", O_WRONLY | O_CLOEXEC), EPERM);
	refused(open(MOUNT_DIR "/a", O_RDWR | O_CLOEXEC), EPERM);
	refused(open(MOUNT_DIR "/a", O_WRONLY | O_APPEND | O_TRUNC | O_CLOEXEC), EPERM);
	refused(open(MOUNT_DIR "/a", O_RDONLY | O_TRUNC | O_CLOEXEC), EPERM);
	refused(truncate(MOUNT_DIR "/a", 0), EPERM);
	refused(unlink(MOUNT_DIR "/a"), EPERM);
	refused(rename(MOUNT_DIR "/a", MOUNT_DIR "/b"), EPERM);
	appending = must(
		open(MOUNT_DIR "/a", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
	assert_int_equal(must(write(appending, " two", 4)), 4);
	assert_int_equal(must(pwrite(appending, " three", 6, 0)), 6);
	refused(ftruncate(appending, 0), EPERM);
	close(appending);
	file_expect(NATIVE_DIR, "a", "one two three");
	/* (difference: statx) */
	must(statx(AT_FDCWD, NATIVE_DIR "/a", 0, STATX_BASIC_STATS, &x));
	assert_true(x.stx_attributes & STATX_ATTR_APPEND);
	must(statx(AT_FDCWD, MOUNT_DIR "/a", 0, STATX_BASIC_STATS, &x));
	assert_false(x.stx_attributes & STATX_ATTR_APPEND);
	assert_int_equal(set_flags(NATIVE_DIR, 0), 0);
}

/*
 * The kernel lets it be taken back; the object does not let be written elsewhere.
 * (difference: append-flag)
 */
static void test_appending_is_taken_back(void **state)
{
	struct flock lock = { .l_type = F_WRLCK };
	int fd;

	(void)state;
	make_with(FS_APPEND_FL);
	fd = must(open(MOUNT_DIR "/a", O_WRONLY | O_APPEND | O_CLOEXEC));
	must(fcntl(fd, F_SETLK, &lock));
	must(fcntl(fd, F_SETFL, 0));
	refused(pwrite(fd, "x", 1, 0), EPERM);
	mount_replace(SIGKILL);
	refused(pwrite(fd, "x", 1, 0), EPERM);
	assert_int_equal(set_flags(NATIVE_DIR, 0), 0);
	assert_int_equal(must(pwrite(fd, "x", 1, 0)), 1);
	must(fcntl(fd, F_SETFL, O_APPEND));
	assert_int_equal(must(pwrite(fd, "y", 1, 0)), 1);
	close(fd);
	file_expect(NATIVE_DIR, "a", "xney");
}

/* A mapping must not write to it, and the kernel would let it. (difference: append-map)
 */
static void test_append_only_is_not_mapped(void **state)
{
	int fd;

	(void)state;
	make_with(FS_APPEND_FL);
	fd = open(MOUNT_DIR "/a", O_RDWR | O_APPEND | O_CLOEXEC);
	if (mount_passthrough()) {
		refused(fd, EPERM);
	} else {
		refused((long)mmap(NULL, 3, PROT_WRITE, MAP_SHARED, fd, 0), ENODEV);
		assert_int_equal(must(write(fd, "!", 1)), 1);
		close(must(fd));
	}
	assert_int_equal(set_flags(NATIVE_DIR, 0), 0);
	close(file_open(MOUNT_DIR, "a", O_RDWR | O_APPEND));
}

static int set_nodump(const void *arg)
{
	(void)arg;
	return set_flags(MOUNT_DIR, FS_NODUMP_FL);
}

static void test_flags(void **state)
{
	static const struct person alice = { "alice", 1000, 1000, 0, { 0 } };
	struct fsxattr native, mount;
	int here, there;

	(void)state;
	make_with(FS_NODUMP_FL);
	assert_int_equal(get_flags(MOUNT_DIR), FS_NODUMP_FL);
	here = file_open(MOUNT_DIR, "a", O_RDONLY);
	there = file_open(NATIVE_DIR, "a", O_RDONLY);
	must(ioctl(here, FS_IOC_FSGETXATTR, &mount));
	must(ioctl(there, FS_IOC_FSGETXATTR, &native));
	assert_memory_equal(&mount, &native, sizeof(native));
	mount.fsx_projid = native.fsx_projid = 5;
	assert_int_equal(errno_or(ioctl(here, FS_IOC_FSSETXATTR, &mount)),
			 errno_or(ioctl(there, FS_IOC_FSSETXATTR, &native)));
	close(here);
	close(there);
	assert_int_equal(set_flags(MOUNT_DIR, 0), 0);
	assert_int_equal(get_flags(NATIVE_DIR), 0);
	assert_int_equal(person_do(&alice, set_nodump, NULL), -EPERM);
	must(chown(MOUNT_DIR "/a", 1000, 1000));
	assert_int_equal(person_do(&alice, set_nodump, NULL), 0);
	assert_int_equal(get_flags(NATIVE_DIR), FS_NODUMP_FL);
	/* For these the daemon has no capability. (difference: capabilities) */
	assert_int_equal(set_flags(MOUNT_DIR, FS_APPEND_FL), -EPERM);
	assert_int_equal(set_flags(MOUNT_DIR, FS_IMMUTABLE_FL), -EPERM);
	assert_int_equal(get_flags(NATIVE_DIR), FS_NODUMP_FL);
}

/* Whether the kernel asks for it (6.6) and libfuse hands it on. */
static bool tells_birth(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	must(uname(&name));
	sscanf(name.release, "%u.%u", &major, &minor);
	return HAVE_FUSE_STATX && (major > 6 || (major == 6 && minor >= 6));
}

static void test_birth(void **state)
{
	char text[64] = "", expected[64];
	struct statx native, mount;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "");
	must(statx(AT_FDCWD, NATIVE_DIR "/a", 0, STATX_BTIME, &native));
	if (!(native.stx_mask & STATX_BTIME))
		skip();
	must(statx(AT_FDCWD, MOUNT_DIR "/a", 0, STATX_BASIC_STATS | STATX_BTIME, &mount));
	assert_int_equal(mount.stx_mask & STATX_BTIME, tells_birth() ? STATX_BTIME : 0);
	if (tells_birth())
		assert_memory_equal(&mount.stx_btime, &native.stx_btime,
				    sizeof(native.stx_btime));
	snprintf(expected, sizeof(expected), "%lld.%09u",
		 (long long)native.stx_btime.tv_sec, native.stx_btime.tv_nsec);
	must(getxattr(MOUNT_DIR "/a", "user.shmfs.birth", text, sizeof(text)));
	assert_string_equal(text, expected);
	refused(getxattr(MOUNT_DIR "/a", "user.shmfs.birth", text, 3), ERANGE);
	refused(getxattr(MOUNT_DIR "/a", "user.shmfs.death", text, 3), ENODATA);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_append_only),
		mount_test(test_appending_is_taken_back),
		mount_test(test_append_only_is_not_mapped),
		mount_test(test_flags),
		mount_test(test_birth),
	};

	return cmocka_run_group_tests_name("chattr", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
