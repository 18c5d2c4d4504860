/* SPDX-License-Identifier: MIT */
/*
 * Who locks through the mount is to others what he is natively: the process that F_GETLK
 * names, and a reader where he has opened the file for reading only.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "locks.h"
#include "mount.h"
#include "person.h"
#include "util/cleanup.h"

/* What a child is told of a lock at @start of "a" on the mount: whether @pid has it, from
 * there to @end. */
struct question {
	pid_t pid;
	off_t start, end;
};

static int is_told(const void *arg)
{
	const struct question *q = arg;
	int fd = open(MOUNT_DIR "/a", O_RDWR | O_CLOEXEC);
	struct flock lock = { .l_type = F_RDLCK, .l_start = q->start, .l_len = 1 };

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0)
		return -errno;
	if (q->pid == 0)
		return lock.l_type == F_UNLCK ? 0 : -1;
	if (lock.l_type != F_WRLCK || lock.l_start != q->start)
		return -2;
	if (lock.l_len != (q->end ? q->end - q->start : 0))
		return -3;
	return lock.l_pid == q->pid ? 0 : -4;
}

static void check_told(pid_t pid, off_t start, off_t end)
{
	const struct question q = { pid, start, end };

	assert_int_equal(person_do(NULL, is_told, &q), 0);
}

static void check_what_is_left(void)
{
	check_told(0, 0, 0);
	check_told(getpid(), 10, 50);
	check_told(0, 50, 0);
	check_told(getpid(), 60, 100);
	check_told(getpid(), 200, 0);
}

/* The kernel does not say who unlocks. */
static void test_holder_of_what_is_left(void **state)
{
	_cleanup_close_ int fd = -1;

	(void)state;
	lock_make_file();
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	lock_hold(fd, LOCK_BY_FCNTL, F_WRLCK, 0, 90);
	lock_hold(fd, LOCK_BY_FCNTL, F_WRLCK, 90, 10);
	lock_hold(fd, LOCK_BY_FCNTL, F_UNLCK, 0, 10);
	lock_hold(fd, LOCK_BY_FCNTL, F_UNLCK, 50, 10);
	lock_hold(fd, LOCK_BY_FCNTL, F_WRLCK, 200, 0);
	check_what_is_left();
	/* Whoever takes over knows it, too. */
	mount_replace(SIGKILL);
	check_what_is_left();
	lock_hold(fd, LOCK_BY_FCNTL, F_UNLCK, 90, 120);
	check_told(getpid(), 60, 90);
	check_told(getpid(), 210, 0);
}

/* A lock that was waited for is named as well. */
static void test_holder_who_waited(void **state)
{
	const struct lock_attempt a = {
		.dir = MOUNT_DIR, .how = LOCK_BY_FCNTL, .type = F_WRLCK, .wait = true
	};
	_cleanup_close_ int holder = -1;
	_cleanup_close_ int fd = -1;
	struct flock found;
	int told[2];
	pid_t pid;
	char c;

	(void)state;
	lock_make_file();
	holder = file_open(NATIVE_DIR, "a", O_RDWR);
	lock_hold(holder, LOCK_BY_OFD, F_WRLCK, 0, 0);
	must(pipe2(told, O_CLOEXEC));
	pid = must(fork());
	if (pid == 0) {
		close(holder);
		fd = open(MOUNT_DIR "/a", O_RDWR | O_CLOEXEC);
		if (lock_take(fd, &a) < 0 || write(told[1], "l", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	await_that(lock_is_waiting(pid, LOCK_BY_FCNTL));
	lock_hold(holder, LOCK_BY_OFD, F_UNLCK, 0, 0);
	assert_int_equal(must(read(told[0], &c, 1)), 1);
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	found = lock_ask(fd, F_GETLK, F_WRLCK, 0);
	must(kill(pid, SIGKILL));
	must(waitpid(pid, NULL, 0));
	close_fd(told[0]);
	close_fd(told[1]);
	assert_int_equal(found.l_type, F_WRLCK);
	assert_int_equal(found.l_pid, pid);
}

/* Takes both sorts of lock that @fd, which is open for reading, allows. */
static void lock_as_reader(int fd)
{
	lock_hold(fd, LOCK_BY_FLOCK, F_WRLCK, 0, 0);
	lock_hold(fd, LOCK_BY_FCNTL, F_RDLCK, 0, 0);
	assert_false(lock_is_free(NATIVE_DIR, LOCK_BY_FLOCK));
	assert_false(lock_is_free(NATIVE_DIR, LOCK_BY_FCNTL));
}

/* A lease for reading is had while nobody has the file open for writing, and broken by
 * whoever opens it so. */
static void test_reader_breaks_no_lease(void **state)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	_cleanup_close_ int leased = -1;
	_cleanup_close_ int fd = -1;

	(void)state;
	file_make(NATIVE_DIR, "a", 0644, "text");
	sigaction(SIGIO, &ignore, &before);
	leased = file_open(NATIVE_DIR, "a", O_RDONLY);
	must(fcntl(leased, F_SETLEASE, F_RDLCK));
	fd = file_open(MOUNT_DIR, "a", O_RDONLY);
	lock_hold(fd, LOCK_BY_FLOCK, F_WRLCK, 0, 0);
	lock_hold(fd, LOCK_BY_FCNTL, F_RDLCK, 0, 0);
	assert_int_equal(must(fcntl(leased, F_GETLEASE)), F_RDLCK);
	must(fcntl(leased, F_SETLEASE, F_UNLCK));
	lock_as_reader(fd);
	must(fcntl(leased, F_SETLEASE, F_RDLCK));
	must(fcntl(leased, F_SETLEASE, F_UNLCK));
	sigaction(SIGIO, &before, NULL);
}

/* The events of @watch so far. */
static uint32_t events(int watch)
{
	_Alignas(struct inotify_event) char buf[4096];
	uint32_t mask = 0;
	ssize_t n;

	while ((n = read(watch, buf, sizeof(buf))) > 0)
		for (char *at = buf; at < buf + n;) {
			const struct inotify_event *e = (const void *)at;

			mask |= e->mask;
			at += sizeof(*e) + e->len;
		}
	return mask;
}

static void test_reader_closes_no_writer(void **state)
{
	_cleanup_close_ int watch = must(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	_cleanup_close_ int fd = -1;
	uint32_t seen = 0;

	(void)state;
	lock_make_file();
	must(inotify_add_watch(watch, NATIVE_DIR "/a", IN_CLOSE));
	fd = file_open(MOUNT_DIR, "a", O_RDONLY);
	lock_hold(fd, LOCK_BY_FLOCK, F_WRLCK, 0, 0);
	lock_hold(fd, LOCK_BY_FCNTL, F_RDLCK, 0, 0);
	fd = close_fd(fd);
	/* That of the file, and those of its locks, come last. */
	await_that((seen |= events(watch)) & IN_CLOSE_NOWRITE);
	fd = file_open(MOUNT_DIR, "a", O_RDONLY);
	fd = close_fd(fd);
	await_that((seen |= events(watch)) & IN_CLOSE_NOWRITE);
	assert_int_equal(seen & IN_CLOSE_WRITE, 0);
}

/* Who gives up locks while others have the file open has not closed it. */
static void test_writer_closes_with_the_file(void **state)
{
	_cleanup_close_ int watch = must(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	_cleanup_close_ int copy = -1;
	_cleanup_close_ int fd = -1;

	(void)state;
	lock_make_file();
	must(inotify_add_watch(watch, NATIVE_DIR "/a", IN_CLOSE_WRITE));
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	for (int i = 0; i < 3; i++) {
		lock_hold(fd, LOCK_BY_FCNTL, F_WRLCK, 0, 0);
		copy = must(dup(fd));
		copy = close_fd(copy);
		/* close(2) has waited for it. */
		assert_int_equal(events(watch), 0);
	}
	fd = close_fd(fd);
	await_that(events(watch) & IN_CLOSE_WRITE);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_holder_of_what_is_left),
		mount_test(test_holder_who_waited),
		mount_test(test_reader_breaks_no_lease),
		mount_test(test_reader_closes_no_writer),
		mount_test(test_writer_closes_with_the_file),
	};

	return cmocka_run_group_tests_name("lock-owners", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
