/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The real daemon on a real mount, for tests. A test program is
 *
 *	static int run(void)
 *	{
 *		const struct CMUnitTest tests[] = { mount_test(a), mount_test(b) };
 *
 *		return cmocka_run_group_tests_name("noun", tests, NULL, NULL);
 *	}
 *
 *	int main(void)
 *	{
 *		return mount_main(60, run);
 *	}
 *
 * mount_main() makes the private surroundings; each mount_test() finds MOUNT_DIR mounted
 *by a daemon of its own over a fresh tmpfs on NATIVE_DIR, and an equally fresh PLAIN_DIR.
 *After it the daemon is unmounted and must have left with status 0 and without a
 *complaint, and the test must have closed its descriptors. What a test uses through
 *MOUNT_DIR must be given back before it ends, or the mount is busy and the test fails.
 *
 * From the environment:
 *	SHMFS_DAEMON		the daemon's program, absolute; mount_main() makes it name
 *				a copy that every user may run
 *	SHMFS_TEST_IO		"passthrough" (default) or "direct": the io mode to demand
 *	SHMFS_TEST_OPTIONS	options for every daemon, before those of the test
 *	SHMFS_TEST_WRAPPER	words to put before the daemon's command, such as
 *				"valgrind -q --error-exitcode=99"
 *	SHMFS_TEST_PATIENCE	see patience.h
 *	SHMFS_REQUIRE_MOUNT	"1": where mounting is impossible, fail and do not skip
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

/* A tmpfs of the program's own, where it may make whatever it needs. */
#define SCRATCH_DIR "/mnt"
/* Where the daemon is mounted, what it shows, and a tmpfs to compare with. */
#define MOUNT_DIR   SCRATCH_DIR "/shm"
#define NATIVE_DIR  "/dev/shm"
#define PLAIN_DIR   SCRATCH_DIR "/plain"

/* The value of @expr; -1 fails the test and says why. */
#define must(expr)                                                  \
	__extension__({                                             \
		__typeof__(expr) must_ = (expr);                    \
		if (must_ == (__typeof__(expr))-1)                  \
			fail_msg("%s: %s", #expr, strerror(errno)); \
		must_;                                              \
	})

/* @expr must be -1 with errno @expected. */
#define refused(expr, expected)                                               \
	do {                                                                  \
		long refused_ = ((expr) == (__typeof__(expr))-1) ? errno : 0; \
		if (refused_ != (expected))                                   \
			fail_msg("%s: %s, not %s", #expr,                     \
				 refused_ ? strerror((int)refused_) : "done", \
				 strerror(expected));                         \
	} while (0)

#define mount_test(function) \
	cmocka_unit_test_setup_teardown(function, mount_setup, mount_teardown)

/* A test that starts its daemons itself; the directories are as fresh as for the others.
 */
#define mount_test_unmounted(function) \
	cmocka_unit_test_setup_teardown(function, mount_setup_dirs, mount_teardown)

/*
 * Enters the sandbox and runs @run under a watchdog of @seconds. Returns the exit status
 * of the program. Exits 77 with a reason where the machine cannot mount FUSE (or cannot
 * do passthrough, where SHMFS_TEST_IO demands it).
 */
int mount_main(unsigned int seconds, int (*run)(void));

/*
 * Starts the daemon on MOUNT_DIR with "-f -o @options" (NULL: none) and the passthrough
 * option of the io mode, unless @options has its own; returns once it is ready.
 */
void mount_start(const char *options);

/* The daemons that this test starts from now on may have @soft descriptors, and raise
 * that to @hard. */
void mount_limit_fds(unsigned int soft, unsigned int hard);

/* They log each request (-d), one line each. */
void mount_log_requests(void);

/* Lines of their log with @text are no complaints. */
void mount_may_say(const char *text);

/* Unmounts, then as mount_reap(). */
void mount_stop(void);

/* Awaits the daemon's exit; fails the test unless its status is 0 and its log clean. */
void mount_reap(void);

/* For a test that has awaited the end of what was started by itself. */
void mount_forget(void);

/*
 * Whether a daemon that mount_start() started has not been reaped yet; the pid of the
 * process that serves; and of the one that was started, which is its keeper where
 * daemons that die are replaced, and else the same.
 */
bool mount_running(void);
pid_t mount_pid(void);
pid_t mount_keeper(void);
/* The process that serves behind @keeper; it itself where it is none. 0: none now. */
pid_t mount_kept(pid_t keeper);

/*
 * Sends the daemon @number, and waits for the one that takes over. Where none does, since
 * the keeper has ended, the test fails with what was logged.
 */
void mount_replace(int number);
/* That wait alone: for another one than @pid. */
void mount_await_other(pid_t pid);

/* What the daemon has written to stderr so far; to be freed. */
char *mount_log(void);

/* True where the io mode of this run is passthrough. */
bool mount_passthrough(void);

/* True for root in the initial user namespace: all users exist, passthrough is allowed.
 */
bool mount_privileged(void);

int mount_setup(void **state);
int mount_setup_dirs(void **state);
int mount_teardown(void **state);
