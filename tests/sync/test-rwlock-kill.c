/* SPDX-License-Identifier: MIT */
/*
 * What deaths leave of a read/write lock. Processes are killed while they hold it in
 * order to read, to write, and to do both: when they hold it, at random instants, each of
 * them process 1 of a namespace of its own as well, and after a number of instructions.
 * Whoever survives goes on, finds what is protected whole or learns that it must repair
 * it, and never hangs. A test that hangs is ended by the alarm.
 *
 * SHMFS_KILLS sets how many are killed at random.
 */
#include "sync/rwlock.h"

#define WORKERS 3

static int share_and_die(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));

	(void)data;
	return shmfs_rwlock_lock_shared(own, &s->lock) < 0;
}

static int read_and_die(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));

	(void)data;
	return shmfs_rwlock_lock_upgradable(own, &s->lock) < 0;
}

static int write_and_die(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));

	(void)data;
	return shmfs_rwlock_lock_exclusive(own, &s->lock) < 0;
}

static void die(int (*fn)(struct shmfs_heap *own, void *data))
{
	fixture_end(fixture_start(fn, NULL, true), 0);
}

/* Those who only read leave nothing behind, and nobody waits for them for long. */
static void test_dead_readers(void **state)
{
	struct timespec past = { 0 };
	struct shmfs_rwlock *l;
	uint64_t before;

	(void)state;
	begin();
	l = &shared->lock;
	for (int i = 0; i < 70; i++)
		die(share_and_die);
	before = clock_ns();
	assert_int_equal(shmfs_rwlock_lock_exclusive(heap, l), 0);
	assert_true(clock_ns() - before < UINT64_C(100000000) * 10);
	assert_int_equal(shmfs_rwlock_unlock(heap, l), 0);
	/* Who does not wait, or waits no longer, need not wait for the dead. */
	die(share_and_die);
	expect(shmfs_rwlock_try_lock_exclusive(heap, l), 0);
	die(share_and_die);
	expect(shmfs_rwlock_lock_exclusive_until(heap, l, CLOCK_REALTIME, &past), 0);
	die(share_and_die);
	die(read_and_die);
	assert_int_equal(shmfs_rwlock_lock_upgradable(heap, l), 0);
	assert_int_equal(shmfs_rwlock_try_upgrade(heap, l), 0);
	assert_int_equal(shmfs_rwlock_unlock(heap, l), 0);
	die(read_and_die);
	expect(shmfs_rwlock_try_lock_exclusive(heap, l), 0);
	end();
}

/* Whoever comes next holds it alone, whatever it asked for. */
static void repair(int r)
{
	struct shmfs_rwlock *l = &shared->lock;

	assert_int_equal(r, -EOWNERDEAD);
	others_get(-EBUSY, -EBUSY, -EBUSY);
	assert_int_equal(shmfs_rwlock_downgrade_to_shared(heap, l), -EOWNERDEAD);
	assert_int_equal(shmfs_rwlock_downgrade_to_upgradable(heap, l), -EOWNERDEAD);
	assert_int_equal(shmfs_rwlock_upgrade(heap, l), -EPERM);
	assert_int_equal(shmfs_rwlock_consistent(heap, l), 0);
	assert_int_equal(shmfs_rwlock_consistent(heap, l), -EINVAL);
	others_get(-EBUSY, -EBUSY, -EBUSY);
	assert_int_equal(shmfs_rwlock_downgrade_to_shared(heap, l), 0);
	others_get(0, 0, -EBUSY);
	assert_int_equal(shmfs_rwlock_unlock(heap, l), 0);
	others_get(0, 0, 0);
}

static void test_repaired(void **state)
{
	struct timespec past = { 0 };
	struct shmfs_rwlock *l;

	(void)state;
	begin();
	l = &shared->lock;
	die(write_and_die);
	repair(shmfs_rwlock_lock_shared(heap, l));
	die(write_and_die);
	repair(shmfs_rwlock_lock_upgradable(heap, l));
	die(write_and_die);
	repair(shmfs_rwlock_lock_exclusive(heap, l));
	die(write_and_die);
	repair(shmfs_rwlock_try_lock_shared(heap, l));
	die(write_and_die);
	repair(shmfs_rwlock_try_lock_upgradable(heap, l));
	die(write_and_die);
	repair(shmfs_rwlock_try_lock_exclusive(heap, l));
	die(write_and_die);
	repair(shmfs_rwlock_lock_shared_until(heap, l, CLOCK_MONOTONIC, &past));
	end();
}

static int inherit_and_die(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));

	(void)data;
	return shmfs_rwlock_lock_shared(own, &s->lock) != -EOWNERDEAD;
}

static void *read_in_vain(void *data)
{
	(void)data;
	__atomic_add_fetch(&shared->step, 1, __ATOMIC_RELEASE);
	assert_int_equal(shmfs_rwlock_lock_shared(heap, &shared->lock), -ENOTRECOVERABLE);
	return NULL;
}

static void *write_in_vain(void *data)
{
	(void)data;
	__atomic_add_fetch(&shared->step, 1, __ATOMIC_RELEASE);
	assert_int_equal(shmfs_rwlock_lock_exclusive(heap, &shared->lock),
			 -ENOTRECOVERABLE);
	return NULL;
}

static void test_not_recoverable(void **state)
{
	struct shmfs_rwlock *l;
	pthread_t thread[2];

	(void)state;
	begin();
	l = &shared->lock;
	die(write_and_die);
	/* An heir that dies leaves it as it found it. */
	die(inherit_and_die);
	assert_int_equal(shmfs_rwlock_lock_upgradable(heap, l), -EOWNERDEAD);
	assert_int_equal(pthread_create(&thread[0], NULL, read_in_vain, NULL), 0);
	assert_int_equal(pthread_create(&thread[1], NULL, write_in_vain, NULL), 0);
	fixture_await(&shared->step, 2);
	assert_int_equal(shmfs_rwlock_unlock(heap, l), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(shmfs_rwlock_lock_shared(heap, l), -ENOTRECOVERABLE);
	assert_int_equal(shmfs_rwlock_try_lock_shared(heap, l), -ENOTRECOVERABLE);
	assert_int_equal(shmfs_rwlock_lock_upgradable(heap, l), -ENOTRECOVERABLE);
	assert_int_equal(shmfs_rwlock_try_lock_upgradable(heap, l), -ENOTRECOVERABLE);
	assert_int_equal(shmfs_rwlock_lock_exclusive(heap, l), -ENOTRECOVERABLE);
	assert_int_equal(shmfs_rwlock_try_lock_exclusive(heap, l), -ENOTRECOVERABLE);
	assert_int_equal(shmfs_rwlock_unlock(heap, l), -EPERM);
	end();
}

/* Repairs what a dead writer left, and makes @r that of a thread that holds it alone. */
static int repaired(struct shmfs_heap *own, struct shared *s, int r)
{
	if (r != -EOWNERDEAD)
		return r < 0 ? r : look(s);
	for (int i = 1; i < CELLS; i++)
		s->cell[i] = s->cell[0];
	s->step++;
	return shmfs_rwlock_consistent(own, &s->lock);
}

/* Nobody writes meanwhile. */
static int read_mortally(struct shmfs_heap *own, struct shared *s)
{
	int r = shmfs_rwlock_lock_shared(own, &s->lock), dead = r == -EOWNERDEAD;
	uint64_t first;

	r = repaired(own, s, r);
	if (r == 0 && dead)
		r = shmfs_rwlock_downgrade_to_shared(own, &s->lock);
	if (r < 0)
		return r;
	first = *(volatile uint64_t *)&s->cell[0];
	for (int i = 0; i < 10; i++)
		if (*(volatile uint64_t *)&s->cell[CELLS - 1] != first)
			return -EBADMSG;
	return shmfs_rwlock_unlock(own, &s->lock);
}

static int write_mortally(struct shmfs_heap *own, struct shared *s)
{
	int r = repaired(own, s, shmfs_rwlock_lock_exclusive(own, &s->lock));

	if (r < 0)
		return r;
	add(s);
	return shmfs_rwlock_unlock(own, &s->lock);
}

static int upgrade_mortally(struct shmfs_heap *own, struct shared *s)
{
	int r = shmfs_rwlock_lock_upgradable(own, &s->lock), dead = r == -EOWNERDEAD;
	uint64_t first;

	r = repaired(own, s, r);
	if (r == 0 && dead)
		r = shmfs_rwlock_downgrade_to_upgradable(own, &s->lock);
	first = s->cell[0];
	if (r == 0)
		r = shmfs_rwlock_upgrade(own, &s->lock);
	if (r == 0 && s->cell[0] != first)
		r = -EBADMSG;
	if (r < 0)
		return r;
	add(s);
	r = shmfs_rwlock_downgrade_to_upgradable(own, &s->lock);
	if (r == 0)
		r = shmfs_rwlock_downgrade_to_shared(own, &s->lock);
	if (r == 0 && *(volatile uint64_t *)&s->cell[CELLS - 1] != first + 1)
		r = -EBADMSG;
	return r < 0 ? r : shmfs_rwlock_unlock(own, &s->lock);
}

static int do_all(struct shmfs_heap *own, struct shared *s)
{
	int r = read_mortally(own, s);

	if (r == 0)
		r = write_mortally(own, s);
	if (r == 0)
		r = upgrade_mortally(own, s);
	return r;
}

static int do_all_for_ever(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));

	(void)data;
	alarm(0);
	while (do_all(own, s) == 0)
		;
	return 1;
}

static unsigned int kills(void)
{
	const char *n = getenv("SHMFS_KILLS");

	return n ? (unsigned int)atoi(n) : 150;
}

static void kill_at_random(bool containers)
{
	unsigned int seed = 7, n = kills();
	pid_t worker[WORKERS];

	alarm(4 * FIXTURE_SECONDS);
	begin();
	for (int i = 0; i < WORKERS; i++)
		worker[i] = fixture_start(do_all_for_ever, NULL, containers);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int which = (unsigned int)rand_r(&seed) % WORKERS;

		fixture_nap(rand_r(&seed) % 3000000);
		fixture_kill(worker[which]);
		assert_int_equal(do_all(heap, shared), 0);
		worker[which] = fixture_start(do_all_for_ever, NULL, containers);
	}
	for (int i = 0; i < WORKERS; i++)
		fixture_kill(worker[i]);
	assert_int_equal(do_all(heap, shared), 0);
	/* Of so many, some died as writers. */
	if (n >= 100)
		assert_true(shared->step > 0);
	end();
}

static void test_random(void **state)
{
	(void)state;
	kill_at_random(false);
}

static void test_random_in_containers(void **state)
{
	(void)state;
	kill_at_random(true);
}

static int do_all_once(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));

	(void)data;
	/* The first call of each function takes many instructions of the linker. */
	if (do_all(own, s) < 0)
		return 1;
	fixture_ready();
	__atomic_add_fetch(&s->inside, 1, __ATOMIC_RELEASE);
	return do_all(own, s) < 0 ? 2 : 0;
}

static void test_instructions(void **state)
{
	unsigned int n = 0;

	(void)state;
	if (fixture_valgrind())
		skip();
	alarm(4 * FIXTURE_SECONDS);
	begin();
	while (fixture_die_after(do_all_once, NULL, &shared->inside, n)) {
		n += 11 + n / 30;
		assert_int_equal(write_mortally(heap, shared), 0);
	}
	assert_int_equal(do_all(heap, shared), 0);
	assert_true(shared->step > 1);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_dead_readers),         fixture_test(test_repaired),
		fixture_test(test_not_recoverable),      fixture_test(test_random),
		fixture_test(test_random_in_containers), fixture_test(test_instructions),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("rwlock-kill", tests, NULL, NULL) != 0;
}
