/* SPDX-License-Identifier: MIT */
#include <shmfs/semaphore.h>

#include "sync/fixture.h"

#define THREADS 4
#define ROUNDS  10000

struct shared {
	struct shmfs_semaphore permits;
	struct shmfs_semaphore turn[2];
	uint32_t inside;
	uint32_t most;
};

static struct shmfs_heap *heap;
static struct shared *shared;

static void begin(void)
{
	heap = fixture_heap(0, 0);
	shared = fixture_object(heap, sizeof(*shared));
}

/* Never are more inside than there are permits. */
static void *enter(void *data)
{
	uint32_t n;

	(void)data;
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(shmfs_semaphore_wait(heap, &shared->permits), 0);
		n = __atomic_add_fetch(&shared->inside, 1, __ATOMIC_RELAXED);
		if (n > __atomic_load_n(&shared->most, __ATOMIC_RELAXED))
			__atomic_store_n(&shared->most, n, __ATOMIC_RELAXED);
		__atomic_sub_fetch(&shared->inside, 1, __ATOMIC_RELAXED);
		assert_int_equal(shmfs_semaphore_post(heap, &shared->permits), 0);
	}
	return NULL;
}

static void test_permits(void **state)
{
	pthread_t thread[THREADS];

	(void)state;
	begin();
	shared->permits.value = 2;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, enter, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_in_range(shared->most, 1, 2);
	assert_int_equal(shmfs_semaphore_value(&shared->permits), 2);
	fixture_heap_end(heap);
}

static int play(struct shmfs_heap *own, struct shared *s, int which)
{
	for (int i = 0; i < ROUNDS / 4; i++)
		if (shmfs_semaphore_wait(own, &s->turn[which]) < 0 ||
		    shmfs_semaphore_post(own, &s->turn[!which]) < 0)
			return 1;
	return 0;
}

static int play_in_process(struct shmfs_heap *own, void *data)
{
	(void)data;
	return play(own, fixture_object(own, sizeof(struct shared)), 1);
}

static void test_ping_pong(void **state)
{
	pid_t pid;

	(void)state;
	begin();
	pid = fixture_start(play_in_process, NULL, true);
	assert_int_equal(shmfs_semaphore_post(heap, &shared->turn[0]), 0);
	assert_int_equal(play(heap, shared, 0), 0);
	fixture_end(pid, 0);
	assert_int_equal(shmfs_semaphore_value(&shared->turn[0]), 1);
	assert_int_equal(shmfs_semaphore_value(&shared->turn[1]), 0);
	fixture_heap_end(heap);
}

static void *wait_for_permit(void *data)
{
	(void)data;
	assert_int_equal(shmfs_semaphore_wait(heap, &shared->permits), 0);
	return NULL;
}

/* Who waits is counted, and a permit is for one of them. */
static void test_waiter(void **state)
{
	const uint32_t *event; /* its key, and the threads that wait */
	pthread_t thread;

	(void)state;
	begin();
	event = (const uint32_t *)&shared->permits.event;
	assert_int_equal(pthread_create(&thread, NULL, wait_for_permit, NULL), 0);
	fixture_await(event + 1, 1);
	assert_int_equal(shmfs_semaphore_post(heap, &shared->permits), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(event[0], 1);
	assert_int_equal(event[1], 0);
	fixture_heap_end(heap);
}

static void test_edges(void **state)
{
	struct shmfs_semaphore *s;
	struct shmfs_heap *reader;
	struct timespec soon;
	void *object;

	(void)state;
	begin();
	s = &shared->permits;
	assert_int_equal(shmfs_semaphore_try_wait(heap, s), -EBUSY);
	for (int i = 0; i < 2; i++) {
		int clock = i ? CLOCK_REALTIME : CLOCK_MONOTONIC;

		soon = clock_in(clock, 20000000);
		assert_int_equal(shmfs_semaphore_wait_until(heap, s, clock, &soon),
				 -ETIMEDOUT);
	}
	assert_int_equal(s->event, 0);
	assert_int_equal(shmfs_semaphore_post(heap, s), 0);
	/* It is had where there is one, whatever the time is. */
	assert_int_equal(shmfs_semaphore_wait_until(heap, s, CLOCK_REALTIME, &soon), 0);
	assert_int_equal(shmfs_semaphore_wait_until(heap, s, CLOCK_TAI, &soon), -EINVAL);
	s->value = SHMFS_SEMAPHORE_MAX;
	assert_int_equal(shmfs_semaphore_post(heap, s), -EOVERFLOW);
	assert_int_equal(shmfs_semaphore_try_wait(heap, s), 0);
	assert_int_equal(shmfs_semaphore_value(s), SHMFS_SEMAPHORE_MAX - 1);
	assert_int_equal(shmfs_heap_open_read_only(HEAP, &reader), 0);
	assert_int_equal(shmfs_heap_find(reader, "shared", 1, 0, &object), 0);
	s = object;
	assert_int_equal(shmfs_semaphore_value(s), SHMFS_SEMAPHORE_MAX - 1);
	assert_int_equal(shmfs_semaphore_post(reader, s), -EROFS);
	assert_int_equal(shmfs_semaphore_wait(reader, s), -EROFS);
	assert_int_equal(shmfs_semaphore_try_wait(reader, s), -EROFS);
	shmfs_heap_close(reader);
	fixture_heap_end(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_permits),
		fixture_test(test_ping_pong),
		fixture_test(test_waiter),
		fixture_test(test_edges),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("semaphore", tests, NULL, NULL) != 0;
}
