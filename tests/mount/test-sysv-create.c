/* SPDX-License-Identifier: MIT */
/*
 * Making segments: a file has a name at once, and becomes a segment when it is told its
 * size, in any of the ways in which programs do that. For those that only write, see
 * test-sysv-fill.c.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "mount.h"
#include "person.h"
#include "sandbox.h"
#include "segments.h"
#include "util/cleanup.h"

#define KEY 0x1234
#define A   MOUNT_DIR "/0x00001234"

static const struct person alice = { .name = "alice", .uid = 1000, .gid = 1000 };
static const struct person bob = { .name = "bob", .uid = 1001, .gid = 1001 };

static int create(mode_t mode)
{
	return must(open(A, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode));
}

/* Runs a line of shell in the mount, as @who. */
static struct outcome shell(const struct person *who, const char *line)
{
	_cleanup_free_ char *script = NULL;

	assert_true(asprintf(&script, "cd " MOUNT_DIR " || exit; %s", line) > 0);
	return command_run(who, (const char *const[]){ "sh", "-c", script, NULL });
}

static void shell_does(const char *line)
{
	struct outcome o = shell(NULL, line);

	if (o.status != 0)
		fail_msg("%s: %s", line, o.err);
}

static void expect_segment(size_t size, mode_t mode, uid_t uid, gid_t gid)
{
	struct shmid_ds ds = segment_status(segment_find(KEY));

	assert_int_equal(ds.shm_segsz, size);
	assert_int_equal(ds.shm_perm.mode, mode);
	assert_int_equal(ds.shm_perm.uid, uid);
	assert_int_equal(ds.shm_perm.gid, gid);
	assert_int_equal(ds.shm_perm.cuid, uid);
	assert_int_equal(ds.shm_perm.cgid, gid);
}

static void test_truncate(void **state)
{
	struct outcome o;

	(void)state;
	shell_does("umask 027; truncate -s 5000 0x00001234");
	expect_segment(5000, 0640, 0, 0);
	/* It has the size, and no other. */
	shell_does("truncate -s 5000 0x00001234");
	o = shell(NULL, "truncate -s 5001 0x00001234");
	assert_int_equal(o.status, 1);
	assert_non_null(strstr(o.err, "Operation not permitted"));
	shell_does("rm 0x00001234");
	assert_int_equal(segments_count(), 0);
	o = shell(&alice, "umask 077; truncate -s 1M 0x00001234 && stat -c '%s %a %u %g' "
			  "0x00001234");
	assert_string_equal(o.out, "1048576 600 1000 1000\n");
	expect_segment(1 << 20, 0600, 1000, 1000);
	await_that(segment_nattch(segment_find(KEY)) == 0);
}

static void test_fallocate(void **state)
{
	_cleanup_close_ int fd = create(0600);

	(void)state;
	refused(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, PAGE), EOPNOTSUPP);
	refused(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE),
		EOPNOTSUPP);
	assert_int_equal(segments_count(), 0);
	must(fallocate(fd, 0, PAGE, 3 * PAGE));
	expect_segment(4 * PAGE, 0600, 0, 0);
	assert_int_equal(posix_fallocate(fd, 0, 4 * PAGE), 0);
	assert_int_equal(posix_fallocate(fd, 0, 4 * PAGE + 1), ENOSPC);
	assert_int_equal(segment_column(segment_find(KEY), "rss"), 4 * PAGE);
}

/*
 * What a program does that knows nothing of segments. The kernel has bound the file to
 * what was behind it when it was made, which was nothing: so it is opened again to be
 * mapped.
 */
static void test_create_resize_open_map(void **state)
{
	_cleanup_close_ int fd = create(0600);
	_cleanup_close_ int again = -1;
	char *p;

	(void)state;
	must(ftruncate(fd, 3 * PAGE));
	refused((char *)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), ENODEV);
	assert_int_equal(must(pwrite(fd, "text", 4, 2 * PAGE)), 4);
	again = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	if (mount_passthrough()) {
		p = must((char *)mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
				      again, 0));
		assert_memory_equal(p + 2 * PAGE, "text", 4);
		memcpy(p + PAGE, "more", 4);
		segment_expect(segment_find(KEY), PAGE, "more");
		must(munmap(p, 3 * PAGE));
		assert_int_equal(must(pwrite(again, "more", 4, PAGE)), 4);
	} else {
		assert_int_equal(must(pwrite(again, "more", 4, PAGE)), 4);
	}
	p = must((char *)mmap(NULL, 3 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	assert_memory_equal(p + PAGE, "more", 4);
	must(munmap(p, 3 * PAGE));
	/* One attachment for both. */
	assert_int_equal(segment_nattch(segment_find(KEY)), 1);
}

static void expect_pending(int fd, mode_t mode)
{
	struct stat st = fd_stat(fd), named = file_stat(MOUNT_DIR, key_name(KEY));

	assert_int_equal(st.st_size, 0);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(st.st_mode, S_IFREG | mode);
	assert_int_equal(st.st_nlink, 1);
	assert_memory_equal(&named, &st, sizeof(st));
	assert_int_equal(segments_count(), 0);
	assert_int_equal(sandbox_count_entries(MOUNT_DIR), 0);
}

static void test_pending(void **state)
{
	_cleanup_close_ int fd = create(0640);
	_cleanup_close_ int path = -1;
	char c;

	(void)state;
	expect_pending(fd, 0640);
	assert_int_equal(must(read(fd, &c, 1)), 0);
	refused(lseek(fd, 0, SEEK_DATA), ENXIO);
	must(ftruncate(fd, 0));
	must(truncate(A, 0));
	refused(ftruncate(fd, -1), EINVAL);
	must(fsync(fd));
	assert_string_equal(told(A, "key"), "0x00001234");
	assert_string_equal(told(A, "nattch"), "0");
	assert_string_equal(told(A, "rss"), "0");
	assert_string_equal(told(A, "flags"), "");
	assert_string_equal(told(A, "io"), "direct");
	refused(getxattr(A, "user.shmfs.shmid", NULL, 0), ENODATA);
	expect_pending(fd, 0640);
	/* Without a size it has come to nothing, whoever still knows it. */
	path = must(open(A, O_PATH | O_CLOEXEC));
	fd = close_fd(fd);
	await_that(access(A, F_OK) < 0);
	assert_int_equal(errno, ENOENT);
	fd = create(0600);
	expect_pending(fd, 0600);
}

static void test_pending_with_several_files(void **state)
{
	_cleanup_close_ int first = create(0600);
	_cleanup_close_ int second = -1;
	_cleanup_close_ int third = -1;
	char found[16];
	struct stat st;

	(void)state;
	refused(open(A, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	second = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	third = file_open(MOUNT_DIR, key_name(KEY), O_RDONLY | O_CREAT);
	first = close_fd(first);
	expect_pending(second, 0600);
	must(ftruncate(second, 10));
	expect_segment(10, 0600, 0, 0);
	refused(ftruncate(second, 11), EPERM);
	refused(ftruncate(third, 10), EINVAL);
	assert_int_equal(fd_stat(third).st_size, 10);
	assert_int_equal(must(write(second, "text", 4)), 4);
	assert_int_equal(must(read(third, found, sizeof(found))), 10);
	assert_memory_equal(found, "text\0\0\0\0\0\0", 10);
	st = file_stat(MOUNT_DIR, key_name(KEY));
	assert_int_equal(st.st_ino, fd_stat(second).st_ino);
	assert_int_equal(st.st_ino, segment_find(KEY));
}

static int open_a(const void *flags)
{
	int fd = open(A, *(const int *)flags | O_CLOEXEC, 0600);

	close_fd(fd);
	return fd < 0 ? -errno : 0;
}

static int unlink_a(const void *arg)
{
	(void)arg;
	return errno_or(unlink(A));
}

static int chmod_a(const void *arg)
{
	return errno_or(chmod(A, *(const mode_t *)arg));
}

/* The rules are those of the segment that there will be. */
static void test_pending_of_others(void **state)
{
	_cleanup_close_ int fd = create(0644);
	const int reading = O_RDONLY, writing = O_RDWR, creating = O_RDWR | O_CREAT;
	const mode_t all = 0666;

	(void)state;
	assert_int_equal(person_do(&alice, open_a, &reading), 0);
	assert_int_equal(person_do(&alice, open_a, &writing), -EACCES);
	assert_int_equal(person_do(&alice, open_a, &creating), -EACCES);
	assert_int_equal(person_do(&alice, chmod_a, &all), -EPERM);
	assert_int_equal(person_do(&alice, unlink_a, NULL), -EPERM);
	must(fchmod(fd, 0666));
	expect_pending(fd, 0666);
	assert_int_equal(person_do(&alice, open_a, &creating), 0);
	must(fchown(fd, alice.uid, alice.gid));
	must(fchmod(fd, 0600));
	assert_int_equal(person_do(&bob, open_a, &reading), -EACCES);
	assert_int_equal(person_do(&alice, open_a, &writing), 0);
	must(ftruncate(fd, 100));
	/* Made by us, for her. */
	assert_int_equal(segment_status(segment_find(KEY)).shm_perm.uid, alice.uid);
	assert_int_equal(segment_status(segment_find(KEY)).shm_perm.gid, alice.gid);
	assert_int_equal(segment_status(segment_find(KEY)).shm_perm.cuid, 0);
	assert_int_equal(segment_status(segment_find(KEY)).shm_perm.mode, 0600);
	assert_int_equal(person_do(&alice, unlink_a, NULL), 0);
}

static void test_pending_can_be_removed(void **state)
{
	_cleanup_close_ int fd = create(0600);
	_cleanup_close_ int other = -1;

	(void)state;
	must(unlink(A));
	refused(access(A, F_OK), ENOENT);
	refused(unlink(A), ENOENT);
	assert_int_equal(fd_stat(fd).st_size, 0);
	refused(ftruncate(fd, PAGE), EIDRM);
	refused(write(fd, "text", 4), EIDRM);
	assert_int_equal(segments_count(), 0);
	/* The name is free for another. */
	other = create(0600);
	must(ftruncate(other, PAGE));
	refused(ftruncate(fd, PAGE), EIDRM);
	fd = close_fd(fd);
	expect_segment(PAGE, 0600, 0, 0);
}

/* Whoever makes the key natively was first. */
static void test_key_is_taken_while_pending(void **state)
{
	_cleanup_close_ int fd = create(0600);
	int id = segment_make(KEY, PAGE, 0644);

	(void)state;
	assert_int_equal(file_stat(MOUNT_DIR, key_name(KEY)).st_size, PAGE);
	assert_int_equal(fd_stat(fd).st_size, 0);
	refused(ftruncate(fd, PAGE), EEXIST);
	refused(fallocate(fd, 0, 0, PAGE), EEXIST);
	assert_int_equal(segment_nattch(id), 0);
	refused(open(A, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	segment_remove(id);
	/* And who comes back finds it as it was. */
	expect_pending(fd, 0600);
	must(ftruncate(fd, 2 * PAGE));
	expect_segment(2 * PAGE, 0600, 0, 0);
}

/* By whoever may write: also one who has not opened it. */
static void test_pending_is_resized_by_name(void **state)
{
	_cleanup_close_ int fd = create(0600);

	(void)state;
	must(truncate(A, 100));
	expect_segment(100, 0600, 0, 0);
	assert_int_equal(must(write(fd, "text", 4)), 4);
	segment_expect(segment_find(KEY), 0, "text");
}

/* The key 0 is none: each has an identifier only, once it is there. */
static void test_private_ones(void **state)
{
	const char *path = MOUNT_DIR "/0x00000000";
	_cleanup_close_ int one =
		must(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	_cleanup_close_ int two =
		must(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
	struct stat st;
	char id[16] = "";

	(void)state;
	refused(stat(path, &st), ENOENT);
	refused(unlink(path), ENOENT);
	refused(open(path, O_RDWR), ENOENT);
	refused(open(path, O_RDONLY | O_CREAT, 0600), EINVAL);
	must(ftruncate(one, 100));
	must(ftruncate(two, 200));
	assert_int_equal(segments_count(), 2);
	st = fd_stat(two);
	must(fgetxattr(two, "user.shmfs.shmid", id, sizeof(id) - 1));
	assert_int_equal(strtol(id, NULL, 10), st.st_ino);
	assert_int_equal(segment_status((int)st.st_ino).shm_segsz, 200);
	assert_int_equal(segment_status((int)st.st_ino).shm_perm.mode, 0640);
	assert_int_equal(segment_status((int)st.st_ino).shm_perm.__key, 0);
	assert_int_equal(file_stat(MOUNT_DIR, id_name((int)st.st_ino)).st_size, 200);
	assert_int_equal(fd_stat(one).st_size, 100);
	refused(stat(path, &st), ENOENT);
	/* Those without a size vanish as others do. */
	close(must(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
	one = close_fd(one);
	two = close_fd(two);
	assert_int_equal(segments_count(), 2);
}

static void test_limits(void **state)
{
	_cleanup_close_ int fd = create(0600);

	(void)state;
	tunable_set("kernel/shmmax", "8192");
	refused(ftruncate(fd, 8193), EINVAL);
	refused(fallocate(fd, 0, 0, 8193), EINVAL);
	tunable_set("kernel/shmmax", "100000");
	tunable_set("kernel/shmall", "1");
	refused(ftruncate(fd, 8192), ENOSPC);
	tunable_set("kernel/shmall", "1000");
	tunable_set("kernel/shmmni", "1");
	segment_make(KEY + 1, PAGE, 0600);
	refused(ftruncate(fd, 8192), ENOSPC);
	assert_int_equal(segments_count(), 1);
	/* It waits until there is room. */
	segment_remove(segment_find(KEY + 1));
	expect_pending(fd, 0600);
	must(ftruncate(fd, 8192));
	expect_segment(8192, 0600, 0, 0);
}

static void test_flags(void **state)
{
	_cleanup_close_ int fd = -1;

	(void)state;
	/* It could never be given a size. */
	refused(open(A, O_RDONLY | O_CREAT, 0600), EINVAL);
	refused(open(A, O_RDONLY | O_CREAT | O_EXCL, 0600), EINVAL);
	refused(access(A, F_OK), ENOENT);
	refused(open(MOUNT_DIR, O_RDWR | O_TMPFILE, 0600), EOPNOTSUPP);
	segment_make(KEY, 100, 0600);
	segment_put(segment_find(KEY), 0, "text");
	refused(open(A, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	fd = must(open(A, O_RDONLY | O_CREAT | O_CLOEXEC, 0666));
	assert_int_equal(fd_stat(fd).st_mode, S_IFREG | 0600);
	fd = close_fd(fd);
	fd = must(open(A, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
	assert_int_equal(fd_stat(fd).st_size, 100);
	segment_expect(segment_find(KEY), 0, "text");
}

/* Only the bits that segments have; and they do not bind the one who made it. */
static void test_modes(void **state)
{
	static const mode_t modes[] = { 0, 0400, 0200, 0111, 0777, 07777, 01666 };

	(void)state;
	umask(0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		_cleanup_close_ int fd = create(modes[i]);

		must(ftruncate(fd, PAGE));
		expect_segment(PAGE, modes[i] & 0777, 0, 0);
		assert_int_equal(must(write(fd, "text", 4)), 4);
		segment_expect(segment_find(KEY), 0, "text");
		must(unlink(A));
	}
	umask(022);
}

static int make_with_mode(const void *mode)
{
	int fd = open(A, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, *(const mode_t *)mode);
	int r = fd < 0 || ftruncate(fd, PAGE) < 0 || pwrite(fd, "text", 4, 0) < 0 ? -errno
										  : 0;

	close_fd(fd);
	return r;
}

static void test_modes_of_users(void **state)
{
	static const mode_t modes[] = { 0600, 0, 0400, 0044 };

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(person_do(&alice, make_with_mode, &modes[i]), 0);
		expect_segment(PAGE, modes[i], alice.uid, alice.gid);
		segment_expect(segment_find(KEY), 0, "text");
		segment_remove(segment_find(KEY));
		await_that(segments_count() == 0);
	}
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		segments_test(test_truncate),
		segments_test(test_fallocate),
		segments_test(test_create_resize_open_map),
		segments_test(test_pending),
		segments_test(test_pending_with_several_files),
		segments_test(test_pending_of_others),
		segments_test(test_pending_can_be_removed),
		segments_test(test_key_is_taken_while_pending),
		segments_test(test_pending_is_resized_by_name),
		segments_test(test_private_ones),
		segments_test(test_limits),
		segments_test(test_flags),
		segments_test(test_modes),
		segments_test(test_modes_of_users),
	};

	return cmocka_run_group_tests_name("sysv-create", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
