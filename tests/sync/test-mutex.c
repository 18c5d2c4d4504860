/* SPDX-License-Identifier: MIT */
/* A mutex: who gets it, who does not, and what the death of its holder leaves. */
#include <shmfs/mutex.h>

#include "sync/fixture.h"

#define THREADS 4
#define ROUNDS  20000

struct shared {
	struct shmfs_mutex mutex;
	uint64_t count;
	uint32_t step;
};

static struct shmfs_heap *heap;
static struct shared *shared;

static void begin(void)
{
	heap = fixture_heap(0, 0);
	shared = fixture_object(heap, sizeof(*shared));
}

static void end(void)
{
	fixture_heap_end(heap);
}

static void *count(void *data)
{
	(void)data;
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(shmfs_mutex_lock(heap, &shared->mutex), 0);
		shared->count++;
		assert_int_equal(shmfs_mutex_unlock(heap, &shared->mutex), 0);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t thread[THREADS];

	(void)state;
	begin();
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, count, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(shared->count, THREADS * ROUNDS);
	end();
}

static int count_in_process(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));

	(void)data;
	for (int i = 0; i < ROUNDS; i++) {
		if (shmfs_mutex_lock(own, &s->mutex) < 0)
			return 1;
		s->count++;
		if (shmfs_mutex_unlock(own, &s->mutex) < 0)
			return 2;
	}
	return 0;
}

static void test_processes(void **state)
{
	pid_t pid[3];

	(void)state;
	begin();
	for (int i = 0; i < 3; i++)
		pid[i] = fixture_start(count_in_process, NULL, true);
	for (int i = 0; i < 3; i++)
		fixture_end(pid[i], 0);
	assert_int_equal(shared->count, 3 * ROUNDS);
	end();
}

/* Of another thread of the process that holds it. */
static void *be_refused(void *data)
{
	struct timespec soon = clock_in(CLOCK_MONOTONIC, 20000000);

	(void)data;
	assert_int_equal(shmfs_mutex_try_lock(heap, &shared->mutex), -EBUSY);
	assert_int_equal(shmfs_mutex_unlock(heap, &shared->mutex), -EPERM);
	assert_int_equal(shmfs_mutex_lock_until(heap, &shared->mutex, CLOCK_MONOTONIC,
						&soon),
			 -ETIMEDOUT);
	assert_true(clock_ns() >=
		    (uint64_t)soon.tv_sec * 1000000000 + (uint64_t)soon.tv_nsec);
	soon = clock_in(CLOCK_REALTIME, 20000000);
	assert_int_equal(shmfs_mutex_lock_until(heap, &shared->mutex, CLOCK_REALTIME,
						&soon),
			 -ETIMEDOUT);
	return NULL;
}

static void refuse(void)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, be_refused, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_plain(void **state)
{
	struct shmfs_mutex *m;
	struct timespec past = { 0 };

	(void)state;
	begin();
	m = &shared->mutex;
	assert_int_equal(shmfs_mutex_unlock(heap, m), -EPERM);
	assert_int_equal(shmfs_mutex_lock(heap, m), 0);
	assert_int_equal(shmfs_mutex_lock(heap, m), -EDEADLK);
	assert_int_equal(shmfs_mutex_try_lock(heap, m), -EDEADLK);
	assert_int_equal(shmfs_mutex_consistent(heap, m), -EINVAL);
	refuse();
	assert_int_equal(shmfs_mutex_unlock(heap, m), 0);
	/* It is had where it is free, whatever the time is. */
	assert_int_equal(shmfs_mutex_lock_until(heap, m, CLOCK_MONOTONIC, &past), 0);
	assert_int_equal(shmfs_mutex_unlock(heap, m), 0);
	assert_int_equal(shmfs_mutex_lock_until(heap, m, CLOCK_BOOTTIME, &past), -EINVAL);
	past.tv_nsec = 1000000000;
	assert_int_equal(shmfs_mutex_lock_until(heap, m, CLOCK_REALTIME, &past), -EINVAL);
	assert_int_equal(shmfs_mutex_try_lock(heap, m), 0);
	assert_int_equal(shmfs_mutex_unlock(heap, m), 0);
	assert_int_equal(m->word, 0);
	end();
}

static void test_recursive(void **state)
{
	struct shmfs_mutex *m;

	(void)state;
	begin();
	m = &shared->mutex;
	m->flags = SHMFS_MUTEX_RECURSIVE;
	for (int i = 0; i < 3; i++)
		assert_int_equal(shmfs_mutex_lock(heap, m), 0);
	assert_int_equal(shmfs_mutex_try_lock(heap, m), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(shmfs_mutex_unlock(heap, m), 0);
		refuse();
	}
	assert_int_equal(shmfs_mutex_unlock(heap, m), 0);
	assert_int_equal(shmfs_mutex_unlock(heap, m), -EPERM);
	end();
}

static int lock_and_die(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));

	(void)data;
	return shmfs_mutex_lock(own, &s->mutex) < 0;
}

static void die_holding(void)
{
	fixture_end(fixture_start(lock_and_die, NULL, true), 0);
}

static void test_repaired(void **state)
{
	struct shmfs_mutex *m;
	struct timespec past = { 0 };
	uint64_t before;

	(void)state;
	begin();
	m = &shared->mutex;
	die_holding();
	before = clock_ns();
	assert_int_equal(shmfs_mutex_lock(heap, m), -EOWNERDEAD);
	assert_true(clock_ns() - before < UINT64_C(100000000) * 10);
	refuse();
	assert_int_equal(shmfs_mutex_consistent(heap, m), 0);
	assert_int_equal(shmfs_mutex_consistent(heap, m), -EINVAL);
	assert_int_equal(shmfs_mutex_unlock(heap, m), 0);
	assert_int_equal(shmfs_mutex_lock(heap, m), 0);
	assert_int_equal(shmfs_mutex_unlock(heap, m), 0);
	/* Who does not wait learns of it as well. */
	die_holding();
	assert_int_equal(shmfs_mutex_try_lock(heap, m), -EOWNERDEAD);
	assert_int_equal(shmfs_mutex_consistent(heap, m), 0);
	assert_int_equal(shmfs_mutex_unlock(heap, m), 0);
	die_holding();
	/* The time is over, but a dead holder need not be waited for. */
	assert_int_equal(shmfs_mutex_lock_until(heap, m, CLOCK_REALTIME, &past),
			 -EOWNERDEAD);
	end();
}

static int inherit_and_die(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));

	(void)data;
	return shmfs_mutex_lock(own, &s->mutex) != -EOWNERDEAD;
}

static void *wait_in_vain(void *data)
{
	(void)data;
	__atomic_store_n(&shared->step, 1, __ATOMIC_RELEASE);
	assert_int_equal(shmfs_mutex_lock(heap, &shared->mutex), -ENOTRECOVERABLE);
	return NULL;
}

static void test_not_recoverable(void **state)
{
	struct shmfs_mutex *m;
	struct timespec past = { 0 };
	pthread_t thread;

	(void)state;
	begin();
	m = &shared->mutex;
	die_holding();
	/* An heir that dies leaves it as it found it. */
	fixture_end(fixture_start(inherit_and_die, NULL, false), 0);
	assert_int_equal(shmfs_mutex_lock(heap, m), -EOWNERDEAD);
	assert_int_equal(pthread_create(&thread, NULL, wait_in_vain, NULL), 0);
	fixture_await(&shared->step, 1);
	fixture_nap(10000000);
	assert_int_equal(shmfs_mutex_unlock(heap, m), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(shmfs_mutex_lock(heap, m), -ENOTRECOVERABLE);
	assert_int_equal(shmfs_mutex_try_lock(heap, m), -ENOTRECOVERABLE);
	assert_int_equal(shmfs_mutex_lock_until(heap, m, CLOCK_REALTIME, &past),
			 -ENOTRECOVERABLE);
	assert_int_equal(shmfs_mutex_unlock(heap, m), -EPERM);
	end();
}

/* A child is not the holder, and its death is not that of the holder. */
static int in_child(void *data)
{
	struct timespec soon = clock_in(CLOCK_MONOTONIC, 300000000);

	(void)data;
	if (shmfs_mutex_unlock(heap, &shared->mutex) != -EPERM)
		return 1;
	return shmfs_mutex_lock_until(heap, &shared->mutex, CLOCK_MONOTONIC, &soon) !=
	       -ETIMEDOUT;
}

static void test_fork(void **state)
{
	(void)state;
	begin();
	assert_int_equal(shmfs_mutex_lock(heap, &shared->mutex), 0);
	assert_int_equal(fixture_child(in_child, NULL), 0);
	assert_int_equal(shmfs_mutex_unlock(heap, &shared->mutex), 0);
	end();
}

static void test_read_only(void **state)
{
	struct shmfs_heap *reader;
	void *object;
	struct shared *s;

	(void)state;
	begin();
	assert_int_equal(shmfs_heap_open_read_only(HEAP, &reader), 0);
	assert_int_equal(shmfs_heap_find(reader, "shared", 1, 0, &object), 0);
	s = object;
	assert_int_equal(shmfs_mutex_lock(reader, &s->mutex), -EROFS);
	assert_int_equal(shmfs_mutex_try_lock(reader, &s->mutex), -EROFS);
	assert_int_equal(shmfs_mutex_unlock(reader, &s->mutex), -EPERM);
	shmfs_heap_close(reader);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_threads),  fixture_test(test_processes),
		fixture_test(test_plain),    fixture_test(test_recursive),
		fixture_test(test_repaired), fixture_test(test_not_recoverable),
		fixture_test(test_fork),     fixture_test(test_read_only),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("mutex", tests, NULL, NULL) != 0;
}
