/* SPDX-License-Identifier: MIT */
/*
 * A lock taken on the mount holds against a native locker of the same object and the
 * other way round, ends when it would end on a tmpfs, and whoever waits for one keeps
 * nobody else waiting.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "locks.h"
#include "mount.h"
#include "person.h"
#include "util/cleanup.h"

static bool excludes(enum lock_how a, short a_type, enum lock_how b, short b_type)
{
	return (a == LOCK_BY_FLOCK) == (b == LOCK_BY_FLOCK) &&
	       (a_type == F_WRLCK || b_type == F_WRLCK);
}

static void check_pair(const struct lock_attempt *holder,
		       const struct lock_attempt *other)
{
	_cleanup_close_ int fd = file_open(holder->dir, "a", O_RDWR);
	bool conflict = excludes(holder->how, holder->type, other->how, other->type);
	int r;

	assert_int_equal(lock_take(fd, holder), 0);
	r = person_do(NULL, lock_try, other);
	if (r != (conflict ? -EAGAIN : 0))
		fail_msg("%s by %d type %d, then %s by %d type %d: %d", holder->dir,
			 holder->how, holder->type, other->dir, other->how, other->type,
			 r);
	fd = close_fd(fd);
	await_that(lock_is_free(NATIVE_DIR, holder->how));
	await_that(lock_is_free(NATIVE_DIR, other->how));
}

/* Each sort of lock against each other, on all sides. */
static void test_conflicts(void **state)
{
	static const short types[] = { F_RDLCK, F_WRLCK };

	(void)state;
	lock_make_file();
	for (unsigned int i = 0; i < 2 * 2 * 2 * 2 * 3 * 3; i++) {
		struct lock_attempt holder = { .dir = lock_sides[i & 1],
					       .type = types[i >> 2 & 1] };
		struct lock_attempt other = { .dir = lock_sides[i >> 1 & 1],
					      .type = types[i >> 3 & 1] };

		holder.how = (enum lock_how)((i >> 4) % 3);
		other.how = (enum lock_how)((i >> 4) / 3);
		check_pair(&holder, &other);
	}
}

/* The sorts of byte range locks, tried on [start, start + length) from either side. */
static void check_range(off_t start, off_t length, bool free)
{
	for (unsigned int i = 0; i < 4; i++) {
		const struct lock_attempt a = { .dir = lock_sides[i & 1],
						.how = i & 2 ? LOCK_BY_FCNTL
							     : LOCK_BY_OFD,
						.type = F_WRLCK,
						.start = start,
						.length = length,
						.give_back = true };

		assert_int_equal(person_do(NULL, lock_try, &a), free ? 0 : -EAGAIN);
	}
}

static void test_ranges(void **state)
{
	(void)state;
	lock_make_file();
	for (int i = 0; i < 4; i++) {
		enum lock_how how = i & 2 ? LOCK_BY_FCNTL : LOCK_BY_OFD;
		_cleanup_close_ int fd = file_open(lock_sides[i & 1], "a", O_RDWR);

		lock_hold(fd, how, F_WRLCK, 100, 100);
		check_range(0, 100, true);
		check_range(200, 0, true);
		check_range(199, 1, false);
		check_range(0, 0, false);
		lock_hold(fd, how, F_UNLCK, 140, 20);
		check_range(140, 20, true);
		check_range(139, 1, false);
		check_range(160, 1, false);
		lock_hold(fd, how, F_WRLCK, 1LL << 40, 0);
		check_range(1LL << 50, 1, false);
		lock_hold(fd, how, F_UNLCK, 0, 0);
		check_range(0, 0, true);
	}
}

static void test_conversion(void **state)
{
	const struct lock_attempt reader = { .dir = NATIVE_DIR,
					     .how = LOCK_BY_OFD,
					     .type = F_RDLCK };
	const enum lock_how hows[] = { LOCK_BY_FLOCK, LOCK_BY_FCNTL, LOCK_BY_OFD };

	(void)state;
	lock_make_file();
	for (int i = 0; i < 3; i++) {
		_cleanup_close_ int fd = file_open(MOUNT_DIR, "a", O_RDWR);
		struct lock_attempt r = reader;

		r.how = hows[i];
		lock_hold(fd, hows[i], F_WRLCK, 0, 0);
		assert_int_equal(person_do(NULL, lock_try, &r), -EAGAIN);
		lock_hold(fd, hows[i], F_RDLCK, 0, 0);
		assert_int_equal(person_do(NULL, lock_try, &r), 0);
		assert_false(lock_is_free(NATIVE_DIR, hows[i]));
		lock_hold(fd, hows[i], F_WRLCK, 0, 0);
		assert_int_equal(person_do(NULL, lock_try, &r), -EAGAIN);
		lock_hold(fd, hows[i], F_UNLCK, 0, 0);
		assert_true(lock_is_free(NATIVE_DIR, hows[i]));
	}
}

static void test_getlk(void **state)
{
	(void)state;
	lock_make_file();
	for (unsigned int i = 0; i < 4; i++) {
		_cleanup_close_ int holder = file_open(lock_sides[i & 1], "a", O_RDWR);
		_cleanup_close_ int asker = file_open(lock_sides[i >> 1], "a", O_RDWR);
		struct flock found;

		lock_hold(holder, LOCK_BY_OFD, F_WRLCK, 10, 20);
		found = lock_ask(asker, F_OFD_GETLK, F_RDLCK, 0);
		assert_int_equal(found.l_type, F_WRLCK);
		assert_int_equal(found.l_start, 10);
		assert_int_equal(found.l_len, 20);
		found = lock_ask(asker, F_GETLK, F_WRLCK, 5);
		assert_int_equal(found.l_type, F_WRLCK);
		assert_int_equal(found.l_start, 10);
		found = lock_ask(asker, F_OFD_GETLK, F_RDLCK, 30);
		assert_int_equal(found.l_type, F_UNLCK);
		lock_hold(holder, LOCK_BY_OFD, F_UNLCK, 0, 0);
		found = lock_ask(asker, F_OFD_GETLK, F_WRLCK, 0);
		assert_int_equal(found.l_type, F_UNLCK);
	}
}

static void test_own_locks_do_not_exclude(void **state)
{
	_cleanup_close_ int one = -1;
	_cleanup_close_ int two = -1;

	(void)state;
	lock_make_file();
	one = file_open(MOUNT_DIR, "a", O_RDWR);
	two = file_open(MOUNT_DIR, "a", O_RDWR);
	/* Record locks belong to the process ... */
	lock_hold(one, LOCK_BY_FCNTL, F_WRLCK, 0, 0);
	lock_hold(two, LOCK_BY_FCNTL, F_WRLCK, 0, 0);
	assert_int_equal(lock_ask(two, F_GETLK, F_WRLCK, 0).l_type, F_UNLCK);
	lock_hold(two, LOCK_BY_FCNTL, F_UNLCK, 0, 0);
	assert_true(lock_is_free(NATIVE_DIR, LOCK_BY_FCNTL));
	/* ... the others to the open file. */
	lock_hold(one, LOCK_BY_FLOCK, F_WRLCK, 0, 0);
	refused(flock(two, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	lock_hold(one, LOCK_BY_OFD, F_WRLCK, 0, 0);
	assert_int_equal(lock_ask(two, F_OFD_GETLK, F_RDLCK, 0).l_type, F_WRLCK);
}

static void test_wrong_access_is_refused(void **state)
{
	struct flock range = { .l_type = F_WRLCK };
	_cleanup_close_ int readable = -1;
	_cleanup_close_ int writable = -1;

	(void)state;
	lock_make_file();
	readable = file_open(MOUNT_DIR, "a", O_RDONLY);
	writable = file_open(MOUNT_DIR, "a", O_WRONLY);
	refused(fcntl(readable, F_SETLK, &range), EBADF);
	range.l_type = F_RDLCK;
	refused(fcntl(writable, F_SETLK, &range), EBADF);
	/* flock does not ask how the file was opened, and a lock held so is a native one
	 * too. */
	lock_hold(readable, LOCK_BY_FLOCK, F_WRLCK, 0, 0);
	assert_false(lock_is_free(NATIVE_DIR, LOCK_BY_FLOCK));
	lock_hold(readable, LOCK_BY_FCNTL, F_RDLCK, 0, 0);
	assert_false(lock_is_free(NATIVE_DIR, LOCK_BY_FCNTL));
}

static void test_any_close_ends_record_locks(void **state)
{
	_cleanup_close_ int one = -1;
	_cleanup_close_ int two = -1;

	(void)state;
	lock_make_file();
	one = file_open(MOUNT_DIR, "a", O_RDWR);
	two = file_open(MOUNT_DIR, "a", O_RDWR);
	lock_hold(one, LOCK_BY_FCNTL, F_WRLCK, 0, 0);
	lock_hold(one, LOCK_BY_FLOCK, F_WRLCK, 0, 0);
	assert_false(lock_is_free(NATIVE_DIR, LOCK_BY_FCNTL));
	two = close_fd(two);
	assert_true(lock_is_free(NATIVE_DIR, LOCK_BY_FCNTL));
	assert_false(lock_is_free(NATIVE_DIR, LOCK_BY_FLOCK));
	one = close_fd(one);
	await_that(lock_is_free(NATIVE_DIR, LOCK_BY_FLOCK));
}

static int close_inherited(const void *arg)
{
	return close(*(const int *)arg) < 0 ? -errno : 0;
}

/* A child's copy of the descriptor holds no record lock, so its close ends none. */
static void test_close_in_a_child_ends_no_lock(void **state)
{
	_cleanup_close_ int fd = -1;

	(void)state;
	lock_make_file();
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	lock_hold(fd, LOCK_BY_FCNTL, F_WRLCK, 0, 0);
	lock_hold(fd, LOCK_BY_FLOCK, F_WRLCK, 0, 0);
	assert_int_equal(person_do(NULL, close_inherited, &fd), 0);
	assert_false(lock_is_free(NATIVE_DIR, LOCK_BY_FCNTL));
	assert_false(lock_is_free(NATIVE_DIR, LOCK_BY_FLOCK));
}

static void test_exit_ends_locks(void **state)
{
	const enum lock_how hows[] = { LOCK_BY_FLOCK, LOCK_BY_FCNTL, LOCK_BY_OFD };

	(void)state;
	lock_make_file();
	for (int i = 0; i < 3; i++) {
		const struct lock_attempt a = { .dir = MOUNT_DIR,
						.how = hows[i],
						.type = F_WRLCK };

		assert_int_equal(person_do(NULL, lock_try, &a), 0);
		await_that(lock_is_free(NATIVE_DIR, hows[i]));
	}
}

static void on_alarm(int signal)
{
	(void)signal;
}

static int wait_for_lock(const void *arg)
{
	struct sigaction action = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &action, NULL);
	return lock_try(arg);
}

static pid_t start_waiting(const struct lock_attempt *a)
{
	pid_t pid = must(fork());

	if (pid == 0)
		_exit(-wait_for_lock(a));
	return pid;
}

static int end_of(pid_t pid)
{
	int status = 0;

	assert_int_equal(must(waitpid(pid, &status, 0)), pid);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -1000 - WTERMSIG(status);
}

/* Holds a lock on side @holder while a child waits for it on side @waiter. */
static pid_t block(int *ret_fd, enum lock_how how, const char *holder, const char *waiter)
{
	const struct lock_attempt a = {
		.dir = waiter, .how = how, .type = F_WRLCK, .wait = true
	};
	pid_t pid;

	*ret_fd = file_open(holder, "a", O_RDWR);
	lock_hold(*ret_fd, how, F_WRLCK, 0, 0);
	pid = start_waiting(&a);
	await_that(lock_is_waiting(pid, how));
	return pid;
}

static void test_waiting_ends_with_the_lock(void **state)
{
	const enum lock_how hows[] = { LOCK_BY_FLOCK, LOCK_BY_FCNTL, LOCK_BY_OFD };

	(void)state;
	lock_make_file();
	for (int i = 0; i < 12; i++) {
		enum lock_how how = hows[i % 3];
		_cleanup_close_ int fd = -1;
		pid_t pid = block(&fd, how, lock_sides[i / 3 & 1], lock_sides[i / 6]);

		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		lock_hold(fd, how, F_UNLCK, 0, 0);
		assert_int_equal(end_of(pid), 0);
		await_that(lock_is_free(NATIVE_DIR, how));
	}
}

static void test_waiting_is_interruptible(void **state)
{
	const enum lock_how hows[] = { LOCK_BY_FLOCK, LOCK_BY_FCNTL, LOCK_BY_OFD };
	const int signals[] = { SIGALRM, SIGKILL };
	const int ends[] = { -EINTR, -1000 - SIGKILL };

	(void)state;
	lock_make_file();
	for (int i = 0; i < 12; i++) {
		enum lock_how how = hows[i % 3];
		_cleanup_close_ int fd = -1;
		pid_t pid = block(&fd, how, lock_sides[i / 6], MOUNT_DIR);

		must(kill(pid, signals[i / 3 & 1]));
		assert_int_equal(end_of(pid), ends[i / 3 & 1]);
		/* Who gave up waiting must not get the lock later. */
		lock_hold(fd, how, F_UNLCK, 0, 0);
		await_that(lock_is_free(NATIVE_DIR, how));
		await_that(lock_is_free(MOUNT_DIR, how));
	}
}

#define WAITERS 20

static void test_waiters_keep_nobody_waiting(void **state)
{
	const enum lock_how hows[] = { LOCK_BY_FLOCK, LOCK_BY_FCNTL, LOCK_BY_OFD };
	_cleanup_close_ int fd = -1;
	pid_t pids[WAITERS];

	(void)state;
	lock_make_file();
	fd = file_open(NATIVE_DIR, "a", O_RDWR);
	/* The second excludes both sorts of range locks. */
	lock_hold(fd, LOCK_BY_FLOCK, F_WRLCK, 0, 0);
	lock_hold(fd, LOCK_BY_OFD, F_WRLCK, 0, 0);
	for (int i = 0; i < WAITERS; i++) {
		const struct lock_attempt a = { .dir = MOUNT_DIR,
						.how = hows[i % 3],
						.type = F_WRLCK,
						.wait = true };

		pids[i] = start_waiting(&a);
	}
	for (int i = 0; i < WAITERS; i++)
		await_that(lock_is_waiting(pids[i], hows[i % 3]));
	for (int i = 0; i < 100; i++) {
		file_make(MOUNT_DIR, "b", 0600, "text");
		file_expect(MOUNT_DIR, "b", "text");
		must(unlink(MOUNT_DIR "/b"));
		file_expect(MOUNT_DIR, "a", "text");
	}
	for (int i = 0; i < WAITERS; i++)
		assert_int_equal(waitpid(pids[i], NULL, WNOHANG), 0);
	/* The waiters have inherited the descriptor, so that its close would end nothing.
	 */
	lock_hold(fd, LOCK_BY_FLOCK, F_UNLCK, 0, 0);
	lock_hold(fd, LOCK_BY_OFD, F_UNLCK, 0, 0);
	for (int i = 0; i < WAITERS; i++)
		assert_int_equal(end_of(pids[i]), 0);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_conflicts),
		mount_test(test_ranges),
		mount_test(test_conversion),
		mount_test(test_getlk),
		mount_test(test_own_locks_do_not_exclude),
		mount_test(test_wrong_access_is_refused),
		mount_test(test_any_close_ends_record_locks),
		mount_test(test_close_in_a_child_ends_no_lock),
		mount_test(test_exit_ends_locks),
		mount_test(test_waiting_ends_with_the_lock),
		mount_test(test_waiting_is_interruptible),
		mount_test(test_waiters_keep_nobody_waiting),
	};

	return cmocka_run_group_tests_name("locks", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
