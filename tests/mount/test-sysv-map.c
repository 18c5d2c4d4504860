/* SPDX-License-Identifier: MIT */
/*
 * A mapping of the file is the segment: what shmat(2) gives and what mmap(2) gives are
 * the same pages, whoever opened, closed and removed what.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "segments.h"
#include "util/cleanup.h"

#define KEY 0x1234
#define A   MOUNT_DIR "/0x00001234"

#define READ_WRITE (PROT_READ | PROT_WRITE)

static int open_a(int flags)
{
	return file_open(MOUNT_DIR, key_name(KEY), flags);
}

static volatile char *map_fd(int fd, int prot, int flags, size_t pages)
{
	return must((char *)mmap(NULL, pages * PAGE, prot, flags, fd, 0));
}

static volatile char *map_name(const char *name, int flags, size_t pages)
{
	_cleanup_close_ int fd = file_open(MOUNT_DIR, name, O_RDWR);

	return map_fd(fd, READ_WRITE, flags, pages);
}

static volatile char *map_a(int flags)
{
	return map_name(key_name(KEY), flags, 2);
}

static void unmap(volatile char *address, size_t pages)
{
	must(munmap((void *)(uintptr_t)address, pages * PAGE));
}

static void need_passthrough(void)
{
	if (!mount_passthrough())
		skip();
}

static int make_pages(void)
{
	return segment_make(KEY, 2 * PAGE, 0600);
}

static void test_shared_mapping_is_refused_in_direct_mode(void **state)
{
	_cleanup_close_ int fd = -1;
	_cleanup_close_ int readable = -1;

	(void)state;
	make_pages();
	assert_string_equal(told(A, "io"),
			    mount_passthrough() ? "passthrough" : "direct");
	if (mount_passthrough())
		return;
	fd = open_a(O_RDWR);
	readable = open_a(O_RDONLY);
	refused((char *)mmap(NULL, PAGE, READ_WRITE, MAP_SHARED, fd, 0), ENODEV);
	refused((char *)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), ENODEV);
	refused((char *)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, readable, 0), ENODEV);
	refused((char *)mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE, fd, 0), ENODEV);
}

static void test_stores_are_seen_both_ways(void **state)
{
	volatile char *mount, *native;
	int id;

	(void)state;
	need_passthrough();
	id = make_pages();
	mount = map_a(MAP_SHARED);
	native = segment_attach(id, 0);
	for (int i = 0; i < 2 * PAGE; i++) {
		mount[i] = (char)i;
		assert_int_equal(native[i], (char)i);
		native[i] = (char)(i + 1);
		assert_int_equal(mount[i], (char)(i + 1));
	}
	unmap(mount, 2);
	segment_detach(native);
}

#define ROUNDS 200

/* Answers each odd number with the next even one. */
static int answer(int *shared)
{
	for (int i = 0; i < ROUNDS; i++) {
		while (__atomic_load_n(shared, __ATOMIC_ACQUIRE) != 2 * i + 1)
			sched_yield();
		__atomic_store_n(shared, 2 * i + 2, __ATOMIC_RELEASE);
	}
	return 0;
}

/* Two processes, one on either side, hand a number to and fro without a request. */
static void test_two_processes_share_a_page(void **state)
{
	int *shared, status = -1;
	volatile char *mount;
	pid_t pid;
	int id;

	(void)state;
	need_passthrough();
	id = make_pages();
	pid = must(fork());
	if (pid == 0)
		_exit(answer(shmat(id, NULL, 0)));
	mount = map_a(MAP_SHARED);
	shared = (int *)(uintptr_t)mount;
	for (int i = 0; i < ROUNDS; i++) {
		__atomic_store_n(shared, 2 * i + 1, __ATOMIC_RELEASE);
		while (__atomic_load_n(shared, __ATOMIC_ACQUIRE) != 2 * i + 2)
			sched_yield();
	}
	assert_int_equal(must(waitpid(pid, &status, 0)), pid);
	assert_int_equal(status, 0);
	unmap(mount, 2);
}

static void test_read_and_write_see_the_mapping(void **state)
{
	static const int flags[] = { O_RDONLY, O_RDWR };
	_cleanup_close_ int writer = -1;
	volatile char *mount;
	char c;

	(void)state;
	need_passthrough();
	make_pages();
	writer = open_a(O_WRONLY);
	mount = map_a(MAP_SHARED);
	for (int i = 0; i < 2; i++) {
		_cleanup_close_ int reader = open_a(flags[i]);

		mount[100] = 'm';
		assert_int_equal(must(pread(reader, &c, 1, 100)), 1);
		assert_int_equal(c, 'm');
		assert_int_equal(must(pwrite(writer, "w", 1, 100)), 1);
		assert_int_equal(mount[100], 'w');
	}
	must(msync((void *)(uintptr_t)mount, 2 * PAGE, MS_SYNC));
	unmap(mount, 2);
}

static void test_protections(void **state)
{
	_cleanup_close_ int readable = -1;
	_cleanup_close_ int writable = -1;
	volatile char *p;

	(void)state;
	make_pages();
	readable = open_a(O_RDONLY);
	writable = open_a(O_WRONLY);
	refused((char *)mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, readable, 0), EACCES);
	refused((char *)mmap(NULL, PAGE, READ_WRITE, MAP_SHARED, readable, 0), EACCES);
	refused((char *)mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, writable, 0), EACCES);
	refused((char *)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, writable, 0), EACCES);
	refused((char *)mmap(NULL, 0, PROT_READ, MAP_PRIVATE, readable, 0), EINVAL);
	refused((char *)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, readable, 1), EINVAL);
	if (!mount_passthrough())
		return;
	/* Whoever else has it open for writing. */
	writable = close_fd(writable);
	writable = open_a(O_RDWR);
	p = map_fd(readable, PROT_READ, MAP_SHARED, 2);
	refused(mprotect((void *)(uintptr_t)p, PAGE, READ_WRITE), EACCES);
	unmap(p, 2);
	p = map_fd(writable, PROT_READ, MAP_SHARED, 2);
	must(mprotect((void *)(uintptr_t)p, PAGE, READ_WRITE));
	p[0] = 'p';
	segment_expect(segment_find(KEY), 0, "p");
	unmap(p, 2);
}

static void test_private_mapping_keeps_its_stores(void **state)
{
	volatile char *private, *native;
	_cleanup_close_ int readable = -1;
	int id = make_pages();

	(void)state;
	segment_put(id, 0, "a");
	native = segment_attach(id, 0);
	private = map_a(MAP_PRIVATE);
	assert_int_equal(private[0], 'a');
	private[0] = 'p';
	private[PAGE] = 'p';
	assert_int_equal(native[0], 'a');
	assert_int_equal(native[PAGE], 0);
	unmap(private, 2);
	readable = open_a(O_RDONLY);
	private = map_fd(readable, READ_WRITE, MAP_PRIVATE, 2);
	private[0] = 'p';
	assert_int_equal(native[0], 'a');
	unmap(private, 2);
	segment_detach(native);
}

/* A new private mapping starts from what the segment holds then. */
static void test_private_mapping_starts_fresh(void **state)
{
	_cleanup_close_ int fd = -1;
	volatile char *native;
	int id = make_pages();

	(void)state;
	native = segment_attach(id, 0);
	fd = open_a(O_RDONLY);
	for (char c = 'b'; c <= 'z'; c++) {
		volatile char *private;

		native[PAGE] = c;
		private = map_fd(fd, PROT_READ, MAP_PRIVATE, 2);
		assert_int_equal(private[PAGE], c);
		unmap(private, 2);
	}
	segment_detach(native);
}

static sigjmp_buf fault;

static void on_fault(int signal)
{
	(void)signal;
	siglongjmp(fault, 1);
}

/* Whether a byte of the mapping can be read. */
static bool is_there(const volatile char *p)
{
	volatile bool there = false;

	if (sigsetjmp(fault, 1) == 0) {
		(void)*p;
		there = true;
	}
	return there;
}

/* All of the last page is there, as it is for shmat, and nothing behind it. */
static void test_end_of_the_segment(void **state)
{
	struct sigaction action = { .sa_handler = on_fault };
	_cleanup_close_ int fd = -1;
	volatile char *mount;
	int id;

	(void)state;
	need_passthrough();
	must(sigaction(SIGBUS, &action, NULL));
	id = segment_make(KEY, 5000, 0600);
	mount = map_name(key_name(KEY), MAP_SHARED, 4);
	mount[2 * PAGE - 1] = 'x';
	segment_expect(id, 2 * PAGE - 1, "x");
	assert_false(is_there(mount + 2 * PAGE));
	/* Writing makes no more of it. */
	fd = open_a(O_RDWR);
	refused(pwrite(fd, "x", 1, 2 * PAGE), ENOSPC);
	assert_false(is_there(mount + 2 * PAGE));
	unmap(mount, 4);
	signal(SIGBUS, SIG_DFL);
}

static void test_parts(void **state)
{
	_cleanup_close_ int fd = -1;
	char *part;
	int id;

	(void)state;
	need_passthrough();
	id = segment_make(KEY, 8 * PAGE, 0600);
	fd = open_a(O_RDWR);
	part = must((char *)mmap(NULL, PAGE, READ_WRITE, MAP_SHARED, fd, 5 * PAGE));
	memcpy(part + 7, "text", 4);
	segment_expect(id, 5 * PAGE + 7, "text");
	/* Pages given back are given back for all. */
	must(madvise(part, PAGE, MADV_REMOVE));
	segment_expect(id, 5 * PAGE + 7, "\0\0\0\0");
	must(munmap(part, PAGE));
}

static void test_one_segment_in_many_mappings(void **state)
{
	volatile char *maps[15];
	int id;

	(void)state;
	need_passthrough();
	id = make_pages();
	for (int i = 0; i < 15; i++)
		maps[i] = i % 3 == 0 ? segment_attach(id, 0)
				     : map_name(i % 3 == 1 ? key_name(KEY) : id_name(id),
						MAP_SHARED, 2);
	for (int i = 0; i < 15; i++)
		for (int j = 0; j < 15; j++) {
			maps[i][i] = (char)j;
			assert_int_equal(maps[j][i], (char)j);
		}
	for (int i = 0; i < 15; i++)
		if (i % 3 == 0)
			segment_detach(maps[i]);
		else
			unmap(maps[i], 2);
}

static void test_outlives_close(void **state)
{
	volatile char *mount;
	int id;

	(void)state;
	need_passthrough();
	id = make_pages();
	mount = map_a(MAP_SHARED);
	await_that(segment_nattch(id) == 0);
	mount[PAGE] = 'm';
	segment_expect(id, PAGE, "m");
	segment_put(id, PAGE, "n");
	assert_int_equal(mount[PAGE], 'n');
	unmap(mount, 2);
}

/* As a native attachment would. */
static void outlives_removal(bool natively)
{
	volatile char *mount, *native;
	int id = make_pages();

	mount = map_a(MAP_SHARED);
	native = segment_attach(id, 0);
	if (natively)
		segment_remove(id);
	else
		must(unlink(A));
	refused(access(A, F_OK), ENOENT);
	mount[PAGE] = 'm';
	assert_int_equal(native[PAGE], 'm');
	segment_detach(native);
	assert_false(segment_exists(id));
	assert_int_equal(mount[PAGE], 'm');
	/* Another of the same name is another. */
	id = make_pages();
	segment_put(id, PAGE, "o");
	assert_int_equal(mount[PAGE], 'm');
	unmap(mount, 2);
	segment_remove(id);
}

static void test_outlives_removal(void **state)
{
	(void)state;
	need_passthrough();
	outlives_removal(true);
	outlives_removal(false);
}

static void test_mapped_after_removal(void **state)
{
	_cleanup_close_ int fd = -1;
	_cleanup_close_ int again = -1;
	volatile char *mount, *other;
	int id;

	(void)state;
	need_passthrough();
	id = make_pages();
	fd = open_a(O_RDWR);
	segment_remove(id);
	mount = map_fd(fd, READ_WRITE, MAP_SHARED, 2);
	again = file_open(MOUNT_DIR, id_name(id), O_RDWR);
	other = map_fd(again, READ_WRITE, MAP_SHARED, 2);
	mount[0] = 'm';
	assert_int_equal(other[0], 'm');
	unmap(mount, 2);
	unmap(other, 2);
}

static void test_outlives_the_daemon(void **state)
{
	_cleanup_close_ int fd = -1;
	volatile char *mount;
	int id;

	(void)state;
	need_passthrough();
	id = make_pages();
	fd = open_a(O_RDWR);
	mount = map_fd(fd, READ_WRITE, MAP_SHARED, 2);
	must(kill(mount_pid(), SIGTERM));
	mount_reap();
	assert_int_equal(segment_nattch(id), 0);
	mount[PAGE] = 'm';
	segment_expect(id, PAGE, "m");
	segment_put(id, PAGE, "n");
	assert_int_equal(mount[PAGE], 'n');
	unmap(mount, 2);
}

static void test_outlives_the_mount(void **state)
{
	volatile char *mount;
	int id;

	(void)state;
	need_passthrough();
	id = make_pages();
	mount = map_a(MAP_SHARED);
	must(umount2(MOUNT_DIR, MNT_DETACH));
	mount[PAGE] = 'm';
	segment_expect(id, PAGE, "m");
	unmap(mount, 2);
	mount_reap();
}

static void test_children_inherit_it(void **state)
{
	volatile char *mount;
	int id, status = -1;
	pid_t pid;

	(void)state;
	need_passthrough();
	id = make_pages();
	mount = map_a(MAP_SHARED);
	pid = must(fork());
	if (pid == 0) {
		mount[0] = 'c';
		_exit(0);
	}
	assert_int_equal(must(waitpid(pid, &status, 0)), pid);
	assert_int_equal(status, 0);
	assert_int_equal(mount[0], 'c');
	segment_expect(id, 0, "c");
	unmap(mount, 2);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		segments_test(test_shared_mapping_is_refused_in_direct_mode),
		segments_test(test_stores_are_seen_both_ways),
		segments_test(test_two_processes_share_a_page),
		segments_test(test_read_and_write_see_the_mapping),
		segments_test(test_protections),
		segments_test(test_private_mapping_keeps_its_stores),
		segments_test(test_private_mapping_starts_fresh),
		segments_test(test_end_of_the_segment),
		segments_test(test_parts),
		segments_test(test_one_segment_in_many_mappings),
		segments_test(test_outlives_close),
		segments_test(test_outlives_removal),
		segments_test(test_mapped_after_removal),
		segments_test(test_outlives_the_daemon),
		segments_test(test_outlives_the_mount),
		segments_test(test_children_inherit_it),
	};

	return cmocka_run_group_tests_name("sysv-map", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
