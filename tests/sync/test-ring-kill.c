/* SPDX-License-Identifier: MIT */
/*
 * The sender and the receiver of a ring are killed at random instants and at every
 * instruction, and others go on in their places. Each message is there or not, as a
 * whole; those that were sent are there, in order; and whoever waits goes on. A test that
 * hangs is ended by the alarm.
 *
 * SHMFS_KILLS sets how many are killed at random.
 */
#include <shmfs/ring.h>

#include "sync/fixture.h"

#define CAPACITY 3
#define SIZE     24

struct shared {
	uint32_t begun;          /* the last number that may have been sent */
	uint32_t sent;           /* the last that was */
	uint32_t received;       /* the last that was */
	uint32_t missing;        /* between those that were received */
	uint32_t copy[SIZE / 4]; /* what a receiver has copied */
};

static struct shmfs_heap *heap;
static struct shmfs_ring *ring;
static struct shared *shared;

static unsigned int kills(void)
{
	const char *n = getenv("SHMFS_KILLS");

	return n ? (unsigned int)atoi(n) : 200;
}

static void begin(void)
{
	const struct shmfs_ring_options options = { CAPACITY, SIZE };

	alarm(4 * FIXTURE_SECONDS);
	heap = fixture_heap(0, 0);
	shared = fixture_object(heap, sizeof(*shared));
	assert_int_equal(
		shmfs_ring_open(heap, "ring", SHMFS_CREATE_ONLY, &options, &ring), 0);
}

static struct shmfs_ring *find(struct shmfs_heap *own)
{
	struct shmfs_ring *same = NULL;

	if (shmfs_ring_open(own, "ring", SHMFS_OPEN_ONLY, NULL, &same) < 0)
		_exit(102);
	return same;
}

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* Each word of a message is its number, and the number tells how many there are. */
static size_t fill(uint32_t *words, uint32_t number)
{
	size_t n = 1 + number * 7 % (SIZE / 4);

	for (size_t i = 0; i < n; i++)
		words[i] = number;
	return n * 4;
}

/* Returns the number of a message, or 0 where it is not whole. */
static uint32_t number_of(const uint32_t *words, size_t size)
{
	uint32_t expected[SIZE / 4];

	if (size < 4 || fill(expected, words[0]) != size)
		return 0;
	return memcmp(words, expected, size) == 0 ? words[0] : 0;
}

static int send_next(struct shmfs_heap *own, struct shmfs_ring *same, struct shared *s,
		     uint32_t number, bool in_place)
{
	uint32_t words[SIZE / 4];
	void *room;
	int r;

	store(&s->begun, number);
	if (in_place && shmfs_ring_reserve(own, same, SIZE, &room) == 0)
		r = shmfs_ring_commit(own, same, room, fill(room, number));
	else
		r = shmfs_ring_send(own, same, words, fill(words, number));
	if (r == 0)
		store(&s->sent, number);
	return r;
}

/* A predecessor may have sent what it had begun, so its successor takes the next. */
static int send_for_ever(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));
	struct shmfs_ring *same = find(own);

	(void)data;
	alarm(0);
	for (;;)
		if (send_next(own, same, s, load(&s->begun) + 1, load(&s->begun) % 2) < 0)
			return 1;
}

static int receive_next(struct shmfs_heap *own, struct shmfs_ring *same, struct shared *s)
{
	uint32_t number;
	size_t size;
	int r = shmfs_ring_receive(own, same, s->copy, sizeof(s->copy), &size);

	if (r < 0)
		return r;
	number = number_of(s->copy, size);
	if (number <= load(&s->received) || number > load(&s->begun))
		return -EBADMSG;
	store(&s->missing, load(&s->missing) + number - load(&s->received) - 1);
	store(&s->received, number);
	return 0;
}

static int receive_for_ever(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));
	struct shmfs_ring *same = find(own);

	(void)data;
	alarm(0);
	while (receive_next(own, same, s) == 0)
		;
	return 1;
}

/* Waits until messages have arrived that are sent from now on. */
static void await_progress(void)
{
	uint32_t then = load(&shared->begun) + CAPACITY;
	uint64_t end = clock_ns() + FIXTURE_SECONDS * UINT64_C(1000000000);

	while ((int32_t)(load(&shared->received) - then) <= 0) {
		assert_true(clock_ns() < end);
		fixture_nap(100000);
	}
}

static void kill_both(bool containers)
{
	unsigned int seed = 6, n = kills();
	pid_t sender, receiver;

	begin();
	sender = fixture_start(send_for_ever, NULL, containers);
	receiver = fixture_start(receive_for_ever, NULL, containers);
	for (unsigned int i = 0; i < n; i++) {
		int which = rand_r(&seed) % 3;

		if (i % 8 == 0)
			await_progress();
		fixture_nap(rand_r(&seed) % 1000000);
		if (which != 1)
			fixture_kill(sender);
		if (which != 0)
			fixture_kill(receiver);
		if (which != 1)
			sender = fixture_start(send_for_ever, NULL, containers);
		if (which != 0)
			receiver = fixture_start(receive_for_ever, NULL, containers);
	}
	await_progress();
	fixture_kill(sender);
	fixture_kill(receiver);
	/* A sender had begun one when it died, a receiver had not told of one. */
	assert_in_range(shared->missing, 0, 2 * n);
	fixture_heap_end(heap);
}

static void test_both(void **state)
{
	(void)state;
	kill_both(false);
}

static void test_both_in_containers(void **state)
{
	(void)state;
	kill_both(true);
}

static int send_one(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));
	struct shmfs_ring *same = find(own);

	fixture_ready();
	return send_next(own, same, s, load(&s->begun) + 1, *(const bool *)data) < 0;
}

static int receive_one(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));
	struct shmfs_ring *same = find(own);

	(void)data;
	fixture_ready();
	return receive_next(own, same, s) < 0;
}

/* All that is there is in order. Returns the last number, or @last. */
static uint32_t drain(uint32_t last)
{
	const void *message;
	size_t size;

	while (shmfs_ring_peek(heap, ring, &message, &size) == 0) {
		assert_int_equal(number_of(message, size), last + 1);
		assert_int_equal(shmfs_ring_release(heap, ring), 0);
		last++;
	}
	return last;
}

/* Room for the messages of the capacity, wherever the ring is. */
static void assert_room(void)
{
	char message[SIZE] = "";

	for (int i = 0; i < CAPACITY; i++)
		assert_int_equal(shmfs_ring_try_send(heap, ring, message, SIZE), 0);
	for (int i = 0; i < CAPACITY; i++)
		assert_int_equal(shmfs_ring_try_receive(heap, ring, message, SIZE, NULL),
				 0);
}

/*
 * Calls once what is killed later: the dynamic linker then has found it, and children
 * inherit that.
 */
static void warm_up(void)
{
	for (uint32_t i = 1; i <= 2; i++) {
		assert_int_equal(send_next(heap, ring, shared, i, i % 2), 0);
		assert_int_equal(receive_next(heap, ring, shared), 0);
	}
	assert_room();
	assert_int_equal(shmfs_ring_leave(heap, ring), 0);
}

/* Instructions from that which takes the side on. */
static void kill_senders(bool in_place)
{
	const uint32_t *owner;
	unsigned int n = 0;
	bool died = true;

	if (fixture_valgrind())
		skip();
	begin();
	warm_up();
	/* The sender's word, shmfs_heap(5). */
	owner = (const uint32_t *)ring + 38;
	while (died) {
		uint32_t first = load(&shared->begun), last;

		died = fixture_die_after(send_one, &in_place, owner, n++);
		last = drain(first);
		/* What was sent is there, and what was begun may be. */
		assert_in_range(last, shared->sent > first ? shared->sent : first,
				shared->begun);
		/* At another place of the ring, and by another sender. */
		assert_room();
		assert_int_equal(shmfs_ring_leave(heap, ring), 0);
		store(&shared->received, shared->begun);
	}
	assert_true(n > 40);
	fixture_heap_end(heap);
}

static void test_sender_at_each_instruction(void **state)
{
	(void)state;
	kill_senders(false);
}

static void test_sender_in_place_at_each_instruction(void **state)
{
	(void)state;
	kill_senders(true);
}

static void test_receiver_at_each_instruction(void **state)
{
	uint32_t expected[SIZE / 4];
	const void *message;
	const uint32_t *owner;
	unsigned int n = 0;
	bool died = true;
	size_t size;

	(void)state;
	if (fixture_valgrind())
		skip();
	begin();
	warm_up();
	owner = (const uint32_t *)ring + 70;
	while (died) {
		uint32_t first = load(&shared->begun) + 1, next;

		for (uint32_t i = 0; i < CAPACITY; i++)
			assert_int_equal(send_next(heap, ring, shared, first + i, i % 2),
					 0);
		assert_int_equal(shmfs_ring_leave(heap, ring), 0);
		died = fixture_die_after(receive_one, NULL, owner, n++);
		/* The first is there, or it has been taken out. */
		assert_int_equal(shmfs_ring_peek(heap, ring, &message, &size), 0);
		next = number_of(message, size);
		assert_in_range(next, load(&shared->received) + 1, first + 1);
		/* What has been taken out has been copied. */
		if (next == first + 1)
			assert_int_equal(number_of(shared->copy, fill(expected, first)),
					 first);
		assert_int_equal(drain(next - 1), first + CAPACITY - 1);
		assert_room();
		store(&shared->received, shared->begun);
	}
	assert_true(n > 40);
	fixture_heap_end(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_both),
		fixture_test(test_both_in_containers),
		fixture_test(test_sender_at_each_instruction),
		fixture_test(test_sender_in_place_at_each_instruction),
		fixture_test(test_receiver_at_each_instruction),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("ring-kill", tests, NULL, NULL) != 0;
}
