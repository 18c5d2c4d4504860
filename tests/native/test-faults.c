/* SPDX-License-Identifier: MIT */
/*
 * Failures that the kernel has no mood for: system calls that are interrupted or refused,
 * and kernels of other times. The functions here stand in for those of the C library, in
 * the library as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>

#include <shmfs/object.h>
#include <shmfs/sysv.h>

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

static key_t found_key; /* what ftok() returns */
static int ftok_error;  /* or 0 */

key_t ftok(const char *path, int id)
{
	(void)path;
	(void)id;
	if (ftok_error)
		errno = ftok_error;
	return found_key;
}

#define SEGMENT 5

/* The one segment there is, SEGMENT with the key 7, on a kernel as it is set up here. */
static struct {
	bool stat_any; /* the kernel has SHM_STAT_ANY */
	int missing;   /* what IPC_STAT says so often */
	int missing_error;
	int other; /* what has the index of SEGMENT, or SEGMENT itself */
	key_t key;
} kernel;

int shmget(key_t key, size_t size, int flags)
{
	(void)key;
	(void)size;
	calls++;
	if (!(flags & IPC_CREAT))
		return SEGMENT;
	errno = EEXIST;
	return -1;
}

static int stat_segment(int result, struct shmid_ds *ret)
{
	*ret = (struct shmid_ds){ .shm_segsz = 4096 };
	ret->shm_perm.__key = kernel.key;
	return result;
}

int shmctl(int id, int command, struct shmid_ds *ret)
{
	if (command == SHM_INFO)
		return SEGMENT;
	if (command == SHM_STAT_ANY && kernel.stat_any)
		return stat_segment(kernel.other, ret);
	if (command == SHM_STAT && id == SEGMENT)
		return stat_segment(SEGMENT, ret);
	errno = EINVAL;
	if (command != IPC_STAT)
		return -1;
	if (kernel.missing == 0)
		return stat_segment(0, ret);
	kernel.missing--;
	errno = kernel.missing_error;
	return -1;
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

/* -1 is what ftok() says of an error, and a key. 0 is one that nobody shares. */
static void test_keys(void **state)
{
	int32_t key = 77;

	(void)state;
	found_key = -1;
	ftok_error = EACCES;
	assert_int_equal(shmfs_sysv_key("/", 255, &key), -EACCES);
	assert_int_equal(key, 77);
	ftok_error = 0;
	errno = ENOENT;
	assert_int_equal(shmfs_sysv_key("/", 255, &key), 0);
	assert_int_equal(key, -1);
	key = 77;
	found_key = IPC_PRIVATE;
	assert_int_equal(shmfs_sysv_key("/", 0, &key), -ERANGE);
	assert_int_equal(key, 77);
}

static int count(int shmid, int32_t key, void *data)
{
	assert_int_equal(shmid, SEGMENT);
	assert_int_equal(key, 7);
	(*(int *)data)++;
	return 0;
}

/* Before Linux 4.17. */
static void test_without_stat_any(void **state)
{
	struct shmfs_sysv *sysv;
	int n = 0;

	(void)state;
	kernel.stat_any = false;
	kernel.key = 7;
	assert_int_equal(shmfs_sysv_open_id(SEGMENT, &sysv), 0);
	assert_int_equal(shmfs_sysv_size(sysv), 4096);
	assert_int_equal(shmfs_sysv_key_of(sysv), 7);
	shmfs_sysv_close(sysv);
	assert_int_equal(shmfs_sysv_open(7, SHMFS_OPEN_ONLY, 0, 0, &sysv), 0);
	shmfs_sysv_close(sysv);
	assert_int_equal(shmfs_sysv_list(count, &n), 0);
	assert_int_equal(n, 1);
}

/* What asks for the segment by its key is told that it is there, and then it is gone. */
static void gone_between(void)
{
	struct shmfs_sysv *sysv = NULL;

	calls = 0;
	assert_int_equal(shmfs_sysv_open(7, SHMFS_OPEN_ONLY, 0, 0, &sysv), -ENOENT);
	assert_null(sysv);
	assert_int_equal(calls, 1);
}

static void test_gone_between(void **state)
{
	struct shmfs_sysv *sysv = NULL;

	(void)state;
	kernel.stat_any = false;
	kernel.missing = 1;
	kernel.missing_error = EIDRM;
	gone_between();
	kernel.missing = 1;
	kernel.missing_error = EINVAL;
	gone_between();
	/* Still mapped by somebody, and without its key. */
	kernel.stat_any = true;
	kernel.other = SEGMENT;
	kernel.key = IPC_PRIVATE;
	gone_between();
	/* Another one in its place. */
	kernel.other = SEGMENT + 1000;
	kernel.key = 7;
	gone_between();
	assert_int_equal(shmfs_sysv_open_id(SEGMENT, &sysv), -EINVAL);
	assert_null(sysv);
}

/* Gone when it is looked at, and there when it is created, again and again. */
static void test_comes_and_goes(void **state)
{
	struct shmfs_sysv *sysv = NULL;

	(void)state;
	kernel.stat_any = false;
	kernel.key = 7;
	kernel.missing = 3;
	kernel.missing_error = EIDRM;
	calls = 0;
	assert_int_equal(shmfs_sysv_open(7, SHMFS_OPEN_OR_CREATE, 1, 0600, &sysv), 0);
	assert_int_equal(calls, 7);
	assert_int_equal(shmfs_sysv_id(sysv), SEGMENT);
	shmfs_sysv_close(sysv);
	/* What is none of that ends it. */
	kernel.missing = 1;
	kernel.missing_error = EACCES;
	sysv = NULL;
	assert_int_equal(shmfs_sysv_open(7, SHMFS_OPEN_OR_CREATE, 1, 0600, &sysv),
			 -EACCES);
	assert_null(sysv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_truncate),         fixture_test(test_reserve),
		fixture_test(test_permissions),      fixture_test(test_keys),
		fixture_test(test_without_stat_any), fixture_test(test_gone_between),
		fixture_test(test_comes_and_goes),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("faults", tests, NULL, NULL) != 0;
}
