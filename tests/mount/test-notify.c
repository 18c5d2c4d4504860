/* SPDX-License-Identifier: MIT */
/*
 * -o coherence=notify: what the kernel has cached it answers itself, what native users
 * change shows after a moment, and what opens a name never opens a former object of it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "person.h"
#include "util/cleanup.h"

static int setup(void **state)
{
	int r = mount_setup_dirs(state);

	if (r == 0)
		mount_start("coherence=notify");
	return r;
}

#define notify_test(test) cmocka_unit_test_setup_teardown(test, setup, mount_teardown)

/* How often what may go wrong is tried. */
static unsigned long rounds(void)
{
	const char *text = getenv("SHMFS_TEST_CHECKS");

	return text ? strtoul(text, NULL, 10) : 3000;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* All that is promised: not the time of access. */
static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_mode == b->st_mode &&
	       a->st_nlink == b->st_nlink && a->st_uid == b->st_uid &&
	       a->st_gid == b->st_gid && a->st_size == b->st_size &&
	       a->st_blocks == b->st_blocks && same_time(a->st_mtim, b->st_mtim) &&
	       same_time(a->st_ctim, b->st_ctim);
}

static bool same_file(const char *name)
{
	struct stat native, here;
	bool there = stat(at(NATIVE_DIR, name), &native) == 0;

	if (stat(at(MOUNT_DIR, name), &here) < 0)
		return !there && errno == ENOENT;
	return there && same(&here, &native);
}

static bool same_fds(int here, int native)
{
	struct stat a = fd_stat(here), b = fd_stat(native);

	return same(&a, &b);
}

static void warm(const char *name)
{
	for (int i = 0; i < 3; i++)
		await_that(same_file(name));
}

/* Asks the mount with @fd in a child; whether all answers were right, and came while the
 * daemon did nothing. The child says so before it ends: its copy of @fd is closed then,
 * and the daemon is asked. */
static bool answered_by_the_kernel(bool (*ask)(int fd), int fd)
{
	struct pollfd said = { .events = POLLIN };
	int pair[2], status = -1;
	bool in_time;
	pid_t child;

	must(pipe2(pair, O_CLOEXEC));
	must(kill(mount_pid(), SIGSTOP));
	child = must(fork());
	if (child == 0) {
		bool right = ask(fd);

		_exit(write(pair[1], "", 1) == 1 && right ? 0 : 1);
	}
	said.fd = pair[0];
	in_time = must(poll(&said, 1, 300)) == 1;
	must(kill(mount_pid(), SIGCONT));
	must(waitpid(child, &status, 0));
	close(pair[0]);
	close(pair[1]);
	return in_time && status == 0;
}

static bool ask_one(int fd)
{
	struct stat st;

	for (int i = 0; i < 100; i++) {
		if (stat(MOUNT_DIR "/a", &st) < 0 || st.st_size != 5)
			return false;
		if (fstat(fd, &st) < 0 || (st.st_mode & 0777) != 0640)
			return false;
		if (stat(MOUNT_DIR "/missing", &st) == 0 || errno != ENOENT)
			return false;
	}
	return true;
}

/* When what was done before has been told, what is asked once is cached. */
static void test_what_is_cached_asks_nobody(void **state)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	(void)state;
	file_make(NATIVE_DIR, "a", 0640, "12345");
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	do {
		refused(stat(MOUNT_DIR "/missing", &st), ENOENT);
		warm("a");
		fd_stat(fd);
	} while (!answered_by_the_kernel(ask_one, fd));
}

static bool ask_many(int fd)
{
	char name[16];
	struct stat st;

	(void)fd;
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		if (stat(at(MOUNT_DIR, name), &st) < 0 || st.st_size != 1)
			return false;
	}
	return true;
}

/* What `ls -l` does: attributes come with the listing. */
static void test_listing_brings_attributes(void **state)
{
	char name[16];

	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		file_make(NATIVE_DIR, name, 0600, "x");
	}
	do {
		DIR *dir = opendir(MOUNT_DIR);
		int n = 0;

		assert_non_null(dir);
		while (readdir(dir))
			n++;
		must(closedir(dir));
		assert_int_equal(n, 52);
		/* Names that the listing did not bring are looked up. */
		ask_many(-1);
	} while (!answered_by_the_kernel(ask_many, -1));
}

/* A native change of the object that @fd has open, and that is called "a". */
typedef void (*change_t)(int fd);

static void by_truncate(int fd)
{
	(void)fd;
	must(truncate(NATIVE_DIR "/a", 12345));
}

static void by_ftruncate(int fd)
{
	must(ftruncate(fd, 54321));
}

static void by_another_path(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	must(truncate(path, 77));
}

static void by_write(int fd)
{
	must(pwrite(fd, "xyz", 3, 70000));
}

static void by_overwriting(int fd)
{
	must(pwrite(fd, "xyz", 3, 0));
}

static void by_fallocate(int fd)
{
	must(fallocate(fd, 0, 0, 1 << 20));
}

static void by_punching(int fd)
{
	must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
}

static void by_copying(int fd)
{
	_cleanup_close_ int from = file_open(PLAIN_DIR, "from", O_RDWR | O_CREAT);
	off_t to = 9000, start = 0;

	must(pwrite(from, "0123456789", 10, 0));
	must(lseek(fd, to, SEEK_SET));
	assert_int_equal(must(sendfile(fd, from, &start, 10)), 10);
}

static void by_opening(int fd)
{
	(void)fd;
	close(file_open(NATIVE_DIR, "a", O_WRONLY | O_TRUNC));
}

static void by_chmod(int fd)
{
	(void)fd;
	must(chmod(NATIVE_DIR "/a", 0604));
}

static void by_fchmod(int fd)
{
	must(fchmod(fd, 0640));
}

static void by_utimens(int fd)
{
	const struct timespec times[2] = { { 1, 2 }, { 3, 4 } };

	must(futimens(fd, times));
}

static void by_xattr(int fd)
{
	/* Where tmpfs has none for users (before Linux 6.6) there is nothing to see. */
	(void)fsetxattr(fd, "user.a", "x", 1, 0);
}

static void by_linking(int fd)
{
	(void)fd;
	must(link(NATIVE_DIR "/a", NATIVE_DIR "/b"));
}

static void by_unlinking_one(int fd)
{
	(void)fd;
	must(unlink(NATIVE_DIR "/b"));
}

static void by_renaming(int fd)
{
	(void)fd;
	must(rename(NATIVE_DIR "/a", NATIVE_DIR "/c"));
	must(rename(NATIVE_DIR "/c", NATIVE_DIR "/a"));
}

static void by_chown(int fd)
{
	if (mount_privileged())
		must(fchown(fd, 1000, 2000));
}

static const change_t changes[] = {
	by_truncate, by_ftruncate, by_another_path, by_write,        by_overwriting,
	by_chmod,    by_fallocate, by_punching,     by_copying,      by_opening,
	by_fchmod,   by_utimens,   by_xattr,        by_linking,      by_unlinking_one,
	by_renaming, by_chown,     by_ftruncate,    by_another_path,
};

static void test_native_changes_show(void **state)
{
	_cleanup_close_ int native = -1;
	_cleanup_close_ int fd = -1;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "12345");
	native = file_open(NATIVE_DIR, "a", O_RDWR);
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		warm("a");
		fd_stat(fd);
		changes[i](native);
		await_that(same_fds(fd, native));
		await_that(same_file("a"));
	}
}

static void test_names_come_and_go(void **state)
{
	struct stat st;

	(void)state;
	/* Where names are cached for a second only, this takes two for each. */
	for (int i = 0; i < 20; i++) {
		warm("a");
		file_make(NATIVE_DIR, "a", 0600, "x");
		warm("a");
		must(rename(NATIVE_DIR "/a", NATIVE_DIR "/b"));
		await_that(stat(MOUNT_DIR "/a", &st) < 0 && errno == ENOENT);
		warm("b");
		must(unlink(NATIVE_DIR "/b"));
		await_that(stat(MOUNT_DIR "/b", &st) < 0 && errno == ENOENT);
	}
}

/* By name it is the new object, by descriptor the old one, whose attributes are its own.
 */
static void test_replaced(void **state)
{
	_cleanup_close_ int native = -1;
	_cleanup_close_ int fd = -1;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "old");
	native = file_open(NATIVE_DIR, "a", O_RDWR);
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	warm("a");
	fd_stat(fd);
	file_make(NATIVE_DIR, "new", 0640, "newer");
	must(rename(NATIVE_DIR "/new", NATIVE_DIR "/a"));
	await_that(same_file("a"));
	await_that(same_fds(fd, native));
	assert_int_equal(file_stat(MOUNT_DIR, "a").st_size, 5);
	assert_int_equal(fd_stat(fd).st_size, 3);
	assert_int_equal(fd_stat(fd).st_nlink, 0);
	/* There is nothing by which changes of it would be told: they show at once. */
	for (int i = 0; i < 1000; i++) {
		must(ftruncate(native, i));
		assert_int_equal(fd_stat(fd).st_size, i);
	}
	must(ftruncate(fd, 5));
	assert_true(same_fds(fd, native));
	file_expect(MOUNT_DIR, "a", "newer");
}

static void test_removed(void **state)
{
	_cleanup_close_ int native = -1;
	_cleanup_close_ int again = -1;
	_cleanup_close_ int fd = -1;
	char path[64];

	(void)state;
	for (unsigned long i = 0; i < rounds() / 10; i++) {
		file_make(NATIVE_DIR, "a", 0600, "old");
		native = file_open(NATIVE_DIR, "a", O_RDWR);
		fd = file_open(MOUNT_DIR, "a", O_RDWR);
		warm("a");
		fd_stat(fd);
		must(unlink(i % 2 ? NATIVE_DIR "/a" : MOUNT_DIR "/a"));
		/* It needs no name to be opened once more. */
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		again = must(open(path, O_RDONLY | O_CLOEXEC));
		must(truncate(path, 2));
		await_that(same_fds(again, native));
		assert_int_equal(fd_stat(again).st_size, 2);
		assert_int_equal(fd_stat(again).st_nlink, 0);
		must(ftruncate(native, 9));
		assert_true(same_fds(fd, native));
		must(fchmod(fd, 0604));
		assert_true(same_fds(fd, native));
		fd = close_fd(fd);
		again = close_fd(again);
		native = close_fd(native);
	}
}

static void replace(off_t size)
{
	_cleanup_close_ int fd = file_open(NATIVE_DIR, "new", O_RDWR | O_CREAT | O_TRUNC);

	must(ftruncate(fd, size));
	must(rename(NATIVE_DIR "/new", NATIVE_DIR "/a"));
}

/* To open is to ask: no moment passes until it is the new object. */
static void test_open_is_never_stale(void **state)
{
	_cleanup_close_ int old = -1;

	(void)state;
	replace(0);
	old = file_open(MOUNT_DIR, "a", O_RDWR);
	for (off_t i = 1; i <= (off_t)rounds(); i++) {
		_cleanup_close_ int fd = -1;

		if (i % 2)
			warm("a");
		replace(i);
		fd = file_open(MOUNT_DIR, "a", i % 3 ? O_RDWR : O_RDWR | O_CREAT);
		assert_int_equal(fd_stat(fd).st_ino, file_stat(NATIVE_DIR, "a").st_ino);
		assert_int_equal(fd_stat(fd).st_size, i);
	}
}

/* Nor does truncate(2), or what removes and renames, meet what is no more called so. */
static void test_changes_by_name_are_never_stale(void **state)
{
	_cleanup_close_ int old = -1;
	struct stat st;

	(void)state;
	replace(0);
	old = file_open(MOUNT_DIR, "a", O_RDWR);
	for (off_t i = 1; i <= (off_t)rounds() / 3; i++) {
		warm("a");
		replace(i);
		must(truncate(MOUNT_DIR "/a", i + 7));
		assert_int_equal(file_stat(NATIVE_DIR, "a").st_size, i + 7);
		warm("a");
		replace(i);
		must(rename(MOUNT_DIR "/a", MOUNT_DIR "/b"));
		assert_int_equal(file_stat(NATIVE_DIR, "b").st_size, i);
		must(unlink(MOUNT_DIR "/b"));
		refused(stat(NATIVE_DIR "/b", &st), ENOENT);
		replace(0);
	}
}

/* What is done here shows here at once. */
/*
 * What was made natively a moment ago, where the kernel has just been told that nothing
 * is there: it asks for it to be made, and keeps what it is answered.
 */
static void test_emptied_while_opened(void **state)
{
	struct stat st;

	(void)state;
	for (int i = 0; i < 100; i++) {
		_cleanup_close_ int fd = -1;

		refused(stat(MOUNT_DIR "/a", &st), ENOENT);
		file_make(NATIVE_DIR, "a", 0644, "natively");
		fd = file_open(MOUNT_DIR, "a", O_RDWR | O_CREAT | O_TRUNC);
		assert_int_equal(fd_stat(fd).st_size, 0);
		assert_int_equal(file_stat(MOUNT_DIR, "a").st_size, 0);
		must(unlink(MOUNT_DIR "/a"));
	}
}

static void test_own_changes_show_at_once(void **state)
{
	struct stat st;

	(void)state;
	for (unsigned long i = 0; i < rounds() / 3; i++) {
		_cleanup_close_ int fd = -1;

		refused(stat(MOUNT_DIR "/a", &st), ENOENT);
		fd = file_open(MOUNT_DIR, "a", O_RDWR | O_CREAT | O_EXCL);
		assert_true(same_file("a"));
		must(ftruncate(fd, 100));
		assert_true(same_file("a"));
		must(pwrite(fd, "x", 1, 200));
		assert_true(same_file("a"));
		must(chmod(MOUNT_DIR "/a", 0604));
		assert_true(same_file("a"));
		must(fallocate(fd, 0, 0, 8192));
		assert_true(same_file("a"));
		must(rename(MOUNT_DIR "/a", MOUNT_DIR "/b"));
		assert_true(same_file("a"));
		assert_true(same_file("b"));
		must(unlink(MOUNT_DIR "/b"));
		assert_true(same_file("b"));
		assert_int_equal(fd_stat(fd).st_nlink, 0);
	}
}

static unsigned int count_entries(void)
{
	DIR *dir = opendir(MOUNT_DIR);
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	must(closedir(dir));
	return n;
}

static bool same_root(void)
{
	struct stat here = file_stat(MOUNT_DIR, "."), native = file_stat(NATIVE_DIR, ".");

	return here.st_mode == native.st_mode && here.st_uid == native.st_uid &&
	       here.st_size == native.st_size && here.st_nlink == native.st_nlink &&
	       same_time(here.st_mtim, native.st_mtim) &&
	       same_time(here.st_ctim, native.st_ctim);
}

/* What is done by one name, on either side, shows by the others. */
static void test_links(void **state)
{
	static const char *const dirs[] = { MOUNT_DIR, NATIVE_DIR };
	static const char *const names[] = { "a", "b", "c" };

	(void)state;
	for (unsigned long i = 0; i < rounds() / 10; i++) {
		const char *dir = dirs[i % 2], *other = dirs[i / 2 % 2];

		file_make(other, "a", 0640, "12345");
		warm("a");
		must(link(at(dir, "a"), at(dir, "b")));
		await_that(same_file("b"));
		must(link(at(other, "b"), at(other, "c")));
		for (int k = 0; k < 3; k++)
			await_that(same_file(names[k]));
		must(truncate(at(dir, "c"), (off_t)i));
		for (int k = 0; k < 3; k++)
			await_that(same_file(names[k]));
		for (int k = 0; k < 3; k++) {
			must(unlink(at(k % 2 ? dir : other, names[(i + k) % 3])));
			for (int m = 0; m < 3; m++)
				await_that(same_file(names[m]));
		}
	}
}

static void test_directory(void **state)
{
	char name[16];

	(void)state;
	assert_int_equal(count_entries(), 2);
	for (unsigned int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		file_make(NATIVE_DIR, name, 0600, "x");
		await_that(count_entries() == i + 3);
		await_that(same_root());
		/* Nothing that was cached while it came about may stay. */
		assert_int_equal(count_entries(), i + 3);
	}
	must(rename(NATIVE_DIR "/n0", NATIVE_DIR "/n1"));
	await_that(count_entries() == 201);
	must(chmod(NATIVE_DIR, 01770));
	await_that(same_root());
}

static int stat_a(const void *arg)
{
	struct stat st;

	(void)arg;
	return stat(MOUNT_DIR "/a", &st) < 0 ? -errno : 0;
}

/* What one user has looked up is cached for all: unless not all may look it up. */
static void test_closed_directory(void **state)
{
	const struct person somebody = { .name = "somebody", .uid = 1000, .gid = 1000 };

	(void)state;
	person_needs_root();
	file_make(NATIVE_DIR, "a", 0600, "x");
	warm("a");
	assert_int_equal(person_do(&somebody, stat_a, NULL), 0);
	must(chmod(NATIVE_DIR, 0700));
	/* Until that was told somebody may be let in; after it nobody. */
	for (int n = 0; n < 10;) {
		warm("a");
		n = person_do(&somebody, stat_a, NULL) == -EACCES ? n + 1 : 0;
	}
	must(chmod(NATIVE_DIR, 01777));
	await_that(person_do(&somebody, stat_a, NULL) == 0);
}

/* Somebody who changes without a pause must not keep others from being served. */
static void test_busy_writer(void **state)
{
	unsigned long n = 0;
	pid_t writer;
	int status;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "x");
	file_make(NATIVE_DIR, "b", 0600, "x");
	writer = must(fork());
	if (writer == 0) {
		for (unsigned long i = 0; i < rounds() * 100; i++)
			if (truncate(NATIVE_DIR "/a", (off_t)(i % 4096)) < 0 ||
			    (i % 16 == 0 && (link(NATIVE_DIR "/b", NATIVE_DIR "/c") < 0 ||
					     unlink(NATIVE_DIR "/c") < 0)))
				_exit(1);
		_exit(0);
	}
	while (must(waitpid(writer, &status, WNOHANG)) == 0) {
		_cleanup_close_ int fd = file_open(MOUNT_DIR, "b", O_RDWR);

		must(ftruncate(fd, (off_t)n));
		assert_int_equal(file_stat(MOUNT_DIR, "b").st_size, n);
		n++;
	}
	assert_int_equal(status, 0);
	await_that(same_file("a"));
	await_that(same_file("b"));
	await_that(same_file("c"));
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		notify_test(test_what_is_cached_asks_nobody),
		notify_test(test_listing_brings_attributes),
		notify_test(test_native_changes_show),
		notify_test(test_names_come_and_go),
		notify_test(test_replaced),
		notify_test(test_removed),
		notify_test(test_open_is_never_stale),
		notify_test(test_changes_by_name_are_never_stale),
		notify_test(test_own_changes_show_at_once),
		notify_test(test_emptied_while_opened),
		notify_test(test_links),
		notify_test(test_directory),
		notify_test(test_closed_directory),
		notify_test(test_busy_writer),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(120, run);
}
