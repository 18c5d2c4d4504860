/* SPDX-License-Identifier: MIT */
/*
 * Processes are killed while they hold mutexes, wait and signal: at random instants, each
 * of them process 1 of a namespace of its own as well, and at every instruction. Whoever
 * survives goes on: it learns of the deaths it must know of, misses no signal, and never
 * hangs. A test that hangs is ended by the alarm.
 *
 * SHMFS_KILLS sets how many are killed at random.
 */
#include <shmfs/once.h>
#include <shmfs/semaphore.h>
#include <shmfs/wait.h>

#include "lib/sync/event.h"
#include "sync/cells.h"
#include "sync/fixture.h"

#define WORKERS 3
#define WAITERS 4

struct shared {
	struct cells cells;
	struct shmfs_condition changed;
	struct shmfs_semaphore permits;
	struct shmfs_once once;
	uint32_t done; /* by those who had to do it */
	uint32_t waiting;
	uint32_t go;
};

static struct shmfs_heap *heap;
static struct shared *shared;

static unsigned int kills(void)
{
	const char *n = getenv("SHMFS_KILLS");

	return n ? (unsigned int)atoi(n) : 150;
}

static void begin(void)
{
	alarm(4 * FIXTURE_SECONDS);
	heap = fixture_heap(0, 0);
	shared = fixture_object(heap, sizeof(*shared));
}

static int change_for_ever(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));

	(void)data;
	alarm(0);
	while (cells_change(own, &s->cells) == 0)
		;
	return 1;
}

static void kill_holders(bool containers)
{
	unsigned int seed = 5, n = kills();
	pid_t worker[WORKERS];

	begin();
	for (int i = 0; i < WORKERS; i++)
		worker[i] = fixture_start(change_for_ever, NULL, containers);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int which = (unsigned int)rand_r(&seed) % WORKERS;

		fixture_nap(rand_r(&seed) % 3000000);
		fixture_kill(worker[which]);
		assert_int_equal(cells_change(heap, &shared->cells), 0);
		worker[which] = fixture_start(change_for_ever, NULL, containers);
	}
	for (int i = 0; i < WORKERS; i++)
		fixture_kill(worker[i]);
	assert_int_equal(cells_change(heap, &shared->cells), 0);
	/* Of so many, some died as holders. */
	if (n >= 100)
		assert_true(shared->cells.repairs > 0);
	fixture_heap_end(heap);
}

static void test_holders(void **state)
{
	(void)state;
	kill_holders(false);
}

static void test_holders_in_containers(void **state)
{
	(void)state;
	kill_holders(true);
}

static int change_once(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));

	(void)data;
	fixture_ready();
	return cells_change(own, &s->cells) < 0;
}

/* From the moment at which it has the mutex: also as the heir of one that died with it.
 */
static void test_holders_at_each_instruction(void **state)
{
	unsigned int n = 0;

	(void)state;
	if (fixture_emulated())
		skip();
	begin();
	while (fixture_die_after(change_once, NULL, &shared->cells.mutex.word, n)) {
		n += 2;
		if (n % 8)
			assert_int_equal(cells_change(heap, &shared->cells), 0);
	}
	assert_int_equal(cells_change(heap, &shared->cells), 0);
	assert_true(shared->cells.repairs > 10);
	fixture_heap_end(heap);
}

/* Waits until there is something to take. */
static int wait_for_one(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));
	int r = cells_lock(own, &s->cells);

	(void)data;
	if (r < 0)
		return 1;
	s->waiting++;
	while (s->go == 0) {
		if (cells_wait(own, &s->cells, &s->changed) < 0)
			return 2;
	}
	s->go--;
	/* Whoever takes one, and lives, tells of the next. */
	if (s->go > 0)
		shmfs_condition_signal(own, &s->changed);
	return shmfs_mutex_unlock(own, &s->cells.mutex) < 0;
}

static void give(uint32_t n)
{
	assert_int_equal(cells_lock(heap, &shared->cells), 0);
	shared->go += n;
	assert_int_equal(shmfs_condition_signal(heap, &shared->changed), 0);
	assert_int_equal(shmfs_mutex_unlock(heap, &shared->cells.mutex), 0);
}

/* Several wait, all but one are killed before or at the moment of a signal. */
static void kill_waiters(unsigned int rounds, bool before)
{
	pid_t waiter[WAITERS];

	for (unsigned int i = 0; i < rounds; i++) {
		shared->waiting = 0;
		for (int j = 0; j < WAITERS; j++)
			waiter[j] = fixture_start(wait_for_one, NULL, i % 2);
		fixture_await(&shared->waiting, WAITERS);
		if (before)
			for (int j = 1; j < WAITERS; j++)
				fixture_kill(waiter[(i + j) % WAITERS]);
		/* There is enough for each that may still take one. */
		give(before ? 1 : WAITERS);
		if (!before)
			for (int j = 1; j < WAITERS; j++)
				kill(waiter[(i + j) % WAITERS], SIGKILL);
		fixture_end(waiter[i % WAITERS], 0);
		if (!before)
			for (int j = 1; j < WAITERS; j++)
				waitpid(waiter[(i + j) % WAITERS], NULL, 0);
		assert_int_equal(cells_lock(heap, &shared->cells), 0);
		shared->go = 0;
		assert_int_equal(shmfs_mutex_unlock(heap, &shared->cells.mutex), 0);
	}
}

static void test_waiters(void **state)
{
	(void)state;
	begin();
	kill_waiters(kills(), true);
	fixture_heap_end(heap);
}

static void test_waiters_with_signals(void **state)
{
	(void)state;
	begin();
	kill_waiters(kills() / 3, false);
	fixture_heap_end(heap);
}

static int give_one(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));
	int r;

	(void)data;
	fixture_ready();
	r = cells_lock(own, &s->cells);
	if (r < 0)
		return 1;
	s->go++;
	r = shmfs_condition_signal(own, &s->changed);
	return r < 0 || shmfs_mutex_unlock(own, &s->cells.mutex) < 0;
}

/* Once something is there, the waiter comes by itself, whatever has become of the signal.
 */
static void test_signallers_at_each_instruction(void **state)
{
	unsigned int n = 0;
	bool died = true;
	pid_t waiter;

	(void)state;
	if (fixture_emulated())
		skip();
	begin();
	while (died) {
		shared->go = 0;
		shared->waiting = 0;
		waiter = fixture_start(wait_for_one, NULL, true);
		fixture_await(&shared->waiting, 1);
		died = fixture_die_after(give_one, NULL, &shared->go, n++);
		fixture_end(waiter, 0);
	}
	assert_true(n > 20);
	fixture_heap_end(heap);
}

static int take_permit(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));

	(void)data;
	__atomic_add_fetch(&s->waiting, 1, __ATOMIC_RELEASE);
	return shmfs_semaphore_wait(own, &s->permits) < 0;
}

/* The dead take no permit of the living, and do not keep it from them. */
static void test_semaphore(void **state)
{
	unsigned int n = kills() / 3;
	pid_t waiter[WAITERS];

	(void)state;
	begin();
	for (unsigned int i = 0; i < n; i++) {
		shared->waiting = 0;
		for (int j = 0; j < WAITERS; j++)
			waiter[j] = fixture_start(take_permit, NULL, i % 2);
		fixture_await(&shared->waiting, WAITERS);
		for (int j = 1; j < WAITERS; j++)
			fixture_kill(waiter[(i + j) % WAITERS]);
		assert_int_equal(shmfs_semaphore_post(heap, &shared->permits), 0);
		fixture_end(waiter[i % WAITERS], 0);
		assert_int_equal(shmfs_semaphore_value(&shared->permits), 0);
	}
	/* A wake-up that wakes nobody shows that nobody waits: posting is cheap again. */
	assert_int_equal(shmfs_semaphore_post(heap, &shared->permits), 0);
	assert_int_equal(event_waiters(shared->permits.event), 0);
	fixture_heap_end(heap);
}

static int do_once(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));
	int r;

	(void)data;
	fixture_ready();
	r = shmfs_once_begin(own, &s->once);
	if (r == 0 || r == -EOWNERDEAD) {
		s->done++;
		r = shmfs_once_end(own, &s->once);
	}
	return r < 0 && r != -EALREADY;
}

/* Either it is done, or the next is told of the death. Ends when the word is given back.
 */
static void test_once_at_each_instruction(void **state)
{
	unsigned int n = 0, done = 0;
	int r;

	(void)state;
	if (fixture_valgrind())
		skip();
	begin();
	while (fixture_die_after(do_once, NULL, &shared->once.word, n) &&
	       shared->once.word) {
		n++;
		r = shmfs_once_begin(heap, &shared->once);
		if (r == -EALREADY) {
			assert_int_equal(shared->done, 1);
			done++;
		} else {
			assert_int_equal(r, -EOWNERDEAD);
			assert_in_range(shared->done, 0, 1);
			assert_int_equal(shmfs_once_end(heap, &shared->once), 0);
		}
		memset(shared, 0, sizeof(*shared));
	}
	assert_int_equal(shmfs_once_begin(heap, &shared->once), -EALREADY);
	assert_int_equal(shared->done, 1);
	assert_true(done > 0);
	assert_true(n - done > 1);
	fixture_heap_end(heap);
}

static struct shmfs_queue *find_queue(struct shmfs_heap *own)
{
	const struct shmfs_queue_options options = { 1, 0 };
	struct shmfs_queue *queue = NULL;

	assert_int_equal(shmfs_queue_open(own, "queue", SHMFS_OPEN_OR_CREATE, &options,
					  &queue),
			 0);
	return queue;
}

static int send_one(struct shmfs_heap *own, void *data)
{
	struct shmfs_queue *queue = find_queue(own);

	(void)data;
	fixture_ready();
	return shmfs_queue_send(own, queue, "", 0, 0) < 0;
}

/*
 * A queue whose sender died is ready for who waits for several, since a message may be in
 * it that it does not count. Ends when the sender gives the lock back.
 */
static void test_queue_of_several(void **state)
{
	struct shmfs_wait list[2] = { 0 };
	unsigned int n = 0, uncounted = 0;
	struct shmfs_queue_info info;
	const uint32_t *lock;

	(void)state;
	if (fixture_valgrind())
		skip();
	begin();
	list[0] = (struct shmfs_wait){ heap, SHMFS_WAIT_SEMAPHORE, 0, { NULL } };
	list[0].object.semaphore = &shared->permits;
	list[1] = (struct shmfs_wait){ heap, SHMFS_WAIT_QUEUE_MESSAGE, 0, { NULL } };
	list[1].object.queue = find_queue(heap);
	lock = (const uint32_t *)list[1].object.queue;
	while (fixture_die_after(send_one, NULL, lock, n) && *lock) {
		n += 3;
		shmfs_queue_info(list[1].object.queue, &info);
		uncounted += info.messages == 0;
		assert_int_equal(shmfs_wait_any(list, 2), 0);
		assert_int_equal(list[1].ready, 1);
		shmfs_queue_try_receive(heap, list[1].object.queue, NULL, 0, NULL, NULL);
	}
	assert_int_equal(shmfs_wait_any(list, 2), 0);
	assert_int_equal(list[1].ready, 1);
	assert_true(uncounted > 0);
	fixture_heap_end(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_holders),
		fixture_test(test_holders_in_containers),
		fixture_test(test_holders_at_each_instruction),
		fixture_test(test_waiters),
		fixture_test(test_waiters_with_signals),
		fixture_test(test_signallers_at_each_instruction),
		fixture_test(test_semaphore),
		fixture_test(test_once_at_each_instruction),
		fixture_test(test_queue_of_several),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("sync-kill", tests, NULL, NULL) != 0;
}
