/* SPDX-License-Identifier: MIT */
/*
 * What nobody has written is zero, in whichever way a file came to have it, and whatever
 * lay in the same memory before: in that of the tmpfs, in segments, or in the buffers of
 * the daemon.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "segments.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define MEMORY (4 << 20) /* of the tmpfs */
#define OLD    (PAGE + 100)
#define NEW    (6 * PAGE + 50)

#define KEY 0x1234

static void by_truncate(const char *path, int fd)
{
	(void)fd;
	must(truncate(path, NEW));
}

static void by_ftruncate(const char *path, int fd)
{
	(void)path;
	must(ftruncate(fd, NEW));
}

static void by_write(const char *path, int fd)
{
	(void)path;
	assert_int_equal(must(pwrite(fd, "", 1, NEW - 1)), 1);
}

static void by_appending(const char *path, int unused)
{
	_cleanup_close_ int fd = must(open(path, O_WRONLY | O_APPEND | O_CLOEXEC));

	must(ftruncate(unused, NEW - 1));
	assert_int_equal(must(write(fd, "", 1)), 1);
}

static void by_fallocate(const char *path, int fd)
{
	(void)path;
	must(fallocate(fd, 0, 0, NEW));
}

static void by_reserving(const char *path, int fd)
{
	must(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, NEW));
	by_truncate(path, fd);
}

static void by_shrinking(const char *path, int fd)
{
	must(ftruncate(fd, 100));
	by_write(path, fd);
}

static void by_opening(const char *path, int fd)
{
	close(must(open(path, O_WRONLY | O_TRUNC | O_CLOEXEC)));
	by_fallocate(path, fd);
}

static void by_punching(const char *path, int fd)
{
	const int how = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	by_ftruncate(path, fd);
	must(fallocate(fd, how, 10, OLD));
}

static const struct way {
	const char *name;
	void (*grow)(const char *path, int fd);
	size_t kept; /* of what was written */
} ways[] = {
	{ "truncate", by_truncate, OLD },
	{ "ftruncate", by_ftruncate, OLD },
	{ "write past the end", by_write, OLD },
	{ "append", by_appending, OLD },
	{ "fallocate", by_fallocate, OLD },
	{ "fallocate, truncate", by_reserving, OLD },
	{ "shrink, write", by_shrinking, 100 },
	{ "O_TRUNC, fallocate", by_opening, 0 },
	{ "punch", by_punching, 10 },
};

static void fill_with_x(void)
{
	static char block[64 * 1024];
	_cleanup_close_ int native = file_open(NATIVE_DIR, "soil", O_RDWR | O_CREAT);
	_cleanup_close_ int fd = file_open(MOUNT_DIR, "soil", O_RDWR);

	memset(block, 'x', sizeof(block));
	while (write(native, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	while (must(read(fd, block, sizeof(block))) > 0)
		assert_int_equal(block[0], 'x');
	must(unlink(NATIVE_DIR "/soil"));
}

/* All memory of the tmpfs has held x, and so have the daemon's buffers. */
static void soil(void)
{
	fill_with_x();
	/* The last close is told asynchronously. */
	await_that(blocks_used(NATIVE_DIR) == 0);
}

static void expect_zeros(const char *bytes, size_t begin, size_t end, const char *what)
{
	for (size_t i = begin; i < end; i++)
		if (bytes[i] != 0)
			fail_msg("%s: byte %zu is %#x", what, i, (unsigned int)bytes[i]);
}

static void expect_content(const char *dir, const struct way *way)
{
	_cleanup_close_ int fd = file_open(dir, "a", O_RDONLY);
	static char bytes[NEW + 1];

	/* Its first bytes would be taken for others where too few are read. */
	memset(bytes, 'y', sizeof(bytes));
	assert_int_equal(must(pread(fd, bytes, sizeof(bytes), 0)), NEW);
	for (size_t i = 0; i < way->kept; i++)
		assert_int_equal(bytes[i], 'x');
	expect_zeros(bytes, way->kept, NEW, way->name);
}

static void expect_mapped(const struct way *way)
{
	_cleanup_close_ int fd = file_open(MOUNT_DIR, "a", O_RDONLY);
	int flags = mount_passthrough() ? MAP_SHARED : MAP_PRIVATE;
	char *p = must((char *)mmap(NULL, NEW, PROT_READ, flags, fd, 0));

	/* Up to the end of the last page, of which the file has only a part. */
	expect_zeros(p, way->kept, (NEW + PAGE - 1) / PAGE * PAGE, way->name);
	must(munmap(p, NEW));
}

static void make_old(const char *dir)
{
	char text[OLD + 1];

	memset(text, 'x', OLD);
	text[OLD] = '\0';
	file_make(dir, "a", 0600, text);
}

static void test_grown(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ways); i++) {
		_cleanup_close_ int fd = -1;

		soil();
		make_old(MOUNT_DIR);
		fd = file_open(MOUNT_DIR, "a", O_RDWR);
		ways[i].grow(MOUNT_DIR "/a", fd);
		expect_content(MOUNT_DIR, &ways[i]);
		expect_content(NATIVE_DIR, &ways[i]);
		expect_mapped(&ways[i]);
		must(unlink(MOUNT_DIR "/a"));
	}
}

/* Stores behind the end, in the last page, as only a mapping can. */
static void soil_tail(const char *dir)
{
	_cleanup_close_ int fd = file_open(dir, "a", O_RDWR);
	char *p = must(
		(char *)mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));

	memset(p + OLD, 'y', 2 * PAGE - OLD);
	must(munmap(p, 2 * PAGE));
}

static void grow_soiled(const char *dir, const char *soiled_in, const struct way *way,
			char *ret)
{
	_cleanup_close_ int fd = -1;

	make_old(dir);
	soil_tail(soiled_in);
	fd = file_open(dir, "a", O_RDWR);
	way->grow(at(dir, "a"), fd);
	assert_int_equal(must(pread(fd, ret, NEW + 1, 0)), NEW);
	must(unlink(at(dir, "a")));
}

/* Kernels differ in when they wipe that out, but not where the file is grown. */
static void test_grown_over_a_soiled_tail(void **state)
{
	static char here[NEW + 1], plain[NEW + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(ways); i++) {
		grow_soiled(MOUNT_DIR, NATIVE_DIR, &ways[i], here);
		grow_soiled(PLAIN_DIR, PLAIN_DIR, &ways[i], plain);
		if (memcmp(here, plain, NEW) != 0)
			fail_msg("%s: not as on a plain tmpfs", ways[i].name);
	}
}

/* A segment full of x, read through the mount, is removed. */
static void soil_segment(void)
{
	int id = segment_make(KEY, MEMORY, 0600);
	_cleanup_close_ int fd = file_open(MOUNT_DIR, key_name(KEY), O_RDONLY);
	char *p = segment_attach(id, 0);
	char text[PAGE];

	memset(p, 'x', MEMORY);
	segment_detach(p);
	while (must(read(fd, text, sizeof(text))) > 0)
		assert_int_equal(text[0], 'x');
	must(unlink(key_path(KEY)));
}

static void expect_new_segment(const char *what)
{
	int id = segment_find(KEY);
	_cleanup_close_ int fd = file_open(MOUNT_DIR, key_name(KEY), O_RDONLY);
	static char bytes[NEW + 1];
	char *p;

	memset(bytes, 'y', sizeof(bytes));
	assert_int_equal(must(pread(fd, bytes, sizeof(bytes), 0)), NEW);
	expect_zeros(bytes, 0, NEW, what);
	p = segment_attach(id, SHM_RDONLY);
	expect_zeros(p, 0, (NEW + PAGE - 1) / PAGE * PAGE, what);
	segment_detach(p);
	segment_remove(id);
}

static void test_new_segments(void **state)
{
	static const struct way *const sized[] = { &ways[1], &ways[2], &ways[4] };

	(void)state;
	for (size_t i = 0; i < COUNT(sized); i++) {
		int fd;

		soil_segment();
		fd = file_open(MOUNT_DIR, key_name(KEY), O_RDWR | O_CREAT);
		sized[i]->grow(key_path(KEY), fd);
		close(fd);
		expect_new_segment(sized[i]->name);
	}
}

/* As small as that, the tmpfs gives the same memory again. */
static int setup(void **state)
{
	mount_setup_dirs(state);
	must(mount("shmfs-test", NATIVE_DIR, NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV,
		   "size=4m"));
	mount_start(NULL);
	return 0;
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_grown, setup, mount_teardown),
		mount_test(test_grown_over_a_soiled_tail),
		segments_test(test_new_segments),
	};

	return cmocka_run_group_tests_name("zero", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
