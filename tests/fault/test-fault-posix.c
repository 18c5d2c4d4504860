/* SPDX-License-Identifier: MIT */
/*
 * Each allocation of the daemon fails in turn, and each open(2). Whatever is asked of it
 * then works or fails with ENOMEM, or ENFILE, wholly; nothing is lost by it, and what
 * comes next works.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "faulty.h"
#include "files.h"
#include "person.h"
#include "sandbox.h"
#include "util/cleanup.h"
#include "weigh.h"

#define A        MOUNT_DIR "/a"
#define B        MOUNT_DIR "/b"
#define NATIVE_A NATIVE_DIR "/a"
#define NATIVE_B NATIVE_DIR "/b"

static void empty_native(void)
{
	DIR *dir = opendir(NATIVE_DIR);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_REG)
			must(unlinkat(dirfd(dir), entry->d_name, 0));
	closedir(dir);
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void make_a(void)
{
	file_make(NATIVE_DIR, "a", 0666, "text");
}

static void make_two(void)
{
	make_a();
	file_make(NATIVE_DIR, "b", 0666, "other");
}

/* Closing may tell of an error, but it closes. */
static void close_tried(int fd)
{
	if (fd >= 0)
		tried(close(fd));
}

static void create(void)
{
	int fd = (int)tried(open(A, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));

	assert_int_equal(exists(NATIVE_A), fd >= 0);
	if (fd >= 0)
		tried(pwrite(fd, "text", 4, 0));
	close_tried(fd);
	if (tried(mknod(B, S_IFREG | 0600, 0)) < 0)
		assert_false(exists(NATIVE_B));
}

static void read_and_write(int fd)
{
	char found[5] = "";
	long n;

	if (tried(pread(fd, found, 4, 0)) >= 0)
		assert_string_equal(found, "text");
	n = tried(pwrite(fd, "TE", 2, 0));
	assert_true(n == 2 || n == -1);
	file_expect(NATIVE_DIR, "a", n == 2 ? "TExt" : "text");
	tried(fsync(fd));
	tried(lseek(fd, 0, SEEK_DATA));
	tried(fallocate(fd, 0, 0, 4));
}

static void map(int fd)
{
	char *p = mmap(NULL, 4, PROT_READ, MAP_PRIVATE, fd, 0);

	if (tried((long)(intptr_t)p) == -1)
		return;
	/* In direct mode a page is read for it, and to fail that is SIGBUS, as natively.
	 */
	munmap(p, 4);
}

static void use(void)
{
	int fd = (int)tried(open(A, O_RDWR | O_CLOEXEC));
	struct stat st;

	if (fd < 0)
		return;
	if (tried(fstat(fd, &st)) == 0)
		assert_int_equal(st.st_size, 4);
	read_and_write(fd);
	map(fd);
	close_tried(fd);
}

static void ask(void)
{
	struct statvfs vfs;
	char value[64];
	struct stat st;

	if (tried(stat(A, &st)) == 0)
		assert_int_equal(st.st_size, 4);
	tried(access(A, R_OK));
	tried(statvfs(MOUNT_DIR, &vfs));
	tried(getxattr(A, "user.shmfs.io", value, sizeof(value)));
	if (tried(setxattr(A, "user.x", "1", 1, 0)) == 0)
		assert_int_equal(getxattr(NATIVE_A, "user.x", value, 64), 1);
	tried(listxattr(A, value, sizeof(value)));
	if (getxattr(NATIVE_A, "user.x", value, 64) == 1)
		tried(removexattr(A, "user.x"));
}

static void change(void)
{
	int fd = -1;

	if (tried(truncate(A, 100)) < 0)
		file_expect(NATIVE_DIR, "a", "text");
	tried(chmod(A, 0600));
	tried(chown(A, 0, 0));
	tried(utimensat(AT_FDCWD, A, NULL, 0));
	fd = (int)tried(open(A, O_WRONLY | O_CLOEXEC));
	if (fd < 0)
		return;
	if (tried(ftruncate(fd, 200)) == 0)
		assert_int_equal(file_stat(NATIVE_DIR, "a").st_size, 200);
	close_tried(fd);
}

/* Who is told that opening failed keeps the contents. */
static void open_and_empty(void)
{
	int fd = (int)tried(open(A, O_RDWR | O_TRUNC | O_CLOEXEC));

	file_expect(NATIVE_DIR, "a", fd >= 0 ? "" : "text");
	close_tried(fd);
}

static void create_and_empty(void)
{
	int fd = (int)tried(open(A, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));

	file_expect(NATIVE_DIR, "a", fd >= 0 ? "" : "text");
	close_tried(fd);
}

static void link_it(void)
{
	bool done = tried(link(A, B)) == 0;

	assert_int_equal(exists(NATIVE_B), done);
	if (done && tried(unlink(A)) == 0)
		file_expect(NATIVE_DIR, "b", "text");
}

static void name_unnamed(void)
{
	int fd = (int)tried(open(MOUNT_DIR, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	char path[32];
	bool done;

	if (fd < 0)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	done = tried(linkat(AT_FDCWD, path, AT_FDCWD, A, AT_SYMLINK_FOLLOW)) == 0;
	assert_int_equal(exists(NATIVE_A), done);
	close_tried(fd);
}

static void rename_both(void)
{
	bool done = tried(renameat2(AT_FDCWD, A, AT_FDCWD, B, RENAME_EXCHANGE)) == 0;

	file_expect(NATIVE_DIR, "a", done ? "other" : "text");
	file_expect(NATIVE_DIR, "b", done ? "text" : "other");
	done = tried(rename(A, MOUNT_DIR "/c")) == 0;
	assert_int_equal(exists(NATIVE_A), !done);
	assert_int_equal(exists(NATIVE_DIR "/c"), done);
}

static void remove_open(void)
{
	int fd = (int)tried(open(A, O_RDWR | O_CLOEXEC));
	bool done = tried(unlink(A)) == 0;
	char found[5] = "";

	assert_int_equal(exists(NATIVE_A), !done);
	if (fd >= 0 && tried(pread(fd, found, 4, 0)) > 0)
		assert_string_equal(found, "text");
	close_tried(fd);
}

static void copy(void)
{
	int in = (int)tried(open(A, O_RDONLY | O_CLOEXEC));
	int out = (int)tried(open(B, O_RDWR | O_CLOEXEC));
	loff_t from = 0, to = 0;

	if (in >= 0 && out >= 0)
		tried(copy_file_range(in, &from, out, &to, 4, 0));
	close_tried(in);
	close_tried(out);
}

/* How many names make_many() makes. */
static unsigned int many;

static void make_many(void)
{
	char name[16];

	for (unsigned int i = 0; i < many; i++) {
		snprintf(name, sizeof(name), "%u", i);
		close_fd(file_open(NATIVE_DIR, name, O_RDWR | O_CREAT));
	}
}

static void make_some(void)
{
	many = 10;
	make_many();
}

static void make_very_many(void)
{
	many = 500;
	make_many();
}

/* All names, or an error: no listing ends early without one. */
static void list(void)
{
	DIR *dir = opendir(MOUNT_DIR);
	unsigned int n = 0;
	struct stat st;
	struct dirent *entry;

	tried(dir ? 0 : -1);
	if (!dir)
		return;
	for (errno = 0; (entry = readdir(dir)); errno = 0) {
		if (entry->d_name[0] == '.')
			continue;
		n++;
		tried(fstatat(dirfd(dir), entry->d_name, &st, 0));
	}
	if (errno)
		tried(-1);
	else
		assert_int_equal(n, many);
	closedir(dir);
}

static void lock(void)
{
	struct flock range = { .l_type = F_WRLCK, .l_len = 1 };
	int fd = (int)tried(open(A, O_RDWR | O_CLOEXEC));

	if (fd < 0)
		return;
	tried(fcntl(fd, F_SETLK, &range));
	tried(flock(fd, LOCK_EX));
	range.l_type = F_RDLCK;
	tried(fcntl(fd, F_GETLK, &range));
	range.l_type = F_UNLCK;
	tried(fcntl(fd, F_SETLK, &range));
	tried(flock(fd, LOCK_UN));
	close_tried(fd);
}

/* Nobody has a lock of the object any more. */
static void expect_unlocked(void)
{
	struct flock range = { .l_type = F_WRLCK };
	_cleanup_close_ int fd = file_open(NATIVE_DIR, "a", O_RDWR);

	await_that(flock(fd, LOCK_EX | LOCK_NB) == 0);
	await_that(fcntl(fd, F_OFD_SETLK, &range) == 0);
}

/* Locks go with who had them. */
static void lock_and_leave(void)
{
	lock();
	expect_unlocked();
}

static void on_alarm(int number)
{
	(void)number;
}

/* Waits for a lock that it will not get, until a signal comes. */
static int wait_in_vain(const void *arg)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	const struct itimerval soon = { { 0, 2000 }, { 0, 2000 } };
	struct flock range = { .l_type = F_WRLCK };
	int fd = open(A, O_RDWR | O_CLOEXEC);
	int r;

	(void)arg;
	if (fd < 0)
		return errno == EINTR ? -ENOMEM : -errno;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	r = errno_or(fcntl(fd, F_SETLKW, &range));
	close(fd);
	return r == -EINTR ? 0 : r;
}

static void interrupt(void)
{
	struct flock range = { .l_type = F_WRLCK };
	_cleanup_close_ int fd = file_open(NATIVE_DIR, "a", O_RDWR);
	int r;

	must(fcntl(fd, F_OFD_SETLK, &range));
	r = person_do(NULL, wait_in_vain, NULL);
	errno = -r;
	tried(r < 0 ? -1 : 0);
}

/* What groups may, which have to be found out. */
static int read_as_member(const void *arg)
{
	int fd = open(A, O_RDONLY | O_CLOEXEC);

	(void)arg;
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static void make_for_group(void)
{
	make_a();
	must(chown(NATIVE_A, 1, 50));
	must(chmod(NATIVE_A, 0640));
}

static void open_as_member(void)
{
	static const struct person member = { "member", 1000, 1000, 2, { 40, 50 } };
	int r = person_do(&member, read_as_member, NULL);

	errno = -r;
	tried(r < 0 ? -1 : 0);
}

static const struct scene scenes[] = {
	{ "create", NULL, create, 0, false },
	{ "use", make_a, use, 0, false },
	{ "ask", make_a, ask, 0, false },
	{ "change", make_a, change, 0, false },
	{ "O_TRUNC", make_a, open_and_empty, 0, false },
	{ "O_CREAT | O_TRUNC", make_a, create_and_empty, 0, false },
	{ "rename", make_two, rename_both, 0, false },
	{ "link", make_a, link_it, 0, false },
	{ "unnamed", NULL, name_unnamed, 0, false },
	{ "unlink", make_a, remove_open, 0, false },
	{ "copy", make_two, copy, 0, false },
	{ "list", make_some, list, 0, false },
	{ "list many", make_very_many, list, 199, false },
	{ "lock", make_a, lock_and_leave, 0, true },
	{ "interrupt", make_a, interrupt, 0, true },
	{ "groups", make_for_group, open_as_member, 0, false },
};

#define SCENES (sizeof(scenes) / sizeof(scenes[0]))

static void test_strict(void **state)
{
	(void)state;
	faulty_start(NULL);
	play_all(scenes, SCENES, empty_native);
}

static void test_notify(void **state)
{
	(void)state;
	faulty_start("coherence=notify");
	play_all(scenes, SCENES, empty_native);
}

static void test_clock(void **state)
{
	(void)state;
	faulty_start(NULL);
	play_back_in_time(scenes, SCENES, empty_native);
}

/* Nothing can be had for a while. What was closed then is closed when there is memory. */
static void test_no_memory_at_all(void **state)
{
	unsigned int fds;
	struct stat st;
	int fd;

	(void)state;
	faulty_start(NULL);
	make_a();
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	must(close(fd));
	await_that(stat(A, &st) == 0);
	fds = daemon_fds();
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	fail_calls(&faults->memory, 1, (unsigned long)-1, ENOMEM);
	for (int i = 0; i < 100; i++) {
		refused(open(A, O_RDONLY | O_CLOEXEC), ENOMEM);
		refused(stat(A, &st), ENOMEM);
		refused(unlink(A), ENOMEM);
	}
	/* The descriptor is closed all the same. */
	refused(close(fd), ENOMEM);
	fail_none(&faults->memory);
	file_expect(MOUNT_DIR, "a", "text");
	await_that(daemon_fds() <= fds);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_strict),
		mount_test_unmounted(test_notify),
		mount_test_unmounted(test_clock),
		mount_test_unmounted(test_no_memory_at_all),
	};

	faulty_init();
	return cmocka_run_group_tests_name("fault-posix", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(120, run);
}
