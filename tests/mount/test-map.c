/* SPDX-License-Identifier: MIT */
/*
 * The main job: a mapping of the file is a mapping of the object. Where the machine
 * cannot do that, a shared mapping is refused, because a copy that looks shared is worse
 * than none.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "util/cleanup.h"

#define PAGE 4096

static volatile char *map_fd(int fd, int prot, int flags, size_t size)
{
	return must((char *)mmap(NULL, size, prot, flags, fd, 0));
}

static volatile char *map_file(const char *dir, int flags)
{
	_cleanup_close_ int fd = file_open(dir, "a", O_RDWR);

	return map_fd(fd, PROT_READ | PROT_WRITE, flags, 2 * PAGE);
}

static void unmap(volatile char *address)
{
	must(munmap((void *)(uintptr_t)address, 2 * PAGE));
}

static void make_pages(void)
{
	file_make(NATIVE_DIR, "a", 0600, "a");
	must(truncate(NATIVE_DIR "/a", 2 * PAGE));
}

static void need_passthrough(void)
{
	if (!mount_passthrough())
		skip();
}

static void test_shared_mapping_is_refused_in_direct_mode(void **state)
{
	_cleanup_close_ int fd = -1;
	_cleanup_close_ int readable = -1;

	(void)state;
	if (mount_passthrough())
		skip();
	make_pages();
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	readable = file_open(MOUNT_DIR, "a", O_RDONLY);
	refused((char *)mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
		ENODEV);
	refused((char *)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), ENODEV);
	refused((char *)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, readable, 0), ENODEV);
	refused((char *)mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE, fd, 0), ENODEV);
}

static void test_stores_are_seen_both_ways(void **state)
{
	volatile char *mount, *native;

	(void)state;
	need_passthrough();
	make_pages();
	mount = map_file(MOUNT_DIR, MAP_SHARED);
	native = map_file(NATIVE_DIR, MAP_SHARED);
	for (int i = 0; i < 2 * PAGE; i++) {
		mount[i] = (char)i;
		assert_int_equal(native[i], (char)i);
		native[i] = (char)(i + 1);
		assert_int_equal(mount[i], (char)(i + 1));
	}
	unmap(mount);
	unmap(native);
}

#define ROUNDS 200

/* Answers each odd number with the next even one. */
static int answer(const void *arg)
{
	int *shared = *(int *const *)arg;

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
	volatile char *mount, *native;
	int *shared;
	pid_t pid;

	(void)state;
	need_passthrough();
	file_make(NATIVE_DIR, "a", 0600, "");
	must(truncate(NATIVE_DIR "/a", 2 * PAGE));
	mount = map_file(MOUNT_DIR, MAP_SHARED);
	native = map_file(NATIVE_DIR, MAP_SHARED);
	shared = (int *)(uintptr_t)native;
	pid = must(fork());
	if (pid == 0)
		_exit(answer(&shared));
	shared = (int *)(uintptr_t)mount;
	for (int i = 0; i < ROUNDS; i++) {
		__atomic_store_n(shared, 2 * i + 1, __ATOMIC_RELEASE);
		while (__atomic_load_n(shared, __ATOMIC_ACQUIRE) != 2 * i + 2)
			sched_yield();
	}
	assert_int_equal(must(waitpid(pid, NULL, 0)), pid);
	unmap(mount);
	unmap(native);
}

static void test_read_and_write_see_the_mapping(void **state)
{
	_cleanup_close_ int fd = -1;
	volatile char *mount;
	char c = 0;

	(void)state;
	need_passthrough();
	make_pages();
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	mount = map_fd(fd, PROT_READ | PROT_WRITE, MAP_SHARED, 2 * PAGE);
	mount[100] = 'm';
	assert_int_equal(must(pread(fd, &c, 1, 100)), 1);
	assert_int_equal(c, 'm');
	assert_int_equal(must(pwrite(fd, "w", 1, 100)), 1);
	assert_int_equal(mount[100], 'w');
	must(msync((void *)(uintptr_t)mount, 2 * PAGE, MS_SYNC));
	unmap(mount);
}

static void test_protections(void **state)
{
	_cleanup_close_ int readable = -1;
	_cleanup_close_ int writable = -1;
	volatile char *p;

	(void)state;
	make_pages();
	readable = file_open(MOUNT_DIR, "a", O_RDONLY);
	writable = file_open(MOUNT_DIR, "a", O_WRONLY);
	refused((char *)mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, readable, 0), EACCES);
	refused((char *)mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, writable, 0), EACCES);
	refused((char *)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, writable, 0), EACCES);
	refused((char *)mmap(NULL, 0, PROT_READ, MAP_PRIVATE, readable, 0), EINVAL);
	refused((char *)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, readable, 1), EINVAL);
	p = map_fd(readable, PROT_READ | PROT_WRITE, MAP_PRIVATE, 2 * PAGE);
	p[0] = 'p';
	unmap(p);
	file_make(MOUNT_DIR, "a", 0600, "a");
	if (!mount_passthrough())
		return;
	p = map_fd(readable, PROT_READ, MAP_SHARED, 2 * PAGE);
	refused(mprotect((void *)(uintptr_t)p, PAGE, PROT_READ | PROT_WRITE), EACCES);
	unmap(p);
}

static void test_private_mapping_keeps_its_stores(void **state)
{
	volatile char *private;
	char c;
	_cleanup_close_ int native = -1;

	(void)state;
	make_pages();
	native = file_open(NATIVE_DIR, "a", O_RDWR);
	private = map_file(MOUNT_DIR, MAP_PRIVATE);
	assert_int_equal(private[0], 'a');
	private[0] = 'p';
	private[PAGE] = 'p';
	assert_int_equal(must(pread(native, &c, 1, 0)), 1);
	assert_int_equal(c, 'a');
	assert_int_equal(must(pread(native, &c, 1, PAGE)), 1);
	assert_int_equal(c, 0);
	unmap(private);
}

/* A new private mapping starts from what the object holds then, not from an older one. */
static void test_private_mapping_starts_fresh(void **state)
{
	_cleanup_close_ int native = -1;
	_cleanup_close_ int fd = -1;

	(void)state;
	make_pages();
	native = file_open(NATIVE_DIR, "a", O_RDWR);
	fd = file_open(MOUNT_DIR, "a", O_RDONLY);
	for (char c = 'b'; c <= 'z'; c++) {
		volatile char *private;

		assert_int_equal(must(pwrite(native, &c, 1, PAGE)), 1);
		private = map_fd(fd, PROT_READ, MAP_PRIVATE, 2 * PAGE);
		assert_int_equal(private[PAGE], c);
		unmap(private);
	}
}

static void test_mapping_outlives_close_and_unlink(void **state)
{
	unsigned long long before = blocks_used(NATIVE_DIR);
	volatile char *mount, *native;

	(void)state;
	need_passthrough();
	make_pages();
	mount = map_file(MOUNT_DIR, MAP_SHARED);
	native = map_file(NATIVE_DIR, MAP_SHARED);
	must(unlink(MOUNT_DIR "/a"));
	refused(access(NATIVE_DIR "/a", F_OK), ENOENT);
	mount[PAGE] = 'm';
	assert_int_equal(native[PAGE], 'm');
	unmap(native);
	assert_int_equal(mount[PAGE], 'm');
	make_pages();
	assert_int_equal(mount[PAGE], 'm');
	must(unlink(NATIVE_DIR "/a"));
	assert_true(blocks_used(NATIVE_DIR) > before);
	unmap(mount);
	await_that(blocks_used(NATIVE_DIR) == before);
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

static void test_mapping_follows_the_size(void **state)
{
	struct sigaction action = { .sa_handler = on_fault };
	volatile char *mount;

	(void)state;
	need_passthrough();
	must(sigaction(SIGBUS, &action, NULL));
	make_pages();
	mount = map_file(MOUNT_DIR, MAP_SHARED);
	assert_true(is_there(mount + PAGE));
	must(truncate(NATIVE_DIR "/a", PAGE));
	assert_true(is_there(mount));
	assert_false(is_there(mount + PAGE));
	must(truncate(NATIVE_DIR "/a", 2 * PAGE));
	assert_true(is_there(mount + PAGE));
	must(truncate(MOUNT_DIR "/a", 1));
	assert_false(is_there(mount + PAGE));
	must(truncate(MOUNT_DIR "/a", 2 * PAGE));
	mount[PAGE] = 'm';
	assert_true(is_there(mount + PAGE));
	unmap(mount);
	signal(SIGBUS, SIG_DFL);
}

static void test_one_object_in_many_mappings(void **state)
{
	volatile char *maps[16];

	(void)state;
	need_passthrough();
	make_pages();
	for (int i = 0; i < 16; i++)
		maps[i] = map_file(i % 2 ? MOUNT_DIR : NATIVE_DIR, MAP_SHARED);
	for (int i = 0; i < 16; i++)
		for (int j = 0; j < 16; j++) {
			maps[i][i] = (char)j;
			assert_int_equal(maps[j][i], (char)j);
		}
	for (int i = 0; i < 16; i++)
		unmap(maps[i]);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_shared_mapping_is_refused_in_direct_mode),
		mount_test(test_stores_are_seen_both_ways),
		mount_test(test_two_processes_share_a_page),
		mount_test(test_read_and_write_see_the_mapping),
		mount_test(test_protections),
		mount_test(test_private_mapping_keeps_its_stores),
		mount_test(test_private_mapping_starts_fresh),
		mount_test(test_mapping_outlives_close_and_unlink),
		mount_test(test_mapping_follows_the_size),
		mount_test(test_one_object_in_many_mappings),
	};

	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
