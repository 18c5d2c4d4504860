/* SPDX-License-Identifier: MIT */
/*
 * The mount in the place of /dev/shm, as a container gets it: the C library and Python
 *make their semaphores there, by link(2), and share them with those who use the objects
 * natively.
 *
 *	test-mount-as-shm [PYTHON SCRIPT]
 */
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "person.h"
#include "sandbox.h"

#define NAME "/semaphore"

static char **script; /* of Python, with its words; NULL: none */

#define US    0
#define ALICE 1000
#define BOB   1001

static bool become(uid_t user)
{
	return setgroups(0, NULL) == 0 && setresgid(user, user, user) == 0 &&
	       setresuid(user, user, user) == 0;
}

/* Starts @act as @user in a process for which the mount is /dev/shm. It exits with what
 * @act returns. */
static pid_t start_there(uid_t user, int (*act)(void))
{
	pid_t pid = must(fork());

	if (pid > 0)
		return pid;
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(MOUNT_DIR, NATIVE_DIR, NULL, MS_BIND, NULL) < 0 ||
	    (user != US && !become(user)))
		_exit(255);
	_exit(act());
}

static int end(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int there(uid_t user, int (*act)(void))
{
	return end(start_there(user, act));
}

static int create(void)
{
	return sem_open(NAME, O_CREAT | O_EXCL, 0600, 1) == SEM_FAILED ? errno : 0;
}

static int remove_it(void)
{
	return sem_unlink(NAME) < 0 ? errno : 0;
}

static int with_it(int (*act)(sem_t *s))
{
	sem_t *s = sem_open(NAME, 0);
	int r;

	if (s == SEM_FAILED)
		return errno;
	r = act(s) < 0 ? errno : 0;
	sem_close(s);
	return r;
}

static int post(void)
{
	return with_it(sem_post);
}

static int try_to_wait(void)
{
	return with_it(sem_trywait);
}

static int wait_moment(sem_t *s)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec = 0;
	return sem_timedwait(s, &until);
}

static int wait_briefly(void)
{
	return with_it(wait_moment);
}

static int wait_long(void)
{
	return with_it(sem_wait);
}

/* Whoever waits is woken from the other side, whichever slept first. */
static void check_waking(void)
{
	pid_t waits = start_there(US, wait_long);

	assert_int_equal(post(), 0);
	assert_int_equal(end(waits), 0);
	waits = must(fork());
	if (waits == 0)
		_exit(wait_long());
	assert_int_equal(there(US, post), 0);
	assert_int_equal(end(waits), 0);
}

static void test_semaphores(void **state)
{
	(void)state;
	if (!mount_passthrough()) {
		/* They are mapped. Nothing is left. */
		assert_int_equal(there(US, create), ENODEV);
		assert_int_equal(sandbox_count_entries(NATIVE_DIR), 0);
		return;
	}
	assert_int_equal(there(US, create), 0);
	assert_int_equal(sandbox_count_entries(NATIVE_DIR), 1);
	assert_int_equal(create(), EEXIST);
	assert_int_equal(there(US, create), EEXIST);
	assert_int_equal(try_to_wait(), 0);
	assert_int_equal(there(US, try_to_wait), EAGAIN);
	assert_int_equal(there(US, wait_briefly), ETIMEDOUT);
	assert_int_equal(wait_briefly(), ETIMEDOUT);
	check_waking();
	assert_int_equal(there(US, remove_it), 0);
	assert_int_equal(remove_it(), ENOENT);
	assert_int_equal(create(), 0);
	assert_int_equal(there(US, try_to_wait), 0);
	assert_int_equal(remove_it(), 0);
	assert_int_equal(there(US, post), ENOENT);
}

static void test_ordinary_users(void **state)
{
	(void)state;
	person_needs_root();
	if (!mount_passthrough())
		skip();
	assert_int_equal(there(ALICE, create), 0);
	assert_int_equal(file_stat(NATIVE_DIR, "sem.semaphore").st_uid, 1000);
	assert_int_equal(there(BOB, post), EACCES);
	/* The C library says so for EPERM. */
	assert_int_equal(there(BOB, remove_it), EACCES);
	assert_int_equal(there(ALICE, post), 0);
	assert_int_equal(there(ALICE, remove_it), 0);
}

static int run_script(void)
{
	execv(script[0], script);
	return errno;
}

static void test_python(void **state)
{
	(void)state;
	if (!script || !mount_passthrough())
		skip();
	assert_int_equal(there(US, run_script), 0);
	assert_int_equal(sandbox_count_entries(NATIVE_DIR), 0);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_semaphores),
		mount_test(test_ordinary_users),
		mount_test(test_python),
	};

	return cmocka_run_group_tests_name("as-shm", tests, NULL, NULL);
}

int main(int argc, char *argv[])
{
	script = argc > 2 ? argv + 1 : NULL;
	return mount_main(60, run);
}
