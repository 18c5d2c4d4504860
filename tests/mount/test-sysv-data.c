/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing segments: as files that have a size and keep it. The inode behind a
 * segment is an ordinary file, which a write past its end would make larger than the
 * segment is; so what it is behind the mount's back is looked at all the time.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "mount.h"
#include "segments.h"
#include "util/cleanup.h"

#define KEY  0x1234
#define A    MOUNT_DIR "/0x00001234"
#define B    MOUNT_DIR "/0x00001235"
#define SIZE 5000 /* no multiple of a page */

static int open_a(int flags)
{
	return file_open(MOUNT_DIR, key_name(KEY), flags);
}

/* The file behind a segment, as nobody else sees it. */
static int open_behind(int id)
{
	char *p = segment_attach(id, SHM_RDONLY);
	size_t size = (segment_status(id).shm_segsz + PAGE - 1) / PAGE * PAGE;
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)p,
		 (unsigned long)p + size);
	fd = must(open(path, O_RDONLY | O_CLOEXEC));
	segment_detach(p);
	return fd;
}

/* Nothing has made it larger or smaller, or stored behind its end. */
static void expect_kept(int id, size_t size)
{
	_cleanup_close_ int behind = open_behind(id);
	char *p = segment_attach(id, SHM_RDONLY);

	assert_int_equal(segment_status(id).shm_segsz, size);
	assert_int_equal(fd_stat(behind).st_size, size);
	assert_int_equal(file_stat(MOUNT_DIR, id_name(id)).st_size, size);
	for (size_t i = size; i % PAGE != 0; i++)
		assert_int_equal(p[i], 0);
	segment_detach(p);
}

/* A segment that holds its own offsets, in a way. */
static int make_filled(key_t key, size_t size)
{
	int id = segment_make(key, size, 0600);
	char *p = segment_attach(id, 0);

	for (size_t i = 0; i < size; i++)
		p[i] = (char)('a' + i % 23);
	segment_detach(p);
	return id;
}

static void expect_filled(const char *found, size_t offset, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (found[i] != (char)('a' + (offset + i) % 23))
			fail_msg("another byte at %zu", offset + i);
}

static void test_reads_end_with_the_segment(void **state)
{
	static const int flags[] = { O_RDONLY, O_RDWR };
	char found[3 * PAGE];
	int id = make_filled(KEY, SIZE);

	(void)state;
	for (int i = 0; i < 2; i++) {
		_cleanup_close_ int fd = open_a(flags[i]);

		assert_int_equal(must(pread(fd, found, sizeof(found), 0)), SIZE);
		expect_filled(found, 0, SIZE);
		assert_int_equal(must(pread(fd, found, sizeof(found), 4097)), 903);
		expect_filled(found, 4097, 903);
		assert_int_equal(must(pread(fd, found, 10, SIZE - 1)), 1);
		assert_int_equal(must(pread(fd, found, 10, SIZE)), 0);
		assert_int_equal(must(pread(fd, found, 10, 2 * PAGE)), 0);
		assert_int_equal(must(pread(fd, found, 10, 1LL << 40)), 0);
		assert_int_equal(must(read(fd, found, 4999)), 4999);
		assert_int_equal(must(read(fd, found, 10)), 1);
		assert_int_equal(must(read(fd, found, 10)), 0);
	}
	expect_kept(id, SIZE);
}

/* What native users keep in the rest of the last page is not in the segment. */
static void test_the_rest_of_the_page_is_not_read(void **state)
{
	int id = make_filled(KEY, SIZE);
	_cleanup_close_ int readable = open_a(O_RDONLY);
	_cleanup_close_ int writable = open_a(O_RDWR);
	char found[2 * PAGE];

	(void)state;
	segment_put(id, SIZE, "beyond");
	assert_int_equal(must(pread(readable, found, sizeof(found), 0)), SIZE);
	assert_int_equal(must(pread(writable, found, sizeof(found), 0)), SIZE);
	refused(pwrite(writable, "x", 1, SIZE), ENOSPC);
	segment_expect(id, SIZE, "beyond");
}

static void test_writes_end_with_the_segment(void **state)
{
	int id = make_filled(KEY, SIZE);
	_cleanup_close_ int fd = open_a(O_RDWR);
	_cleanup_close_ int reader = open_a(O_RDONLY);
	char text[100], found[200];

	(void)state;
	memset(text, 'X', sizeof(text));
	assert_int_equal(must(pwrite(fd, text, 100, SIZE - 50)), 50);
	expect_kept(id, SIZE);
	assert_int_equal(must(pread(reader, found, sizeof(found), SIZE - 60)), 60);
	expect_filled(found, SIZE - 60, 10);
	assert_memory_equal(found + 10, text, 50);
	refused(pwrite(fd, text, 100, SIZE), ENOSPC);
	refused(pwrite(fd, text, 1, SIZE + 1), ENOSPC);
	refused(pwrite(fd, text, 1, 2 * PAGE), ENOSPC);
	refused(pwrite(fd, text, 100, 1LL << 40), ENOSPC);
	assert_int_equal(must(pwrite(fd, text, 0, SIZE)), 0);
	assert_int_equal(must(pwrite(fd, text, 0, 1LL << 40)), 0);
	expect_kept(id, SIZE);
	assert_int_equal(must(pread(reader, found, 10, SIZE)), 0);
	assert_int_equal(must(lseek(fd, -3, SEEK_END)), SIZE - 3);
	assert_int_equal(must(write(fd, "1234", 4)), 3);
	refused(write(fd, "4", 1), ENOSPC);
	expect_kept(id, SIZE);
	segment_expect(id, SIZE - 3, "123");
}

/* In pieces, and from a pipe and another file. */
static void test_other_ways_to_write(void **state)
{
	int id = make_filled(KEY, SIZE), pipes[2];
	_cleanup_close_ int fd = open_a(O_RDWR);
	_cleanup_close_ int plain = file_open(PLAIN_DIR, "a", O_RDWR | O_CREAT);
	struct iovec parts[] = { { (char *)"one", 3 }, { (char *)"twothree", 8 } };
	off_t offset = SIZE - 4;

	(void)state;
	assert_int_equal(must(pwritev(fd, parts, 2, 0)), 11);
	segment_expect(id, 0, "onetwothree");
	assert_int_equal(must(pwritev(fd, parts, 2, SIZE - 5)), 5);
	segment_expect(id, SIZE - 5, "onetw");
	assert_int_equal(must(write(plain, "plainly", 7)), 7);
	must(lseek(plain, 0, SEEK_SET));
	must(lseek(fd, 100, SEEK_SET));
	assert_int_equal(must(sendfile(fd, plain, NULL, 100)), 7);
	segment_expect(id, 100, "plainly");
	must(pipe2(pipes, O_CLOEXEC));
	assert_int_equal(must(write(pipes[1], "piped", 5)), 5);
	assert_int_equal(must(splice(pipes[0], NULL, fd, &offset, 5, 0)), 4);
	segment_expect(id, SIZE - 4, "pipe");
	assert_int_equal(must(splice(fd, &(off64_t){ 100 }, pipes[1], NULL, 7, 0)), 7);
	close(pipes[0]);
	close(pipes[1]);
	expect_kept(id, SIZE);
}

static void test_appending_is_past_the_end(void **state)
{
	int id = make_filled(KEY, SIZE);
	_cleanup_close_ int fd = open_a(O_WRONLY | O_APPEND);

	(void)state;
	refused(write(fd, "text", 4), ENOSPC);
	refused(pwrite(fd, "text", 4, 0), ENOSPC);
	must(fcntl(fd, F_SETFL, 0));
	assert_int_equal(must(pwrite(fd, "text", 4, 0)), 4);
	segment_expect(id, 0, "text");
	must(fcntl(fd, F_SETFL, O_APPEND));
	refused(write(fd, "text", 4), ENOSPC);
	expect_kept(id, SIZE);
}

static void test_the_size_stays(void **state)
{
	int id = make_filled(KEY, SIZE);
	_cleanup_close_ int fd = open_a(O_RDWR | O_TRUNC);
	_cleanup_close_ int readable = open_a(O_RDONLY | O_TRUNC);
	char found[SIZE];

	(void)state;
	assert_int_equal(must(read(fd, found, SIZE)), SIZE);
	expect_filled(found, 0, SIZE);
	must(ftruncate(fd, SIZE));
	must(truncate(A, SIZE));
	refused(ftruncate(fd, 0), EPERM);
	refused(ftruncate(fd, SIZE - 1), EPERM);
	refused(ftruncate(fd, SIZE + 1), EPERM);
	refused(ftruncate(fd, 1LL << 40), EPERM);
	refused(ftruncate(readable, SIZE), EINVAL);
	refused(truncate(A, 0), EPERM);
	refused(truncate(A, 2 * PAGE), EPERM);
	refused(truncate(A, -1), EINVAL);
	expect_kept(id, SIZE);
	assert_int_equal(must(pread(readable, found, SIZE, 0)), SIZE);
	expect_filled(found, 0, SIZE);
}

static void test_access_modes(void **state)
{
	char c;
	int id = make_filled(KEY, SIZE);
	_cleanup_close_ int readable = open_a(O_RDONLY);
	_cleanup_close_ int writable = open_a(O_WRONLY);

	(void)state;
	refused(write(readable, "x", 1), EBADF);
	refused(read(writable, &c, 1), EBADF);
	refused(fallocate(readable, 0, 0, 1), EBADF);
	assert_int_equal(must(write(writable, "x", 1)), 1);
	assert_int_equal(must(read(readable, &c, 1)), 1);
	assert_int_equal(c, 'x');
	must(fsync(readable));
	must(fdatasync(writable));
	must(syncfs(writable));
	assert_int_equal(posix_fadvise(readable, 0, SIZE, POSIX_FADV_WILLNEED), 0);
	assert_int_equal(posix_fadvise(writable, 0, SIZE, POSIX_FADV_DONTNEED), 0);
	expect_kept(id, SIZE);
}

/* What either side stores the other one reads, at once. */
static void test_both_ways(void **state)
{
	static const int flags[] = { O_RDONLY, O_RDWR };
	int id = segment_make(KEY, SIZE, 0600);
	char *p = segment_attach(id, 0);

	(void)state;
	for (int i = 0; i < 2; i++) {
		_cleanup_close_ int reader = open_a(flags[i]);
		_cleanup_close_ int writer = open_a(O_WRONLY);
		char c;

		for (int n = 0; n < 200; n++) {
			p[n] = (char)n;
			assert_int_equal(must(pread(reader, &c, 1, n)), 1);
			assert_int_equal(c, (char)n);
			assert_int_equal(must(pwrite(writer, "x", 1, n)), 1);
			assert_int_equal(p[n], 'x');
		}
	}
	segment_detach(p);
}

static void compare_seeks(int fd, int behind)
{
	static const off_t starts[] = { 0,        1,        PAGE,     2 * PAGE - 1,
					2 * PAGE, 3 * PAGE, 6 * PAGE, 8 * PAGE - 101 };

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		off_t data = lseek(behind, starts[i], SEEK_DATA);

		assert_int_equal(lseek(fd, starts[i], SEEK_DATA), data);
		assert_int_equal(lseek(fd, starts[i], SEEK_HOLE),
				 lseek(behind, starts[i], SEEK_HOLE));
	}
	refused(lseek(fd, 8 * PAGE - 100, SEEK_DATA), ENXIO);
	refused(lseek(fd, 8 * PAGE - 100, SEEK_HOLE), ENXIO);
	refused(lseek(fd, -1, SEEK_SET), EINVAL);
	assert_int_equal(must(lseek(fd, 0, SEEK_END)), 8 * PAGE - 100);
	assert_int_equal(must(lseek(fd, 1 << 30, SEEK_SET)), 1 << 30);
}

static void test_seeking(void **state)
{
	static const int flags[] = { O_RDONLY, O_RDWR };
	int id = segment_make(KEY, 8 * PAGE - 100, 0600);
	_cleanup_close_ int behind = open_behind(id);

	(void)state;
	segment_put(id, 2 * PAGE + 5, "text");
	segment_put(id, 5 * PAGE, "text");
	for (int i = 0; i < 2; i++) {
		_cleanup_close_ int fd = open_a(flags[i]);

		assert_int_equal(must(lseek(fd, 0, SEEK_DATA)), 2 * PAGE);
		assert_int_equal(must(lseek(fd, 2 * PAGE, SEEK_HOLE)), 3 * PAGE);
		compare_seeks(fd, behind);
	}
}

static void test_allocating(void **state)
{
	int id = segment_make(KEY, 4 * PAGE, 0600);
	_cleanup_close_ int fd = open_a(O_RDWR);
	int keep = FALLOC_FL_KEEP_SIZE;

	(void)state;
	must(fallocate(fd, 0, 0, PAGE));
	assert_int_equal(segment_column(id, "rss"), PAGE);
	must(fallocate(fd, keep, PAGE, 3 * PAGE));
	assert_int_equal(segment_column(id, "rss"), 4 * PAGE);
	refused(fallocate(fd, 0, 0, 4 * PAGE + 1), ENOSPC);
	refused(fallocate(fd, keep, 0, 4 * PAGE + 1), ENOSPC);
	refused(fallocate(fd, keep, 4 * PAGE, 1), ENOSPC);
	refused(fallocate(fd, keep, 1LL << 40, 1), ENOSPC);
	refused(fallocate(fd, 0, 0, 0), EINVAL);
	refused(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, PAGE), EOPNOTSUPP);
	assert_true(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE) < 0);
	assert_true(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, PAGE) < 0);
	expect_kept(id, 4 * PAGE);
}

/* A hole is one for those who have the segment attached, too. */
static void test_punching_holes(void **state)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	int id = make_filled(KEY, 4 * PAGE);
	_cleanup_close_ int fd = open_a(O_RDWR);
	char *p = segment_attach(id, 0);

	(void)state;
	must(fallocate(fd, punch, PAGE, 2 * PAGE));
	assert_int_equal(segment_column(id, "rss"), 2 * PAGE);
	expect_filled(p, 0, PAGE);
	for (int i = PAGE; i < 3 * PAGE; i++)
		assert_int_equal(p[i], 0);
	expect_filled(p + 3 * PAGE, 3 * PAGE, PAGE);
	must(fallocate(fd, punch, 0, 10));
	assert_int_equal(p[9], 0);
	expect_filled(p + 10, 10, PAGE - 10);
	refused(fallocate(fd, punch, 3 * PAGE, 2 * PAGE), ENOSPC);
	segment_detach(p);
	expect_kept(id, 4 * PAGE);
}

static void expect_same_data(const char *a, const char *b)
{
	struct outcome o = command_run(NULL, (const char *const[]){ "cmp", a, b, NULL });

	if (o.status != 0)
		fail_msg("%s%s", o.out, o.err);
}

static void test_copying_ranges(void **state)
{
	int from = make_filled(KEY, 3 * PAGE + 10), to;
	_cleanup_close_ int in = open_a(O_RDONLY);
	_cleanup_close_ int out = -1;
	_cleanup_close_ int plain = file_open(PLAIN_DIR, "a", O_RDWR | O_CREAT);
	off64_t in_at = 5, out_at = 100;
	ssize_t n;

	(void)state;
	to = segment_make(KEY + 1, 2 * PAGE, 0600);
	out = file_open(MOUNT_DIR, key_name(KEY + 1), O_RDWR);
	assert_int_equal(must(copy_file_range(in, &in_at, out, &out_at, 1000, 0)), 1000);
	assert_int_equal(in_at, 1005);
	assert_int_equal(out_at, 1100);
	/* Up to the end of the one, or of the other. */
	in_at = 0;
	n = must(copy_file_range(in, &in_at, out, &out_at, 3 * PAGE, 0));
	assert_int_equal(n, 2 * PAGE - 1100);
	in_at = 3 * PAGE;
	out_at = 0;
	assert_int_equal(must(copy_file_range(in, &in_at, out, &out_at, PAGE, 0)), 10);
	expect_kept(from, 3 * PAGE + 10);
	expect_kept(to, 2 * PAGE);
	/* Newer kernels leave this to the program. */
	n = copy_file_range(in, &(off64_t){ 0 }, plain, NULL, 4 * PAGE, 0);
	assert_true(n == 3 * PAGE + 10 || (n < 0 && errno == EXDEV));
	must(ftruncate(plain, 0));
	must(lseek(plain, 0, SEEK_SET));
	assert_int_equal(must(sendfile(plain, in, NULL, 4 * PAGE)), 3 * PAGE + 10);
	expect_same_data(A, PLAIN_DIR "/a");
}

/* What is read while others see the segment go. */
static void test_removed_while_open(void **state)
{
	int id = make_filled(KEY, SIZE);
	_cleanup_close_ int fd = open_a(O_RDWR);
	_cleanup_close_ int reader = open_a(O_RDONLY);
	char found[SIZE];

	(void)state;
	segment_remove(id);
	make_filled(KEY, PAGE);
	assert_int_equal(fd_stat(fd).st_size, SIZE);
	assert_int_equal(must(pwrite(fd, "text", 4, SIZE - 2)), 2);
	assert_int_equal(must(pread(reader, found, SIZE, 1)), SIZE - 1);
	expect_filled(found, 1, SIZE - 3);
	assert_memory_equal(found + SIZE - 3, "te", 2);
	refused(pwrite(fd, "x", 1, SIZE), ENOSPC);
	assert_int_equal(segment_status(id).shm_segsz, SIZE);
}

/* Programs, on a segment of 5000 bytes; what they say, and with which status. */
static const struct {
	const char *line;
	const char *says;
} programs[] = {
	{ "wc -c <0x00001234", "5000" },
	{ "cat 0x00001234 | wc -c", "5000" },
	{ "cat 0x00001234 | cmp - ../plain/a && echo same", "same" },
	{ "cmp 0x00001234 ../plain/a && echo same", "same" },
	{ "xxd -l 16 0x00001234",
	  "00000000: 6162 6364 6566 6768 696a 6b6c 6d6e 6f70  abcdefghijklmnop" },
	{ "xxd 0x00001234 | tail -n 1",
	  "00001380: 6263 6465 6667 6869                      bcdefghi" },
	{ "head -c 7 0x00001234", "abcdefg" },
	{ "tail -c 3 0x00001234", "ghi" },
	{ "tail -c +4999 0x00001234", "hi" },
	{ "od -A d -c -j 4998 0x00001234 | tail -n 1", "0005000" },
	{ "dd if=0x00001234 bs=4k status=none | wc -c", "5000" },
	{ "dd if=0x00001234 bs=1M iflag=fullblock status=none | wc -c", "5000" },
	{ "dd if=0x00001234 bs=100 skip=49 count=9 status=none | wc -c", "100" },
	{ "dd if=0x00001234 bs=1 skip=9000 status=none | wc -c", "0" },
	{ "printf XYZ | dd of=0x00001234 bs=1 seek=10 conv=notrunc status=none; "
	  "head -c 14 0x00001234",
	  "abcdefghijXYZn" },
	{ "printf XYZ | dd of=0x00001234 status=none; head -c 5 0x00001234", "XYZde" },
	{ "head -c 5001 /dev/zero | dd of=0x00001234 bs=5001 status=none 2>&1 | "
	  "sed 's/.*: //'; wc -c <0x00001234",
	  "No space left on device\n5000" },
	{ "head -c 9000 /dev/zero >0x00001234; echo $?; cat 0x00001234 | tr '\\0' z | "
	  "tail -c 3",
	  "1\nzzz" },
	{ "cp ../plain/a 0x00001234; cmp 0x00001234 ../plain/a && echo same", "same" },
	{ "cp 0x00001234 ../plain/b; cmp ../plain/a ../plain/b && echo same", "same" },
	{ "cp 0x00001234 0x00001235 2>&1; cmp 0x00001234 0x00001235 && echo same",
	  "same" },
	{ "cp -p 0x00001234 ../plain/b && stat -c '%s %a %u' ../plain/b", "5000 600 0" },
	{ "cat ../plain/a >0x00001234; echo $?", "0" },
	{ "echo more >>0x00001234 || echo no; wc -c <0x00001234", "no\n5000" },
	{ "tee 0x00001234 <../plain/a | cmp - 0x00001234 && echo same", "same" },
	{ "sha256sum <0x00001234 | cmp - ../plain/sum && echo same", "same" },
	{ "stat -c '%n %s %F %a' 0x00001234", "0x00001234 5000 regular file 600" },
	{ "ls", "0x00001234\n0x00001235" },
	{ "rm 0x00001235 && ls", "0x00001234" },
	{ "mv 0x00001234 0x00001236 2>&1 | sed 's/.*: //'; ls",
	  "Operation not permitted\n0x00001234" },
	{ "chmod 640 0x00001234 && stat -c %a 0x00001234", "640" },
	{ "chown 1000:1001 0x00001234 && stat -c '%u %g' 0x00001234", "1000 1001" },
};

static void run_program(const char *line, const char *says)
{
	_cleanup_free_ char *script = NULL;
	struct outcome o;
	size_t n;

	assert_true(asprintf(&script, "cd " MOUNT_DIR " || exit; %s", line) > 0);
	o = command_run(NULL, (const char *const[]){ "sh", "-c", script, NULL });
	n = strlen(o.out);
	if (n > 0 && o.out[n - 1] == '\n')
		o.out[n - 1] = '\0';
	if (strcmp(o.out, says) != 0)
		fail_msg("%s: '%s', not '%s': %s", line, o.out, says, o.err);
}

static void test_programs(void **state)
{
	int id = make_filled(KEY, SIZE);

	(void)state;
	setenv("LC_ALL", "C", 1);
	run_program("cat 0x00001234 >../plain/a; sha256sum <../plain/a >../plain/sum",
		    "");
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		run_program(programs[i].line, programs[i].says);
	expect_kept(id, SIZE);
}

#define COPY(bs)                                                   \
	"dd if=0x00001234 of=../plain/a bs=" bs " status=none && " \
	"cmp 0x00001234 ../plain/a && echo same"

/* In requests of all sizes. */
static void test_much(void **state)
{
	const size_t size = (32 << 20) + 77;
	int id = make_filled(KEY, size);

	(void)state;
	run_program(COPY("64k"), "same");
	run_program(COPY("1M"), "same");
	run_program(COPY("5000001"), "same");
	run_program("truncate -s 33554509 0x00001235 && dd if=../plain/a of=0x00001235 "
		    "bs=7M status=none && cmp 0x00001234 0x00001235 && echo same",
		    "same");
	expect_kept(id, size);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		segments_test(test_reads_end_with_the_segment),
		segments_test(test_the_rest_of_the_page_is_not_read),
		segments_test(test_writes_end_with_the_segment),
		segments_test(test_other_ways_to_write),
		segments_test(test_appending_is_past_the_end),
		segments_test(test_the_size_stays),
		segments_test(test_access_modes),
		segments_test(test_both_ways),
		segments_test(test_seeking),
		segments_test(test_allocating),
		segments_test(test_punching_holes),
		segments_test(test_copying_ranges),
		segments_test(test_removed_while_open),
		segments_test(test_programs),
		segments_test(test_much),
	};

	return cmocka_run_group_tests_name("sysv-data", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(90, run);
}
