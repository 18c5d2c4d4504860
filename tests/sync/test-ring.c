/* SPDX-License-Identifier: MIT */
#include <shmfs/ring.h>

#include "sync/fixture.h"

#define MESSAGES 20000
#define SIZE     200

static struct shmfs_heap *heap;
static struct shmfs_ring *ring;

static void begin(uint32_t capacity, uint32_t message_size)
{
	const struct shmfs_ring_options options = { capacity, message_size };

	heap = fixture_heap(0, UINT64_C(1) << 22);
	assert_int_equal(
		shmfs_ring_open(heap, "ring", SHMFS_CREATE_ONLY, &options, &ring), 0);
}

/* A message says of itself what it is: its number in each byte, and in its size. */
static size_t fill(unsigned char *buffer, unsigned int number, size_t most)
{
	size_t size = number * UINT64_C(7919) % (most + 1);

	memset(buffer, (int)number, size);
	return size;
}

static void assert_message(const unsigned char *buffer, size_t size, unsigned int number,
			   size_t most)
{
	unsigned char expected[SIZE];

	assert_int_equal(size, fill(expected, number, most));
	assert_memory_equal(buffer, expected, size);
}

static int send_one(unsigned int number, size_t most)
{
	unsigned char buffer[SIZE];
	size_t size = fill(buffer, number, most);

	return shmfs_ring_try_send(heap, ring, buffer, size);
}

static int receive_one(unsigned int number, size_t most)
{
	unsigned char buffer[SIZE];
	size_t size;
	int r = shmfs_ring_try_receive(heap, ring, buffer, sizeof(buffer), &size);

	if (r == 0)
		assert_message(buffer, size, number, most);
	return r;
}

static uint64_t used(void)
{
	struct shmfs_ring_info info;

	shmfs_ring_info(ring, &info);
	return info.used;
}

/* Whatever the sizes are, and wherever the ring is: the capacity holds. */
static void test_order(void **state)
{
	unsigned int sent = 0, received = 0, seed = 1;

	(void)state;
	for (uint32_t capacity = 1; capacity < 6; capacity++) {
		begin(capacity, SIZE);
		for (int i = 0; i < 2000; i++) {
			while (rand_r(&seed) % 8 && send_one(sent, SIZE) == 0)
				sent++;
			if (rand_r(&seed) % 8 == 0)
				while (sent - received < capacity)
					assert_int_equal(send_one(sent++, SIZE), 0);
			while (rand_r(&seed) % 8 && receive_one(received, SIZE) == 0)
				received++;
		}
		while (received < sent)
			assert_int_equal(receive_one(received++, SIZE), 0);
		assert_int_equal(receive_one(received, SIZE), -EAGAIN);
		assert_int_equal(used(), 0);
		fixture_heap_end(heap);
	}
}

/* Many small messages fit where few large ones do. */
static void test_room(void **state)
{
	struct shmfs_ring_info info;
	unsigned int n = 0;

	(void)state;
	begin(3, 56);
	shmfs_ring_info(ring, &info);
	assert_int_equal(info.capacity, 3);
	assert_int_equal(info.message_size, 56);
	assert_int_equal(info.size, 256);
	assert_int_equal(info.used, 0);
	while (shmfs_ring_try_send(heap, ring, "x", 1) == 0)
		assert_int_equal(used(), 16 * ++n);
	assert_int_equal(n, 16);
	fixture_heap_end(heap);
}

static void test_in_place(void **state)
{
	unsigned char buffer[SIZE];
	const void *message;
	size_t size;
	void *room;

	(void)state;
	begin(2, SIZE);
	assert_int_equal(shmfs_ring_peek(heap, ring, &message, &size), -EAGAIN);
	assert_int_equal(shmfs_ring_release(heap, ring), -EAGAIN);
	assert_int_equal(shmfs_ring_reserve(heap, ring, SIZE + 1, &room), -EMSGSIZE);
	for (unsigned int i = 0; i < 1000; i++) {
		/* The room is larger than the message, and may lie at the beginning for
		 * that. */
		assert_int_equal(shmfs_ring_reserve(heap, ring, SIZE, &room), 0);
		assert_int_equal((uintptr_t)room % 8, 0);
		memset(room, 255, SIZE);
		size = fill(room, i, SIZE);
		assert_int_equal(shmfs_ring_commit(heap, ring, room, size), 0);
		assert_int_equal(shmfs_ring_peek(heap, ring, &message, &size), 0);
		assert_message(message, size, i, SIZE);
		if (i % 3) {
			assert_int_equal(shmfs_ring_release(heap, ring), 0);
		} else {
			assert_int_equal(
				shmfs_ring_receive(heap, ring, buffer, SIZE, &size), 0);
			assert_message(buffer, size, i, SIZE);
		}
	}
	assert_int_equal(used(), 0);
	fixture_heap_end(heap);
}

static void test_commit_refuses(void **state)
{
	char *room, *other, full[120] = "";
	void *p;

	(void)state;
	begin(2, 120);
	assert_int_equal(shmfs_ring_reserve(heap, ring, 24, &p), 0);
	room = p;
	assert_int_equal(shmfs_ring_commit(heap, ring, room + 8, 8), -EINVAL);
	assert_int_equal(shmfs_ring_commit(heap, ring, room - 8, 8), -EINVAL);
	assert_int_equal(shmfs_ring_commit(heap, ring, &p, 8), -EINVAL);
	assert_int_equal(shmfs_ring_commit(heap, ring, NULL, 0), -EINVAL);
	assert_int_equal(shmfs_ring_commit(heap, ring, room, 121), -EINVAL);
	assert_int_equal(used(), 0);
	assert_int_equal(shmfs_ring_commit(heap, ring, room, 24), 0);
	/* What was committed is no room any more. */
	assert_int_equal(shmfs_ring_commit(heap, ring, room, 24), -EINVAL);
	assert_int_equal(shmfs_ring_reserve(heap, ring, 120, &p), 0);
	other = p;
	assert_ptr_equal(other, room + 32);
	/* A reservation can be given up for another message. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(shmfs_ring_try_send(heap, ring, full, 120), 0);
	assert_int_equal(shmfs_ring_reserve(heap, ring, 120, &p), -EAGAIN);
	assert_int_equal(shmfs_ring_commit(heap, ring, other, 120), -EINVAL);
	fixture_heap_end(heap);
}

static void test_edges(void **state)
{
	struct timespec soon;
	char buffer[16] = "";
	size_t size = 1;

	(void)state;
	begin(1, 16);
	assert_int_equal(shmfs_ring_send(heap, ring, buffer, 17), -EMSGSIZE);
	soon = clock_in(CLOCK_MONOTONIC, 20000000);
	assert_int_equal(shmfs_ring_receive_until(heap, ring, buffer, 16, NULL,
						  CLOCK_MONOTONIC, &soon),
			 -ETIMEDOUT);
	assert_int_equal(shmfs_ring_receive_until(heap, ring, buffer, 16, NULL, CLOCK_TAI,
						  &soon),
			 -EINVAL);
	assert_int_equal(shmfs_ring_send(heap, ring, "0123456789abcdef", 16), 0);
	while (shmfs_ring_try_send(heap, ring, "0123456789abcdef", 16) == 0)
		;
	soon = clock_in(CLOCK_REALTIME, 20000000);
	assert_int_equal(shmfs_ring_send_until(heap, ring, "0123456789abcdef", 16,
					       CLOCK_REALTIME, &soon),
			 -ETIMEDOUT);
	assert_int_equal(shmfs_ring_send_until(heap, ring, "x", 1, CLOCK_TAI, &soon),
			 -EINVAL);
	/* It stays until somebody has room for it. */
	assert_int_equal(shmfs_ring_receive(heap, ring, buffer, 15, NULL), -EMSGSIZE);
	assert_int_equal(shmfs_ring_receive(heap, ring, buffer, 16, NULL), 0);
	assert_memory_equal(buffer, "0123456789abcdef", 16);
	while (shmfs_ring_try_receive(heap, ring, buffer, 16, NULL) == 0)
		;
	/* A message may be empty. */
	assert_int_equal(shmfs_ring_send(heap, ring, NULL, 0), 0);
	assert_int_equal(shmfs_ring_receive(heap, ring, NULL, 0, &size), 0);
	assert_int_equal(size, 0);
	fixture_heap_end(heap);
}

static void test_open(void **state)
{
	struct shmfs_ring_options options = { 4, 8 };
	struct shmfs_ring *other;
	struct shmfs_heap *reader;
	const void *message;
	void *object;
	size_t size;

	(void)state;
	begin(4, 8);
	assert_int_equal(shmfs_ring_open(heap, "ring", SHMFS_CREATE_ONLY, &options,
					 &other),
			 -EEXIST);
	assert_int_equal(shmfs_ring_open(heap, "other", SHMFS_OPEN_ONLY, &options,
					 &other),
			 -ENOENT);
	assert_int_equal(shmfs_ring_open(heap, "ring", SHMFS_OPEN_ONLY, NULL, &other), 0);
	assert_ptr_equal(other, ring);
	assert_int_equal(
		shmfs_ring_open(heap, "ring", SHMFS_OPEN_OR_CREATE, NULL, &other), 0);
	assert_int_equal(shmfs_ring_open(heap, "other", SHMFS_OPEN_OR_CREATE, NULL,
					 &other),
			 -EINVAL);
	assert_int_equal(shmfs_ring_open(heap, "other", (enum shmfs_how)7, &options,
					 &other),
			 -EINVAL);
	options.capacity = 0;
	assert_int_equal(shmfs_ring_open(heap, "other", SHMFS_CREATE_ONLY, &options,
					 &other),
			 -EINVAL);
	options.capacity = 1 << 24;
	options.message_size = 1 << 24;
	assert_int_equal(shmfs_ring_open(heap, "other", SHMFS_CREATE_ONLY, &options,
					 &other),
			 -ENOSPC);
	options.message_size++;
	assert_int_equal(shmfs_ring_open(heap, "other", SHMFS_CREATE_ONLY, &options,
					 &other),
			 -EINVAL);
	assert_int_equal(shmfs_heap_construct(heap, "other", 1, 8, NULL, &object), 0);
	assert_int_equal(shmfs_ring_open(heap, "other", SHMFS_OPEN_ONLY, NULL, &other),
			 -EPROTOTYPE);
	assert_int_equal(shmfs_heap_open_read_only(HEAP, &reader), 0);
	assert_int_equal(shmfs_ring_open(reader, "ring", SHMFS_OPEN_ONLY, NULL, &other),
			 -EROFS);
	assert_int_equal(shmfs_ring_send(reader, ring, "", 0), -EROFS);
	assert_int_equal(shmfs_ring_receive(reader, ring, NULL, 0, NULL), -EROFS);
	assert_int_equal(shmfs_ring_peek(reader, ring, &message, &size), -EROFS);
	assert_int_equal(shmfs_ring_leave(reader, ring), -EPERM);
	shmfs_heap_close(reader);
	assert_int_equal(shmfs_heap_destroy(heap, "ring"), 0);
	fixture_heap_end(heap);
}

/* Two that live do not have the same side; one that leaves makes room for the other. */
static void test_sides(void **state)
{
	struct shmfs_heap *second;
	struct shmfs_ring *same;
	const void *message;
	size_t size;
	void *room;

	(void)state;
	begin(4, 8);
	assert_int_equal(shmfs_heap_open(HEAP, SHMFS_OPEN_ONLY, NULL, &second), 0);
	assert_int_equal(shmfs_ring_open(second, "ring", SHMFS_OPEN_ONLY, NULL, &same),
			 0);
	assert_int_equal(shmfs_ring_leave(heap, ring), -EPERM);
	assert_int_equal(shmfs_ring_send(heap, ring, "1", 2), 0);
	assert_int_equal(shmfs_ring_send(second, same, "2", 2), -EBUSY);
	assert_int_equal(shmfs_ring_reserve(second, same, 2, &room), -EBUSY);
	assert_int_equal(shmfs_ring_commit(second, same, "2", 2), -EBUSY);
	assert_int_equal(shmfs_ring_peek(second, same, &message, &size), 0);
	assert_string_equal(message, "1");
	assert_int_equal(shmfs_ring_receive(heap, ring, NULL, 0, NULL), -EBUSY);
	assert_int_equal(shmfs_ring_peek(heap, ring, &message, &size), -EBUSY);
	assert_int_equal(shmfs_ring_release(heap, ring), -EBUSY);
	assert_int_equal(shmfs_ring_leave(heap, ring), 0);
	assert_int_equal(shmfs_ring_leave(heap, ring), -EPERM);
	assert_int_equal(shmfs_ring_send(second, same, "2", 2), 0);
	assert_int_equal(shmfs_ring_send(heap, ring, "3", 2), -EBUSY);
	/* The end of an attachment leaves both sides. */
	shmfs_heap_close(second);
	assert_int_equal(shmfs_ring_send(heap, ring, "3", 2), 0);
	for (int i = '1'; i <= '3'; i++) {
		assert_int_equal(shmfs_ring_peek(heap, ring, &message, &size), 0);
		assert_int_equal(*(const char *)message, i);
		assert_int_equal(shmfs_ring_release(heap, ring), 0);
	}
	fixture_heap_end(heap);
}

static int refused_in_child(void *data)
{
	(void)data;
	return shmfs_ring_try_send(heap, ring, "", 0) != -EBUSY;
}

/* A child is not its parent. */
static void test_fork(void **state)
{
	(void)state;
	begin(4, 8);
	assert_int_equal(shmfs_ring_send(heap, ring, "1", 2), 0);
	assert_int_equal(fixture_child(refused_in_child, NULL), 0);
	assert_int_equal(shmfs_ring_send(heap, ring, "2", 2), 0);
	fixture_heap_end(heap);
}

/* Sends and receives in each way. Whatever stands in the ring, nothing else is touched.
 */
static void use_damaged(void)
{
	unsigned char buffer[64];
	const void *message;
	size_t size;
	void *room;
	int r;

	r = shmfs_ring_try_send(heap, ring, "more", 4);
	assert_true(r <= 0);
	r = shmfs_ring_reserve(heap, ring, 40, &room);
	if (r == 0) {
		memset(room, 1, 40);
		r = shmfs_ring_commit(heap, ring, room, 30);
	}
	assert_true(r <= 0);
	r = shmfs_ring_try_receive(heap, ring, buffer, sizeof(buffer), &size);
	assert_true(r < 0 || size <= sizeof(buffer));
	r = shmfs_ring_peek(heap, ring, &message, &size);
	if (r == 0 && size > 0)
		(void)((const volatile unsigned char *)message)[size - 1];
	r = shmfs_ring_release(heap, ring);
	assert_true(r <= 0);
}

static void test_damaged(void **state)
{
	struct shmfs_ring_info info;
	struct shmfs_ring *found;
	unsigned int seed = 3;
	uint32_t *words;

	(void)state;
	for (int i = 0; i < fixture_times(600); i++) {
		begin(4, 64);
		assert_int_equal(shmfs_ring_try_send(heap, ring, "one", 4), 0);
		assert_int_equal(shmfs_ring_try_send(heap, ring, "two", 4), 0);
		words = (uint32_t *)ring;
		for (int j = 0; j < 4; j++) {
			/* The head has 96 words, few of which are used. */
			static const unsigned int at[] = { 0,  1,  2,  3,  32, 33, 34,
							   35, 38, 64, 65, 66, 67, 70,
							   96, 97, 98, 99, 100 };
			uint32_t *word = &words[at[(unsigned int)rand_r(&seed) % 19]];

			*word = rand_r(&seed) % 2 ? (uint32_t)rand_r(&seed) * 3
						  : (uint32_t)rand_r(&seed) % 64 * 8;
		}
		for (int j = 0; j < 20; j++)
			use_damaged();
		shmfs_ring_info(ring, &info);
		assert_true(info.used <= info.size);
		shmfs_ring_open(heap, "ring", SHMFS_OPEN_ONLY, NULL, &found);
		shmfs_heap_close(heap);
		assert_int_equal(shmfs_heap_remove(HEAP), 0);
	}
}

static bool forging;

/* Lets the sender's number be now the first, now the last of the ring. */
static void *forge_in_thread(void *data)
{
	volatile uint64_t *bytes = (uint64_t *)ring + 16;
	uint64_t room = *(const uint64_t *)data;

	while (__atomic_load_n(&forging, __ATOMIC_RELAXED)) {
		bytes[0] = 0;
		bytes[1] = 0;
		bytes[1] = room - 8;
		bytes[0] = room - 8;
	}
	return NULL;
}

/* Whatever a number becomes while it is used, nothing is written behind the ring. */
static void test_forged_meanwhile(void **state)
{
	struct shmfs_ring_info info;
	unsigned char text[1000];
	pthread_t thread;
	void *behind;

	(void)state;
	begin(1, sizeof(text));
	memset(text, 1, sizeof(text));
	assert_int_equal(shmfs_heap_construct(heap, "behind", 1, 4096, NULL, &behind), 0);
	assert_true((char *)behind > (char *)ring);
	shmfs_ring_info(ring, &info);
	forging = true;
	assert_int_equal(pthread_create(&thread, NULL, forge_in_thread, &info.size), 0);
	for (int i = 0; i < fixture_times(200000); i++)
		shmfs_ring_try_send(heap, ring, text, sizeof(text));
	__atomic_store_n(&forging, false, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	for (int i = 0; i < 4096; i++)
		assert_int_equal(((const unsigned char *)behind)[i], 0);
	fixture_heap_end(heap);
}

/* What is forged is told, and not followed. */
static void test_forged(void **state)
{
	static const struct {
		unsigned int word; /* of 64 bits */
		uint64_t value;
	} forged[] = {
		{ 0, 0 },
		{ 0, 24 },
		{ 0, 8 },
		{ 0, UINT64_C(1) << 40 },
		{ 1, ~UINT64_C(0) },
		/* What was sent and received. */
		{ 16, 1 },
		{ 16, 8 },
		{ 16, 36 },
		{ 16, ~UINT64_C(7) },
		{ 16, 8192 },
		{ 32, UINT64_C(1) << 60 },
		/* The size of the message. */
		{ 50, 9 },
		{ 50, 65 },
		{ 50, UINT32_MAX },
	};
	uint64_t *words;
	char buffer[64];

	(void)state;
	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		begin(4, 64);
		for (int j = 0; j < 2; j++) {
			/* At the first look across, which is remembered, nothing is
			 * there.
			 */
			assert_int_equal(shmfs_ring_try_receive(heap, ring, buffer, 64,
								NULL),
					 j ? 0 : -EAGAIN);
			assert_int_equal(shmfs_ring_send(heap, ring, "one", 4), 0);
		}
		words = (uint64_t *)ring;
		words[forged[i].word] = forged[i].value;
		assert_int_equal(shmfs_ring_receive(heap, ring, buffer, 64, NULL),
				 -EUCLEAN);
		shmfs_heap_close(heap);
		assert_int_equal(shmfs_heap_remove(HEAP), 0);
	}
}

static void *receive_in_thread(void *data)
{
	(void)data;
	assert_int_equal(shmfs_ring_receive(heap, ring, NULL, 0, NULL), 0);
	return NULL;
}

static void *send_in_thread(void *data)
{
	(void)data;
	assert_int_equal(shmfs_ring_send(heap, ring, NULL, 0), 0);
	return NULL;
}

/* Who waits is counted, and is woken. */
static void test_waiters(void **state)
{
	uint64_t *sent, *received;
	pthread_t thread;

	(void)state;
	begin(1, 0);
	sent = (uint64_t *)ring + 18;
	received = (uint64_t *)ring + 34;
	assert_int_equal(pthread_create(&thread, NULL, receive_in_thread, NULL), 0);
	fixture_await((const uint32_t *)sent + 1, 1);
	assert_int_equal(shmfs_ring_send(heap, ring, NULL, 0), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(*sent, 1);
	while (shmfs_ring_try_send(heap, ring, NULL, 0) == 0)
		;
	assert_int_equal(pthread_create(&thread, NULL, send_in_thread, NULL), 0);
	fixture_await((const uint32_t *)received + 1, 1);
	assert_int_equal(shmfs_ring_receive(heap, ring, NULL, 0, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(*received, 1);
	assert_int_equal(*sent, 1);
	fixture_heap_end(heap);
}

static int send_many(struct shmfs_heap *own, void *data)
{
	unsigned char buffer[SIZE];
	struct shmfs_ring *same;
	void *room;

	(void)data;
	if (shmfs_ring_open(own, "ring", SHMFS_OPEN_ONLY, NULL, &same) < 0)
		return 1;
	for (unsigned int i = 0; i < MESSAGES; i++) {
		size_t size = fill(buffer, i, SIZE);

		if (i % 2 == 0 && shmfs_ring_reserve(own, same, size, &room) == 0) {
			memcpy(room, buffer, size);
			if (shmfs_ring_commit(own, same, room, size) < 0)
				return 2;
		} else if (shmfs_ring_send(own, same, buffer, size) < 0) {
			return 3;
		}
	}
	return 0;
}

static void receive_many(void)
{
	unsigned char buffer[SIZE];
	size_t size;

	for (unsigned int i = 0; i < MESSAGES; i++) {
		assert_int_equal(shmfs_ring_receive(heap, ring, buffer, SIZE, &size), 0);
		assert_message(buffer, size, i, SIZE);
	}
	assert_int_equal(used(), 0);
}

static void test_many(void **state)
{
	pid_t pid;

	(void)state;
	for (uint32_t capacity = 1; capacity <= 64; capacity *= 8) {
		begin(capacity, SIZE);
		pid = fixture_start(send_many, NULL, capacity == 8);
		receive_many();
		fixture_end(pid, 0);
		fixture_heap_end(heap);
	}
}

static void *send_many_in_thread(void *data)
{
	(void)data;
	assert_int_equal(send_many(heap, NULL), 0);
	return NULL;
}

/* Both sides of one attachment. */
static void test_threads(void **state)
{
	pthread_t thread;

	(void)state;
	begin(4, SIZE);
	assert_int_equal(pthread_create(&thread, NULL, send_many_in_thread, NULL), 0);
	receive_many();
	assert_int_equal(pthread_join(thread, NULL), 0);
	fixture_heap_end(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_order),    fixture_test(test_room),
		fixture_test(test_in_place), fixture_test(test_commit_refuses),
		fixture_test(test_edges),    fixture_test(test_open),
		fixture_test(test_sides),    fixture_test(test_fork),
		fixture_test(test_damaged),  fixture_test(test_forged),
		fixture_test(test_waiters),  fixture_test(test_many),
		fixture_test(test_threads),  fixture_test(test_forged_meanwhile),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("ring", tests, NULL, NULL) != 0;
}
