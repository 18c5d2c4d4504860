/* SPDX-License-Identifier: MIT */
/* A barrier: all go on together, whoever dies meanwhile. */
#include <shmfs/barrier.h>

#include "sync/fixture.h"

#define THREADS 4
#define ROUNDS  (fixture_valgrind() ? 50u : 2000u)
#define WORKERS 3

struct shared {
	struct shmfs_barrier barrier;
	struct shmfs_barrier warm; /* of one participant */
	uint32_t came;
	uint32_t serial;
	uint32_t step;
};

static struct shmfs_heap *heap;
static struct shared *shared;

static void begin(uint32_t count)
{
	heap = fixture_heap(0, 0);
	shared = fixture_object(heap, sizeof(*shared));
	shared->barrier.count = count;
}

static void end(void)
{
	fixture_heap_end(heap);
}

/* How many threads wait, or died there. */
static uint32_t waiting(void)
{
	const struct shmfs_barrier *b = &shared->barrier;
	uint64_t groups = __atomic_load_n(&b->groups, __ATOMIC_ACQUIRE);
	uint32_t n = 0;

	/* The counts are of the last generation. */
	if (__atomic_load_n(&b->counted, __ATOMIC_ACQUIRE) !=
	    __atomic_load_n(&b->generation, __ATOMIC_ACQUIRE))
		return 0;
	for (int i = 0; i < 1024; i++)
		if (groups >> (i / 16) & 1)
			n += __atomic_load_n(&b->shares[i], __ATOMIC_ACQUIRE) & 0x3fff;
	return n;
}

static void await_waiting(uint32_t n)
{
	uint64_t end = clock_ns() + FIXTURE_SECONDS * UINT64_C(1000000000);

	while (waiting() != n) {
		assert_true(clock_ns() < end);
		fixture_nap(200000);
	}
}

/* Nobody goes on before @n have come in each round. */
static int meet(struct shmfs_heap *own, struct shared *s, uint32_t n)
{
	for (uint32_t i = 0; i < ROUNDS; i++) {
		int r;

		__atomic_add_fetch(&s->came, 1, __ATOMIC_RELAXED);
		r = shmfs_barrier_wait(own, &s->barrier);
		if (r < 0)
			return r;
		if (__atomic_load_n(&s->came, __ATOMIC_RELAXED) < (i + 1) * n)
			return -EBADMSG;
		if (r == SHMFS_BARRIER_SERIAL)
			__atomic_add_fetch(&s->serial, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

static void *meet_in_thread(void *data)
{
	(void)data;
	assert_int_equal(meet(heap, shared, THREADS), 0);
	return NULL;
}

static int meet_in_process(struct shmfs_heap *own, void *data)
{
	(void)data;
	return -meet(own, fixture_object(own, sizeof(struct shared)), WORKERS);
}

static void test_threads(void **state)
{
	pthread_t thread[THREADS];

	(void)state;
	begin(THREADS);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, meet_in_thread, NULL),
				 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(shared->serial, ROUNDS);
	assert_int_equal(shared->barrier.generation, ROUNDS);
	assert_int_equal(waiting(), 0);
	end();
}

static void test_processes(void **state)
{
	pid_t pid[WORKERS];

	(void)state;
	begin(WORKERS);
	for (int i = 0; i < WORKERS; i++)
		pid[i] = fixture_start(meet_in_process, NULL, true);
	for (int i = 0; i < WORKERS; i++)
		fixture_end(pid[i], 0);
	assert_int_equal(shared->serial, ROUNDS);
	assert_int_equal(shared->barrier.generation, ROUNDS);
	end();
}

static int wait_until_now(void)
{
	struct timespec soon = clock_in(CLOCK_MONOTONIC, 8000000);

	return shmfs_barrier_wait_until(heap, &shared->barrier, CLOCK_MONOTONIC, &soon);
}

static void *wait_once(void *data)
{
	int *ret = data;

	*ret = shmfs_barrier_wait(heap, &shared->barrier);
	return NULL;
}

static void test_edges(void **state)
{
	struct timespec past = { 0 };
	struct shmfs_barrier *b;
	struct shmfs_heap *reader;
	void *object;

	(void)state;
	begin(0);
	b = &shared->barrier;
	assert_int_equal(shmfs_barrier_wait(heap, b), -EINVAL);
	b->count = 1;
	for (int i = 0; i < 3; i++)
		assert_int_equal(shmfs_barrier_wait(heap, b), SHMFS_BARRIER_SERIAL);
	/* Who makes it complete goes on, whatever the time is. */
	assert_int_equal(shmfs_barrier_wait_until(heap, b, CLOCK_REALTIME, &past),
			 SHMFS_BARRIER_SERIAL);
	assert_int_equal(shmfs_barrier_wait_until(heap, b, CLOCK_TAI, &past), -EINVAL);
	b->count = 2;
	assert_int_equal(shmfs_barrier_wait_until(heap, b, CLOCK_REALTIME, &past),
			 -ETIMEDOUT);
	assert_int_equal(b->generation, 4);
	assert_int_equal(b->lock, 0);
	assert_int_equal(shmfs_heap_open_read_only(HEAP, &reader), 0);
	assert_int_equal(shmfs_heap_find(reader, "shared", 1, 0, &object), 0);
	b = &((struct shared *)object)->barrier;
	assert_int_equal(shmfs_barrier_wait(reader, b), -EROFS);
	assert_int_equal(shmfs_barrier_wait_until(reader, b, CLOCK_REALTIME, &past),
			 -EROFS);
	shmfs_heap_close(reader);
	end();
}

/* Those who have gone away are not counted. */
static void test_taken_back(void **state)
{
	pthread_t thread;
	int r = -1;

	(void)state;
	begin(2);
	for (int i = 0; i < 5; i++)
		assert_int_equal(wait_until_now(), -ETIMEDOUT);
	assert_int_equal(waiting(), 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_once, &r), 0);
	await_waiting(1);
	assert_int_equal(shmfs_barrier_wait(heap, &shared->barrier),
			 SHMFS_BARRIER_SERIAL);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(r, 0);
	end();
}

/* The word that counts the only one who waits. */
static uint32_t *only_one(void)
{
	int i = 0;

	await_waiting(1);
	while (!__atomic_load_n(&shared->barrier.shares[i], __ATOMIC_RELAXED))
		i++;
	return &shared->barrier.shares[i];
}

/* More threads than can be counted. */
static void test_most(void **state)
{
	uint32_t *cell;
	pthread_t thread;
	int r = -1;

	(void)state;
	begin(20000);
	assert_int_equal(pthread_create(&thread, NULL, wait_once, &r), 0);
	cell = only_one();
	__atomic_fetch_or(cell, 0x3fff, __ATOMIC_RELAXED);
	assert_int_equal(shmfs_barrier_wait(heap, &shared->barrier), -EAGAIN);
	__atomic_fetch_and(cell, ~0x3ffeu, __ATOMIC_RELAXED);
	__atomic_store_n(&shared->barrier.count, 2, __ATOMIC_RELAXED);
	assert_int_equal(shmfs_barrier_wait(heap, &shared->barrier),
			 SHMFS_BARRIER_SERIAL);
	assert_int_equal(pthread_join(thread, NULL), 0);
	end();
}

static int wait_in_process(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));

	(void)data;
	return shmfs_barrier_wait(own, &s->barrier) < 0;
}

/* A dead one is not counted, and another comes in its place. */
static void test_dead_waiter(void **state)
{
	const uint32_t *dead;
	const uint32_t rounds = fixture_valgrind() ? 2 : 20;
	pid_t pid[2];

	(void)state;
	begin(3);
	for (uint32_t i = 0; i < rounds; i++) {
		pid[0] = fixture_start(wait_in_process, NULL, true);
		dead = only_one();
		fixture_kill(pid[0]);
		/* With the dead one they would be complete. */
		for (int j = 0; j < 2; j++)
			pid[j] = fixture_start(wait_in_process, NULL, true);
		fixture_await(dead, 0);
		await_waiting(2);
		assert_int_equal(shared->barrier.generation, i);
		assert_int_equal(shmfs_barrier_wait(heap, &shared->barrier),
				 SHMFS_BARRIER_SERIAL);
		for (int j = 0; j < 2; j++)
			fixture_end(pid[j], 0);
	}
	end();
}

/* Whatever lies there, nobody crashes, and nobody who has a deadline hangs. */
static void test_damaged(void **state)
{
	struct shmfs_barrier *b;
	unsigned int seed = 3;

	(void)state;
	begin(2);
	b = &shared->barrier;
	for (int i = 0; i < 100; i++) {
		for (size_t j = 0; j < sizeof(*b); j++)
			((unsigned char *)b)[j] = (unsigned char)rand_r(&seed);
		b->lock = 0;
		wait_until_now();
	}
	end();
}

/*
 * From its second meeting on, no generation passes without it while it lives. Where one
 * has, somebody dead was counted, or somebody twice. The first may pass while it begins:
 * with the one in whose place it comes.
 */
static int meet_for_ever(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));
	const uint32_t *generation = &s->barrier.generation;
	uint32_t before;
	int r = shmfs_barrier_wait(own, &s->barrier);

	(void)data;
	alarm(0);
	while (r >= 0) {
		if (r == SHMFS_BARRIER_SERIAL)
			__atomic_add_fetch(&s->serial, 1, __ATOMIC_RELEASE);
		before = __atomic_load_n(generation, __ATOMIC_ACQUIRE);
		r = shmfs_barrier_wait(own, &s->barrier);
		if (__atomic_load_n(generation, __ATOMIC_ACQUIRE) != before + 1)
			return 2;
	}
	return 1;
}

static unsigned int kills(void)
{
	const char *n = getenv("SHMFS_KILLS");

	return n ? (unsigned int)atoi(n) : 150;
}

/* They go on meeting. */
static void await_meetings(uint32_t n)
{
	const uint32_t *generation = &shared->barrier.generation;
	uint32_t before = __atomic_load_n(generation, __ATOMIC_ACQUIRE);
	uint64_t end = clock_ns() + FIXTURE_SECONDS * UINT64_C(1000000000);

	while (__atomic_load_n(generation, __ATOMIC_ACQUIRE) - before < n) {
		assert_true(clock_ns() < end);
		fixture_nap(100000);
	}
}

static void kill_at_random(bool containers)
{
	unsigned int seed = 11, n = kills();
	pid_t worker[WORKERS];

	/* It takes long to start a process. */
	if (fixture_valgrind())
		skip();
	alarm(4 * FIXTURE_SECONDS);
	begin(WORKERS);
	for (int i = 0; i < WORKERS; i++)
		worker[i] = fixture_start(meet_for_ever, NULL, containers);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int which = (unsigned int)rand_r(&seed) % WORKERS;

		await_meetings(1);
		fixture_nap(rand_r(&seed) % 300000);
		fixture_kill(worker[which]);
		worker[which] = fixture_start(meet_for_ever, NULL, containers);
	}
	await_meetings(10);
	for (int i = 0; i < WORKERS; i++)
		fixture_kill(worker[i]);
	assert_in_range(shared->serial, 10, shared->barrier.generation);
	end();
}

static void test_kills(void **state)
{
	(void)state;
	kill_at_random(false);
}

static void test_kills_in_containers(void **state)
{
	(void)state;
	kill_at_random(true);
}

static int come_last(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));

	(void)data;
	/* The first call of each function takes many instructions of the linker. */
	shmfs_barrier_wait(own, &s->warm);
	fixture_ready();
	__atomic_add_fetch(&s->step, 1, __ATOMIC_RELEASE);
	return shmfs_barrier_wait(own, &s->barrier) != SHMFS_BARRIER_SERIAL;
}

/* All have come, or somebody else must come in place of the one that died. */
static void test_instructions(void **state)
{
	unsigned int n = 0, met = 0, rounds = 0;
	bool died = true;
	pthread_t thread;
	int r;

	(void)state;
	if (fixture_valgrind())
		skip();
	alarm(4 * FIXTURE_SECONDS);
	begin(2);
	shared->warm.count = 1;
	for (uint32_t i = 0; died; i++) {
		assert_int_equal(pthread_create(&thread, NULL, wait_once, &r), 0);
		await_waiting(1);
		died = fixture_die_after(come_last, NULL, &shared->step, n);
		n += 7 + n / 30;
		if (shared->barrier.generation == i)
			assert_int_equal(shmfs_barrier_wait(heap, &shared->barrier),
					 SHMFS_BARRIER_SERIAL);
		else
			met++;
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(r, 0);
		assert_int_equal(shared->barrier.generation, i + 1);
		rounds++;
	}
	assert_in_range(met, 2, rounds - 2);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_threads),
		fixture_test(test_processes),
		fixture_test(test_edges),
		fixture_test(test_taken_back),
		fixture_test(test_most),
		fixture_test(test_dead_waiter),
		fixture_test(test_damaged),
		fixture_test(test_kills),
		fixture_test(test_kills_in_containers),
		fixture_test(test_instructions),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("barrier", tests, NULL, NULL) != 0;
}
