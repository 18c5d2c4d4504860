/* SPDX-License-Identifier: MIT */
#include <shmfs/condition.h>

#include "lib/sync/event.h"
#include "sync/fixture.h"

#define THREADS 4
#define ROUNDS  2000

struct shared {
	struct shmfs_mutex mutex;
	struct shmfs_condition changed;
	uint64_t turn;
	uint32_t waiting;
};

static struct shmfs_heap *heap;
static struct shared *shared;

static void begin(void)
{
	heap = fixture_heap(0, 0);
	shared = fixture_object(heap, sizeof(*shared));
}

static void lock(void)
{
	assert_int_equal(shmfs_mutex_lock(heap, &shared->mutex), 0);
}

static void unlock(void)
{
	assert_int_equal(shmfs_mutex_unlock(heap, &shared->mutex), 0);
}

/* Each thread waits for its turn, and gives it to the next. */
static void *take_turns(void *data)
{
	unsigned int which = *(unsigned int *)data;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		lock();
		while (shared->turn % THREADS != which)
			assert_int_equal(shmfs_condition_wait(heap, &shared->changed,
							      &shared->mutex),
					 0);
		shared->turn++;
		assert_int_equal(shmfs_condition_broadcast(heap, &shared->changed), 0);
		unlock();
	}
	return NULL;
}

static void test_turns(void **state)
{
	pthread_t thread[THREADS];
	unsigned int which[THREADS];

	(void)state;
	begin();
	for (unsigned int i = 0; i < THREADS; i++) {
		which[i] = i;
		assert_int_equal(pthread_create(&thread[i], NULL, take_turns, &which[i]),
				 0);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(shared->turn, THREADS * ROUNDS);
	fixture_heap_end(heap);
}

static void *wait_once(void *data)
{
	(void)data;
	lock();
	shared->waiting++;
	while (shared->turn == 0)
		assert_int_equal(
			shmfs_condition_wait(heap, &shared->changed, &shared->mutex), 0);
	shared->turn--;
	unlock();
	return NULL;
}

/* A signal for each of those who wait wakes each of them, without the sleepers' looking.
 */
static void test_signals(void **state)
{
	pthread_t thread[THREADS];
	bool all = false;

	(void)state;
	begin();
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, wait_once, NULL), 0);
	while (!all) {
		lock();
		all = shared->waiting == THREADS;
		if (all)
			assert_int_equal(event_waiters(shared->changed.event), THREADS);
		unlock();
	}
	for (int i = 0; i < THREADS; i++) {
		lock();
		shared->turn++;
		assert_int_equal(shmfs_condition_signal(heap, &shared->changed), 0);
		if (i == 0)
			assert_int_equal(event_waiters(shared->changed.event),
					 THREADS - 1);
		unlock();
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(shared->turn, 0);
	fixture_heap_end(heap);
}

static void test_edges(void **state)
{
	struct timespec soon;

	(void)state;
	begin();
	assert_int_equal(shmfs_condition_wait(heap, &shared->changed, &shared->mutex),
			 -EPERM);
	/* Nobody waits: nothing changes. */
	assert_int_equal(shmfs_condition_signal(heap, &shared->changed), 0);
	assert_int_equal(shmfs_condition_broadcast(heap, &shared->changed), 0);
	assert_int_equal(shared->changed.event, 0);
	shared->mutex.flags = SHMFS_MUTEX_RECURSIVE;
	lock();
	lock();
	for (int i = 0; i < 2; i++) {
		int clock = i ? CLOCK_REALTIME : CLOCK_MONOTONIC;

		soon = clock_in(clock, 150000000);
		assert_int_equal(shmfs_condition_wait_until(heap, &shared->changed,
							    &shared->mutex, clock, &soon),
				 -ETIMEDOUT);
	}
	assert_int_equal(shmfs_condition_wait_until(heap, &shared->changed,
						    &shared->mutex, CLOCK_TAI, &soon),
			 -EINVAL);
	/* It is held as often as before, and nobody is counted. */
	unlock();
	unlock();
	assert_int_equal(shmfs_mutex_unlock(heap, &shared->mutex), -EPERM);
	assert_int_equal(shared->changed.event, 0);
	fixture_heap_end(heap);
}

static int read_only(struct shmfs_heap *own, void *data)
{
	struct shmfs_heap *reader;
	void *object;
	struct shared *s;

	(void)own;
	(void)data;
	if (shmfs_heap_open_read_only(HEAP, &reader) < 0 ||
	    shmfs_heap_find(reader, "shared", 1, 0, &object) < 0)
		return 1;
	s = object;
	return shmfs_condition_signal(reader, &s->changed) != -EROFS ||
	       shmfs_condition_broadcast(reader, &s->changed) != -EROFS ||
	       shmfs_condition_wait(reader, &s->changed, &s->mutex) != -EROFS;
}

static void test_read_only(void **state)
{
	(void)state;
	begin();
	fixture_end(fixture_start(read_only, NULL, false), 0);
	fixture_heap_end(heap);
}

/* Returns how its wait has ended. */
static int wait_and_tell(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));
	int r;

	(void)data;
	if (shmfs_mutex_lock(own, &s->mutex) < 0)
		return 1;
	s->waiting++;
	r = shmfs_condition_wait(own, &s->changed, &s->mutex);
	return -r;
}

static pid_t start_waiter(int (*fn)(struct shmfs_heap *own, void *data))
{
	pid_t waiter = fixture_start(fn, NULL, false);

	fixture_await(&shared->waiting, 1);
	/* It unlocks the mutex when it waits. */
	lock();
	unlock();
	return waiter;
}

/* Nobody signals when the mutex is lost, as nobody can hold it. */
static void test_lost(void **state)
{
	pid_t waiter;

	(void)state;
	begin();
	waiter = start_waiter(wait_and_tell);
	__atomic_store_n(&shared->mutex.word, UINT32_MAX, __ATOMIC_RELEASE);
	fixture_end(waiter, ENOTRECOVERABLE);
	fixture_heap_end(heap);
}

/* Returns 0 when what it waits for is there. */
static int wait_for_turn(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));
	int r = shmfs_mutex_lock(own, &s->mutex);

	(void)data;
	s->waiting++;
	while (r == 0 && !s->turn) {
		r = shmfs_condition_wait(own, &s->changed, &s->mutex);
		if (r == -EOWNERDEAD)
			r = shmfs_mutex_consistent(own, &s->mutex);
	}
	return -(r < 0 ? r : shmfs_mutex_unlock(own, &s->mutex));
}

static int die_before_signal(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));

	(void)data;
	if (shmfs_mutex_lock(own, &s->mutex) == 0) {
		s->turn = 1;
		kill(getpid(), SIGKILL);
	}
	return 1;
}

/* A signal that a dead process owed is not lost where somebody else inherits the mutex.
 */
static void test_owed_signal(void **state)
{
	pid_t waiter, signaller;
	int r;

	(void)state;
	begin();
	waiter = start_waiter(wait_for_turn);
	signaller = fixture_start(die_before_signal, NULL, false);
	assert_int_equal(waitpid(signaller, NULL, 0), signaller);
	/* It is the heir, unless the waiter has come first. */
	r = shmfs_mutex_try_lock(heap, &shared->mutex);
	if (r == -EBUSY)
		r = shmfs_mutex_lock(heap, &shared->mutex);
	if (r == -EOWNERDEAD)
		r = shmfs_mutex_consistent(heap, &shared->mutex);
	assert_int_equal(r, 0);
	assert_int_equal(shared->mutex.deaths, 1);
	unlock();
	fixture_end(waiter, 0);
	fixture_heap_end(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_turns), fixture_test(test_signals),
		fixture_test(test_edges), fixture_test(test_read_only),
		fixture_test(test_lost),  fixture_test(test_owed_signal),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("condition", tests, NULL, NULL) != 0;
}
