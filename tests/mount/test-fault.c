/* SPDX-License-Identifier: MIT */
/*
 * What the machine refuses, and what becomes of it on the mount: the same errors as on
 * the tmpfs itself, and then all is as before. A daemon that is stopped keeps its callers
 * waiting, and no more.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "person.h"
#include "sandbox.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "weigh.h"

#define A        MOUNT_DIR "/a"
#define NATIVE_A NATIVE_DIR "/a"

static unsigned int compared;

/* A native tmpfs with @options under the mount, and another beside it to compare with. */
static void start_on(const char *tmpfs, const char *options)
{
	sandbox_tmpfs(NATIVE_DIR, tmpfs);
	sandbox_tmpfs(PLAIN_DIR, tmpfs);
	mount_start(options);
}

static void finish(void)
{
	mount_stop();
	must(umount2(NATIVE_DIR, 0));
	must(umount2(PLAIN_DIR, 0));
}

/* @call of @dir, on the mount and on a tmpfs in the same state: the same. */
static int same(int (*call)(const char *dir))
{
	int there = call(PLAIN_DIR);
	int here = call(MOUNT_DIR);

	if (here != there)
		fail_msg("call %u: %d (%s), but natively %d (%s)", compared, here,
			 strerror(-here), there, strerror(-there));
	compared++;
	return here;
}

static int create(const char *dir)
{
	int fd = open(at(dir, "new"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int make_node(const char *dir)
{
	return errno_or(mknod(at(dir, "node"), S_IFREG | 0600, 0));
}

static int with_a(const char *dir, int (*act)(int fd))
{
	_cleanup_close_ int fd = open(at(dir, "a"), O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : act(fd);
}

static int write_much(int fd)
{
	static char much[256 * 1024];
	ssize_t n, all = 0;

	/* How much one call takes in is not the same. */
	do {
		n = errno_or(pwrite(fd, much, sizeof(much), all));
		all += n > 0 ? n : 0;
	} while (n > 0);
	return (int)n;
}

static int allocate(int fd)
{
	return errno_or(fallocate(fd, 0, 0, 1 << 20));
}

static int fill(const char *dir)
{
	return with_a(dir, write_much);
}

static int fill_by_allocating(const char *dir)
{
	return with_a(dir, allocate);
}

static int enlarge(const char *dir)
{
	return errno_or(truncate(at(dir, "a"), 1 << 20));
}

static int empty(const char *dir)
{
	return errno_or(truncate(at(dir, "a"), 0));
}

static int rename_a(const char *dir)
{
	int r = errno_or(rename(at(dir, "a"), at(dir, "b")));

	return r < 0 ? r : errno_or(rename(at(dir, "b"), at(dir, "a")));
}

static int link_a(const char *dir)
{
	int r = errno_or(link(at(dir, "a"), at(dir, "b")));

	return r < 0 ? r : errno_or(unlink(at(dir, "b")));
}

static int make_unnamed(const char *dir)
{
	_cleanup_close_ int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : 0;
}

static int remove_new(const char *dir)
{
	return errno_or(unlink(at(dir, "new")));
}

static int change_mode(const char *dir)
{
	return errno_or(chmod(at(dir, "a"), 0640));
}

static int change_times(const char *dir)
{
	return errno_or(utimensat(AT_FDCWD, at(dir, "a"), NULL, 0));
}

static int change_owner(const char *dir)
{
	return errno_or(chown(at(dir, "a"), 1, 1));
}

static int set_attribute(const char *dir)
{
	return errno_or(setxattr(at(dir, "a"), "user.x", "1", 1, 0));
}

static int open_to_read(const char *dir)
{
	_cleanup_close_ int fd = open(at(dir, "a"), O_RDONLY | O_CLOEXEC);
	char byte;

	return fd < 0 ? -errno : (int)errno_or(pread(fd, &byte, 1, 0));
}

static int open_to_empty(const char *dir)
{
	_cleanup_close_ int fd = open(at(dir, "a"), O_RDWR | O_TRUNC | O_CLOEXEC);

	return fd < 0 ? -errno : 0;
}

static void make_both(void)
{
	file_make(NATIVE_DIR, "a", 0600, "text");
	file_make(PLAIN_DIR, "a", 0600, "text");
}

static void test_full(void **state)
{
	(void)state;
	start_on("size=512k,mode=1777", NULL);
	make_both();
	assert_int_equal(same(fill), -ENOSPC);
	assert_int_equal(same(fill_by_allocating), -ENOSPC);
	/* A hole takes no memory. */
	assert_int_equal(same(enlarge), 0);
	assert_int_equal(same(open_to_read), 1);
	assert_int_equal(same(empty), 0);
	assert_int_equal(same(create), 0);
	assert_int_equal(same(remove_new), 0);
	finish();
}

/* With reserve the hole is an error at once, and what was there stays as it was. */
static void test_full_with_reserve(void **state)
{
	(void)state;
	start_on("size=512k,mode=1777", "reserve");
	make_both();
	assert_int_equal(enlarge(MOUNT_DIR), -ENOSPC);
	file_expect(NATIVE_DIR, "a", "text");
	assert_int_equal(empty(MOUNT_DIR), 0);
	finish();
}

static void test_no_inodes(void **state)
{
	(void)state;
	/* The directory, and one more. */
	start_on("nr_inodes=2,mode=1777", NULL);
	make_both();
	assert_int_equal(same(create), -ENOSPC);
	assert_int_equal(same(make_node), -ENOSPC);
	assert_int_equal(same(link_a), -ENOSPC);
	assert_int_equal(same(make_unnamed), -ENOSPC);
	assert_int_equal(same(open_to_read), 1);
	assert_int_equal(sandbox_count_entries(NATIVE_DIR), 1);
	must(unlink(A));
	must(unlink(at(PLAIN_DIR, "a")));
	assert_int_equal(same(create), 0);
	finish();
}

static void make_read_only(const char *dir, bool read_only)
{
	must(mount(NULL, dir, NULL,
		   MS_REMOUNT | MS_NOSUID | MS_NODEV | (read_only ? MS_RDONLY : 0),
		   NULL));
}

static void test_read_only(void **state)
{
	static int (*const calls[])(const char *) = {
		create,        make_node,    fill,          enlarge,      empty,
		rename_a,      remove_new,   change_mode,   change_times, change_owner,
		set_attribute, open_to_read, open_to_empty, link_a,       make_unnamed,
	};

	(void)state;
	start_on("mode=1777", NULL);
	make_both();
	make_read_only(NATIVE_DIR, true);
	make_read_only(PLAIN_DIR, true);
	assert_int_equal(same(create), -EROFS);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i] != remove_new)
			same(calls[i]);
	make_read_only(NATIVE_DIR, false);
	make_read_only(PLAIN_DIR, false);
	assert_int_equal(same(create), 0);
	assert_int_equal(same(fill_by_allocating), 0);
	finish();
}

/* What was mounted when the daemon began is what it shows, wherever it is by now. */
static void test_mounted_over(void **state)
{
	(void)state;
	start_on("mode=1777", NULL);
	file_make(NATIVE_DIR, "a", 0600, "below");
	sandbox_tmpfs(NATIVE_DIR, "mode=1777");
	file_make(NATIVE_DIR, "a", 0600, "above");
	file_expect(MOUNT_DIR, "a", "below");
	must(umount2(NATIVE_DIR, 0));
	file_expect(NATIVE_DIR, "a", "below");
	finish();
}

static void test_unmounted_beneath(void **state)
{
	(void)state;
	start_on("mode=1777", NULL);
	file_make(NATIVE_DIR, "a", 0600, "text");
	refused(umount2(NATIVE_DIR, 0), EBUSY);
	must(umount2(NATIVE_DIR, MNT_DETACH));
	refused(access(NATIVE_A, F_OK), ENOENT);
	file_expect(MOUNT_DIR, "a", "text");
	assert_int_equal(create(MOUNT_DIR), 0);
	must(unlink(A));
	mount_stop();
	must(umount2(PLAIN_DIR, 0));
}

/* As many as it lets be opened, and then all others still work. */
static void test_descriptors(void **state)
{
	enum { MOST = 400 };
	static int fds[MOST];
	unsigned int before, n = 0;
	int error;

	(void)state;
	mount_limit_fds(256, 256);
	start_on("mode=1777", NULL);
	file_make(NATIVE_DIR, "a", 0600, "text");
	assert_int_equal(open_to_read(MOUNT_DIR), 1);
	await_that(sandbox_count_entries(MOUNT_DIR) == 1);
	before = daemon_fds();
	while (n < MOST && (fds[n] = open(A, O_RDWR | O_CLOEXEC)) >= 0)
		n++;
	error = errno;
	assert_true(n < MOST);
	assert_int_equal(error, ENFILE);
	assert_int_equal(open_to_empty(MOUNT_DIR), -ENFILE);
	file_expect(NATIVE_DIR, "a", "text");
	assert_int_equal(create(MOUNT_DIR), -ENFILE);
	assert_int_equal(sandbox_count_entries(NATIVE_DIR), 1);
	assert_int_equal(change_mode(MOUNT_DIR), 0);
	assert_int_equal(rename_a(MOUNT_DIR), 0);
	while (n > 0)
		close(fds[--n]);
	await_that(daemon_fds() <= before);
	assert_int_equal(create(MOUNT_DIR), 0);
	finish();
}

static void on_alarm(int number)
{
	(void)number;
}

/* Signals to who asks, all the time. */
struct storm {
	int flags; /* of sigaction() */
};

static int use_in_a_storm(const void *arg)
{
	const struct storm *storm = arg;
	const struct sigaction action = { .sa_handler = on_alarm,
					  .sa_flags = storm->flags };
	const struct itimerval often = { { 0, 150 }, { 0, 150 } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	uint64_t until = clock_ns() + UINT64_C(500000000);
	int r = 0;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	while (r == 0 && clock_ns() < until) {
		static int (*const calls[])(const char *) = {
			create,       remove_new,    rename_a,      change_mode,
			open_to_read, set_attribute, open_to_empty, fill_by_allocating,
			enlarge,      empty,
		};

		for (size_t i = 0; r >= 0 && i < sizeof(calls) / sizeof(calls[0]); i++) {
			r = calls[i](MOUNT_DIR);
			/* As on any file system that waits: then it is to be asked again.
			 */
			while (r == -EINTR)
				r = calls[i](MOUNT_DIR);
		}
		r = r < 0 ? r : 0;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	return r;
}

static void test_signals(void **state)
{
	static const struct storm storms[] = { { 0 }, { SA_RESTART } };

	(void)state;
	start_on("mode=1777", NULL);
	file_make(NATIVE_DIR, "a", 0666, "text");
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(person_do(NULL, use_in_a_storm, &storms[i]), 0);
	finish();
}

/* Asks for everything, again and again, until the parent is gone or says no more. */
static int keep_asking(const void *arg)
{
	const volatile bool *go = arg;
	static int (*const calls[])(const char *) = {
		create,  remove_new, rename_a,           open_to_read,
		enlarge, empty,      fill_by_allocating,
	};
	int r = 0;

	while (*go && r >= 0)
		for (size_t i = 0; r >= 0 && i < sizeof(calls) / sizeof(calls[0]); i++)
			r = calls[i](MOUNT_DIR);
	return r < 0 ? r : 0;
}

static bool is_stopped(pid_t pid)
{
	char path[64], state = '?';
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	stat = fopen(path, "re");
	assert_non_null(stat);
	assert_int_equal(fscanf(stat, "%*d (%*[^)]) %c", &state), 1);
	fclose(stat);
	return state == 'T';
}

static void test_stopped(void **state)
{
	volatile bool *go = must((volatile bool *)mmap(
		NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	pid_t pid;

	(void)state;
	start_on("mode=1777", NULL);
	file_make(NATIVE_DIR, "a", 0666, "text");
	*go = true;
	pid = person_start(NULL, keep_asking, (const void *)(uintptr_t)go);
	for (int i = 0; i < 20; i++) {
		(void)poll(NULL, 0, 5);
		must(kill(mount_pid(), SIGSTOP));
		await_that(is_stopped(mount_pid()));
		(void)poll(NULL, 0, 5);
		must(kill(mount_pid(), SIGCONT));
	}
	*go = false;
	assert_int_equal(person_end(NULL, pid), 0);
	must(munmap((void *)(uintptr_t)go, 1));
	finish();
}

#define LARGEST ((size_t)1 << 20)

/* Natively between nothing and LARGEST, for as long as it is to; always 'x'. */
static int cut_and_grow(const void *arg)
{
	const volatile bool *go = arg;
	static char text[LARGEST];
	int fd = open(NATIVE_A, O_RDWR | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	memset(text, 'x', sizeof(text));
	for (size_t n = 1; *go && r == 0; n = n * 7919 % LARGEST + 1) {
		r = errno_or(ftruncate(fd, 0));
		if (r == 0)
			r = errno_or(ftruncate(fd, (off_t)n));
		if (r == 0 && pwrite(fd, text, n, 0) < 0)
			r = -errno;
	}
	close_fd(fd);
	return r;
}

static void check_text(const char *text, ssize_t n)
{
	for (ssize_t i = 0; i < n; i++)
		if (text[i] != 'x' && text[i] != '\0')
			fail_msg("byte %zd is %#x", i, (unsigned int)text[i]);
}

/* Reads, and writes, and reads, through the mount meanwhile. */
static void test_cut_while_used(void **state)
{
	volatile bool *go = must((volatile bool *)mmap(
		NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	static char text[LARGEST];
	uint64_t until = clock_ns() + UINT64_C(2000000000);
	unsigned long shorts = 0, fulls = 0;
	ssize_t n;
	pid_t pid;
	int fd;

	(void)state;
	start_on("mode=1777", NULL);
	file_make(NATIVE_DIR, "a", 0666, "");
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	*go = true;
	pid = person_start(NULL, cut_and_grow, (const void *)(uintptr_t)go);
	/* On a busy machine it may be that the other one has not had its turn yet. */
	while (clock_ns() < until || shorts == 0 || fulls == 0) {
		memset(text, '?', sizeof(text));
		n = must(pread(fd, text, sizeof(text), 0));
		check_text(text, n);
		shorts += (size_t)n < sizeof(text);
		fulls += n > 0;
		memset(text, 'x', 100000);
		assert_int_equal(must(pwrite(fd, text, 100000, 5000)), 100000);
	}
	*go = false;
	assert_int_equal(person_end(NULL, pid), 0);
	must(close(fd));
	must(munmap((void *)(uintptr_t)go, 1));
	finish();
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_full),
		mount_test_unmounted(test_full_with_reserve),
		mount_test_unmounted(test_no_inodes),
		mount_test_unmounted(test_read_only),
		mount_test_unmounted(test_mounted_over),
		mount_test_unmounted(test_unmounted_beneath),
		mount_test_unmounted(test_descriptors),
		mount_test_unmounted(test_signals),
		mount_test_unmounted(test_stopped),
		mount_test_unmounted(test_cut_while_used),
	};
	int r = cmocka_run_group_tests_name("fault", tests, NULL, NULL);

	print_message("%u errors compared\n", compared);
	return r;
}

int main(void)
{
	return mount_main(60, run);
}
