/* SPDX-License-Identifier: MIT */
/*
 * A daemon that dies is replaced, and nothing that is in use of its segments notices:
 * neither those who have them open, nor those who look at them natively.
 */
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
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "ordinary.h"
#include "person.h"
#include "segments.h"
#include "util/cleanup.h"
#include "weigh.h"

#define KEY 0x1234
#define A   MOUNT_DIR "/0x00001234"

static const struct person alice = { .name = "alice", .uid = 1000, .gid = 1000 };

/* More than four within half a second were the last. */
#define APART_MS 140

static void replace(void)
{
	poll(NULL, 0, APART_MS);
	mount_replace(SIGKILL);
}

/* The process that keeps what is attached while there is no daemon, or 0. */
static pid_t find_anchor(void)
{
	char path[64], name[16];
	pid_t pid, found = 0;
	FILE *children, *comm;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)mount_keeper(),
		 (int)mount_keeper());
	children = fopen(path, "re");
	assert_non_null(children);
	while (fscanf(children, "%d", &pid) == 1) {
		snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
		comm = fopen(path, "re");
		if (comm && fscanf(comm, "%15s", name) == 1 &&
		    strcmp(name, "shmfs-anchor") == 0)
			found = pid;
		if (comm)
			fclose(comm);
	}
	fclose(children);
	return found;
}

static void test_open_files(void **state)
{
	_cleanup_close_ int fd = -1, other = -1;
	int id = segment_make(KEY, PAGE + 5, 0600);
	char found[16];

	(void)state;
	segment_put(id, 0, "text");
	fd = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	other = file_open(MOUNT_DIR, key_name(KEY), O_RDONLY);
	for (int i = 0; i < 3; i++) {
		replace();
		assert_int_equal(must(pwrite(fd, "T", 1, i)), 1);
		assert_int_equal(must(pwrite(fd, "0123456789", 10, PAGE)), 5);
		refused(pwrite(fd, "x", 1, PAGE + 5), ENOSPC);
		refused(pwrite(other, "x", 1, 0), EBADF);
		assert_int_equal(must(pread(other, found, 16, PAGE)), 5);
		assert_int_equal(fd_stat(other).st_size, PAGE + 5);
		refused(ftruncate(fd, PAGE), EPERM);
		must(ftruncate(fd, PAGE + 5));
		await_that(segment_nattch(id) == 1);
	}
	segment_expect(id, 0, "TTTt");
	fd = close_fd(fd);
	replace();
	await_that(segment_nattch(id) == 1);
	assert_int_equal(must(pread(other, found, 4, 0)), 4);
	other = close_fd(other);
	await_that(segment_nattch(id) == 0);
}

static void test_mappings(void **state)
{
	int id = segment_make(KEY, 2 * PAGE, 0600);
	_cleanup_close_ int fd = -1;
	char *map, *more;

	(void)state;
	if (!mount_passthrough())
		skip();
	fd = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	map = must(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	replace();
	strcpy(map, "before and after");
	segment_expect(id, 0, "before and after");
	segment_put(id, PAGE, "not touched yet");
	assert_string_equal(map + PAGE, "not touched yet");
	more = must(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	assert_string_equal(more, "before and after");
	munmap(more, PAGE);
	fd = close_fd(fd);
	fd = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	more = must(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	assert_string_equal(more, "before and after");
	munmap(more, PAGE);
	munmap(map, 2 * PAGE);
	fd = close_fd(fd);
	await_that(segment_nattch(id) == 0);
}

/* What is set while it is open does not make another of it. */
static void test_set_meanwhile(void **state)
{
	int id = segment_make(KEY, PAGE, 0600);
	_cleanup_close_ int fd = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	time_t now = segment_status(id).shm_ctime;

	(void)state;
	await_that(time(NULL) > now);
	must(fchmod(fd, 0640));
	assert_true(segment_status(id).shm_ctime > now);
	replace();
	assert_int_equal(must(pwrite(fd, "text", 4, 0)), 4);
	segment_expect(id, 0, "text");
	assert_int_equal(fd_stat(fd).st_mode, S_IFREG | 0640);
	assert_int_equal(file_stat(MOUNT_DIR, key_name(KEY)).st_ino, fd_stat(fd).st_ino);
	must(fchmod(fd, 0600));
	must(unlink(A));
	fd = close_fd(fd);
	await_that(!segment_exists(id));
}

/* It lives by the mount's attachment alone. */
static void test_removed(void **state)
{
	int id = segment_make(KEY, PAGE, 0600);
	_cleanup_close_ int fd = -1, again = -1;
	char found[8] = "";

	(void)state;
	fd = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	must(pwrite(fd, "text", 4, 0));
	must(unlink(A));
	for (int i = 0; i < 3; i++) {
		replace();
		assert_true(segment_exists(id));
		assert_int_equal(must(pread(fd, found, 8, 0)), 8);
		assert_string_equal(found, "text");
		assert_int_equal(fd_stat(fd).st_size, PAGE);
		await_that(segment_nattch(id) == 1);
	}
	again = file_open(MOUNT_DIR, id_name(id), O_RDONLY);
	assert_int_equal(must(pread(again, found, 8, 0)), 8);
	again = close_fd(again);
	fd = close_fd(fd);
	await_that(!segment_exists(id));
}

/* Without its anchor, what is gone with the daemon is what only it had attached. */
static void test_removed_without_anchor(void **state)
{
	int id = segment_make(KEY, PAGE, 0600);
	_cleanup_close_ int fd = -1;
	char found[PAGE] = "";
	char *map = NULL;
	pid_t pid;

	(void)state;
	fd = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	if (mount_passthrough())
		map = must(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	must(pwrite(fd, "text", 4, 0));
	must(unlink(A));
	pid = find_anchor();
	assert_int_not_equal(pid, 0);
	must(kill(pid, SIGKILL));
	await_that(kill(pid, 0) < 0);
	replace();
	assert_false(segment_exists(id));
	assert_int_equal(must(pwrite(fd, "T", 1, 0)), 1);
	assert_int_equal(must(pwrite(fd, found, 10, PAGE - 4)), 4);
	refused(pwrite(fd, "x", 1, PAGE), ENOSPC);
	assert_int_equal(must(pread(fd, found, sizeof(found), 0)), PAGE);
	assert_memory_equal(found, "Text", 4);
	if (map) {
		assert_memory_equal(map, "Text", 4);
		munmap(map, PAGE);
	}
	/* There is one again, for what is opened from now on. */
	assert_int_not_equal(find_anchor(), 0);
	replace();
	assert_int_equal(must(pread(fd, found, 4, 0)), 4);
	assert_memory_equal(found, "Text", 4);
	fd = close_fd(fd);
}

static void test_pending(void **state)
{
	_cleanup_close_ int fd = -1, other = -1, private = -1;
	struct shmid_ds ds;
	struct stat st;
	mode_t mask = umask(027);

	(void)state;
	fd = must(open(A, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
	umask(mask);
	private = file_open(MOUNT_DIR, "0x00000000", O_RDWR | O_CREAT);
	other = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	replace();
	assert_int_equal(fd_stat(fd).st_size, 0);
	assert_int_equal(fd_stat(fd).st_mode, S_IFREG | 0640);
	assert_int_equal(file_stat(MOUNT_DIR, key_name(KEY)).st_ino,
			 fd_stat(other).st_ino);
	assert_int_equal(segments_count(), 0);
	must(fchmod(fd, 0600));
	replace();
	must(ftruncate(fd, 5000));
	ds = segment_status(segment_find(KEY));
	assert_int_equal(ds.shm_segsz, 5000);
	assert_int_equal(ds.shm_perm.mode & 0777, 0600);
	must(pwrite(private, "mine", 4, 0));
	must(fsync(private));
	assert_int_equal(segments_count(), 2);
	/* They have segments now, as which they were not opened. */
	replace();
	assert_int_equal(fd_stat(fd).st_size, 5000);
	assert_int_equal(must(pwrite(other, "text", 4, 4998)), 2);
	segment_expect(segment_find(KEY), 4998, "te");
	fd_expect(private, "mine");
	await_that(segment_nattch(segment_find(KEY)) == 1);
	other = close_fd(other);
	fd = close_fd(fd);
	private = close_fd(private);
	await_that(segment_nattch(segment_find(KEY)) == 0);
	/* What never gets a size goes with its file. */
	must(unlink(A));
	fd = must(open(A, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
	replace();
	fd = close_fd(fd);
	await_that(stat(A, &st) < 0 && errno == ENOENT);
}

static int create_hers(const void *arg)
{
	const int *ends = arg;
	char byte;
	int fd = open(A, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0400);

	if (fd < 0 || write(ends[1], "", 1) != 1 || read(ends[2], &byte, 1) != 1)
		return -errno;
	if (pwrite(fd, "hers", 4, 0) != 4 || fsync(fd) < 0)
		return -errno;
	return open(MOUNT_DIR "/0x00000001", O_RDONLY) >= 0 ? -EPROTO : errno - EACCES;
}

/* It is made as who has made the file, and others' rights are looked at as before. */
static void test_users(void **state)
{
	struct shmid_ds ds;
	int ends[4];
	pid_t user;
	char byte;

	(void)state;
	person_needs_root();
	must(pipe2(ends, O_CLOEXEC));
	must(pipe2(ends + 2, O_CLOEXEC));
	segment_make(1, PAGE, 0600);
	user = person_start(&alice, create_hers, ends);
	assert_int_equal(must(read(ends[0], &byte, 1)), 1);
	replace();
	assert_int_equal(must(write(ends[3], "", 1)), 1);
	assert_int_equal(person_end(&alice, user), 0);
	ds = segment_status(segment_find(KEY));
	assert_int_equal(ds.shm_perm.uid, alice.uid);
	assert_int_equal(ds.shm_perm.cuid, alice.uid);
	assert_int_equal(ds.shm_perm.cgid, alice.gid);
	assert_int_equal(ds.shm_perm.mode & 0777, 0400);
	for (int i = 0; i < 4; i++)
		close_fd(ends[i]);
}

static int lock_range(int fd, int command, short type, off_t start)
{
	struct flock lock = { .l_type = type, .l_start = start, .l_len = 1 };

	return fcntl(fd, command, &lock) < 0 ? -errno : lock.l_type;
}

static void test_locks(void **state)
{
	_cleanup_close_ int fd = -1, flocked = -1, other = -1;
	int id = segment_make(KEY, PAGE, 0600);
	pid_t pid;
	int status;

	(void)state;
	fd = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	flocked = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	other = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	assert_int_equal(lock_range(fd, F_SETLK, F_WRLCK, 1), F_WRLCK);
	must(flock(flocked, LOCK_EX));
	for (int i = 0; i < 2; i++) {
		replace();
		refused(flock(other, LOCK_EX | LOCK_NB), EWOULDBLOCK);
		pid = must(fork());
		if (pid == 0)
			_exit(-lock_range(other, F_SETLK, F_WRLCK, 1));
		must(waitpid(pid, &status, 0));
		assert_int_equal(WEXITSTATUS(status), EAGAIN);
		assert_int_equal(lock_range(fd, F_SETLK, F_WRLCK, 1), F_WRLCK);
		must(flock(flocked, LOCK_EX | LOCK_NB));
		await_that(segment_nattch(id) == 1);
	}
	flocked = close_fd(flocked);
	await_that(flock(other, LOCK_EX | LOCK_NB) == 0);
	fd = close_fd(fd);
	other = close_fd(other);
	await_that(segment_nattch(id) == 0);
}

/* Nothing is left of what dead daemons had open, or attached. */
static void test_descriptors(void **state)
{
	int id = segment_make(KEY, PAGE, 0600);
	unsigned int before;

	(void)state;
	replace();
	file_stat(MOUNT_DIR, key_name(KEY));
	poll(NULL, 0, 200);
	before = daemon_fds();
	for (int i = 0; i < 5; i++) {
		_cleanup_close_ int fd = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);

		must(flock(fd, LOCK_EX));
		replace();
		await_that(segment_nattch(id) == 1);
	}
	await_that(daemon_fds() == before);
	await_that(segment_nattch(id) == 0);
}

#define MANY 300

static void test_directory_stream(void **state)
{
	static char seen[MANY];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir;

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < MANY; i++)
		segment_make(i + 1, 1, 0600);
	dir = opendir(MOUNT_DIR);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		assert_int_equal(seen[strtol(entry->d_name, NULL, 16) - 1]++, 0);
		if (++n % 100 == 0)
			replace();
	}
	assert_int_equal(n, MANY);
	closedir(dir);
}

/* Handles and the working directory; nodes are found by their names. */
static void test_names(void **state)
{
	_cleanup_close_ int handle = -1, first = -1;
	int id = segment_make(KEY, PAGE, 0600);

	(void)state;
	must(chdir(MOUNT_DIR));
	handle = must(open(key_name(KEY), O_PATH | O_CLOEXEC));
	first = must(
		open(id_name(segment_make(IPC_PRIVATE, 1, 0600)), O_PATH | O_CLOEXEC));
	replace();
	assert_int_equal(fd_stat(handle).st_size, PAGE);
	assert_int_equal(fd_stat(first).st_size, 1);
	assert_int_equal(file_stat(".", key_name(KEY)).st_ino, id);
	must(chdir("/"));
}

/*
 * kind=all
 */
static void test_all(void **state)
{
	_cleanup_close_ int fd = -1, object = -1, pending = -1;
	int id = segment_make(KEY, PAGE, 0600);
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir;

	(void)state;
	mount_start("kind=all");
	fd = file_open(MOUNT_DIR "/sysv", key_name(KEY), O_RDWR);
	pending = file_open(MOUNT_DIR "/sysv", key_name(KEY + 1), O_RDWR | O_CREAT);
	object = file_open(MOUNT_DIR "/posix", "a", O_RDWR | O_CREAT);
	dir = opendir(MOUNT_DIR);
	must(chdir(MOUNT_DIR "/sysv"));
	for (int i = 0; i < 2; i++) {
		replace();
		assert_int_equal(must(pwrite(fd, "text", 4, i)), 4);
		assert_int_equal(must(pwrite(object, "text", 4, i)), 4);
		assert_int_equal(file_stat(".", key_name(KEY)).st_ino,
				 fd_stat(fd).st_ino);
		await_that(segment_nattch(id) == 1);
	}
	must(chdir("/"));
	segment_expect(id, 0, "ttext");
	file_expect(NATIVE_DIR, "a", "ttext");
	must(ftruncate(pending, 100));
	assert_int_equal(segment_status(segment_find(KEY + 1)).shm_segsz, 100);
	while ((entry = readdir(dir)))
		n++;
	assert_int_equal(n, 4);
	closedir(dir);
	fd = close_fd(fd);
	object = close_fd(object);
	pending = close_fd(pending);
	must(unlink(MOUNT_DIR "/posix/a"));
	await_that(segment_nattch(id) == 0);
	mount_stop();
}

/*
 * Without root: read and written by copies from the attachment.
 */
static int use_hers(const void *arg)
{
	const int *ends = arg;
	int fd = open(USER_DIR "/0x00000001", O_RDWR | O_CLOEXEC);
	int reads = open(USER_DIR "/0x00000002", O_RDONLY | O_CLOEXEC);
	char byte;

	if (fd < 0 || reads < 0 || write(ends[1], "", 1) != 1 ||
	    read(ends[2], &byte, 1) != 1)
		return -errno;
	if (pwrite(fd, "T", 1, 0) != 1 || pread(reads, &byte, 1, 0) != 1)
		return -errno;
	if (pwrite(fd, "x", 1, PAGE) >= 0 || errno != ENOSPC)
		return -EPROTO;
	return byte == 'r' ? 0 : -ERANGE;
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

static void test_ordinary_user(void **state)
{
	pid_t keeper, pid, user;
	int hers, others;
	int ends[4];
	char byte;

	(void)state;
	person_needs_root();
	must(pipe2(ends, O_CLOEXEC));
	must(pipe2(ends + 2, O_CLOEXEC));
	ordinary_allow();
	assert_int_equal(ordinary_mount("kind=sysv").status, 0);
	keeper = first_child();
	hers = segment_make(1, PAGE, 0666);
	others = segment_make(2, PAGE, 0644);
	segment_put(hers, 0, "text");
	segment_put(others, 0, "r");
	pid = mount_kept(keeper);
	assert_int_not_equal(pid, keeper);
	user = person_start(&ordinary_user, use_hers, ends);
	assert_int_equal(must(read(ends[0], &byte, 1)), 1);
	segment_remove(hers);
	must(kill(pid, SIGKILL));
	await_that(mount_kept(keeper) != pid && mount_kept(keeper) != 0);
	assert_true(segment_exists(hers));
	assert_int_equal(must(write(ends[3], "", 1)), 1);
	assert_int_equal(person_end(&ordinary_user, user), 0);
	await_that(!segment_exists(hers));
	await_that(segment_nattch(others) == 0);
	ordinary_unmount();
	ordinary_disallow();
	for (int i = 0; i < 4; i++)
		close_fd(ends[i]);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		segments_test(test_open_files),
		segments_test(test_mappings),
		segments_test(test_set_meanwhile),
		segments_test(test_removed),
		segments_test(test_removed_without_anchor),
		segments_test(test_pending),
		segments_test(test_users),
		segments_test(test_locks),
		segments_test(test_descriptors),
		segments_test(test_directory_stream),
		segments_test(test_names),
		segments_test_unmounted(test_all),
		segments_test_unmounted(test_ordinary_user),
	};

	return cmocka_run_group_tests_name("sysv-takeover", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
