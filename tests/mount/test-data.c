/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing, holes and ends: the object's bytes, whichever side wrote them.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "person.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_read_and_write(void **state)
{
	_cleanup_close_ int fd = file_open(MOUNT_DIR, "a", O_RDWR | O_CREAT);
	_cleanup_close_ int native = file_open(NATIVE_DIR, "a", O_RDWR);
	char text[16];

	(void)state;
	assert_int_equal(must(read(fd, text, sizeof(text))), 0);
	assert_int_equal(must(write(fd, "hello", 5)), 5);
	fd_expect(native, "hello");
	assert_int_equal(must(pwrite(native, " world", 6, 5)), 6);
	fd_expect(fd, "hello world");
	assert_int_equal(must(read(fd, text, sizeof(text))), 6);
	assert_int_equal(must(read(fd, text, sizeof(text))), 0);
	assert_int_equal(must(pread(fd, text, sizeof(text), 1000)), 0);
	assert_int_equal(must(write(fd, "", 0)), 0);
	must(ftruncate(native, 3));
	fd_expect(fd, "hel");
	assert_int_equal(must(lseek(fd, 0, SEEK_CUR)), 11);
	assert_int_equal(must(write(fd, "!", 1)), 1);
	assert_int_equal(fd_stat(native).st_size, 12);
	refused(pread(fd, text, 1, -1), EINVAL);
}

static void test_vectors(void **state)
{
	_cleanup_close_ int fd = file_open(MOUNT_DIR, "a", O_RDWR | O_CREAT);
	char a[3], b[4];
	struct iovec out[] = { { (char *)"abc", 3 }, { (char *)"defg", 4 } };
	struct iovec in[] = { { a, 3 }, { b, 4 } };

	(void)state;
	assert_int_equal(must(writev(fd, out, 2)), 7);
	assert_int_equal(must(preadv(fd, in, 2, 0)), 7);
	assert_memory_equal(a, "abc", 3);
	assert_memory_equal(b, "defg", 4);
	assert_int_equal(must(pwritev2(fd, out, 1, -1, RWF_APPEND)), 3);
	file_expect(NATIVE_DIR, "a", "abcdefgabc");
}

static void test_large_and_unaligned(void **state)
{
	const size_t size = (5 << 20) + 123;
	_cleanup_close_ int fd = file_open(MOUNT_DIR, "a", O_RDWR | O_CREAT);
	_cleanup_close_ int native = file_open(NATIVE_DIR, "a", O_RDWR);
	_cleanup_free_ char *out = malloc(size);
	_cleanup_free_ char *in = malloc(size);

	(void)state;
	assert_true(out && in);
	for (size_t i = 0; i < size; i++)
		out[i] = (char)(i * 2654435761U >> 13);
	assert_int_equal(must(pwrite(fd, out, size, 77)), size);
	assert_int_equal(must(pread(native, in, size, 77)), size);
	assert_memory_equal(in, out, size);
	memset(in, 0, size);
	assert_int_equal(must(pread(fd, in, size, 77)), size);
	assert_memory_equal(in, out, size);
	assert_int_equal(must(pread(fd, in, size, 78)), size - 1);
	assert_memory_equal(in, out + 1, size - 1);
}

static void test_hole(void **state)
{
	_cleanup_close_ int fd = file_open(MOUNT_DIR, "a", O_RDWR | O_CREAT);
	char text[8192];

	(void)state;
	assert_int_equal(must(pwrite(fd, "end", 3, 1 << 20)), 3);
	memset(text, 'x', sizeof(text));
	assert_int_equal(must(pread(fd, text, sizeof(text), 4000)), sizeof(text));
	for (size_t i = 0; i < sizeof(text); i++)
		assert_int_equal(text[i], 0);
	assert_int_equal(file_stat(NATIVE_DIR, "a").st_size, (1 << 20) + 3);
	assert_int_equal(file_stat(NATIVE_DIR, "a").st_blocks, 8);
	assert_int_equal(file_stat(MOUNT_DIR, "a").st_blocks, 8);
}

#define RECORD  16
#define RECORDS 2000

static int append_records(const void *arg)
{
	const char *dir = arg;
	int fd = open(at(dir, "a"), O_WRONLY | O_APPEND | O_CLOEXEC);

	for (int i = 0; fd >= 0 && i < RECORDS; i++) {
		char record[RECORD + 1];

		snprintf(record, sizeof(record), "%s%15d", dir[1] == 'm' ? "m" : "n", i);
		if (write(fd, record, RECORD) != RECORD)
			return -EIO;
	}
	return fd < 0 ? -errno : 0;
}

static pid_t start_appending(const char *dir)
{
	pid_t pid = must(fork());

	if (pid == 0)
		_exit(-append_records(dir));
	return pid;
}

static void succeeded(pid_t pid)
{
	int status = -1;

	assert_int_equal(must(waitpid(pid, &status, 0)), pid);
	assert_int_equal(status, 0);
}

static void test_appending_from_both_sides_loses_nothing(void **state)
{
	_cleanup_free_ char *all = calloc(2 * RECORDS, RECORD);
	int next[2] = { 0, 0 };
	_cleanup_close_ int fd = -1;
	pid_t pids[2];

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "");
	pids[0] = start_appending(MOUNT_DIR);
	pids[1] = start_appending(NATIVE_DIR);
	succeeded(pids[0]);
	succeeded(pids[1]);
	fd = file_open(MOUNT_DIR, "a", O_RDONLY);
	assert_int_equal(fd_stat(fd).st_size, 2 * RECORDS * RECORD);
	assert_int_equal(must(read(fd, all, 2 * RECORDS * RECORD)), 2 * RECORDS * RECORD);
	for (int i = 0; i < 2 * RECORDS; i++) {
		int side = all[i * RECORD] == 'm';
		char number[RECORD];

		memcpy(number, all + i * RECORD + 1, RECORD - 1);
		number[RECORD - 1] = '\0';
		assert_int_equal(atoi(number), next[side]++);
	}
	assert_int_equal(next[0], RECORDS);
	assert_int_equal(next[1], RECORDS);
}

static void test_append_ignores_the_offset(void **state)
{
	_cleanup_close_ int fd = -1;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "one");
	fd = file_open(MOUNT_DIR, "a", O_RDWR | O_APPEND);
	assert_int_equal(must(write(fd, "two", 3)), 3);
	assert_int_equal(must(truncate(NATIVE_DIR "/a", 1)), 0);
	assert_int_equal(must(write(fd, "three", 5)), 5);
	fd_expect(fd, "othree");
}

static void test_appending_can_be_switched(void **state)
{
	_cleanup_close_ int fd = -1;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "one");
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	must(fcntl(fd, F_SETFL, O_APPEND));
	assert_int_equal(must(write(fd, "two", 3)), 3);
	fd_expect(fd, "onetwo");
	must(fcntl(fd, F_SETFL, 0));
	assert_int_equal(must(pwrite(fd, "O", 1, 0)), 1);
	file_expect(NATIVE_DIR, "a", "Onetwo");
}

/* The kernel opens a backing file with the flags of the open and tells it of no change.
 */
static void test_appending_from_the_open_can_be_switched_off(void **state)
{
	_cleanup_close_ int fd = -1;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "one");
	fd = file_open(MOUNT_DIR, "a", O_RDWR | O_APPEND);
	must(fcntl(fd, F_SETFL, 0));
	assert_int_equal(must(pwrite(fd, "O", 1, 0)), 1);
	file_expect(NATIVE_DIR, "a", "One");
	close(fd);
	fd = file_open(MOUNT_DIR, "b", O_RDWR | O_APPEND | O_CREAT);
	assert_int_equal(must(write(fd, "two", 3)), 3);
	must(fcntl(fd, F_SETFL, 0));
	assert_int_equal(must(pwrite(fd, "T", 1, 0)), 1);
	file_expect(NATIVE_DIR, "b", "Two");
}

static void test_sync(void **state)
{
	_cleanup_close_ int fd = file_open(MOUNT_DIR, "a", O_RDWR | O_CREAT);
	_cleanup_close_ int dir =
		must(open(MOUNT_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	(void)state;
	assert_int_equal(must(write(fd, "text", 4)), 4);
	must(fsync(fd));
	must(fdatasync(fd));
	must(fsync(dir));
	must(syncfs(fd));
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED) ? -1 : 0);
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) ? -1 : 0);
	fd_expect(fd, "text");
}

static void compare_fallocate(int mode, off_t offset, off_t length)
{
	_cleanup_close_ int mount = file_open(MOUNT_DIR, "a", O_RDWR | O_CREAT);
	_cleanup_close_ int plain = file_open(PLAIN_DIR, "a", O_RDWR | O_CREAT);
	int expected = errno_or(fallocate(plain, mode, offset, length));
	int found = errno_or(fallocate(mount, mode, offset, length));

	if (found != expected)
		fail_msg("fallocate(%#x, %ld, %ld): %d, not %d", (unsigned int)mode,
			 (long)offset, (long)length, found, expected);
	assert_int_equal(fd_stat(mount).st_size, fd_stat(plain).st_size);
	assert_int_equal(fd_stat(mount).st_blocks, fd_stat(plain).st_blocks);
}

static void test_fallocate(void **state)
{
	const int keep = FALLOC_FL_KEEP_SIZE;

	(void)state;
	compare_fallocate(0, 0, 10000);
	compare_fallocate(keep, 8192, 100000);
	compare_fallocate(FALLOC_FL_PUNCH_HOLE | keep, 4096, 4096);
	compare_fallocate(FALLOC_FL_PUNCH_HOLE | keep, 100, 5);
	compare_fallocate(FALLOC_FL_PUNCH_HOLE, 0, 4096);
	compare_fallocate(FALLOC_FL_ZERO_RANGE, 0, 4096);
	compare_fallocate(FALLOC_FL_COLLAPSE_RANGE, 0, 4096);
	compare_fallocate(FALLOC_FL_INSERT_RANGE, 0, 4096);
	compare_fallocate(0, 0, 0);
	compare_fallocate(0, -1, 10);
	compare_fallocate(0, 20000, 1);
}

static void test_fallocate_on_a_full_tmpfs(void **state)
{
	(void)state;
	must(mount(NULL, NATIVE_DIR, NULL, MS_REMOUNT, "size=1m"));
	must(mount(NULL, PLAIN_DIR, NULL, MS_REMOUNT, "size=1m"));
	compare_fallocate(0, 0, 1 << 19);
	compare_fallocate(0, 0, 1 << 21);
	compare_fallocate(FALLOC_FL_KEEP_SIZE, 1 << 20, 1 << 20);
}

/* Punching is seen by the native user, and the bytes are gone. */
static void test_punched_hole_is_shared(void **state)
{
	_cleanup_close_ int fd = file_open(MOUNT_DIR, "a", O_RDWR | O_CREAT);
	_cleanup_close_ int native = file_open(NATIVE_DIR, "a", O_RDWR);
	char page[4096];
	char c = 'x';

	(void)state;
	memset(page, 'y', sizeof(page));
	for (int i = 0; i < 4; i++)
		assert_int_equal(must(write(native, page, sizeof(page))), sizeof(page));
	must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096));
	assert_int_equal(must(pread(native, &c, 1, 4096)), 1);
	assert_int_equal(c, 0);
	assert_int_equal(fd_stat(fd).st_blocks, 24);
	assert_int_equal(must(lseek(fd, 0, SEEK_HOLE)), 4096);
	assert_int_equal(must(lseek(fd, 4096, SEEK_DATA)), 8192);
}

static void test_seek(void **state)
{
	_cleanup_close_ int fd = file_open(MOUNT_DIR, "a", O_RDWR | O_CREAT);
	_cleanup_close_ int native = file_open(NATIVE_DIR, "a", O_RDWR);

	(void)state;
	assert_int_equal(must(lseek(fd, 0, SEEK_END)), 0);
	assert_int_equal(must(pwrite(native, "x", 1, 1 << 20)), 1);
	assert_int_equal(must(lseek(fd, 0, SEEK_END)), (1 << 20) + 1);
	assert_int_equal(must(lseek(fd, 0, SEEK_DATA)), 1 << 20);
	assert_int_equal(must(lseek(fd, 0, SEEK_HOLE)), 0);
	assert_int_equal(must(lseek(fd, 1 << 20, SEEK_HOLE)), (1 << 20) + 1);
	refused(lseek(fd, (1 << 20) + 1, SEEK_DATA), ENXIO);
	refused(lseek(fd, (1 << 20) + 1, SEEK_HOLE), ENXIO);
	refused(lseek(fd, -1, SEEK_SET), EINVAL);
	must(ftruncate(native, 10));
	assert_int_equal(must(lseek(fd, -1, SEEK_END)), 9);
	refused(lseek(fd, 0, SEEK_DATA), ENXIO);
}

static void test_copy_file_range(void **state)
{
	_cleanup_close_ int in = -1;
	_cleanup_close_ int out = -1;
	off_t from = 2, to = 3;

	(void)state;
	file_make(NATIVE_DIR, "in", 0600, "0123456789");
	file_make(NATIVE_DIR, "out", 0600, "");
	in = file_open(MOUNT_DIR, "in", O_RDWR);
	out = file_open(MOUNT_DIR, "out", O_RDWR);
	assert_int_equal(must(copy_file_range(in, &from, out, NULL, 100, 0)), 8);
	assert_int_equal(from, 10);
	file_expect(NATIVE_DIR, "out", "23456789");
	from = 0;
	assert_int_equal(must(copy_file_range(in, &from, in, &to, 3, 0)), 3);
	file_expect(NATIVE_DIR, "in", "0120126789");
	from = 0;
	to = 1;
	refused(copy_file_range(in, &from, in, &to, 3, 0), EINVAL);
	from = 10;
	assert_int_equal(must(copy_file_range(in, &from, out, NULL, 100, 0)), 0);
}

static void send_file(const char *from, const char *to)
{
	_cleanup_close_ int in = -1;
	_cleanup_close_ int out = -1;
	off_t offset = 2;

	file_make(from, "in", 0600, "0123456789");
	in = file_open(from, "in", O_RDONLY);
	out = file_open(to, "out", O_RDWR | O_CREAT | O_TRUNC);
	assert_int_equal(must(sendfile(out, in, &offset, 100)), 8);
	assert_int_equal(offset, 10);
	fd_expect(out, "23456789");
	must(unlink(at(from, "in")));
}

static void test_sendfile(void **state)
{
	(void)state;
	send_file(MOUNT_DIR, MOUNT_DIR);
	send_file(MOUNT_DIR, PLAIN_DIR);
	send_file(PLAIN_DIR, MOUNT_DIR);
	send_file(MOUNT_DIR, NATIVE_DIR);
	send_file(NATIVE_DIR, MOUNT_DIR);
}

/* Writes until it stops; what came of it. */
struct filling {
	ssize_t last;
	int error;
	off_t size;
	unsigned long long blocks;
};

static struct filling fill_up(const char *dir)
{
	_cleanup_close_ int fd = file_open(dir, "a", O_RDWR | O_CREAT);
	_cleanup_free_ char *chunk = calloc(1, 300000);
	struct filling f = { 0 };
	ssize_t n;

	while ((n = write(fd, chunk, 300000)) > 0)
		f.last = n;
	f.error = errno;
	f.size = fd_stat(fd).st_size;
	f.blocks = blocks_used(dir);
	return f;
}

static void test_full_tmpfs(void **state)
{
	struct filling plain, mounted;

	(void)state;
	must(mount(NULL, NATIVE_DIR, NULL, MS_REMOUNT, "size=1m"));
	must(mount(NULL, PLAIN_DIR, NULL, MS_REMOUNT, "size=1m"));
	plain = fill_up(PLAIN_DIR);
	mounted = fill_up(MOUNT_DIR);
	assert_int_equal(plain.error, ENOSPC);
	assert_int_equal(mounted.error, plain.error);
	assert_int_equal(mounted.last, plain.last);
	assert_int_equal(mounted.size, plain.size);
	assert_int_equal(mounted.blocks, plain.blocks);
	/* Not even a name is lost by it. */
	must(close(file_open(MOUNT_DIR, "b", O_RDWR | O_CREAT)));
	must(unlink(MOUNT_DIR "/a"));
	file_make(MOUNT_DIR, "b", 0600, "b");
}

static unsigned long free_inodes(void)
{
	struct statvfs st;

	must(statvfs(NATIVE_DIR, &st));
	return st.f_ffree;
}

static void test_no_inode_left(void **state)
{
	(void)state;
	must(mount(NULL, NATIVE_DIR, NULL, MS_REMOUNT, "nr_inodes=3"));
	file_make(MOUNT_DIR, "a", 0600, "");
	file_make(MOUNT_DIR, "b", 0600, "");
	refused(open(MOUNT_DIR "/c", O_RDWR | O_CREAT | O_CLOEXEC, 0600), ENOSPC);
	refused(mknod(MOUNT_DIR "/c", S_IFREG | 0600, 0), ENOSPC);
	must(unlink(MOUNT_DIR "/a"));
	/* The daemon learns of the close, and lets go of the object, a moment later. */
	await_that(free_inodes() == 1);
	file_make(MOUNT_DIR, "c", 0600, "");
}

static int write_past_the_limit(const void *arg)
{
	const struct rlimit limit = { 1000, 1000 };
	int fd = open(at(arg, "a"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char text[600] = "";

	signal(SIGXFSZ, SIG_IGN);
	if (fd < 0 || setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return -errno;
	if (write(fd, text, 600) != 600 || write(fd, text, 600) != 400)
		return -ERANGE;
	if (ftruncate(fd, 1001) == 0)
		return -ERANGE;
	return write(fd, text, 600) < 0 ? -errno : -ERANGE;
}

static void test_limit_of_file_size(void **state)
{
	(void)state;
	assert_int_equal(person_do(NULL, write_past_the_limit, PLAIN_DIR), -EFBIG);
	assert_int_equal(person_do(NULL, write_past_the_limit, MOUNT_DIR), -EFBIG);
	assert_int_equal(file_stat(NATIVE_DIR, "a").st_size, 1000);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_read_and_write),
		mount_test(test_vectors),
		mount_test(test_large_and_unaligned),
		mount_test(test_hole),
		mount_test(test_appending_from_both_sides_loses_nothing),
		mount_test(test_append_ignores_the_offset),
		mount_test(test_appending_can_be_switched),
		mount_test(test_appending_from_the_open_can_be_switched_off),
		mount_test(test_sync),
		mount_test(test_fallocate),
		mount_test(test_fallocate_on_a_full_tmpfs),
		mount_test(test_punched_hole_is_shared),
		mount_test(test_seek),
		mount_test(test_copy_file_range),
		mount_test(test_sendfile),
		mount_test(test_full_tmpfs),
		mount_test(test_no_inode_left),
		mount_test(test_limit_of_file_size),
	};

	return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
