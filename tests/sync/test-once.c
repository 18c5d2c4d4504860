/* SPDX-License-Identifier: MIT */
/*
 * A task is done once, whoever asks and whoever dies while doing it. A test that hangs is
 * ended by the alarm.
 */
#include <shmfs/once.h>

#include "sync/fixture.h"

#define THREADS 4
#define ROUNDS  200
#define WAITERS 4

struct shared {
	struct shmfs_once once;
	uint32_t begun;
	uint32_t done;
	uint32_t waiting;
	uint32_t died;
};

static struct shmfs_heap *heap;
static struct shared *shared;

static void begin(void)
{
	alarm(2 * FIXTURE_SECONDS);
	heap = fixture_heap(0, 0);
	shared = fixture_object(heap, sizeof(*shared));
}

static void test_once(void **state)
{
	(void)state;
	begin();
	assert_int_equal(shmfs_once_end(heap, &shared->once), -EPERM);
	assert_int_equal(shmfs_once_abort(heap, &shared->once), -EPERM);
	assert_int_equal(shmfs_once_begin(heap, &shared->once), 0);
	assert_int_equal(shmfs_once_abort(heap, &shared->once), 0);
	assert_int_equal(shmfs_once_begin(heap, &shared->once), 0);
	assert_int_equal(shmfs_once_end(heap, &shared->once), 0);
	assert_int_equal(shmfs_once_end(heap, &shared->once), -EPERM);
	assert_int_equal(shmfs_once_abort(heap, &shared->once), -EPERM);
	for (int i = 0; i < 3; i++)
		assert_int_equal(shmfs_once_begin(heap, &shared->once), -EALREADY);
	assert_int_equal(shared->once.word, 0);
	fixture_heap_end(heap);
}

/* Who may only read learns whether it is done. */
static void test_reader(void **state)
{
	struct shmfs_heap *reader;
	struct shared *s;
	void *object;

	(void)state;
	begin();
	assert_int_equal(shmfs_heap_open_read_only(HEAP, &reader), 0);
	assert_int_equal(shmfs_heap_find(reader, "shared", 1, 0, &object), 0);
	s = object;
	assert_int_equal(shmfs_once_begin(reader, &s->once), -EROFS);
	assert_int_equal(shmfs_once_begin(heap, &shared->once), 0);
	assert_int_equal(shmfs_once_begin(reader, &s->once), -EROFS);
	assert_int_equal(shmfs_once_end(reader, &s->once), -EPERM);
	assert_int_equal(shmfs_once_end(heap, &shared->once), 0);
	assert_int_equal(shmfs_once_begin(reader, &s->once), -EALREADY);
	shmfs_heap_close(reader);
	fixture_heap_end(heap);
}

static int count(int died, void *data)
{
	struct shared *s = data;

	/* Nobody else is here. */
	s->begun++;
	s->died += (uint32_t)died;
	fixture_nap(1000);
	s->done++;
	return 0;
}

static int refuse(int died, void *data)
{
	(void)died;
	(void)data;
	return 7;
}

static void test_run(void **state)
{
	(void)state;
	begin();
	assert_int_equal(shmfs_once_run(heap, &shared->once, refuse, NULL), 7);
	for (int i = 0; i < 3; i++)
		assert_int_equal(shmfs_once_run(heap, &shared->once, count, shared), 0);
	assert_int_equal(shmfs_once_run(heap, &shared->once, refuse, NULL), 0);
	assert_int_equal(shared->done, 1);
	assert_int_equal(shared->died, 0);
	fixture_heap_end(heap);
}

static void *run_in_thread(void *data)
{
	assert_int_equal(shmfs_once_run(heap, &shared->once, count, data), 0);
	assert_int_equal(shared->done, 1);
	return NULL;
}

static int run_in_process(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));

	(void)data;
	__atomic_add_fetch(&s->waiting, 1, __ATOMIC_RELEASE);
	return shmfs_once_run(own, &s->once, count, s) != 0 || s->done != 1;
}

static void test_many(void **state)
{
	pthread_t thread[THREADS];
	pid_t pid;

	(void)state;
	begin();
	for (int i = 0; i < fixture_times(ROUNDS); i++) {
		memset(shared, 0, sizeof(*shared));
		pid = i % 20 ? 0 : fixture_start(run_in_process, NULL, i % 40 == 0);
		for (int j = 0; j < THREADS; j++)
			assert_int_equal(pthread_create(&thread[j], NULL, run_in_thread,
							shared),
					 0);
		for (int j = 0; j < THREADS; j++)
			assert_int_equal(pthread_join(thread[j], NULL), 0);
		if (pid > 0)
			fixture_end(pid, 0);
		assert_int_equal(shared->begun, 1);
		assert_int_equal(shared->done, 1);
	}
	fixture_heap_end(heap);
}

static int begin_and_stay(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));

	(void)data;
	if (shmfs_once_begin(own, &s->once) < 0)
		return 1;
	__atomic_store_n(&s->begun, 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
}

/* Of those who wait for a dead one, one does it, and is told of the death. */
static void test_death(void **state)
{
	pid_t first, waiter[WAITERS];

	(void)state;
	begin();
	for (int i = 0; i < 5; i++) {
		memset(shared, 0, sizeof(*shared));
		first = fixture_start(begin_and_stay, NULL, true);
		fixture_await(&shared->begun, 1);
		for (int j = 0; j < WAITERS; j++)
			waiter[j] = fixture_start(run_in_process, NULL, j % 2);
		fixture_await(&shared->waiting, WAITERS);
		fixture_kill(first);
		for (int j = 0; j < WAITERS; j++)
			fixture_end(waiter[j], 0);
		assert_int_equal(shared->died, 1);
		assert_int_equal(shared->begun, 2);
		assert_int_equal(shared->done, 1);
		assert_int_equal(shmfs_once_begin(heap, &shared->once), -EALREADY);
	}
	fixture_heap_end(heap);
}

static int ask_in_child(void *data)
{
	(void)data;
	return shmfs_once_end(heap, &shared->once) != -EPERM;
}

/* A child does not do what its parent does. */
static void test_fork(void **state)
{
	(void)state;
	begin();
	assert_int_equal(shmfs_once_begin(heap, &shared->once), 0);
	assert_int_equal(fixture_child(ask_in_child, NULL), 0);
	assert_int_equal(shmfs_once_end(heap, &shared->once), 0);
	fixture_heap_end(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_once),  fixture_test(test_reader),
		fixture_test(test_run),   fixture_test(test_many),
		fixture_test(test_death), fixture_test(test_fork),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("once", tests, NULL, NULL) != 0;
}
