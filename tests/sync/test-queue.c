/* SPDX-License-Identifier: MIT */
#include <shmfs/queue.h>

#include "sync/fixture.h"

#define SENDERS  3
#define MESSAGES 4000

static struct shmfs_heap *heap;
static struct shmfs_queue *queue;

static void begin(uint32_t capacity, uint32_t message_size)
{
	const struct shmfs_queue_options options = { capacity, message_size };

	heap = fixture_heap(0, UINT64_C(1) << 22);
	assert_int_equal(
		shmfs_queue_open(heap, "queue", SHMFS_CREATE_ONLY, &options, &queue), 0);
}

static void send_text(const char *text, unsigned int priority)
{
	assert_int_equal(
		shmfs_queue_try_send(heap, queue, text, strlen(text) + 1, priority), 0);
}

static void receive_text(const char *text, unsigned int priority)
{
	unsigned int p;
	char buffer[16];
	size_t size;

	assert_int_equal(shmfs_queue_try_receive(heap, queue, buffer, sizeof(buffer),
						 &size, &p),
			 0);
	assert_string_equal(buffer, text);
	assert_int_equal(size, strlen(text) + 1);
	assert_int_equal(p, priority);
}

static void test_order(void **state)
{
	struct shmfs_queue_info info;

	(void)state;
	begin(5, 16);
	for (int i = 0; i < 3; i++) {
		send_text("a", 0);
		send_text("b", 31);
		send_text("c", 0);
		send_text("d", 7);
		send_text("e", 31);
		assert_int_equal(shmfs_queue_try_send(heap, queue, "f", 2, 31), -EAGAIN);
		shmfs_queue_info(queue, &info);
		assert_int_equal(info.messages, 5);
		receive_text("b", 31);
		receive_text("e", 31);
		receive_text("d", 7);
		receive_text("a", 0);
		receive_text("c", 0);
		assert_int_equal(shmfs_queue_try_receive(heap, queue, NULL, 0, NULL,
							 NULL),
				 -EAGAIN);
	}
	shmfs_queue_info(queue, &info);
	assert_int_equal(info.capacity, 5);
	assert_int_equal(info.message_size, 16);
	assert_int_equal(info.messages, 0);
	fixture_heap_end(heap);
}

static void test_edges(void **state)
{
	struct timespec soon;
	char buffer[16];
	size_t size = 1;

	(void)state;
	begin(1, 16);
	assert_int_equal(shmfs_queue_send(heap, queue, buffer, 17, 0), -EMSGSIZE);
	assert_int_equal(shmfs_queue_send(heap, queue, buffer, 1, 32), -EINVAL);
	soon = clock_in(CLOCK_MONOTONIC, 20000000);
	assert_int_equal(shmfs_queue_receive_until(heap, queue, buffer, 16, NULL, NULL,
						   CLOCK_MONOTONIC, &soon),
			 -ETIMEDOUT);
	assert_int_equal(shmfs_queue_receive_until(heap, queue, buffer, 16, NULL, NULL,
						   CLOCK_TAI, &soon),
			 -EINVAL);
	assert_int_equal(shmfs_queue_send(heap, queue, "0123456789abcdef", 16, 0), 0);
	soon = clock_in(CLOCK_REALTIME, 20000000);
	assert_int_equal(shmfs_queue_send_until(heap, queue, "x", 1, 0, CLOCK_REALTIME,
						&soon),
			 -ETIMEDOUT);
	/* It stays until somebody has room for it. */
	assert_int_equal(shmfs_queue_receive(heap, queue, buffer, 15, NULL, NULL),
			 -EMSGSIZE);
	assert_int_equal(shmfs_queue_receive(heap, queue, buffer, 16, NULL, NULL), 0);
	assert_memory_equal(buffer, "0123456789abcdef", 16);
	/* A message may be empty. */
	assert_int_equal(shmfs_queue_send(heap, queue, NULL, 0, 3), 0);
	assert_int_equal(shmfs_queue_receive(heap, queue, NULL, 0, &size, NULL), 0);
	assert_int_equal(size, 0);
	fixture_heap_end(heap);
}

static void test_open(void **state)
{
	struct shmfs_queue_options options = { 4, 8 };
	struct shmfs_queue *other;
	struct shmfs_heap *reader;
	void *object;

	(void)state;
	begin(4, 8);
	assert_int_equal(shmfs_queue_open(heap, "queue", SHMFS_CREATE_ONLY, &options,
					  &other),
			 -EEXIST);
	assert_int_equal(shmfs_queue_open(heap, "other", SHMFS_OPEN_ONLY, &options,
					  &other),
			 -ENOENT);
	assert_int_equal(shmfs_queue_open(heap, "queue", SHMFS_OPEN_ONLY, NULL, &other),
			 0);
	assert_ptr_equal(other, queue);
	assert_int_equal(
		shmfs_queue_open(heap, "queue", SHMFS_OPEN_OR_CREATE, NULL, &other), 0);
	assert_int_equal(shmfs_queue_open(heap, "other", SHMFS_OPEN_OR_CREATE, NULL,
					  &other),
			 -EINVAL);
	options.capacity = 0;
	assert_int_equal(shmfs_queue_open(heap, "other", SHMFS_CREATE_ONLY, &options,
					  &other),
			 -EINVAL);
	options.capacity = 1 << 24;
	options.message_size = 1 << 24;
	assert_int_equal(shmfs_queue_open(heap, "other", SHMFS_CREATE_ONLY, &options,
					  &other),
			 -ENOSPC);
	assert_int_equal(shmfs_heap_construct(heap, "other", 1, 8, NULL, &object), 0);
	assert_int_equal(shmfs_queue_open(heap, "other", SHMFS_OPEN_ONLY, NULL, &other),
			 -EPROTOTYPE);
	assert_int_equal(shmfs_heap_open_read_only(HEAP, &reader), 0);
	assert_int_equal(shmfs_queue_open(reader, "queue", SHMFS_OPEN_ONLY, NULL, &other),
			 -EROFS);
	assert_int_equal(shmfs_queue_send(reader, queue, "", 0, 0), -EROFS);
	assert_int_equal(shmfs_queue_try_receive(reader, queue, NULL, 0, NULL, NULL),
			 -EROFS);
	shmfs_heap_close(reader);
	assert_int_equal(shmfs_heap_destroy(heap, "queue"), 0);
	fixture_heap_end(heap);
}

/* Whatever stands in it, nothing outside the heap is touched. */
static void test_damaged(void **state)
{
	unsigned int seed = 3;
	uint32_t *words;
	char buffer[64];
	int r;

	(void)state;
	for (int i = 0; i < 300; i++) {
		begin(8, 64);
		send_text("one", 1);
		send_text("two", 2);
		words = (uint32_t *)queue;
		for (int j = 0; j < 4; j++) {
			/* Not the lock, for which one would wait. */
			unsigned int at = 1 + (unsigned int)rand_r(&seed) % 255;

			words[at] = rand_r(&seed) % 2 ? (uint32_t)rand_r(&seed) * 3
						      : (uint32_t)rand_r(&seed) % 16;
		}
		for (int j = 0; j < 20; j++) {
			r = shmfs_queue_try_send(heap, queue, "more", 4, 3);
			assert_true(r <= 0);
			r = shmfs_queue_try_receive(heap, queue, buffer, sizeof(buffer),
						    NULL, NULL);
			assert_true(r <= 0);
		}
		shmfs_heap_close(heap);
		assert_int_equal(shmfs_heap_remove(HEAP), 0);
	}
}

struct message {
	uint32_t sender;
	uint32_t number;
	uint64_t check;
};

static uint64_t check_of(const struct message *m)
{
	return (m->sender * UINT64_C(31) + m->number) * UINT64_C(0x9e3779b97f4a7c15);
}

static int send_many(struct shmfs_heap *own, void *data)
{
	struct message m = { .sender = *(uint32_t *)data };
	struct shmfs_queue *q;

	if (shmfs_queue_open(own, "queue", SHMFS_OPEN_ONLY, NULL, &q) < 0)
		return 1;
	for (; m.number < MESSAGES; m.number++) {
		m.check = check_of(&m);
		if (shmfs_queue_send(own, q, &m, sizeof(m), m.sender) < 0)
			return 2;
	}
	return 0;
}

static uint32_t received;

static void *receive_many(void *data)
{
	uint32_t next[SENDERS] = { 0 };
	struct message m;
	size_t size;

	(void)data;
	while (__atomic_fetch_add(&received, 1, __ATOMIC_RELAXED) < SENDERS * MESSAGES) {
		assert_int_equal(
			shmfs_queue_receive(heap, queue, &m, sizeof(m), &size, NULL), 0);
		assert_int_equal(size, sizeof(m));
		assert_int_equal(m.check, check_of(&m));
		/* Those of one sender, as it sent them. */
		assert_true(m.number >= next[m.sender]);
		next[m.sender] = m.number + 1;
	}
	return NULL;
}

static void test_many(void **state)
{
	struct shmfs_queue_info info;
	uint32_t which[SENDERS];
	pthread_t thread[2];
	pid_t pid[SENDERS];

	(void)state;
	begin(10, sizeof(struct message));
	received = 0;
	for (uint32_t i = 0; i < SENDERS; i++) {
		which[i] = i;
		pid[i] = fixture_start(send_many, &which[i], i % 2);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, receive_many, NULL), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	for (int i = 0; i < SENDERS; i++)
		fixture_end(pid[i], 0);
	shmfs_queue_info(queue, &info);
	assert_int_equal(info.messages, 0);
	fixture_heap_end(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_order), fixture_test(test_edges),
		fixture_test(test_open),  fixture_test(test_damaged),
		fixture_test(test_many),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("queue", tests, NULL, NULL) != 0;
}
