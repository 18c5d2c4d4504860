/* SPDX-License-Identifier: MIT */
/*
 * Whoever opens through the mount what somebody has a lease on waits for the holder, as
 * natively, and keeps nobody else waiting.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "locks.h"
#include "mount.h"
#include "person.h"
#include "util/cleanup.h"

static volatile sig_atomic_t told;

/* The holder of a lease is told that somebody waits. */
static void on_io(int signal)
{
	(void)signal;
	told = 1;
}

static void on_alarm(int signal)
{
	(void)signal;
}

static int setup(void **state)
{
	const struct sigaction io = { .sa_handler = on_io, .sa_flags = SA_RESTART };
	const struct sigaction alarm = { .sa_handler = on_alarm };

	sigaction(SIGIO, &io, NULL);
	sigaction(SIGALRM, &alarm, NULL);
	told = 0;
	return mount_setup(state);
}

#define lease_test(function) \
	cmocka_unit_test_setup_teardown(function, setup, mount_teardown)

/* Makes "a" and takes a lease on it: F_WRLCK is broken by every open, F_RDLCK by those
 * for writing. */
static int take_lease(int type)
{
	int fd;

	file_make(NATIVE_DIR, "a", 0666, "text");
	fd = file_open(NATIVE_DIR, "a", type == F_RDLCK ? O_RDONLY : O_RDWR);
	must(fcntl(fd, F_SETLEASE, type));
	return fd;
}

struct opening {
	const char *path;
	int flags;
};

static int open_it(const void *arg)
{
	const struct opening *o = arg;
	int fd = open(o->path, o->flags | O_CLOEXEC);

	return fd < 0 ? -errno : close(fd);
}

/* A child that opens, and waits for the lease. */
static pid_t start(const char *path, int flags)
{
	const struct opening o = { path, flags };
	pid_t pid = person_start(NULL, open_it, &o);

	await_that(told);
	await_that(person_call(pid) == SYS_openat);
	return pid;
}

static void still_waits(pid_t pid)
{
	int status = 0;

	if (must(waitpid(pid, &status, WNOHANG)) != 0)
		fail_msg("did not wait (status %#x)", status);
}

static void end_lease(int fd)
{
	must(fcntl(fd, F_SETLEASE, F_UNLCK));
}

static void test_waits_for_the_holder(void **state)
{
	static const struct {
		int lease, flags;
	} cases[] = {
		{ F_WRLCK, O_RDONLY },          { F_WRLCK, O_RDWR },
		{ F_RDLCK, O_WRONLY },          { F_RDLCK, O_RDWR | O_CREAT },
		{ F_RDLCK, O_RDWR | O_APPEND },
	};

	(void)state;
	for (unsigned int i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_close_ int fd = take_lease(cases[i / 2].lease);
		pid_t pid = start(at(lock_sides[i & 1], "a"), cases[i / 2].flags);

		still_waits(pid);
		end_lease(fd);
		assert_int_equal(person_end(NULL, pid), 0);
		must(unlink(NATIVE_DIR "/a"));
		told = 0;
	}
}

/* What is opened is emptied when the holder has let go, and not before. */
static void test_empties_afterwards(void **state)
{
	_cleanup_close_ int fd = take_lease(F_RDLCK);
	pid_t pid = start(MOUNT_DIR "/a", O_WRONLY | O_TRUNC);

	(void)state;
	fd_expect(fd, "text");
	end_lease(fd);
	assert_int_equal(person_end(NULL, pid), 0);
	fd_expect(fd, "");
}

static void test_does_not_wait_with_nonblock(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		const struct opening o = { at(lock_sides[i], "a"),
					   O_WRONLY | O_NONBLOCK };
		_cleanup_close_ int fd = take_lease(F_RDLCK);

		assert_int_equal(person_do(NULL, open_it, &o), -EWOULDBLOCK);
		await_that(told);
		end_lease(fd);
		assert_int_equal(person_do(NULL, open_it, &o), 0);
		must(unlink(NATIVE_DIR "/a"));
		told = 0;
	}
}

/* (difference: lease-wait) */
static void test_is_interruptible(void **state)
{
	const struct opening again = { MOUNT_DIR "/a", O_WRONLY };
	_cleanup_close_ int fd = take_lease(F_RDLCK);
	pid_t pid = start(MOUNT_DIR "/a", O_WRONLY);
	int status;

	(void)state;
	must(kill(pid, SIGALRM));
	assert_int_equal(person_end(NULL, pid), -EINTR);
	pid = start(MOUNT_DIR "/a", O_WRONLY);
	must(kill(pid, SIGKILL));
	must(waitpid(pid, &status, 0));
	assert_true(WIFSIGNALED(status));
	end_lease(fd);
	assert_int_equal(person_do(NULL, open_it, &again), 0);
}

#define WAITERS 100

/*
 * Those who open for reading go by, and whatever else is asked for. The waiters need no
 * name any more: the last of them may come to look for it only when it is renamed.
 */
static void test_keeps_nobody_waiting(void **state)
{
	const struct opening reads = { MOUNT_DIR "/a", O_RDONLY };
	_cleanup_close_ int fd = take_lease(F_RDLCK);
	_cleanup_close_ int path = file_open(MOUNT_DIR, "a", O_PATH);
	pid_t pids[WAITERS];
	char link[32];

	(void)state;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", path);
	for (int i = 0; i < WAITERS; i++)
		pids[i] = start(link, i % 2 ? O_WRONLY : O_RDWR);
	/* While the lease is being broken nobody gets one, so they do not wait for it. */
	assert_int_equal(person_do(NULL, open_it, &reads), 0);
	for (int i = 0; i < 20; i++) {
		file_make(MOUNT_DIR, "b", 0600, "text");
		file_expect(MOUNT_DIR, "b", "text");
		must(unlink(MOUNT_DIR "/b"));
		file_expect(MOUNT_DIR, "a", "text");
		must(chmod(MOUNT_DIR "/a", 0666));
		must(rename(MOUNT_DIR "/a", MOUNT_DIR "/c"));
		must(rename(MOUNT_DIR "/c", MOUNT_DIR "/a"));
	}
	for (int i = 0; i < WAITERS; i++)
		still_waits(pids[i]);
	end_lease(fd);
	for (int i = 0; i < WAITERS; i++)
		assert_int_equal(person_end(NULL, pids[i]), 0);
}

/* The daemon that takes over is asked again. */
static void test_waits_on_after_a_crash(void **state)
{
	_cleanup_close_ int fd = take_lease(F_RDLCK);
	pid_t pid = start(MOUNT_DIR "/a", O_WRONLY);

	(void)state;
	mount_replace(SIGKILL);
	still_waits(pid);
	end_lease(fd);
	assert_int_equal(person_end(NULL, pid), 0);
}

/* The kernel would hold the object until the answer. (difference: lease-wait) */
static void test_truncate_does_not_wait(void **state)
{
	_cleanup_close_ int fd = take_lease(F_RDLCK);

	(void)state;
	refused(truncate(MOUNT_DIR "/a", 0), EAGAIN);
	await_that(told);
	fd_expect(fd, "text");
	end_lease(fd);
	must(truncate(MOUNT_DIR "/a", 0));
	fd_expect(fd, "");
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		lease_test(test_waits_for_the_holder),
		lease_test(test_empties_afterwards),
		lease_test(test_does_not_wait_with_nonblock),
		lease_test(test_is_interruptible),
		lease_test(test_keeps_nobody_waiting),
		lease_test(test_waits_on_after_a_crash),
		lease_test(test_truncate_does_not_wait),
	};

	return cmocka_run_group_tests_name("leases", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
