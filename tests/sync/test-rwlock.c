/* SPDX-License-Identifier: MIT */
/* A read/write lock: who gets it together with whom, and who does not. */
#include "lib/sync/event.h"
#include "sync/rwlock.h"

#define THREADS 4
#define ROUNDS  5000

/* Writes twice in ROUNDS rounds of eight. */
static int take_part(struct shmfs_heap *own, struct shared *s)
{
	int r = 0;

	for (int i = 0; r == 0 && i < ROUNDS; i++)
		r = i % 8 == 0   ? write_once(own, s)
		    : i % 8 == 4 ? upgrade_once(own, s)
				 : read_once(own, s);
	return r;
}

static void *take_part_in_thread(void *data)
{
	(void)data;
	assert_int_equal(take_part(heap, shared), 0);
	return NULL;
}

static int take_part_in_process(struct shmfs_heap *own, void *data)
{
	(void)data;
	return -take_part(own, fixture_object(own, sizeof(struct shared)));
}

static void test_threads(void **state)
{
	pthread_t thread[THREADS];

	(void)state;
	begin();
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&thread[i], NULL, take_part_in_thread, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(shared->cell[0], THREADS * ROUNDS / 4);
	end();
}

static void test_processes(void **state)
{
	pid_t pid[3];

	(void)state;
	begin();
	for (int i = 0; i < 3; i++)
		pid[i] = fixture_start(take_part_in_process, NULL, true);
	for (int i = 0; i < 3; i++)
		fixture_end(pid[i], 0);
	assert_int_equal(shared->cell[0], 3 * ROUNDS / 4);
	assert_int_equal(shared->lock.word, 0);
	assert_int_equal(shared->lock.state, 0);
	end();
}

/* The thread holds it upgradable or exclusively. */
static void refuse_again(void)
{
	struct shmfs_rwlock *l = &shared->lock;

	assert_int_equal(shmfs_rwlock_lock_shared(heap, l), -EDEADLK);
	assert_int_equal(shmfs_rwlock_try_lock_shared(heap, l), -EDEADLK);
	assert_int_equal(shmfs_rwlock_lock_upgradable(heap, l), -EDEADLK);
	assert_int_equal(shmfs_rwlock_try_lock_upgradable(heap, l), -EDEADLK);
	assert_int_equal(shmfs_rwlock_lock_exclusive(heap, l), -EDEADLK);
	assert_int_equal(shmfs_rwlock_try_lock_exclusive(heap, l), -EDEADLK);
	assert_int_equal(shmfs_rwlock_consistent(heap, l), -EINVAL);
}

/* The thread holds it shared, or not at all. */
static void refuse_change(void)
{
	struct shmfs_rwlock *l = &shared->lock;
	struct timespec past = { 0 };

	assert_int_equal(shmfs_rwlock_upgrade(heap, l), -EPERM);
	assert_int_equal(shmfs_rwlock_try_upgrade(heap, l), -EPERM);
	assert_int_equal(shmfs_rwlock_upgrade_until(heap, l, CLOCK_MONOTONIC, &past),
			 -EPERM);
	assert_int_equal(shmfs_rwlock_downgrade_to_upgradable(heap, l), -EPERM);
	assert_int_equal(shmfs_rwlock_downgrade_to_shared(heap, l), -EPERM);
	assert_int_equal(shmfs_rwlock_consistent(heap, l), -EPERM);
}

static void test_ownerships(void **state)
{
	struct shmfs_rwlock *l;

	(void)state;
	begin();
	l = &shared->lock;
	others_get(0, 0, 0);
	refuse_change();
	assert_int_equal(shmfs_rwlock_unlock(heap, l), -EPERM);
	assert_int_equal(shmfs_rwlock_lock_shared(heap, l), 0);
	others_get(0, 0, -EBUSY);
	refuse_change();
	assert_int_equal(shmfs_rwlock_unlock(heap, l), 0);
	assert_int_equal(shmfs_rwlock_lock_upgradable(heap, l), 0);
	others_get(0, -EBUSY, -EBUSY);
	refuse_again();
	assert_int_equal(shmfs_rwlock_downgrade_to_upgradable(heap, l), -EPERM);
	assert_int_equal(shmfs_rwlock_upgrade(heap, l), 0);
	others_get(-EBUSY, -EBUSY, -EBUSY);
	refuse_again();
	assert_int_equal(shmfs_rwlock_upgrade(heap, l), -EPERM);
	assert_int_equal(shmfs_rwlock_downgrade_to_upgradable(heap, l), 0);
	others_get(0, -EBUSY, -EBUSY);
	assert_int_equal(shmfs_rwlock_downgrade_to_shared(heap, l), 0);
	others_get(0, 0, -EBUSY);
	assert_int_equal(shmfs_rwlock_unlock(heap, l), 0);
	assert_int_equal(shmfs_rwlock_lock_exclusive(heap, l), 0);
	others_get(-EBUSY, -EBUSY, -EBUSY);
	assert_int_equal(shmfs_rwlock_downgrade_to_shared(heap, l), 0);
	others_get(0, 0, -EBUSY);
	assert_int_equal(shmfs_rwlock_unlock(heap, l), 0);
	others_get(0, 0, 0);
	assert_int_equal(l->word, 0);
	assert_int_equal(l->state, 0);
	end();
}

static void test_times(void **state)
{
	struct timespec past = { 0 }, none = { .tv_nsec = 1000000000 };
	struct shmfs_rwlock *l;

	(void)state;
	begin();
	l = &shared->lock;
	/* It is had where it is free, whatever the time is. */
	expect(shmfs_rwlock_lock_shared_until(heap, l, CLOCK_MONOTONIC, &past), 0);
	expect(shmfs_rwlock_lock_exclusive_until(heap, l, CLOCK_REALTIME, &past), 0);
	assert_int_equal(
		shmfs_rwlock_lock_upgradable_until(heap, l, CLOCK_MONOTONIC, &past), 0);
	expect(shmfs_rwlock_upgrade_until(heap, l, CLOCK_MONOTONIC, &past), 0);
	assert_int_equal(shmfs_rwlock_lock_shared_until(heap, l, CLOCK_TAI, &past),
			 -EINVAL);
	assert_int_equal(shmfs_rwlock_lock_exclusive_until(heap, l, CLOCK_TAI, &past),
			 -EINVAL);
	assert_int_equal(shmfs_rwlock_lock_upgradable_until(heap, l, CLOCK_REALTIME,
							    &none),
			 -EINVAL);
	assert_int_equal(shmfs_rwlock_upgrade_until(heap, l, CLOCK_REALTIME, &none),
			 -EINVAL);
	end();
}

static void *hold_share(void *data)
{
	(void)data;
	assert_int_equal(shmfs_rwlock_lock_shared(heap, &shared->lock), 0);
	__atomic_add_fetch(&shared->inside, 1, __ATOMIC_RELEASE);
	fixture_await(&shared->stop, 1);
	assert_int_equal(shmfs_rwlock_unlock(heap, &shared->lock), 0);
	return NULL;
}

/* Threads of one process share it with each other, and with one that may upgrade. */
static void test_upgrade_waits(void **state)
{
	struct timespec soon;
	pthread_t thread[THREADS];
	struct shmfs_rwlock *l;

	(void)state;
	begin();
	l = &shared->lock;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, hold_share, NULL), 0);
	fixture_await(&shared->inside, THREADS);
	assert_int_equal(shmfs_rwlock_lock_upgradable(heap, l), 0);
	assert_int_equal(shmfs_rwlock_try_upgrade(heap, l), -EBUSY);
	soon = clock_in(CLOCK_MONOTONIC, 8000000);
	assert_int_equal(shmfs_rwlock_upgrade_until(heap, l, CLOCK_MONOTONIC, &soon),
			 -ETIMEDOUT);
	/* It has what it had, and has let others in again. */
	others_get(0, -EBUSY, -EBUSY);
	__atomic_store_n(&shared->stop, 1, __ATOMIC_RELEASE);
	assert_int_equal(shmfs_rwlock_upgrade(heap, l), 0);
	assert_int_equal(shmfs_rwlock_unlock(heap, l), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(shmfs_rwlock_unlock(heap, l), -EPERM);
	end();
}

/* More threads than can be counted. */
static void test_most(void **state)
{
	struct shmfs_rwlock *l;
	int n = 0, r;

	(void)state;
	begin();
	l = &shared->lock;
	while ((r = shmfs_rwlock_lock_shared(heap, l)) == 0)
		n++;
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(n, 16383);
	assert_int_equal(shmfs_rwlock_try_lock_shared(heap, l), -EAGAIN);
	assert_int_equal(shmfs_rwlock_lock_upgradable(heap, l), 0);
	assert_int_equal(shmfs_rwlock_downgrade_to_shared(heap, l), -EAGAIN);
	/* What the thread holds by itself comes first. */
	assert_int_equal(shmfs_rwlock_unlock(heap, l), 0);
	assert_int_equal(l->word, 0);
	for (int i = 0; i < n; i++)
		assert_int_equal(shmfs_rwlock_unlock(heap, l), 0);
	assert_int_equal(shmfs_rwlock_unlock(heap, l), -EPERM);
	end();
}

/* At any moment some reader has a share: each gives its own back when others have theirs.
 */
static void *read_all_the_time(void *data)
{
	(void)data;
	while (!__atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE)) {
		assert_int_equal(shmfs_rwlock_lock_shared(heap, &shared->lock), 0);
		__atomic_add_fetch(&shared->inside, 1, __ATOMIC_RELEASE);
		fixture_nap(1000000);
		assert_int_equal(look(shared), 0);
		assert_int_equal(shmfs_rwlock_unlock(heap, &shared->lock), 0);
	}
	return NULL;
}

static void *write_all_the_time(void *data)
{
	(void)data;
	while (!__atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE)) {
		assert_int_equal(shmfs_rwlock_lock_exclusive(heap, &shared->lock), 0);
		add(shared);
		fixture_nap(100000);
		assert_int_equal(shmfs_rwlock_unlock(heap, &shared->lock), 0);
	}
	return NULL;
}

/* Neither waits for ever where there is always one of the others. */
static void test_fairness(void **state)
{
	pthread_t thread[THREADS];

	(void)state;
	begin();
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&thread[i], NULL, read_all_the_time, NULL), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(write_once(heap, shared), 0);
	__atomic_store_n(&shared->stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	__atomic_store_n(&shared->stop, 0, __ATOMIC_RELEASE);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			pthread_create(&thread[i], NULL, write_all_the_time, NULL), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(read_once(heap, shared), 0);
	__atomic_store_n(&shared->stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	end();
}

/* Readers that wait come before the next writer, which waits for them for a moment. */
static void test_turn(void **state)
{
	const union {
		uint32_t half[2];
		uint64_t event;
	} one_waits = { .half = { 0, 1 } };
	struct shmfs_rwlock *l;
	uint64_t before;

	(void)state;
	begin();
	l = &shared->lock;
	assert_int_equal(shmfs_rwlock_lock_exclusive(heap, l), 0);
	/* One that died while it waited. */
	l->readers = one_waits.event;
	assert_int_equal(shmfs_rwlock_unlock(heap, l), 0);
	assert_int_equal(event_waiters(l->readers), 0);
	assert_int_equal(l->turn, 1);
	before = clock_ns();
	assert_int_equal(shmfs_rwlock_lock_exclusive(heap, l), 0);
	assert_true(clock_ns() - before >= 5000000);
	assert_int_equal(l->turn, 0);
	assert_int_equal(shmfs_rwlock_unlock(heap, l), 0);
	end();
}

/* A child holds nothing, and its death is not that of the holder. */
static int in_child(void *data)
{
	struct shmfs_rwlock *l = &shared->lock;

	(void)data;
	return shmfs_rwlock_unlock(heap, l) != -EPERM ||
	       shmfs_rwlock_try_lock_exclusive(heap, l) != -EBUSY;
}

static void test_fork(void **state)
{
	(void)state;
	begin();
	assert_int_equal(shmfs_rwlock_lock_shared(heap, &shared->lock), 0);
	assert_int_equal(fixture_child(in_child, NULL), 0);
	assert_int_equal(shmfs_rwlock_unlock(heap, &shared->lock), 0);
	assert_int_equal(shmfs_rwlock_lock_exclusive(heap, &shared->lock), 0);
	assert_int_equal(fixture_child(in_child, NULL), 0);
	assert_int_equal(shmfs_rwlock_unlock(heap, &shared->lock), 0);
	end();
}

static void test_read_only(void **state)
{
	struct shmfs_heap *reader;
	struct shmfs_rwlock *l;
	void *object;

	(void)state;
	begin();
	assert_int_equal(shmfs_heap_open_read_only(HEAP, &reader), 0);
	assert_int_equal(shmfs_heap_find(reader, "shared", 1, 0, &object), 0);
	l = &((struct shared *)object)->lock;
	assert_int_equal(shmfs_rwlock_lock_shared(reader, l), -EROFS);
	assert_int_equal(shmfs_rwlock_try_lock_shared(reader, l), -EROFS);
	assert_int_equal(shmfs_rwlock_lock_upgradable(reader, l), -EROFS);
	assert_int_equal(shmfs_rwlock_try_lock_upgradable(reader, l), -EROFS);
	assert_int_equal(shmfs_rwlock_lock_exclusive(reader, l), -EROFS);
	assert_int_equal(shmfs_rwlock_try_lock_exclusive(reader, l), -EROFS);
	assert_int_equal(shmfs_rwlock_unlock(reader, l), -EPERM);
	shmfs_heap_close(reader);
	end();
}

/* Whatever lies there, nobody crashes, and nobody who has a deadline hangs. */
static void test_damaged(void **state)
{
	struct shmfs_rwlock *l;
	unsigned int seed = 3;

	(void)state;
	begin();
	l = &shared->lock;
	for (int i = 0; i < 100; i++) {
		struct timespec soon = clock_in(CLOCK_MONOTONIC, 1000000);

		for (size_t j = 0; j < sizeof(*l); j++)
			((unsigned char *)l)[j] = (unsigned char)rand_r(&seed);
		if (i % 2)
			l->word = 0;
		shmfs_rwlock_lock_shared_until(heap, l, CLOCK_MONOTONIC, &soon);
		shmfs_rwlock_unlock(heap, l);
		shmfs_rwlock_lock_exclusive_until(heap, l, CLOCK_MONOTONIC, &soon);
		shmfs_rwlock_unlock(heap, l);
		shmfs_rwlock_try_lock_exclusive(heap, l);
		shmfs_rwlock_unlock(heap, l);
	}
	/* Nobody has it, yet it says that it is closed. */
	memset(l, 0, sizeof(*l));
	l->state = 7;
	assert_int_equal(read_once(heap, shared), 0);
	l->state = 2;
	assert_int_equal(write_once(heap, shared), 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_threads),       fixture_test(test_processes),
		fixture_test(test_ownerships),    fixture_test(test_times),
		fixture_test(test_upgrade_waits), fixture_test(test_most),
		fixture_test(test_fairness),      fixture_test(test_turn),
		fixture_test(test_fork),          fixture_test(test_read_only),
		fixture_test(test_damaged),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("rwlock", tests, NULL, NULL) != 0;
}
