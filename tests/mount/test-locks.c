/* SPDX-License-Identifier: MIT */
/*
 * A lock taken on the mount holds against a native locker of the same object and the
 * other way round, ends when it would end on a tmpfs, and whoever waits for one keeps
 * nobody else waiting.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "person.h"
#include "util/cleanup.h"

enum how { BY_FLOCK, BY_FCNTL, BY_OFD };

static const char *const sides[] = { MOUNT_DIR, NATIVE_DIR };

/* A lock to be tried: whose side, which sort, shared or not, where; and whether to wait.
 */
struct attempt {
	const char *dir;
	enum how how;
	short type; /* F_RDLCK, F_WRLCK, F_UNLCK */
	off_t start;
	off_t length;
	bool wait;
	bool give_back; /* what was taken */
};

static int lock_range(int fd, const struct attempt *a)
{
	struct flock range = { .l_type = a->type,
			       .l_whence = SEEK_SET,
			       .l_start = a->start,
			       .l_len = a->length };
	int ofd = a->wait ? F_OFD_SETLKW : F_OFD_SETLK;
	int posix = a->wait ? F_SETLKW : F_SETLK;

	return errno_or(fcntl(fd, a->how == BY_OFD ? ofd : posix, &range));
}

static int lock_whole(int fd, const struct attempt *a)
{
	int operation = a->type == F_RDLCK   ? LOCK_SH
			: a->type == F_WRLCK ? LOCK_EX
					     : LOCK_UN;

	return errno_or(flock(fd, operation | (a->wait ? 0 : LOCK_NB)));
}

static int lock_fd(int fd, const struct attempt *a)
{
	return a->how == BY_FLOCK ? lock_whole(fd, a) : lock_range(fd, a);
}

/*
 * In a child: takes the lock, and leaves with it or gives it back before. The end of a
 * process ends its locks on the mount a moment after it was seen.
 */
static int try_lock(const void *arg)
{
	const struct attempt *a = arg;
	struct attempt back = *a;
	int fd = open(at(a->dir, "a"), O_RDWR | O_CLOEXEC);
	int r = fd < 0 ? -errno : lock_fd(fd, a);

	back.type = F_UNLCK;
	if (r == 0 && a->give_back)
		r = lock_fd(fd, &back);
	return r == -EACCES ? -EAGAIN : r;
}

static bool is_free(const char *dir, enum how how)
{
	const struct attempt a = {
		.dir = dir, .how = how, .type = F_WRLCK, .give_back = true
	};

	return person_do(NULL, try_lock, &a) == 0;
}

static void make_file(void)
{
	file_make(NATIVE_DIR, "a", 0666, "text");
}

static bool excludes(enum how a, short a_type, enum how b, short b_type)
{
	return (a == BY_FLOCK) == (b == BY_FLOCK) &&
	       (a_type == F_WRLCK || b_type == F_WRLCK);
}

static void check_pair(const struct attempt *holder, const struct attempt *other)
{
	_cleanup_close_ int fd = file_open(holder->dir, "a", O_RDWR);
	bool conflict = excludes(holder->how, holder->type, other->how, other->type);
	int r;

	assert_int_equal(lock_fd(fd, holder), 0);
	r = person_do(NULL, try_lock, other);
	if (r != (conflict ? -EAGAIN : 0))
		fail_msg("%s by %d type %d, then %s by %d type %d: %d", holder->dir,
			 holder->how, holder->type, other->dir, other->how, other->type,
			 r);
	fd = close_fd(fd);
	await_that(is_free(NATIVE_DIR, holder->how));
	await_that(is_free(NATIVE_DIR, other->how));
}

/* Each sort of lock against each other, on all sides. */
static void test_conflicts(void **state)
{
	static const short types[] = { F_RDLCK, F_WRLCK };

	(void)state;
	make_file();
	for (unsigned int i = 0; i < 2 * 2 * 2 * 2 * 3 * 3; i++) {
		struct attempt holder = { .dir = sides[i & 1],
					  .type = types[i >> 2 & 1] };
		struct attempt other = { .dir = sides[i >> 1 & 1],
					 .type = types[i >> 3 & 1] };

		holder.how = (enum how)((i >> 4) % 3);
		other.how = (enum how)((i >> 4) / 3);
		check_pair(&holder, &other);
	}
}

/* The sorts of byte range locks, tried on [start, start + length) from either side. */
static void check_range(off_t start, off_t length, bool free)
{
	for (unsigned int i = 0; i < 4; i++) {
		const struct attempt a = { .dir = sides[i & 1],
					   .how = i & 2 ? BY_FCNTL : BY_OFD,
					   .type = F_WRLCK,
					   .start = start,
					   .length = length,
					   .give_back = true };

		assert_int_equal(person_do(NULL, try_lock, &a), free ? 0 : -EAGAIN);
	}
}

static void hold(int fd, enum how how, short type, off_t start, off_t length)
{
	const struct attempt a = {
		.how = how, .type = type, .start = start, .length = length
	};

	assert_int_equal(lock_fd(fd, &a), 0);
}

static void test_ranges(void **state)
{
	(void)state;
	make_file();
	for (int i = 0; i < 4; i++) {
		enum how how = i & 2 ? BY_FCNTL : BY_OFD;
		_cleanup_close_ int fd = file_open(sides[i & 1], "a", O_RDWR);

		hold(fd, how, F_WRLCK, 100, 100);
		check_range(0, 100, true);
		check_range(200, 0, true);
		check_range(199, 1, false);
		check_range(0, 0, false);
		hold(fd, how, F_UNLCK, 140, 20);
		check_range(140, 20, true);
		check_range(139, 1, false);
		check_range(160, 1, false);
		hold(fd, how, F_WRLCK, 1LL << 40, 0);
		check_range(1LL << 50, 1, false);
		hold(fd, how, F_UNLCK, 0, 0);
		check_range(0, 0, true);
	}
}

static void test_conversion(void **state)
{
	const struct attempt reader = { .dir = NATIVE_DIR,
					.how = BY_OFD,
					.type = F_RDLCK };
	const enum how hows[] = { BY_FLOCK, BY_FCNTL, BY_OFD };

	(void)state;
	make_file();
	for (int i = 0; i < 3; i++) {
		_cleanup_close_ int fd = file_open(MOUNT_DIR, "a", O_RDWR);
		struct attempt r = reader;

		r.how = hows[i];
		hold(fd, hows[i], F_WRLCK, 0, 0);
		assert_int_equal(person_do(NULL, try_lock, &r), -EAGAIN);
		hold(fd, hows[i], F_RDLCK, 0, 0);
		assert_int_equal(person_do(NULL, try_lock, &r), 0);
		assert_false(is_free(NATIVE_DIR, hows[i]));
		hold(fd, hows[i], F_WRLCK, 0, 0);
		assert_int_equal(person_do(NULL, try_lock, &r), -EAGAIN);
		hold(fd, hows[i], F_UNLCK, 0, 0);
		assert_true(is_free(NATIVE_DIR, hows[i]));
	}
}

static struct flock ask(int fd, int command, short type, off_t start)
{
	struct flock range = { .l_type = type, .l_whence = SEEK_SET, .l_start = start };

	must(fcntl(fd, command, &range));
	return range;
}

static void test_getlk(void **state)
{
	(void)state;
	make_file();
	for (unsigned int i = 0; i < 4; i++) {
		_cleanup_close_ int holder = file_open(sides[i & 1], "a", O_RDWR);
		_cleanup_close_ int asker = file_open(sides[i >> 1], "a", O_RDWR);
		struct flock found;

		hold(holder, BY_OFD, F_WRLCK, 10, 20);
		found = ask(asker, F_OFD_GETLK, F_RDLCK, 0);
		assert_int_equal(found.l_type, F_WRLCK);
		assert_int_equal(found.l_start, 10);
		assert_int_equal(found.l_len, 20);
		found = ask(asker, F_GETLK, F_WRLCK, 5);
		assert_int_equal(found.l_type, F_WRLCK);
		assert_int_equal(found.l_start, 10);
		found = ask(asker, F_OFD_GETLK, F_RDLCK, 30);
		assert_int_equal(found.l_type, F_UNLCK);
		hold(holder, BY_OFD, F_UNLCK, 0, 0);
		found = ask(asker, F_OFD_GETLK, F_WRLCK, 0);
		assert_int_equal(found.l_type, F_UNLCK);
	}
}

static void test_own_locks_do_not_exclude(void **state)
{
	_cleanup_close_ int one = -1;
	_cleanup_close_ int two = -1;

	(void)state;
	make_file();
	one = file_open(MOUNT_DIR, "a", O_RDWR);
	two = file_open(MOUNT_DIR, "a", O_RDWR);
	/* Record locks belong to the process ... */
	hold(one, BY_FCNTL, F_WRLCK, 0, 0);
	hold(two, BY_FCNTL, F_WRLCK, 0, 0);
	assert_int_equal(ask(two, F_GETLK, F_WRLCK, 0).l_type, F_UNLCK);
	hold(two, BY_FCNTL, F_UNLCK, 0, 0);
	assert_true(is_free(NATIVE_DIR, BY_FCNTL));
	/* ... the others to the open file. */
	hold(one, BY_FLOCK, F_WRLCK, 0, 0);
	refused(flock(two, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	hold(one, BY_OFD, F_WRLCK, 0, 0);
	assert_int_equal(ask(two, F_OFD_GETLK, F_RDLCK, 0).l_type, F_WRLCK);
}

static void test_wrong_access_is_refused(void **state)
{
	struct flock range = { .l_type = F_WRLCK };
	_cleanup_close_ int readable = -1;
	_cleanup_close_ int writable = -1;

	(void)state;
	make_file();
	readable = file_open(MOUNT_DIR, "a", O_RDONLY);
	writable = file_open(MOUNT_DIR, "a", O_WRONLY);
	refused(fcntl(readable, F_SETLK, &range), EBADF);
	range.l_type = F_RDLCK;
	refused(fcntl(writable, F_SETLK, &range), EBADF);
	/* flock does not ask how the file was opened, and a lock held so is a native one
	 * too. */
	hold(readable, BY_FLOCK, F_WRLCK, 0, 0);
	assert_false(is_free(NATIVE_DIR, BY_FLOCK));
	hold(readable, BY_FCNTL, F_RDLCK, 0, 0);
	assert_false(is_free(NATIVE_DIR, BY_FCNTL));
}

static void any_close_ends_record_locks(void)
{
	_cleanup_close_ int one = file_open(MOUNT_DIR, "a", O_RDWR);
	_cleanup_close_ int two = file_open(MOUNT_DIR, "a", O_RDWR);

	hold(one, BY_FCNTL, F_WRLCK, 0, 0);
	hold(one, BY_FLOCK, F_WRLCK, 0, 0);
	assert_false(is_free(NATIVE_DIR, BY_FCNTL));
	two = close_fd(two);
	assert_true(is_free(NATIVE_DIR, BY_FCNTL));
	assert_false(is_free(NATIVE_DIR, BY_FLOCK));
	one = close_fd(one);
	await_that(is_free(NATIVE_DIR, BY_FLOCK));
}

static void test_any_close_ends_record_locks(void **state)
{
	(void)state;
	make_file();
	/* Of those that were opened when record locks had been used here. */
	assert_true(is_free(MOUNT_DIR, BY_FCNTL));
	any_close_ends_record_locks();
}

/* Those that were opened before anybody used one end with the last close. */
static void test_last_close_ends_the_first_record_locks(void **state)
{
	_cleanup_close_ int one = -1;
	_cleanup_close_ int two = -1;

	(void)state;
	make_file();
	one = file_open(MOUNT_DIR, "a", O_RDWR);
	two = must(dup(one));
	hold(one, BY_FCNTL, F_WRLCK, 0, 0);
	assert_false(is_free(NATIVE_DIR, BY_FCNTL));
	one = close_fd(one);
	two = close_fd(two);
	/* The kernel tells of it without letting anybody wait. */
	await_that(is_free(MOUNT_DIR, BY_FCNTL));
	await_that(is_free(NATIVE_DIR, BY_FCNTL));
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
	make_file();
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	hold(fd, BY_FCNTL, F_WRLCK, 0, 0);
	hold(fd, BY_FLOCK, F_WRLCK, 0, 0);
	assert_int_equal(person_do(NULL, close_inherited, &fd), 0);
	assert_false(is_free(NATIVE_DIR, BY_FCNTL));
	assert_false(is_free(NATIVE_DIR, BY_FLOCK));
}

static void test_exit_ends_locks(void **state)
{
	const enum how hows[] = { BY_FLOCK, BY_FCNTL, BY_OFD };

	(void)state;
	make_file();
	for (int i = 0; i < 3; i++) {
		const struct attempt a = { .dir = MOUNT_DIR,
					   .how = hows[i],
					   .type = F_WRLCK };

		assert_int_equal(person_do(NULL, try_lock, &a), 0);
		await_that(is_free(NATIVE_DIR, hows[i]));
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
	return try_lock(arg);
}

static pid_t start_waiting(const struct attempt *a)
{
	pid_t pid = must(fork());

	if (pid == 0)
		_exit(-wait_for_lock(a));
	return pid;
}

/* Whether @pid sleeps in the system call that takes locks of that sort. */
static bool is_waiting(pid_t pid, enum how how)
{
	char path[64];
	long number = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%ld", &number) != 1)
		number = -1;
	fclose(file);
	return number == (how == BY_FLOCK ? SYS_flock : SYS_fcntl);
}

static int end_of(pid_t pid)
{
	int status = 0;

	assert_int_equal(must(waitpid(pid, &status, 0)), pid);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -1000 - WTERMSIG(status);
}

/* Holds a lock on side @holder while a child waits for it on side @waiter. */
static pid_t block(int *ret_fd, enum how how, const char *holder, const char *waiter)
{
	const struct attempt a = {
		.dir = waiter, .how = how, .type = F_WRLCK, .wait = true
	};
	pid_t pid;

	*ret_fd = file_open(holder, "a", O_RDWR);
	hold(*ret_fd, how, F_WRLCK, 0, 0);
	pid = start_waiting(&a);
	await_that(is_waiting(pid, how));
	return pid;
}

static void test_waiting_ends_with_the_lock(void **state)
{
	const enum how hows[] = { BY_FLOCK, BY_FCNTL, BY_OFD };

	(void)state;
	make_file();
	for (int i = 0; i < 12; i++) {
		enum how how = hows[i % 3];
		_cleanup_close_ int fd = -1;
		pid_t pid = block(&fd, how, sides[i / 3 & 1], sides[i / 6]);

		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		hold(fd, how, F_UNLCK, 0, 0);
		assert_int_equal(end_of(pid), 0);
		await_that(is_free(NATIVE_DIR, how));
	}
}

static void test_waiting_is_interruptible(void **state)
{
	const enum how hows[] = { BY_FLOCK, BY_FCNTL, BY_OFD };
	const int signals[] = { SIGALRM, SIGKILL };
	const int ends[] = { -EINTR, -1000 - SIGKILL };

	(void)state;
	make_file();
	for (int i = 0; i < 12; i++) {
		enum how how = hows[i % 3];
		_cleanup_close_ int fd = -1;
		pid_t pid = block(&fd, how, sides[i / 6], MOUNT_DIR);

		must(kill(pid, signals[i / 3 & 1]));
		assert_int_equal(end_of(pid), ends[i / 3 & 1]);
		/* Who gave up waiting must not get the lock later. */
		hold(fd, how, F_UNLCK, 0, 0);
		await_that(is_free(NATIVE_DIR, how));
		await_that(is_free(MOUNT_DIR, how));
	}
}

#define WAITERS 20

static void test_waiters_keep_nobody_waiting(void **state)
{
	const enum how hows[] = { BY_FLOCK, BY_FCNTL, BY_OFD };
	_cleanup_close_ int fd = -1;
	pid_t pids[WAITERS];

	(void)state;
	make_file();
	fd = file_open(NATIVE_DIR, "a", O_RDWR);
	/* The second excludes both sorts of range locks. */
	hold(fd, BY_FLOCK, F_WRLCK, 0, 0);
	hold(fd, BY_OFD, F_WRLCK, 0, 0);
	for (int i = 0; i < WAITERS; i++) {
		const struct attempt a = { .dir = MOUNT_DIR,
					   .how = hows[i % 3],
					   .type = F_WRLCK,
					   .wait = true };

		pids[i] = start_waiting(&a);
	}
	for (int i = 0; i < WAITERS; i++)
		await_that(is_waiting(pids[i], hows[i % 3]));
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
	hold(fd, BY_FLOCK, F_UNLCK, 0, 0);
	hold(fd, BY_OFD, F_UNLCK, 0, 0);
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
		mount_test(test_last_close_ends_the_first_record_locks),
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
