/* SPDX-License-Identifier: MIT */
/*
 * Very many objects, and very many open files: what each costs the daemon, and what
 * happens where there are no descriptors any more. SHMFS_TEST_OBJECTS says how many
 * objects, for a run by hand; SHMFS_TEST_PATIENCE gives it the time.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "util/cleanup.h"
#include "weigh.h"

#define FEW_FDS 256 /* what the daemon may have where they are scarce */

static unsigned int objects(void)
{
	const char *n = getenv("SHMFS_TEST_OBJECTS");

	if (n)
		return (unsigned int)strtoul(n, NULL, 10);
	return is_instrumented() ? 5000 : 40000;
}

/* Long names: they are part of what an object costs. */
static const char *numbered(unsigned int i)
{
	static char name[64];

	snprintf(name, sizeof(name), "an-object-with-a-name-of-sixty-characters-%018u",
		 i);
	return name;
}

/* The number in @name; -1 for a name that numbered() does not give. */
static long number_of(const char *name)
{
	const char *digits = strrchr(name, '-');

	return strlen(name) == 60 ? strtol(digits + 1, NULL, 10) : -1;
}

static void make_objects(void)
{
	char options[64];

	snprintf(options, sizeof(options), "nr_inodes=%u", objects() + 20000);
	must(mount(NULL, NATIVE_DIR, NULL, MS_REMOUNT, options));
	for (unsigned int i = 0; i < objects(); i++)
		must(mknod(at(NATIVE_DIR, numbered(i)), S_IFREG | 0600, 0));
}

/* Starts a daemon that has few descriptors. */
static void start_limited(void)
{
	mount_limit_fds(FEW_FDS, FEW_FDS);
	mount_start(NULL);
}

static void stat_objects(unsigned int from, unsigned int to)
{
	for (unsigned int i = from; i < to; i++)
		assert_true(S_ISREG(file_stat(MOUNT_DIR, numbered(i)).st_mode));
}

/* Each object must be in @dir exactly once; others may be there. */
static void list_objects(const char *dir)
{
	_cleanup_free_ unsigned char *seen = calloc(objects(), 1);
	DIR *stream = opendir(dir);
	struct dirent *entry;

	assert_non_null(seen);
	assert_non_null(stream);
	while ((entry = readdir(stream))) {
		long i = number_of(entry->d_name);

		if (i >= 0 && i < (long)objects())
			seen[i]++;
	}
	closedir(stream);
	for (unsigned int i = 0; i < objects(); i++)
		if (seen[i] != 1)
			fail_msg("object %u was seen %d times", i, seen[i]);
}

struct weight {
	unsigned long kb;
	unsigned long threads;
};

static struct weight weigh(void)
{
	return (struct weight){ daemon_status("VmRSS"), daemon_status("Threads") };
}

/* The memory that the daemon has more than at @before, in bytes, for its threads' less.
 */
static long grown(struct weight before, long thread_kb)
{
	struct weight now = weigh();
	long kb = (long)now.kb - (long)before.kb;

	return (kb - ((long)now.threads - (long)before.threads) * thread_kb) * 1024;
}

/* What a thread needs that has had no large request, roughly. */
#define SMALL_THREAD_KB 64

/* The kernel shall drop the names that it has from this mount, and so what they name. */
static void make_kernel_forget(void)
{
	must(mount(NULL, MOUNT_DIR, NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV, NULL));
}

static void test_memory_of_an_object(void **state)
{
	const unsigned int first = objects() / 20;
	const unsigned int n = objects() - first;
	struct weight before;
	long known;

	(void)state;
	make_objects();
	start_limited();
	stat_objects(0, first);
	before = weigh();
	stat_objects(first, objects());
	known = grown(before, SMALL_THREAD_KB);
	make_kernel_forget();
	if (!is_instrumented()) {
		print_message("%ld bytes for each of %u objects\n", known / n, n);
		assert_true(known >= 50L * n && known <= 288L * n);
		await_that(grown(before, THREAD_KB) < 20L * n);
	}
	stat_objects(0, first);
	mount_stop();
}

static void test_listing_takes_no_memory(void **state)
{
	struct weight before;

	(void)state;
	make_objects();
	start_limited();
	stat_objects(0, objects() / 20);
	before = weigh();
	list_objects(MOUNT_DIR);
	if (!is_instrumented())
		assert_true(daemon_status("VmHWM") <=
			    before.kb + 10 * objects() / 1024 + 2 * THREAD_KB);
	mount_stop();
}

/* Until the parent ends it: others come and go, here and there. */
static _Noreturn void come_and_go(void)
{
	char name[64];

	for (unsigned int i = 0;; i++) {
		const char *dir = i % 8 ? NATIVE_DIR : MOUNT_DIR;

		snprintf(name, sizeof(name), "comes-%u", i);
		mknod(at(dir, name), S_IFREG | 0600, 0);
		snprintf(name, sizeof(name), "comes-%u", i - 500);
		unlink(at(dir, name));
	}
}

static void test_listing_while_others_come_and_go(void **state)
{
	pid_t child;

	(void)state;
	make_objects();
	start_limited();
	child = must(fork());
	if (child == 0)
		come_and_go();
	for (int i = 0; i < 3; i++)
		list_objects(MOUNT_DIR);
	must(kill(child, SIGKILL));
	must(waitpid(child, NULL, 0));
	mount_stop();
}

/* The descriptors that this process may have. */
static unsigned int raise_own_limit(void)
{
	struct rlimit limit;

	must(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max;
	must(setrlimit(RLIMIT_NOFILE, &limit));
	return limit.rlim_max > UINT32_MAX ? UINT32_MAX : (unsigned int)limit.rlim_max;
}

/* The daemon's soft limit is of no importance, only what it may have. */
static void test_ten_thousand_open_files(void **state)
{
	unsigned int may = raise_own_limit();
	unsigned int n = may < 11000 ? may - 1000 : 10000;
	_cleanup_free_ int *fds = calloc(n, sizeof(*fds));
	unsigned int idle;

	(void)state;
	assert_non_null(fds);
	mount_limit_fds(1000, may);
	mount_start(NULL);
	idle = daemon_fds();
	for (unsigned int i = 0; i < n; i++) {
		fds[i] = file_open(MOUNT_DIR, numbered(i), O_RDWR | O_CREAT | O_EXCL);
		assert_int_equal(must(write(fds[i], &i, sizeof(i))), sizeof(i));
	}
	for (unsigned int i = 0; i < n; i++) {
		unsigned int found = 0;

		assert_int_equal(must(pread(fds[i], &found, sizeof(found), 0)),
				 sizeof(found));
		assert_int_equal(found, i);
		must(close(fds[i]));
	}
	await_that(daemon_fds() <= idle + 8);
	mount_stop();
}

/* Opens files until that is refused, into @fds. */
static unsigned int open_all(int fds[FEW_FDS])
{
	unsigned int n = 0;

	while (n < FEW_FDS) {
		fds[n] = open(at(MOUNT_DIR, "a"), O_RDWR | O_CLOEXEC);
		if (fds[n] < 0)
			break;
		n++;
	}
	refused(open(at(MOUNT_DIR, "a"), O_RDWR), ENFILE);
	/* Much is left for users, however little there is. */
	assert_true(n >= FEW_FDS / 4 && n < FEW_FDS);
	return n;
}

static void close_all(const int *fds, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		must(close(fds[i]));
}

/* What needs no open file, again and again, as one of many. */
static int use_names(unsigned int who)
{
	char from[32], to[32], text[32];

	snprintf(from, sizeof(from), "from-%u", who);
	snprintf(to, sizeof(to), "to-%u", who);
	for (int i = 0; i < 50; i++) {
		must(mknod(at(MOUNT_DIR, from), S_IFREG | 0600, 0));
		must(truncate(at(MOUNT_DIR, from), 100));
		must(chmod(at(MOUNT_DIR, from), 0640));
		must(rename(at(MOUNT_DIR, from), at(MOUNT_DIR, to)));
		assert_int_equal(file_stat(MOUNT_DIR, to).st_size, 100);
		must(access(at(MOUNT_DIR, to), R_OK));
		must(getxattr(at(MOUNT_DIR, to), "user.shmfs.io", text, sizeof(text)));
		must(unlink(at(MOUNT_DIR, to)));
		refused(access(at(MOUNT_DIR, to), F_OK), ENOENT);
		refused(open(at(MOUNT_DIR, from), O_RDWR | O_CREAT, 0600), ENFILE);
		refused(access(at(NATIVE_DIR, from), F_OK), ENOENT);
		refused(open(MOUNT_DIR, O_RDONLY | O_DIRECTORY), ENFILE);
	}
	return 0;
}

#define USERS 16

static void test_names_at_the_limit(void **state)
{
	int fds[FEW_FDS];
	unsigned int n;

	(void)state;
	start_limited();
	file_make(NATIVE_DIR, "a", 0600, "text");
	n = open_all(fds);
	for (unsigned int i = 0; i < USERS; i++)
		if (must(fork()) == 0)
			_exit(use_names(i));
	for (unsigned int i = 0; i < USERS; i++) {
		int status = -1;

		must(wait(&status));
		assert_int_equal(status, 0);
	}
	close_all(fds, n);
	mount_stop();
}

static void test_open_files_at_the_limit(void **state)
{
	int fds[FEW_FDS];
	unsigned int n;
	void *p;

	(void)state;
	start_limited();
	file_make(NATIVE_DIR, "a", 0600, "text");
	n = open_all(fds);
	fd_expect(fds[n - 1], "text");
	assert_int_equal(must(pwrite(fds[0], "TE", 2, 0)), 2);
	fd_expect(fds[1], "TExt");
	must(ftruncate(fds[1], 2));
	file_expect(NATIVE_DIR, "a", "TE");
	p = mmap(NULL, 2, PROT_READ, MAP_PRIVATE, fds[2], 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_memory_equal(p, "TE", 2);
	must(munmap(p, 2));
	refused(flock(fds[0], LOCK_EX | LOCK_NB), ENOLCK);
	close_all(fds, n);
	mount_stop();
}

/* A place that was given back is free a moment after close(2). */
static void test_closing_at_the_limit(void **state)
{
	int fds[FEW_FDS];
	unsigned int n;

	(void)state;
	start_limited();
	file_make(NATIVE_DIR, "a", 0600, "text");
	n = open_all(fds);
	must(close(fds[0]));
	await_that((fds[0] = open(at(MOUNT_DIR, "a"), O_RDONLY | O_CLOEXEC)) >= 0);
	refused(open(at(MOUNT_DIR, "a"), O_RDONLY), ENFILE);
	close_all(fds, n);
	await_that((fds[0] = open(MOUNT_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0);
	must(close(fds[0]));
	mount_stop();
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_memory_of_an_object),
		mount_test_unmounted(test_listing_takes_no_memory),
		mount_test_unmounted(test_listing_while_others_come_and_go),
		mount_test_unmounted(test_ten_thousand_open_files),
		mount_test_unmounted(test_names_at_the_limit),
		mount_test_unmounted(test_open_files_at_the_limit),
		mount_test_unmounted(test_closing_at_the_limit),
	};

	return cmocka_run_group_tests_name("scale", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(180, run);
}
