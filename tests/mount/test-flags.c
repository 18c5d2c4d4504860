/* SPDX-License-Identifier: MIT */
/*
 * Flags of the mount: those that the native directory has, those that are asked for, and
 * those that it gets while it is there.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "mount.h"
#include "person.h"
#include "util/cleanup.h"

static unsigned long flags_of(const char *path)
{
	struct statvfs st;

	must(statvfs(path, &st));
	return st.f_flag;
}

static void expect_flags(unsigned long set, unsigned long clear)
{
	unsigned long flags = flags_of(MOUNT_DIR);

	assert_int_equal(flags & set, set);
	assert_int_equal(flags & clear, 0);
	/* Always. */
	assert_int_equal(flags & (ST_NOSUID | ST_NODEV), ST_NOSUID | ST_NODEV);
}

static int map_executable(const void *path)
{
	int fd = errno_or(open(path, O_RDONLY | O_CLOEXEC));

	if (fd < 0)
		return fd;
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED
		       ? -errno
		       : 0;
}

static void remount_native(unsigned long flags)
{
	must(mount(NULL, NATIVE_DIR, NULL,
		   MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | flags, NULL));
}

/* As natively, unless execution is asked for. */
static void test_noexec_of_the_directory(void **state)
{
	(void)state;
	file_make(NATIVE_DIR, "a", 0755, "text");
	mount_start(NULL);
	assert_int_equal(person_do(NULL, map_executable, MOUNT_DIR "/a"), 0);
	mount_stop();
	remount_native(MS_NOEXEC);
	assert_int_equal(person_do(NULL, map_executable, NATIVE_DIR "/a"), -EPERM);
	mount_start(NULL);
	expect_flags(ST_NOEXEC, 0);
	assert_int_equal(person_do(NULL, map_executable, MOUNT_DIR "/a"), -EPERM);
	mount_stop();
	mount_start("kind=all");
	expect_flags(ST_NOEXEC, 0);
	mount_stop();
	mount_start("exec");
	expect_flags(0, ST_NOEXEC);
	mount_stop();
	mount_start("exec,noexec");
	expect_flags(ST_NOEXEC, 0);
	mount_stop();
	/* Segments are in no directory. */
	mount_start("kind=sysv");
	expect_flags(0, ST_NOEXEC);
	mount_stop();
}

/* Natively it is not to be written to, which the native kernel says. */
static void test_read_only_directory(void **state)
{
	(void)state;
	file_make(NATIVE_DIR, "a", 0666, "text");
	remount_native(MS_RDONLY);
	mount_start(NULL);
	file_expect(MOUNT_DIR, "a", "text");
	refused(open(MOUNT_DIR "/a", O_RDWR | O_CLOEXEC), EROFS);
	refused(open(MOUNT_DIR "/b", O_RDWR | O_CREAT | O_CLOEXEC, 0600), EROFS);
	refused(unlink(MOUNT_DIR "/a"), EROFS);
	remount_native(0);
	must(unlink(MOUNT_DIR "/a"));
}

static void remount_mount(const char *options)
{
	char all[128];
	struct outcome o;

	snprintf(all, sizeof(all), "remount,%s", options);
	o = daemon_run("shmfs", MOUNT_DIR, "-o", all);
	if (o.status != 0 || o.err[0] != '\0')
		fail_msg("%s: status %d: %s", all, o.status, o.err);
}

static void test_remount(void **state)
{
	_cleanup_close_ int fd = -1;

	(void)state;
	file_make(MOUNT_DIR, "a", 0755, "text");
	expect_flags(0, ST_RDONLY | ST_NOEXEC);
	remount_mount("ro");
	expect_flags(ST_RDONLY, ST_NOEXEC);
	file_expect(MOUNT_DIR, "a", "text");
	refused(open(MOUNT_DIR "/a", O_RDWR | O_CLOEXEC), EROFS);
	refused(unlink(MOUNT_DIR "/a"), EROFS);
	remount_mount("noexec");
	expect_flags(ST_RDONLY | ST_NOEXEC, 0);
	assert_int_equal(person_do(NULL, map_executable, MOUNT_DIR "/a"), -EPERM);
	/* As mount(8) has it, for which programs are executed unless it says otherwise.
	 */
	remount_mount("ro,nosuid,nodev,noexec,relatime,user_id=0,group_id=0,allow_other");
	expect_flags(ST_RDONLY | ST_NOEXEC, 0);
	remount_mount("ro,nosuid,nodev,relatime,user_id=0,group_id=0,allow_other");
	expect_flags(ST_RDONLY, ST_NOEXEC);
	remount_mount("noexec");
	/* With what stands in fstab. */
	remount_mount("kind=posix,nofail,rw,exec");
	expect_flags(0, ST_RDONLY | ST_NOEXEC);
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	assert_int_equal(must(write(fd, "TEXT", 4)), 4);
	/* Somebody writes. */
	refused(mount(NULL, MOUNT_DIR, NULL, MS_REMOUNT | MS_RDONLY, NULL), EBUSY);
	assert_int_equal(daemon_run(MOUNT_DIR, "-o", "remount,ro").status, 1);
	expect_flags(0, ST_RDONLY);
	file_expect(NATIVE_DIR, "a", "TEXT");
}

/* What was mounted read-only can be written to then. */
static void test_remount_of_read_only(void **state)
{
	(void)state;
	mount_start("ro,noexec");
	expect_flags(ST_RDONLY | ST_NOEXEC, 0);
	remount_mount("rw");
	expect_flags(ST_NOEXEC, ST_RDONLY);
	file_make(MOUNT_DIR, "a", 0600, "text");
	file_expect(NATIVE_DIR, "a", "text");
}

static void test_nothing_to_remount(void **state)
{
	struct outcome o = daemon_run(PLAIN_DIR, "-o", "remount,ro");

	(void)state;
	assert_int_equal(o.status, 1);
	assert_non_null(strstr(o.err, "no shmfs is mounted on '" PLAIN_DIR "'"));
	assert_int_equal(flags_of(PLAIN_DIR) & ST_RDONLY, 0);
}

static const struct timespec past[2] = { { 1000, 0 }, { 2000, 0 } };

/* Reads and maps the object as it was read long ago, before it was written. */
static bool sets_atime(void)
{
	_cleanup_close_ int fd = -1;
	char text[5] = "";
	void *p;

	must(utimensat(AT_FDCWD, NATIVE_DIR "/a", past, 0));
	fd = file_open(MOUNT_DIR, "a", O_RDONLY);
	assert_int_equal(must(pread(fd, text, 4, 0)), 4);
	assert_string_equal(text, "text");
	p = must(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0));
	assert_int_equal(*(volatile char *)p, 't');
	must(munmap(p, 4096));
	return file_stat(NATIVE_DIR, "a").st_atim.tv_sec != past[0].tv_sec;
}

static void test_noatime(void **state)
{
	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "text");
	mount_start(NULL);
	assert_true(sets_atime());
	mount_stop();
	mount_start("noatime,atime");
	assert_true(sets_atime());
	mount_stop();
	mount_start("noatime");
	assert_false(sets_atime());
	/* All else is as ever, also what another mount of the directory says of it. */
	file_make(MOUNT_DIR, "b", 0600, "more");
	must(rename(MOUNT_DIR "/b", MOUNT_DIR "/c"));
	file_expect(NATIVE_DIR, "c", "more");
	must(unlink(NATIVE_DIR "/c"));
	refused(access(MOUNT_DIR "/c", F_OK), ENOENT);
	mount_stop();
	mount_start("noatime,coherence=notify");
	file_make(NATIVE_DIR, "b", 0600, "");
	await_that(access(MOUNT_DIR "/b", F_OK) == 0);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_noexec_of_the_directory),
		mount_test_unmounted(test_read_only_directory),
		mount_test(test_remount),
		mount_test_unmounted(test_remount_of_read_only),
		mount_test_unmounted(test_nothing_to_remount),
		mount_test_unmounted(test_noatime),
	};

	return cmocka_run_group_tests_name("flags", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
