/* SPDX-License-Identifier: MIT */
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <shmfs/wait.h>

#include "sync/fixture.h"

#define WAITERS 4
#define ROUNDS  30
#define KINDS   5

struct shared {
	struct shmfs_semaphore permits;
	uint32_t waiting;
	uint32_t woken;
};

static struct shmfs_heap *heap;
static struct shared *shared;
static struct shmfs_queue *queue;
static struct shmfs_ring *ring;

static void find_all(struct shmfs_heap *own, struct shmfs_wait list[KINDS])
{
	static const struct shmfs_queue_options queue_options = { 1, 8 };
	static const struct shmfs_ring_options ring_options = { 1, 8 };
	struct shared *s = fixture_object(own, sizeof(*s));

	assert_int_equal(shmfs_queue_open(own, "queue", SHMFS_OPEN_OR_CREATE,
					  &queue_options, &queue),
			 0);
	assert_int_equal(shmfs_ring_open(own, "ring", SHMFS_OPEN_OR_CREATE, &ring_options,
					 &ring),
			 0);
	for (int i = 0; i < KINDS; i++)
		list[i] = (struct shmfs_wait){ own, (enum shmfs_wait_for)i, 2, { NULL } };
	list[SHMFS_WAIT_SEMAPHORE].object.semaphore = &s->permits;
	list[SHMFS_WAIT_QUEUE_MESSAGE].object.queue = queue;
	list[SHMFS_WAIT_QUEUE_ROOM].object.queue = queue;
	list[SHMFS_WAIT_RING_MESSAGE].object.ring = ring;
	list[SHMFS_WAIT_RING_ROOM].object.ring = ring;
}

static void begin(struct shmfs_wait list[KINDS])
{
	alarm(2 * FIXTURE_SECONDS);
	heap = fixture_heap(0, 0);
	shared = fixture_object(heap, sizeof(*shared));
	find_all(heap, list);
}

/* Queue and ring are full, or empty, and there is a permit, or none. */
static void make_ready(enum shmfs_wait_for what)
{
	char m[8] = "";

	switch (what) {
	case SHMFS_WAIT_SEMAPHORE:
		assert_int_equal(shmfs_semaphore_post(heap, &shared->permits), 0);
		break;
	case SHMFS_WAIT_QUEUE_MESSAGE:
		assert_int_equal(shmfs_queue_try_send(heap, queue, m, 8, 0), 0);
		break;
	case SHMFS_WAIT_QUEUE_ROOM:
		assert_int_equal(shmfs_queue_try_receive(heap, queue, m, sizeof(m), NULL,
							 NULL),
				 0);
		break;
	case SHMFS_WAIT_RING_MESSAGE:
		while (shmfs_ring_try_send(heap, ring, m, 8) == 0)
			;
		break;
	case SHMFS_WAIT_RING_ROOM:
		while (shmfs_ring_try_receive(heap, ring, m, sizeof(m), NULL) == 0)
			;
		break;
	}
}

static int look(struct shmfs_wait *list, size_t n)
{
	struct timespec now = clock_in(CLOCK_MONOTONIC, 0);

	return shmfs_wait_any_until(list, n, CLOCK_MONOTONIC, &now);
}

static void test_ready(void **state)
{
	struct shmfs_wait list[KINDS];

	(void)state;
	begin(list);
	assert_int_equal(shmfs_wait_any(list, KINDS), 0);
	for (int i = 0; i < KINDS; i++)
		assert_int_equal(list[i].ready,
				 i == SHMFS_WAIT_QUEUE_ROOM || i == SHMFS_WAIT_RING_ROOM);
	assert_int_equal(look(list, 2), -ETIMEDOUT);
	assert_int_equal(list[0].ready, 0);
	make_ready(SHMFS_WAIT_SEMAPHORE);
	make_ready(SHMFS_WAIT_QUEUE_MESSAGE);
	make_ready(SHMFS_WAIT_RING_MESSAGE);
	assert_int_equal(shmfs_wait_any(list, KINDS), 0);
	for (int i = 0; i < KINDS; i++)
		assert_int_equal(list[i].ready,
				 i != SHMFS_WAIT_QUEUE_ROOM && i != SHMFS_WAIT_RING_ROOM);
	assert_int_equal(look(&list[SHMFS_WAIT_QUEUE_ROOM], 1), -ETIMEDOUT);
	assert_int_equal(look(&list[SHMFS_WAIT_RING_ROOM], 1), -ETIMEDOUT);
	fixture_heap_end(heap);
}

static void test_refused(void **state)
{
	struct shmfs_wait list[SHMFS_WAIT_MOST + 1], own[KINDS];
	struct timespec soon = clock_in(CLOCK_REALTIME, 20000000);
	struct shmfs_heap *reader;

	(void)state;
	begin(own);
	for (size_t i = 0; i <= SHMFS_WAIT_MOST; i++)
		list[i] = own[SHMFS_WAIT_SEMAPHORE];
	assert_int_equal(shmfs_wait_any(list, 0), -EINVAL);
	assert_int_equal(shmfs_wait_any(list, SHMFS_WAIT_MOST + 1), -EINVAL);
	assert_int_equal(shmfs_wait_any_until(list, 1, CLOCK_TAI, &soon), -EINVAL);
	assert_int_equal(shmfs_wait_any_until(list, SHMFS_WAIT_MOST, CLOCK_REALTIME,
					      &soon),
			 -ETIMEDOUT);
	assert_int_equal(shared->permits.event, 0);
	list[1].what = (enum shmfs_wait_for)KINDS;
	assert_int_equal(look(list, 2), -EINVAL);
	assert_int_equal(shmfs_heap_open_read_only(HEAP, &reader), 0);
	list[1] = list[0];
	list[1].heap = reader;
	assert_int_equal(look(list, 2), -EROFS);
	shmfs_heap_close(reader);
	fixture_heap_end(heap);
}

#define SOME 3

/* A semaphore, a queue and a ring that are not ready, by what makes one of them ready. */
static void prepare(enum shmfs_wait_for what, struct shmfs_wait some[SOME])
{
	struct shmfs_wait list[KINDS];

	begin(list);
	some[0] = list[SHMFS_WAIT_SEMAPHORE];
	some[1] = list[SHMFS_WAIT_QUEUE_MESSAGE];
	some[2] = list[SHMFS_WAIT_RING_MESSAGE];
	if (what == SHMFS_WAIT_QUEUE_ROOM) {
		some[1] = list[what];
		make_ready(SHMFS_WAIT_QUEUE_MESSAGE);
	} else if (what == SHMFS_WAIT_RING_ROOM) {
		some[2] = list[what];
		make_ready(SHMFS_WAIT_RING_MESSAGE);
	}
}

/* The events of these, shmfs_heap(5). */
static const uint64_t *event_of(const struct shmfs_wait *w)
{
	switch (w->what) {
	case SHMFS_WAIT_SEMAPHORE:
		return &shared->permits.event;
	case SHMFS_WAIT_QUEUE_MESSAGE:
		return (const uint64_t *)queue + 3;
	case SHMFS_WAIT_QUEUE_ROOM:
		return (const uint64_t *)queue + 4;
	case SHMFS_WAIT_RING_MESSAGE:
		return (const uint64_t *)ring + 18;
	default:
		return (const uint64_t *)ring + 34;
	}
}

static void await_waiters(const struct shmfs_wait *w, uint32_t n)
{
	fixture_await((const uint32_t *)event_of(w) + 1, n);
}

static void *wait_for_some(void *data)
{
	assert_int_equal(shmfs_wait_any(data, SOME), 0);
	return NULL;
}

/* Each wakes a thread that waits for all, and no event counts it any more. */
static void test_woken(void **state)
{
	struct shmfs_wait some[SOME];
	pthread_t thread;

	(void)state;
	for (int i = 0; i < KINDS; i++) {
		prepare((enum shmfs_wait_for)i, some);
		assert_int_equal(pthread_create(&thread, NULL, wait_for_some, some), 0);
		await_waiters(&some[SOME - 1], 1);
		make_ready((enum shmfs_wait_for)i);
		assert_int_equal(pthread_join(thread, NULL), 0);
		for (int j = 0; j < SOME; j++) {
			bool this = some[j].what == (enum shmfs_wait_for)i;

			assert_int_equal(some[j].ready, this);
			assert_int_equal(*event_of(&some[j]), this);
		}
		fixture_heap_end(heap);
	}
}

static void *take_permit(void *data)
{
	(void)data;
	assert_int_equal(shmfs_semaphore_wait(heap, &shared->permits), 0);
	__atomic_store_n(&shared->woken, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* A thread that returns without taking what it was woken for wakes the next. */
static void test_passes_on(void **state)
{
	struct shmfs_wait some[SOME];
	pthread_t any, one;

	(void)state;
	for (int i = 0; i < fixture_times(ROUNDS); i++) {
		prepare(SHMFS_WAIT_SEMAPHORE, some);
		assert_int_equal(pthread_create(&any, NULL, wait_for_some, some), 0);
		await_waiters(&some[SOME - 1], 1);
		assert_int_equal(pthread_create(&one, NULL, take_permit, NULL), 0);
		await_waiters(&some[0], 2);
		make_ready(SHMFS_WAIT_SEMAPHORE);
		fixture_await(&shared->woken, 1);
		make_ready(SHMFS_WAIT_RING_MESSAGE);
		assert_int_equal(pthread_join(any, NULL), 0);
		assert_int_equal(pthread_join(one, NULL), 0);
		/* The key: one wake-up by the permit, and one in the place of that. */
		if (!some[2].ready)
			assert_int_equal((uint32_t)shared->permits.event, 2);
		fixture_heap_end(heap);
	}
}

/* Before Linux 5.16, or in a container that lets nobody call what it does not know. */
static void forbid_waitv(uint32_t error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 449, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { 4, filter };

	assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
	assert_int_equal(syscall(449, NULL, 0, 0, NULL, 0), -1);
	assert_int_equal(errno, error);
}

/* Without the call where *@data is the error that it fails with. */
static int wait_with_or_without_waitv(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));
	struct shmfs_wait list[KINDS], some[SOME];
	struct timespec soon;
	clock_t busy;

	find_all(own, list);
	some[0] = list[SHMFS_WAIT_SEMAPHORE];
	some[1] = list[SHMFS_WAIT_QUEUE_MESSAGE];
	some[2] = list[SHMFS_WAIT_RING_MESSAGE];
	if (*(uint32_t *)data)
		forbid_waitv(*(uint32_t *)data);
	soon = clock_in(CLOCK_REALTIME, 200000000);
	busy = clock();
	if (shmfs_wait_any_until(some, SOME, CLOCK_REALTIME, &soon) != -ETIMEDOUT)
		return 1;
	/* It slept. */
	if (clock() - busy > CLOCKS_PER_SEC / 50)
		return 2;
	__atomic_store_n(&s->waiting, 1, __ATOMIC_RELEASE);
	return shmfs_wait_any(some, SOME) < 0 || !some[2].ready || some[0].ready;
}

static void test_with_and_without_waitv(void **state)
{
	uint32_t errors[] = { 0, ENOSYS, EPERM };
	struct shmfs_wait some[SOME];
	pid_t pid;

	(void)state;
	if (fixture_valgrind())
		skip();
	for (int i = 0; i < 3; i++) {
		prepare(SHMFS_WAIT_RING_MESSAGE, some);
		pid = fixture_start(wait_with_or_without_waitv, &errors[i], false);
		fixture_await(&shared->waiting, 1);
		await_waiters(&some[SOME - 1], 1);
		make_ready(SHMFS_WAIT_RING_MESSAGE);
		fixture_end(pid, 0);
		fixture_heap_end(heap);
	}
}

/* Takes one permit, or the message, of whatever there is. */
static int take_any(struct shmfs_heap *own, void *data)
{
	struct shmfs_wait list[KINDS], some[SOME];
	struct shared *s = fixture_object(own, sizeof(*s));
	char m[8];

	(void)data;
	find_all(own, list);
	some[0] = list[SHMFS_WAIT_SEMAPHORE];
	some[1] = list[SHMFS_WAIT_QUEUE_MESSAGE];
	some[2] = list[SHMFS_WAIT_RING_MESSAGE];
	__atomic_add_fetch(&s->waiting, 1, __ATOMIC_RELEASE);
	while (shmfs_wait_any(some, SOME) == 0)
		if (shmfs_semaphore_try_wait(own, &s->permits) == 0 ||
		    shmfs_queue_try_receive(own, queue, m, sizeof(m), NULL, NULL) == 0)
			return 0;
	return 1;
}

/* The dead keep nothing from the living, be they killed before a wake-up or with it. */
static void test_killed_waiters(void **state)
{
	struct shmfs_wait some[SOME];
	pid_t waiter[WAITERS];
	char m[8];

	(void)state;
	prepare(SHMFS_WAIT_SEMAPHORE, some);
	for (int i = 0; i < fixture_times(ROUNDS); i++) {
		enum shmfs_wait_for what =
			i % 2 ? SHMFS_WAIT_SEMAPHORE : SHMFS_WAIT_QUEUE_MESSAGE;
		bool before = i % 4 < 2;

		shared->waiting = 0;
		for (int j = 0; j < WAITERS; j++)
			waiter[j] = fixture_start(take_any, NULL, i % 3 == 0);
		fixture_await(&shared->waiting, WAITERS);
		for (int j = 1; before && j < WAITERS; j++)
			fixture_kill(waiter[(i + j) % WAITERS]);
		make_ready(what);
		for (int j = 1; !before && j < WAITERS; j++) {
			kill(waiter[(i + j) % WAITERS], SIGKILL);
			waitpid(waiter[(i + j) % WAITERS], NULL, 0);
		}
		/* One of the dead may have taken what there was. */
		if (!before && !shmfs_semaphore_value(&shared->permits))
			make_ready(SHMFS_WAIT_SEMAPHORE);
		fixture_end(waiter[i % WAITERS], 0);
		while (shmfs_semaphore_try_wait(heap, &shared->permits) == 0)
			;
		shmfs_queue_try_receive(heap, queue, m, sizeof(m), NULL, NULL);
	}
	fixture_heap_end(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_ready),
		fixture_test(test_refused),
		fixture_test(test_woken),
		fixture_test(test_passes_on),
		fixture_test(test_with_and_without_waitv),
		fixture_test(test_killed_waiters),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("wait", tests, NULL, NULL) != 0;
}
