/* SPDX-License-Identifier: MIT */
/*
 * The daemon is killed again and again while programs use the mount as fast as they can:
 * it alone, and then none of them notices; or with its keeper, and then they get
 * ENOTCONN, the mount is made again, and nothing is lost or left.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "weigh.h"

#define KILLS    (mount_passthrough() ? 100 : 20)
#define APART_MS 140 /* more than four within half a second are too many */
#define WORKERS  6

/* What the workers say, in memory that is shared with them. */
static struct {
	atomic_bool stop;
	atomic_ulong done[WORKERS];
	char failure[WORKERS][128]; /* "": none */
} * said;

/* A step of worker @i that was to succeed and did not. */
#define check(i, expr)                                                                 \
	do {                                                                           \
		errno = 0;                                                             \
		if (!(expr)) {                                                         \
			snprintf(said->failure[i], sizeof(said->failure[i]),           \
				 "line %d: %s: %s", __LINE__, #expr, strerror(errno)); \
			return false;                                                  \
		}                                                                      \
	} while (0)

/* Makes, writes, links, renames and removes a file, each of which can be done once only.
 */
static bool names(int i, unsigned long round)
{
	char a[64], b[64], c[64], text[32], back[32] = "";
	struct stat st;
	int fd, n;

	snprintf(a, sizeof(a), MOUNT_DIR "/a%d", i);
	snprintf(b, sizeof(b), MOUNT_DIR "/b%d", i);
	snprintf(c, sizeof(c), MOUNT_DIR "/c%d", i);
	n = snprintf(text, sizeof(text), "%d %lu", i, round);
	check(i, (fd = open(a, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) >= 0);
	check(i, write(fd, text, (size_t)n) == n);
	check(i, rename(a, b) == 0);
	check(i, pread(fd, back, sizeof(back), 0) == n);
	check(i, strcmp(back, text) == 0);
	check(i, stat(a, &st) < 0 && errno == ENOENT);
	check(i, stat(b, &st) == 0 && st.st_size == n);
	check(i, link(b, c) == 0);
	check(i, link(b, c) < 0 && errno == EEXIST);
	check(i, unlink(b) == 0);
	check(i, fstat(fd, &st) == 0 && st.st_nlink == 1);
	check(i, unlink(c) == 0);
	check(i, fstat(fd, &st) == 0 && st.st_nlink == 0);
	check(i, close(fd) == 0);
	return true;
}

/* A file without a name, which gets one. */
static bool unnamed(int i, unsigned long round)
{
	char a[64], path[32];
	struct stat st;
	int fd;

	(void)round;
	snprintf(a, sizeof(a), MOUNT_DIR "/t%d", i);
	check(i, (fd = open(MOUNT_DIR, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) >= 0);
	check(i, write(fd, "text", 4) == 4);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	check(i, linkat(AT_FDCWD, path, AT_FDCWD, a, AT_SYMLINK_FOLLOW) == 0);
	check(i, stat(a, &st) == 0 && st.st_size == 4);
	check(i, unlink(a) == 0);
	check(i, close(fd) == 0);
	return true;
}

/* Attributes that are new, and gone. */
static bool attributes(int i, unsigned long round)
{
	char a[64];
	int fd;

	snprintf(a, sizeof(a), MOUNT_DIR "/x%d", i);
	check(i, (fd = open(a, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) >= 0);
	check(i, ftruncate(fd, (off_t)(round % 10000)) == 0);
	check(i, lseek(fd, 0, SEEK_END) == (off_t)(round % 10000));
	check(i, fchmod(fd, 0640) == 0);
	check(i, flock(fd, LOCK_EX) == 0);
	check(i, flock(fd, LOCK_UN) == 0);
	check(i, close(fd) == 0);
	return true;
}

/* The entries that are there throughout. */
static bool listing(int i, unsigned long round)
{
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir;

	(void)round;
	check(i, (dir = opendir(MOUNT_DIR)) != NULL);
	while ((entry = readdir(dir)))
		n += strncmp(entry->d_name, "stays", 5) == 0;
	closedir(dir);
	check(i, n == 10);
	return true;
}

static bool (*const works[WORKERS])(int,
				    unsigned long) = { names,   names,   attributes,
						       listing, unnamed, attributes };

static _Noreturn void work(int i)
{
	unsigned long round = 0;

	while (!atomic_load(&said->stop) && works[i](i, round))
		atomic_store(&said->done[i], ++round);
	_exit(0);
}

static void start_workers(pid_t pids[WORKERS])
{
	memset(said, 0, sizeof(*said));
	for (int i = 0; i < WORKERS; i++) {
		pids[i] = must(fork());
		if (pids[i] == 0)
			work(i);
	}
}

static unsigned long end_workers(const pid_t pids[WORKERS])
{
	unsigned long n = 0;

	atomic_store(&said->stop, true);
	for (int i = 0; i < WORKERS; i++) {
		must(waitpid(pids[i], NULL, 0));
		n += said->done[i];
	}
	return n;
}

static bool has_failed(void)
{
	for (int i = 0; i < WORKERS; i++)
		if (said->failure[i][0])
			return true;
	return false;
}

static void make_stays(void)
{
	char name[16];

	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "stays%d", i);
		file_make(NATIVE_DIR, name, 0600, "stays");
	}
}

static void kill_daemon_often(const char *options)
{
	pid_t pids[WORKERS];
	unsigned int before;
	unsigned long done;
	int kills = 0;

	make_stays();
	mount_start(options);
	poll(NULL, 0, 200);
	before = daemon_fds();
	start_workers(pids);
	for (; kills < KILLS && !has_failed(); kills++) {
		poll(NULL, 0, APART_MS);
		mount_replace(SIGKILL);
	}
	done = end_workers(pids);
	for (int i = 0; i < WORKERS; i++)
		if (said->failure[i][0])
			fail_msg("after %d kills: %s", kills, said->failure[i]);
	print_message("%s: %d kills, %lu rounds\n", options, kills, done);
	/* One leftover for each thing that was answered in a daemon's last moment. */
	await_that(daemon_fds() <= before);
	mount_stop();
}

static void test_nobody_notices(void **state)
{
	(void)state;
	kill_daemon_often("restart=crash");
}

/*
 * With the keeper: who works gets ENOTCONN
 */
#define MAPPED (64 * 1024)

/* As works[], but the end of the mount is the end of it, and no failure. */
static _Noreturn void work_until_it_ends(int i)
{
	unsigned long round = 0;

	while (!atomic_load(&said->stop) && works[i](i, round))
		atomic_store(&said->done[i], ++round);
	/* Anything but ENOTCONN, or the end of what is read, is a failure. */
	if (strstr(said->failure[i], strerror(ENOTCONN)) ||
	    strstr(said->failure[i], strerror(ECONNABORTED)) ||
	    strstr(said->failure[i], "n == 10"))
		said->failure[i][0] = '\0';
	_exit(0);
}

/* What was mapped through the mount before is the object's memory after it. */
static void check_mapping(unsigned char *map, unsigned char value)
{
	_cleanup_close_ int fd = file_open(NATIVE_DIR, "mapped", O_RDONLY);
	unsigned char byte;

	map[value] = value;
	assert_int_equal(must(pread(fd, &byte, 1, value)), 1);
	assert_int_equal(byte, value);
}

static void kill_all(void)
{
	pid_t keeper = mount_keeper(), daemon = mount_pid();
	int status;

	must(kill(keeper, SIGKILL));
	if (daemon != 0 && daemon != keeper)
		must(kill(daemon, SIGKILL));
	must(waitpid(keeper, &status, 0));
	mount_forget();
}

static void *map_through_mount(void)
{
	_cleanup_close_ int fd = -1;
	void *map;

	fd = file_open(MOUNT_DIR, "mapped", O_RDWR);
	map = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		assert_false(mount_passthrough());
	return map;
}

static void start_until_end(pid_t pids[WORKERS])
{
	memset(said, 0, sizeof(*said));
	for (int i = 0; i < WORKERS; i++) {
		pids[i] = must(fork());
		if (pids[i] == 0)
			work_until_it_ends(i);
	}
}

/* What workers leave behind when they are stopped in the middle. */
static void remove_remains(void)
{
	char name[32];

	for (int i = 0; i < WORKERS; i++) {
		snprintf(name, sizeof(name), NATIVE_DIR "/a%d", i);
		unlink(name);
		snprintf(name, sizeof(name), NATIVE_DIR "/b%d", i);
		unlink(name);
		snprintf(name, sizeof(name), NATIVE_DIR "/c%d", i);
		unlink(name);
		snprintf(name, sizeof(name), NATIVE_DIR "/t%d", i);
		unlink(name);
		snprintf(name, sizeof(name), NATIVE_DIR "/x%d", i);
		unlink(name);
	}
}

static unsigned int count_objects(void)
{
	DIR *dir = opendir(NATIVE_DIR);
	unsigned int n = 0;
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void kill_everything_once(unsigned char value, unsigned long *rounds)
{
	_cleanup_close_ int locked = file_open(NATIVE_DIR, "mapped", O_RDWR);
	pid_t pids[WORKERS];
	struct stat st;
	void *map;

	mount_start("restart=crash");
	map = map_through_mount();
	start_until_end(pids);
	poll(NULL, 0, 30 + value % 50);
	kill_all();
	await_that(stat(MOUNT_DIR, &st) < 0 && errno == ENOTCONN);
	*rounds += end_workers(pids);
	for (int i = 0; i < WORKERS; i++)
		if (said->failure[i][0])
			fail_msg("%s", said->failure[i]);
	if (map != MAP_FAILED) {
		check_mapping(map, value);
		munmap(map, MAPPED);
	}
	must(umount2(MOUNT_DIR, 0));
	must(flock(locked, LOCK_EX | LOCK_NB));
	remove_remains();
	/* Nothing else is there but what stays. */
	assert_int_equal(count_objects(), 11);
	file_expect(NATIVE_DIR, "stays0", "stays");
}

static void test_nothing_is_left(void **state)
{
	unsigned long rounds = 0;

	(void)state;
	make_stays();
	file_make(NATIVE_DIR, "mapped", 0600, "");
	must(truncate(NATIVE_DIR "/mapped", MAPPED));
	for (int i = 0; i < KILLS; i++)
		kill_everything_once((unsigned char)i, &rounds);
	print_message("%d mounts killed, %lu rounds\n", KILLS, rounds);
	mount_start(NULL);
	file_expect(MOUNT_DIR, "stays9", "stays");
	mount_stop();
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_nobody_notices),
		mount_test_unmounted(test_nothing_is_left),
	};

	said = mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return said == MAP_FAILED ||
	       cmocka_run_group_tests_name("kill", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(120, run);
}
