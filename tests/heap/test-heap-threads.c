/* SPDX-License-Identifier: MIT */
/* Threads of one process, and readers that take no lock, beside each other. */
#include <errno.h>
#include <pthread.h>

#include "heap/fixture.h"

#define THREADS 4
#define ROUNDS  3000

struct counters {
	uint64_t of_threads[THREADS];
	uint64_t all;
};

static struct shmfs_heap *heap;
static pthread_barrier_t begin;

/* A count of its own and the common one change together. */
static void *count(void *data)
{
	unsigned int which = *(unsigned int *)data;
	struct counters *c;
	void *object;
	char name[32];

	pthread_barrier_wait(&begin);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		assert_int_equal(shmfs_heap_begin(heap), 0);
		c = shmfs_heap_at(heap, *shmfs_heap_root(heap), sizeof(*c));
		assert_int_equal(shmfs_heap_log(heap, c, sizeof(*c)), 0);
		c->of_threads[which]++;
		c->all++;
		assert_int_equal(shmfs_heap_commit(heap), 0);
		snprintf(name, sizeof(name), "%u-%u", which, i % 100);
		if (i % 200 < 100)
			assert_int_equal(shmfs_heap_construct(heap, name, which, 8, NULL,
							      &object),
					 0);
		else
			assert_int_equal(shmfs_heap_destroy(heap, name), 0);
	}
	return NULL;
}

/* A name is there, as it is, or it is not. */
static void *look(void *data)
{
	char name[32];
	void *object;
	int r;

	(void)data;
	pthread_barrier_wait(&begin);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), "%u-%u", i % THREADS, i % 100);
		r = shmfs_heap_find(heap, name, i % THREADS, 8, &object);
		assert_true(r == 0 || r == -ENOENT);
	}
	return NULL;
}

static void test_threads(void **state)
{
	unsigned int which[THREADS];
	pthread_t thread[THREADS + 1];
	const struct counters *c;

	(void)state;
	heap = fixture_heap(0, 0);
	assert_int_equal(shmfs_heap_alloc(heap, sizeof(*c), 8, shmfs_heap_root(heap)), 0);
	memset(shmfs_heap_at(heap, *shmfs_heap_root(heap), sizeof(*c)), 0, sizeof(*c));
	pthread_barrier_init(&begin, NULL, THREADS + 1);
	for (unsigned int i = 0; i < THREADS; i++) {
		which[i] = i;
		assert_int_equal(pthread_create(&thread[i], NULL, count, &which[i]), 0);
	}
	assert_int_equal(pthread_create(&thread[THREADS], NULL, look, NULL), 0);
	for (unsigned int i = 0; i < THREADS + 1; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	pthread_barrier_destroy(&begin);
	c = shmfs_heap_at(heap, *shmfs_heap_root(heap), sizeof(*c));
	assert_int_equal(c->all, THREADS * ROUNDS);
	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(c->of_threads[i], ROUNDS);
	fixture_heap_end(heap);
}

static void *find_first(void *data)
{
	void *object;
	int r;

	(void)data;
	pthread_barrier_wait(&begin);
	do
		r = shmfs_heap_find(heap, "first", 1, 8, &object);
	while (r == -ENOENT);
	assert_int_equal(r, 0);
	return NULL;
}

/* The table of names comes with the first of them. */
static void test_first_name(void **state)
{
	unsigned int rounds = fixture_valgrind() ? 20 : 1000;
	pthread_t thread;
	void *object;

	(void)state;
	for (unsigned int i = 0; i < rounds; i++) {
		heap = fixture_heap(0, 0);
		pthread_barrier_init(&begin, NULL, 2);
		assert_int_equal(pthread_create(&thread, NULL, find_first, NULL), 0);
		pthread_barrier_wait(&begin);
		assert_int_equal(shmfs_heap_construct(heap, "first", 1, 8, NULL, &object),
				 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		pthread_barrier_destroy(&begin);
		fixture_heap_end(heap);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_threads),
		fixture_test(test_first_name),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("heap-threads", tests, NULL, NULL) != 0;
}
