/* SPDX-License-Identifier: MIT */
#include <fcntl.h>

#include <shmfs/shmfs.h>

#include "sync/fixture.h"

#define OBJECT "locked"
#define SHARED SHMFS_FILELOCK_SHARED
#define ALONE  SHMFS_FILELOCK_EXCLUSIVE

static struct shmfs_object *object[2];
static int fd[2];

static void begin(void)
{
	alarm(FIXTURE_SECONDS);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(shmfs_object_open(OBJECT, SHMFS_OPEN_OR_CREATE,
						   SHMFS_READ_WRITE, SHMFS_PERM_DEFAULT,
						   &object[i]),
				 0);
		fd[i] = shmfs_object_fd(object[i]);
	}
}

static void end(void)
{
	for (int i = 0; i < 2; i++)
		shmfs_object_close(object[i]);
	assert_int_equal(shmfs_object_remove(OBJECT), 0);
}

static int lock_soon(int which, enum shmfs_filelock_mode mode, clockid_t clock)
{
	struct timespec soon = clock_in(clock, 20000000);

	return shmfs_filelock_lock_until(fd[which], mode, clock, &soon);
}

static void test_modes(void **state)
{
	(void)state;
	begin();
	assert_int_equal(shmfs_filelock_lock(fd[0], ALONE), 0);
	assert_int_equal(shmfs_filelock_lock(fd[0], ALONE), 0);
	assert_int_equal(shmfs_filelock_try_lock(fd[1], ALONE), -EBUSY);
	assert_int_equal(shmfs_filelock_try_lock(fd[1], SHARED), -EBUSY);
	assert_int_equal(lock_soon(1, SHARED, CLOCK_MONOTONIC), -ETIMEDOUT);
	/* One that has it can have it in the other mode. */
	assert_int_equal(shmfs_filelock_lock(fd[0], SHARED), 0);
	assert_int_equal(shmfs_filelock_try_lock(fd[1], SHARED), 0);
	assert_int_equal(shmfs_filelock_try_lock(fd[0], ALONE), -EBUSY);
	assert_int_equal(lock_soon(0, ALONE, CLOCK_REALTIME), -ETIMEDOUT);
	/* It kept what it had. */
	assert_int_equal(shmfs_filelock_try_lock(fd[1], ALONE), -EBUSY);
	assert_int_equal(shmfs_filelock_unlock(fd[0]), 0);
	assert_int_equal(shmfs_filelock_unlock(fd[0]), 0);
	assert_int_equal(lock_soon(1, ALONE, CLOCK_REALTIME), 0);
	assert_int_equal(shmfs_filelock_unlock(fd[1]), 0);
	assert_int_equal(shmfs_filelock_try_lock(fd[0], ALONE), 0);
	end();
}

static void test_refused(void **state)
{
	struct timespec soon = clock_in(CLOCK_REALTIME, 20000000);
	struct timespec none = { 0, 1000000000 };
	struct shmfs_object *reader;

	(void)state;
	begin();
	assert_int_equal(shmfs_filelock_lock(fd[0], (enum shmfs_filelock_mode)2),
			 -EINVAL);
	assert_int_equal(shmfs_filelock_try_lock(fd[0], (enum shmfs_filelock_mode)2),
			 -EINVAL);
	assert_int_equal(shmfs_filelock_lock_until(fd[0], ALONE, CLOCK_TAI, &soon),
			 -EINVAL);
	assert_int_equal(shmfs_filelock_lock_until(fd[0], ALONE, CLOCK_REALTIME, &none),
			 -EINVAL);
	assert_int_equal(shmfs_filelock_lock(-1, ALONE), -EBADF);
	assert_int_equal(shmfs_filelock_unlock(-1), -EBADF);
	assert_int_equal(shmfs_object_open(OBJECT, SHMFS_OPEN_ONLY, SHMFS_READ_ONLY, 0,
					   &reader),
			 0);
	assert_int_equal(shmfs_filelock_lock(shmfs_object_fd(reader), ALONE), -EBADF);
	assert_int_equal(shmfs_filelock_lock(shmfs_object_fd(reader), SHARED), 0);
	assert_int_equal(shmfs_filelock_try_lock(fd[0], ALONE), -EBUSY);
	shmfs_object_close(reader);
	assert_int_equal(shmfs_filelock_try_lock(fd[0], ALONE), 0);
	end();
}

/* The kernel keeps the description for its regions. */
static void test_regions_keep_it(void **state)
{
	struct shmfs_object *other;
	struct shmfs_region *region;

	(void)state;
	begin();
	assert_int_equal(shmfs_object_open(OBJECT, SHMFS_OPEN_ONLY, SHMFS_READ_WRITE, 0,
					   &other),
			 0);
	assert_int_equal(shmfs_object_truncate(other, 4096), 0);
	assert_int_equal(
		shmfs_region_map(other, SHMFS_READ_WRITE, 0, 0, NULL, 0, &region), 0);
	assert_int_equal(shmfs_filelock_lock(shmfs_object_fd(other), ALONE), 0);
	shmfs_object_close(other);
	assert_int_equal(shmfs_filelock_try_lock(fd[0], ALONE), -EBUSY);
	shmfs_region_unmap(region);
	assert_int_equal(shmfs_filelock_try_lock(fd[0], ALONE), 0);
	end();
}

/* A lock of Boost's, or of fcntl(2), in another process. */
static int lock_record(void *data)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	(void)data;
	return fcntl(fd[1], F_SETLK, &lock) < 0 ? errno : 0;
}

static void test_records(void **state)
{
	(void)state;
	begin();
	assert_int_equal(fixture_child(lock_record, NULL), 0);
	assert_int_equal(shmfs_filelock_lock(fd[0], SHARED), 0);
	assert_int_equal(fixture_child(lock_record, NULL), EAGAIN);
	end();
}

static int unlock_in_child(void *data)
{
	(void)data;
	return shmfs_filelock_lock(fd[0], ALONE) < 0 || shmfs_filelock_unlock(fd[0]) < 0;
}

/* Parent and child share it. */
static void test_fork(void **state)
{
	(void)state;
	begin();
	assert_int_equal(shmfs_filelock_lock(fd[0], ALONE), 0);
	assert_int_equal(fixture_child(unlock_in_child, NULL), 0);
	assert_int_equal(shmfs_filelock_try_lock(fd[1], ALONE), 0);
	end();
}

/* Has the lock, says so, and waits for its end. */
static pid_t start_holder(void)
{
	int pipes[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int own = open("/dev/shm/" OBJECT, O_RDWR | O_CLOEXEC);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (own < 0 || shmfs_filelock_lock(own, ALONE) < 0 ||
		    write(pipes[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(pipes[0], &c, 1), 1);
	close(pipes[0]);
	close(pipes[1]);
	return pid;
}

static void *lock_in_thread(void *until)
{
	struct timespec late = clock_in(CLOCK_MONOTONIC, 0);

	late.tv_sec += FIXTURE_SECONDS;
	if (until)
		assert_int_equal(shmfs_filelock_lock_until(fd[0], ALONE, CLOCK_MONOTONIC,
							   &late),
				 0);
	else
		assert_int_equal(shmfs_filelock_lock(fd[0], ALONE), 0);
	return NULL;
}

/* The kernel frees what the dead had. */
static void test_death(void **state)
{
	pthread_t thread;
	pid_t holder;

	(void)state;
	begin();
	/* Valgrind does not know that F_OFD_SETLKW may wait, and lets no other thread
	 * run. */
	for (int i = 0; i < 10; i++) {
		bool timed = i % 2 || fixture_valgrind();

		holder = start_holder();
		assert_int_equal(shmfs_filelock_try_lock(fd[1], SHARED), -EBUSY);
		assert_int_equal(pthread_create(&thread, NULL, lock_in_thread,
						timed ? &holder : NULL),
				 0);
		fixture_kill(holder);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(shmfs_filelock_try_lock(fd[1], SHARED), -EBUSY);
		assert_int_equal(shmfs_filelock_unlock(fd[0]), 0);
	}
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_modes),   fixture_test(test_refused),
		fixture_test(test_records), fixture_test(test_regions_keep_it),
		fixture_test(test_fork),    fixture_test(test_death),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("filelock", tests, NULL, NULL) != 0;
}
