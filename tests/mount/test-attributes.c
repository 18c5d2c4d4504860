/* SPDX-License-Identifier: MIT */
/*
 * Attributes are those of the object itself, whoever changed them last, and each that may
 * be set sets it natively.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "person.h"
#include "util/cleanup.h"

static const struct person alice = { .name = "alice", .uid = 1000, .gid = 1000 };

static void same_time(struct timespec a, struct timespec b)
{
	assert_int_equal(a.tv_sec, b.tv_sec);
	assert_int_equal(a.tv_nsec, b.tv_nsec);
}

/* All that two looks at the same object must agree on. */
static void same_stat(struct stat a, struct stat b)
{
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_mode, b.st_mode);
	assert_int_equal(a.st_nlink, b.st_nlink);
	assert_int_equal(a.st_uid, b.st_uid);
	assert_int_equal(a.st_gid, b.st_gid);
	assert_int_equal(a.st_size, b.st_size);
	assert_int_equal(a.st_blocks, b.st_blocks);
	assert_int_equal(a.st_blksize, b.st_blksize);
	same_time(a.st_atim, b.st_atim);
	same_time(a.st_mtim, b.st_mtim);
	same_time(a.st_ctim, b.st_ctim);
}

/* The object as seen by name, by descriptor and natively is one. */
static void same_everywhere(int fd)
{
	same_stat(file_stat(MOUNT_DIR, "a"), file_stat(NATIVE_DIR, "a"));
	same_stat(fd_stat(fd), file_stat(NATIVE_DIR, "a"));
}

static void test_native_changes_are_seen(void **state)
{
	struct timespec times[2] = { { 1000, 1 }, { 2000, 999999999 } };
	_cleanup_close_ int fd = -1;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "text");
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	same_everywhere(fd);
	must(chmod(NATIVE_DIR "/a", 0421));
	same_everywhere(fd);
	if (mount_privileged())
		must(chown(NATIVE_DIR "/a", 12, 34));
	same_everywhere(fd);
	must(utimensat(AT_FDCWD, NATIVE_DIR "/a", times, 0));
	same_everywhere(fd);
	must(truncate(NATIVE_DIR "/a", 1 << 20));
	same_everywhere(fd);
	must(truncate(NATIVE_DIR "/a", 1));
	same_everywhere(fd);
	must(link(NATIVE_DIR "/a", NATIVE_DIR "/b"));
	same_everywhere(fd);
}

static void test_unlinked_file_has_attributes(void **state)
{
	_cleanup_close_ int native = -1;
	_cleanup_close_ int fd = -1;

	(void)state;
	file_make(NATIVE_DIR, "a", 0640, "text");
	native = file_open(NATIVE_DIR, "a", O_RDWR);
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	must(unlink(NATIVE_DIR "/a"));
	same_stat(fd_stat(fd), fd_stat(native));
	must(ftruncate(native, 100));
	must(fchmod(native, 0604));
	same_stat(fd_stat(fd), fd_stat(native));
	must(ftruncate(fd, 50));
	must(fchmod(fd, 0600));
	same_stat(fd_stat(fd), fd_stat(native));
	assert_int_equal(fd_stat(native).st_size, 50);
	assert_int_equal(fd_stat(native).st_mode, S_IFREG | 0600);
}

static void test_truncate(void **state)
{
	static const char grown[] = "te\0\0\0\0";
	char text[8] = "";
	_cleanup_close_ int fd = -1;
	_cleanup_close_ int readable = -1;

	(void)state;
	file_make(MOUNT_DIR, "a", 0600, "text");
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	must(truncate(MOUNT_DIR "/a", 2));
	assert_int_equal(file_stat(NATIVE_DIR, "a").st_size, 2);
	must(ftruncate(fd, 6));
	assert_int_equal(file_stat(NATIVE_DIR, "a").st_size, 6);
	assert_int_equal(must(pread(fd, text, sizeof(text), 0)), 6);
	assert_memory_equal(text, grown, 6);
	same_everywhere(fd);
	readable = file_open(MOUNT_DIR, "a", O_RDONLY);
	refused(ftruncate(readable, 0), EINVAL);
	refused(truncate(MOUNT_DIR "/a", -1), EINVAL);
	refused(truncate(MOUNT_DIR "/none", 0), ENOENT);
	must(ftruncate(fd, 1LL << 40));
	same_everywhere(fd);
	must(ftruncate(fd, 0));
	same_everywhere(fd);
}

static void test_chmod(void **state)
{
	_cleanup_close_ int fd = -1;

	(void)state;
	file_make(MOUNT_DIR, "a", 0600, "");
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	for (mode_t mode = 0; mode <= 0777; mode += 0123) {
		must(chmod(MOUNT_DIR "/a", mode));
		assert_int_equal(file_stat(NATIVE_DIR, "a").st_mode, S_IFREG | mode);
		must(fchmod(fd, 0777 - mode));
		assert_int_equal(file_stat(NATIVE_DIR, "a").st_mode,
				 S_IFREG | (0777 - mode));
		same_everywhere(fd);
	}
	refused(chmod(MOUNT_DIR "/none", 0600), ENOENT);
}

static void test_chmod_has_nine_bits(void **state)
{
	(void)state;
	file_make(MOUNT_DIR, "a", 0600, "");
	must(chmod(MOUNT_DIR "/a", 07755));
	assert_int_equal(file_stat(NATIVE_DIR, "a").st_mode, S_IFREG | 0755);
	assert_int_equal(file_stat(MOUNT_DIR, "a").st_mode, S_IFREG | 0755);
}

static void test_chown(void **state)
{
	struct stat st;
	_cleanup_close_ int fd = -1;

	(void)state;
	person_needs_root();
	file_make(MOUNT_DIR, "a", 0600, "");
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	must(chown(MOUNT_DIR "/a", 1000, (gid_t)-1));
	must(fchown(fd, (uid_t)-1, 2000));
	st = file_stat(NATIVE_DIR, "a");
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(st.st_gid, 2000);
	must(lchown(MOUNT_DIR "/a", 3, 4));
	st = file_stat(NATIVE_DIR, "a");
	assert_int_equal(st.st_uid, 3);
	assert_int_equal(st.st_gid, 4);
	same_everywhere(fd);
	must(chown(MOUNT_DIR "/a", (uid_t)-1, (gid_t)-1));
	same_everywhere(fd);
}

static void test_utimens(void **state)
{
	struct timespec times[2] = { { 1234567890, 123456789 }, { 987654321, 1 } };
	_cleanup_close_ int fd = -1;
	struct stat st;

	(void)state;
	file_make(MOUNT_DIR, "a", 0600, "");
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	must(utimensat(AT_FDCWD, MOUNT_DIR "/a", times, 0));
	st = file_stat(NATIVE_DIR, "a");
	same_time(st.st_atim, times[0]);
	same_time(st.st_mtim, times[1]);
	same_everywhere(fd);
	times[0].tv_nsec = UTIME_OMIT;
	times[1].tv_sec = 5;
	must(futimens(fd, times));
	st = file_stat(NATIVE_DIR, "a");
	assert_int_equal(st.st_atim.tv_sec, 1234567890);
	assert_int_equal(st.st_mtim.tv_sec, 5);
	same_everywhere(fd);
}

static void test_utimens_now(void **state)
{
	struct timespec times[2] = { { 0, UTIME_NOW }, { 0, UTIME_OMIT } };
	struct timespec old[2] = { { 1, 0 }, { 2, 0 } };
	struct timespec before;
	struct stat st;

	(void)state;
	file_make(MOUNT_DIR, "a", 0600, "");
	must(utimensat(AT_FDCWD, MOUNT_DIR "/a", old, 0));
	must(clock_gettime(CLOCK_REALTIME_COARSE, &before));
	must(utimensat(AT_FDCWD, MOUNT_DIR "/a", times, 0));
	st = file_stat(NATIVE_DIR, "a");
	assert_true(st.st_atim.tv_sec >= before.tv_sec);
	assert_int_equal(st.st_mtim.tv_sec, 2);
	must(utimensat(AT_FDCWD, MOUNT_DIR "/a", NULL, 0));
	st = file_stat(NATIVE_DIR, "a");
	assert_true(st.st_mtim.tv_sec >= before.tv_sec);
	times[0].tv_nsec = UTIME_OMIT;
	must(utimensat(AT_FDCWD, MOUNT_DIR "/a", times, 0));
	same_stat(st, file_stat(MOUNT_DIR, "a"));
}

static void test_root_directory(void **state)
{
	struct stat native = file_stat(NATIVE_DIR, ".");
	struct stat st = file_stat(MOUNT_DIR, ".");

	(void)state;
	assert_int_equal(st.st_mode, native.st_mode);
	assert_int_equal(st.st_uid, native.st_uid);
	assert_int_equal(st.st_gid, native.st_gid);
	refused(rmdir(MOUNT_DIR), EBUSY);
	refused(open(MOUNT_DIR, O_RDWR | O_CLOEXEC), EISDIR);
}

static void test_statfs(void **state)
{
	struct statvfs native, st;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "text");
	must(statvfs(NATIVE_DIR, &native));
	must(statvfs(MOUNT_DIR "/a", &st));
	assert_int_equal(st.f_bsize, native.f_bsize);
	assert_int_equal(st.f_frsize, native.f_frsize);
	assert_int_equal(st.f_blocks, native.f_blocks);
	assert_int_equal(st.f_bfree, native.f_bfree);
	assert_int_equal(st.f_bavail, native.f_bavail);
	assert_int_equal(st.f_files, native.f_files);
	assert_int_equal(st.f_ffree, native.f_ffree);
	assert_int_equal(st.f_namemax, 255);
	assert_true(st.f_flag & ST_NOSUID);
	assert_true(st.f_flag & ST_NODEV);
}

static int write_by_fd(const void *arg)
{
	int fd = open(MOUNT_DIR "/a", O_WRONLY | O_CLOEXEC);

	(void)arg;
	return fd < 0 || write(fd, "x", 1) != 1 ? -errno : 0;
}

static int truncate_by_name(const void *arg)
{
	(void)arg;
	return truncate(MOUNT_DIR "/a", 1) < 0 ? -errno : 0;
}

static int truncate_by_fd(const void *arg)
{
	int fd = open(MOUNT_DIR "/a", O_WRONLY | O_CLOEXEC);

	(void)arg;
	return fd < 0 || ftruncate(fd, 1) < 0 ? -errno : 0;
}

static int truncate_by_open(const void *arg)
{
	(void)arg;
	return open(MOUNT_DIR "/a", O_WRONLY | O_TRUNC | O_CLOEXEC) < 0 ? -errno : 0;
}

/* An object that runs as its owner must not be changed by another and stay one. */
static void test_set_user_id_bits_are_dropped(void **state)
{
	int (*const acts[])(const void *) = { write_by_fd, truncate_by_name,
					      truncate_by_fd, truncate_by_open };

	(void)state;
	person_needs_root();
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		file_make(NATIVE_DIR, "a", 0777, "text");
		must(chmod(NATIVE_DIR "/a", 06777));
		assert_int_equal(person_do(&alice, acts[i], NULL), 0);
		if (file_stat(NATIVE_DIR, "a").st_mode != (S_IFREG | 0777))
			fail_msg("act %zu left mode %o", i,
				 file_stat(NATIVE_DIR, "a").st_mode);
		assert_int_equal(file_stat(MOUNT_DIR, "a").st_mode, S_IFREG | 0777);
		must(unlink(NATIVE_DIR "/a"));
	}
}

static void test_set_user_id_bits_are_dropped_by_chown(void **state)
{
	(void)state;
	person_needs_root();
	file_make(NATIVE_DIR, "a", 0777, "text");
	must(chmod(NATIVE_DIR "/a", 06777));
	must(chown(MOUNT_DIR "/a", 1001, 1001));
	assert_int_equal(file_stat(NATIVE_DIR, "a").st_mode, S_IFREG | 0777);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_native_changes_are_seen),
		mount_test(test_unlinked_file_has_attributes),
		mount_test(test_truncate),
		mount_test(test_chmod),
		mount_test(test_chmod_has_nine_bits),
		mount_test(test_chown),
		mount_test(test_utimens),
		mount_test(test_utimens_now),
		mount_test(test_root_directory),
		mount_test(test_statfs),
		mount_test(test_set_user_id_bits_are_dropped),
		mount_test(test_set_user_id_bits_are_dropped_by_chown),
	};

	return cmocka_run_group_tests_name("attributes", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(30, run);
}
