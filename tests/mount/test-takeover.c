/* SPDX-License-Identifier: MIT */
/* A daemon that dies is replaced, and nothing that is in use of its mount notices. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "ordinary.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "weigh.h"

static const char *const coherences[] = { "restart=crash",
					  "restart=crash,coherence=notify" };
#define COHERENCES (sizeof(coherences) / sizeof(coherences[0]))

/* More than four within half a second were the last. */
#define APART_MS 140

/* Kills the daemon with @number, and returns when another one is there. */
static void replace_by(int number)
{
	poll(NULL, 0, APART_MS);
	mount_replace(number);
}

static void replace(void)
{
	replace_by(SIGKILL);
}

static void test_open_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < COHERENCES; i++) {
		_cleanup_close_ int fd = -1, other = -1, removed = -1, append = -1;
		struct stat st;

		mount_start(coherences[i]);
		file_make(MOUNT_DIR, "a", 0600, "text");
		fd = file_open(MOUNT_DIR, "a", O_RDWR);
		other = file_open(MOUNT_DIR, "a", O_RDONLY);
		append = file_open(MOUNT_DIR, "a", O_WRONLY | O_APPEND);
		removed = file_open(MOUNT_DIR, "b", O_RDWR | O_CREAT);
		must(unlink(MOUNT_DIR "/b"));
		for (int n = 0; n < 3; n++) {
			replace();
			must(pwrite(fd, "T", 1, 0));
			assert_int_equal(must(write(append, "+", 1)), 1);
			assert_int_equal(must(write(removed, "gone", 4)), 4);
			assert_int_equal(fd_stat(other).st_size, 5 + n);
			assert_int_equal(fd_stat(removed).st_nlink, 0);
			assert_int_equal(fd_stat(removed).st_size, 4 * (n + 1));
			assert_int_equal(file_stat(MOUNT_DIR, "a").st_ino,
					 fd_stat(fd).st_ino);
			refused(stat(MOUNT_DIR "/b", &st), ENOENT);
			must(ftruncate(removed, 4 * (n + 1)));
			must(fchmod(fd, 0640));
		}
		fd_expect(other, "Text+++");
		file_expect(NATIVE_DIR, "a", "Text+++");
		must(unlink(MOUNT_DIR "/a"));
		fd = close_fd(fd);
		other = close_fd(other);
		removed = close_fd(removed);
		append = close_fd(append);
		mount_stop();
	}
}

/* A file without a name is its descriptor's alone, and that is the next daemon's, too. */
static void test_unnamed_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < COHERENCES; i++) {
		_cleanup_close_ int named = -1, lost = -1;
		unsigned long long used;
		char path[32];

		mount_start(coherences[i]);
		used = blocks_used(NATIVE_DIR);
		named = must(open(MOUNT_DIR, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
		lost = must(open(MOUNT_DIR, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
		must(write(named, "text", 4));
		must(write(lost, "lost", 4));
		replace();
		fd_expect(named, "text");
		fd_expect(lost, "lost");
		snprintf(path, sizeof(path), "/proc/self/fd/%d", named);
		must(linkat(AT_FDCWD, path, AT_FDCWD, MOUNT_DIR "/a", AT_SYMLINK_FOLLOW));
		lost = close_fd(lost);
		file_expect(NATIVE_DIR, "a", "text");
		must(unlink(MOUNT_DIR "/a"));
		named = close_fd(named);
		await_that(blocks_used(NATIVE_DIR) == used);
		mount_stop();
	}
}

static void test_mappings(void **state)
{
	_cleanup_close_ int fd = -1, native = -1;
	char *map, *more, *there;

	(void)state;
	if (!mount_passthrough())
		skip();
	mount_start("restart=crash");
	fd = file_open(MOUNT_DIR, "a", O_RDWR | O_CREAT);
	must(ftruncate(fd, 8192));
	map = must(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	native = file_open(NATIVE_DIR, "a", O_RDWR);
	there = must(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, native, 0));
	replace();
	strcpy(map, "before and after");
	assert_string_equal(there, "before and after");
	strcpy(there + 4096, "not touched yet");
	assert_string_equal(map + 4096, "not touched yet");
	/* A new mapping of the old file, and of one opened since: the same pages. */
	more = must(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0));
	assert_string_equal(more, "before and after");
	munmap(more, 4096);
	fd = close_fd(fd);
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	more = must(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0));
	assert_string_equal(more, "before and after");
	munmap(more, 4096);
	munmap(map, 8192);
	munmap(there, 8192);
	fd = close_fd(fd);
	mount_stop();
}

static void test_working_directory_and_handles(void **state)
{
	(void)state;
	for (size_t i = 0; i < COHERENCES; i++) {
		_cleanup_close_ int handle = -1, dir = -1;
		char name[256];

		mount_start(coherences[i]);
		must(chdir(MOUNT_DIR));
		file_make(".", "a", 0600, "text");
		handle = must(open("a", O_PATH | O_CLOEXEC));
		dir = must(open(".", O_PATH | O_CLOEXEC));
		replace();
		assert_string_equal(must(getcwd(name, sizeof(name))) ? name : "",
				    MOUNT_DIR);
		file_expect(".", "a", "text");
		/* What is not open is found by its name, also by a new one. */
		assert_int_equal(fd_stat(handle).st_size, 4);
		must(renameat(AT_FDCWD, NATIVE_DIR "/a", AT_FDCWD, NATIVE_DIR "/b"));
		replace();
		assert_int_equal(fd_stat(handle).st_size, 4);
		assert_int_equal(must(faccessat(dir, "b", F_OK, 0)), 0);
		must(chdir("/"));
		must(unlink(MOUNT_DIR "/b"));
		handle = close_fd(handle);
		dir = close_fd(dir);
		mount_stop();
	}
}

/* What natives change while there is no daemon shows when there is one again. */
static void test_missed_changes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COHERENCES; i++) {
		struct stat st;
		pid_t pid;

		mount_start(coherences[i]);
		file_make(MOUNT_DIR, "a", 0600, "text");
		file_make(MOUNT_DIR, "gone", 0600, "");
		refused(stat(MOUNT_DIR "/new", &st), ENOENT);
		assert_int_equal(file_stat(MOUNT_DIR, "a").st_size, 4);
		file_stat(MOUNT_DIR, "gone");
		pid = mount_pid();
		/* So that it does not get to tell. */
		must(kill(pid, SIGSTOP));
		must(truncate(NATIVE_DIR "/a", 2));
		must(unlink(NATIVE_DIR "/gone"));
		file_make(NATIVE_DIR, "new", 0600, "");
		must(kill(pid, SIGKILL));
		mount_await_other(pid);
		await_that(stat(MOUNT_DIR "/new", &st) == 0);
		await_that(stat(MOUNT_DIR "/gone", &st) < 0 && errno == ENOENT);
		await_that(file_stat(MOUNT_DIR, "a").st_size == 2);
		must(unlink(MOUNT_DIR "/a"));
		must(unlink(MOUNT_DIR "/new"));
		mount_stop();
	}
}

#define MANY 3000

/* A stream is read on where it was, each entry once. */
static void test_directory_stream(void **state)
{
	static char seen[MANY];
	char name[16];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir;

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		file_make(NATIVE_DIR, name, 0600, "");
	}
	mount_start("restart=crash");
	dir = opendir(MOUNT_DIR);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		assert_int_equal(seen[atoi(entry->d_name + 1)]++, 0);
		if (++n % 1000 == 0)
			replace();
	}
	assert_int_equal(n, MANY);
	rewinddir(dir);
	assert_non_null(readdir(dir));
	closedir(dir);
	mount_stop();
}

static int lock_range(int fd, int command, short type, off_t start)
{
	struct flock lock = { .l_type = type, .l_start = start, .l_len = 1 };

	return fcntl(fd, command, &lock) < 0 ? -errno : lock.l_type;
}

static void test_locks(void **state)
{
	_cleanup_close_ int fd = -1, other = -1, native = -1, flocked = -1;

	(void)state;
	mount_start("restart=crash");
	file_make(MOUNT_DIR, "a", 0600, "text");
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	native = file_open(NATIVE_DIR, "a", O_RDWR);
	flocked = file_open(MOUNT_DIR, "a", O_RDWR);
	assert_int_equal(lock_range(fd, F_SETLK, F_WRLCK, 1), F_WRLCK);
	must(flock(flocked, LOCK_EX));
	for (int i = 0; i < 2; i++) {
		replace();
		assert_int_equal(lock_range(native, F_OFD_SETLK, F_WRLCK, 1), -EAGAIN);
		refused(flock(native, LOCK_EX | LOCK_NB), EWOULDBLOCK);
		/* Its owner's still. */
		assert_int_equal(lock_range(fd, F_SETLK, F_RDLCK, 1), F_RDLCK);
		assert_int_equal(lock_range(fd, F_SETLK, F_WRLCK, 1), F_WRLCK);
		must(flock(flocked, LOCK_EX | LOCK_NB));
	}
	other = file_open(MOUNT_DIR, "a", O_RDWR);
	flocked = close_fd(flocked);
	await_that(flock(native, LOCK_EX | LOCK_NB) == 0);
	/* Any close of a process's own gives its record locks up. */
	other = close_fd(other);
	assert_int_equal(lock_range(native, F_OFD_SETLK, F_WRLCK, 1), F_WRLCK);
	fd = close_fd(fd);
	mount_stop();
}

/* Who waits for a lock waits on, and can be interrupted. */
static void test_waiting_for_locks(void **state)
{
	_cleanup_close_ int native = -1;
	pid_t pids[2];
	int status;

	(void)state;
	mount_start("restart=crash");
	file_make(MOUNT_DIR, "a", 0600, "text");
	native = file_open(NATIVE_DIR, "a", O_RDWR);
	must(flock(native, LOCK_EX));
	for (int i = 0; i < 2; i++) {
		pids[i] = must(fork());
		if (pids[i] == 0)
			_exit(flock(open(MOUNT_DIR "/a", O_RDWR), LOCK_EX) < 0);
	}
	/* The keeper's table has what they wait with. */
	await_that(daemon_fds() >= 4);
	for (int i = 0; i < 3; i++)
		replace();
	must(kill(pids[0], SIGTERM));
	must(waitpid(pids[0], &status, 0));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(must(waitpid(pids[1], &status, WNOHANG)), 0);
	must(flock(native, LOCK_UN));
	must(waitpid(pids[1], &status, 0));
	assert_int_equal(status, 0);
	mount_stop();
}

/* Nothing is left of what dead daemons had open. */
static void test_descriptors(void **state)
{
	unsigned int before;

	(void)state;
	mount_start("restart=crash");
	file_make(MOUNT_DIR, "a", 0600, "text");
	replace();
	await_that(file_stat(MOUNT_DIR, "a").st_size == 4);
	/* Handles of what was looked up are let go soon. */
	poll(NULL, 0, 200);
	before = daemon_fds();
	for (int i = 0; i < 10; i++) {
		_cleanup_close_ int fd = file_open(MOUNT_DIR, "a", O_RDWR);

		must(flock(fd, LOCK_EX));
		replace();
	}
	await_that(daemon_fds() == before);
	mount_stop();
}

/* All that asks the mount to end is heard by the keeper. */
static void test_signals_to_the_keeper(void **state)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

	(void)state;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		mount_start("restart=crash");
		replace();
		must(kill(mount_keeper(), signals[i]));
		mount_reap();
	}
}

/* Without its keeper a daemon goes on, and is the last. */
static void test_keeper_dies(void **state)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	pid_t pid;
	int status;

	(void)state;
	mount_start("restart=crash");
	fd = file_open(MOUNT_DIR, "a", O_RDWR | O_CREAT);
	pid = mount_pid();
	must(kill(mount_keeper(), SIGKILL));
	await_that(waitpid(-1, &status, 0) == mount_keeper());
	must(pwrite(fd, "text", 4, 0));
	file_expect(MOUNT_DIR, "a", "text");
	must(kill(pid, SIGKILL));
	await_that(stat(MOUNT_DIR "/a", &st) < 0 && errno == ENOTCONN);
	fd = close_fd(fd);
	must(umount2(MOUNT_DIR, 0));
	mount_forget();
}

/* It comes before the keeper knows that there is nobody left to tell. */
static void test_told_to_end_when_dead(void **state)
{
	(void)state;
	mount_start("restart=crash");
	must(kill(mount_keeper(), SIGSTOP));
	must(kill(mount_pid(), SIGKILL));
	must(kill(mount_keeper(), SIGTERM));
	must(kill(mount_keeper(), SIGCONT));
	mount_reap();
	/* And it has unmounted. */
	refused(umount2(MOUNT_DIR, 0), EINVAL);
}

/* A fault that comes again and again ends with the mount, and one line that says so. */
static void test_crash_loop(void **state)
{
	_cleanup_free_ char *log = NULL;
	struct stat st;
	int status;

	(void)state;
	mount_start("restart=crash");
	for (int i = 0; i < 4; i++)
		replace_by(SIGABRT);
	must(stat(MOUNT_DIR, &st));
	must(kill(mount_pid(), SIGABRT));
	must(waitpid(mount_keeper(), &status, 0));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	refused(stat(MOUNT_DIR "/a", &st), ENOTCONN);
	log = mount_log();
	assert_non_null(strstr(log, "again and again"));
	must(umount2(MOUNT_DIR, 0));
	mount_forget();
}

/* Opens her file, says so, and writes to it when she is told to. */
static int use_hers(const void *arg)
{
	const int *ends = arg;
	int fd = open(USER_DIR "/hers", O_RDWR | O_CLOEXEC);
	char byte;

	if (fd < 0 || write(ends[1], "", 1) != 1 || read(ends[2], &byte, 1) != 1)
		return -errno;
	if (pwrite(fd, "T", 1, 0) != 1)
		return -errno;
	close_fd(fd);
	return access(USER_DIR "/hers", R_OK) < 0 ? -errno : 0;
}

static pid_t first_child(void)
{
	char path[64];
	pid_t pid = 0;
	FILE *children;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	children = fopen(path, "re");
	assert_non_null(children);
	assert_int_equal(fscanf(children, "%d", &pid), 1);
	fclose(children);
	return pid;
}

/* Without root: what she has is a mount of her own, and the next daemon has no more. */
static void test_ordinary_user(void **state)
{
	pid_t keeper, pid, user;
	int ends[4];
	char byte;

	(void)state;
	person_needs_root();
	must(pipe2(ends, O_CLOEXEC));
	must(pipe2(ends + 2, O_CLOEXEC));
	ordinary_allow();
	assert_int_equal(ordinary_mount(NULL).status, 0);
	keeper = first_child();
	file_make(NATIVE_DIR, "hers", 0666, "text");
	pid = mount_kept(keeper);
	assert_int_not_equal(pid, keeper);
	user = person_start(&ordinary_user, use_hers, ends);
	assert_int_equal(must(read(ends[0], &byte, 1)), 1);
	must(kill(pid, SIGKILL));
	await_that(mount_kept(keeper) != pid && mount_kept(keeper) != 0);
	assert_int_equal(must(write(ends[3], "", 1)), 1);
	assert_int_equal(person_end(&ordinary_user, user), 0);
	file_expect(NATIVE_DIR, "hers", "Text");
	ordinary_unmount();
	ordinary_disallow();
	for (int i = 0; i < 4; i++)
		close_fd(ends[i]);
}

static void test_switched_off(void **state)
{
	struct stat st;
	int status;

	(void)state;
	mount_start("restart=no");
	assert_int_equal(mount_pid(), mount_keeper());
	must(kill(mount_pid(), SIGKILL));
	must(waitpid(mount_pid(), &status, 0));
	refused(stat(MOUNT_DIR "/a", &st), ENOTCONN);
	must(umount2(MOUNT_DIR, 0));
	mount_forget();
}

static void test_time(void **state)
{
	uint64_t worst = 0, all = 0;

	(void)state;
	mount_start("restart=crash");
	file_make(MOUNT_DIR, "a", 0600, "text");
	for (int i = 0; i < 10; i++) {
		uint64_t begin = clock_ns(), needed;

		must(kill(mount_pid(), SIGKILL));
		/* Asks the daemon, whichever. */
		assert_int_equal(file_stat(MOUNT_DIR, "a").st_size, 4);
		needed = clock_ns() - begin;
		all += needed;
		worst = needed > worst ? needed : worst;
		await_that(mount_pid() != 0);
		poll(NULL, 0, APART_MS);
	}
	print_message("from SIGKILL to the next answer: %.1f ms, at most %.1f ms\n",
		      (double)all / 1e7, (double)worst / 1e6);
	mount_stop();
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_open_files),
		mount_test_unmounted(test_unnamed_files),
		mount_test_unmounted(test_mappings),
		mount_test_unmounted(test_working_directory_and_handles),
		mount_test_unmounted(test_missed_changes),
		mount_test_unmounted(test_directory_stream),
		mount_test_unmounted(test_locks),
		mount_test_unmounted(test_waiting_for_locks),
		mount_test_unmounted(test_descriptors),
		mount_test_unmounted(test_signals_to_the_keeper),
		mount_test_unmounted(test_keeper_dies),
		mount_test_unmounted(test_told_to_end_when_dead),
		mount_test_unmounted(test_crash_loop),
		mount_test_unmounted(test_ordinary_user),
		mount_test_unmounted(test_switched_off),
		mount_test_unmounted(test_time),
	};

	return cmocka_run_group_tests_name("takeover", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
