/* SPDX-License-Identifier: MIT */
/*
 * Failures that the kernel has no mood for: system calls that are interrupted or refused.
 * The functions here stand in for those of the C library, in the library as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <shmfs/object.h>

#include "fixture.h"

static int interruptions; /* so many are to come */
static int fchmod_error;  /* or 0 */
static int calls;
static bool was_blocked; /* at the last call */

static int interrupted(void)
{
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	was_blocked = sigismember(&mask, SIGALRM);
	calls++;
	if (interruptions == 0)
		return 0;
	interruptions--;
	errno = EINTR;
	return -1;
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
	(void)fd;
	assert_int_equal(mode, 0);
	assert_int_equal(offset, 0);
	assert_int_equal(length, 5000);
	return interrupted();
}

int ftruncate(int fd, off_t size)
{
	(void)fd;
	assert_int_equal(size, 5000);
	return interrupted();
}

int fchmod(int fd, mode_t mode)
{
	(void)fd;
	(void)mode;
	errno = fchmod_error;
	return fchmod_error ? -1 : 0;
}

static struct shmfs_object *must_create(void)
{
	struct shmfs_object *object;

	assert_int_equal(shmfs_object_open("x", SHMFS_CREATE_ONLY, SHMFS_READ_WRITE, 0600,
					   &object),
			 0);
	calls = 0;
	return object;
}

static void done(struct shmfs_object *object)
{
	shmfs_object_close(object);
	assert_int_equal(shmfs_object_remove("x"), 0);
}

static void test_truncate(void **state)
{
	struct shmfs_object *object = must_create();

	(void)state;
	interruptions = 3;
	assert_int_equal(shmfs_object_truncate(object, 5000), 0);
	assert_int_equal(calls, 4);
	done(object);
}

/* Who interrupts once could do so for ever: later tries are made without signals. */
static void test_reserve(void **state)
{
	struct shmfs_object *object = must_create();
	sigset_t mask;

	(void)state;
	assert_int_equal(shmfs_object_reserve(object, 5000), 0);
	assert_int_equal(calls, 1);
	assert_false(was_blocked);
	interruptions = 2;
	assert_int_equal(shmfs_object_reserve(object, 5000), 0);
	assert_int_equal(calls, 4);
	assert_true(was_blocked);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_false(sigismember(&mask, SIGALRM));
	done(object);
}

static void not_created(enum shmfs_how how, enum shmfs_mode mode)
{
	struct shmfs_object *object = NULL;

	assert_int_equal(shmfs_object_open("x", how, mode, 0600, &object), -EPERM);
	assert_null(object);
	assert_int_equal(sandbox_count_entries("/dev/shm"), 0);
}

static void test_permissions(void **state)
{
	(void)state;
	fchmod_error = EPERM;
	not_created(SHMFS_CREATE_ONLY, SHMFS_READ_WRITE);
	not_created(SHMFS_CREATE_ONLY, SHMFS_READ_ONLY);
	not_created(SHMFS_OPEN_OR_CREATE, SHMFS_READ_WRITE);
	not_created(SHMFS_OPEN_OR_CREATE, SHMFS_READ_ONLY);
	fchmod_error = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_truncate),
		fixture_test(test_reserve),
		fixture_test(test_permissions),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("faults", tests, NULL, NULL) != 0;
}
