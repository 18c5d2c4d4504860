/* SPDX-License-Identifier: MIT */
/* What is promised for several threads, and processes, at once. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include <shmfs/object.h>
#include <shmfs/region.h>

#include "fixture.h"

#define THREADS 4
#define ROUNDS  2000

/* Threads assert nothing themselves: cmocka's jump is the main thread's. */
static atomic_int failures;
static atomic_bool stopped;

static void expect(bool ok)
{
	if (!ok)
		atomic_fetch_add(&failures, 1);
}

static void run_threads(void *(*fn)(void *), void *data)
{
	pthread_t threads[THREADS];
	int i;

	atomic_store(&failures, 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fn, data), 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(atomic_load(&failures), 0);
}

static void *open_and_remove(void *data)
{
	struct shmfs_object *object;
	int i, r;

	for (i = 0; i < ROUNDS; i++) {
		r = shmfs_object_open("x", SHMFS_OPEN_OR_CREATE, SHMFS_READ_WRITE, 0600,
				      &object);
		expect(r == 0);
		if (r == 0)
			shmfs_object_close(object);
		r = shmfs_object_remove("x");
		expect(r == 0 || r == -ENOENT);
	}
	return data;
}

/* Whatever the others do, who asks for the object gets one. */
static void test_open_or_create(void **state)
{
	(void)state;
	run_threads(open_and_remove, NULL);
}

static void *create_once(void *data)
{
	atomic_int *winners = data;
	struct shmfs_object *object;
	char name[32];
	int i, r;

	for (i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), "x%d", i);
		r = shmfs_object_open(name, SHMFS_CREATE_ONLY, SHMFS_READ_WRITE, 0600,
				      &object);
		expect(r == 0 || r == -EEXIST);
		if (r < 0)
			continue;
		atomic_fetch_add(winners, 1);
		shmfs_object_close(object);
	}
	return data;
}

static void test_create_only(void **state)
{
	atomic_int winners = 0;
	char name[32];
	int i;

	(void)state;
	run_threads(create_once, &winners);
	assert_int_equal(atomic_load(&winners), ROUNDS);
	for (i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), "x%d", i);
		assert_int_equal(shmfs_object_remove(name), 0);
	}
}

static void *watch(void *data)
{
	struct stat st;

	while (!atomic_load(&stopped)) {
		if (stat("/dev/shm/x", &st) == 0)
			expect(st.st_mode == (S_IFREG | SHMFS_PERM_UNRESTRICTED));
		sched_yield();
	}
	return data;
}

/* Nobody ever sees a new object with other permissions than it was asked for with. */
static void test_appears_complete(void **state)
{
	struct shmfs_object *object;
	mode_t before = umask(077);
	pthread_t thread;
	int i;

	(void)state;
	atomic_store(&failures, 0);
	atomic_store(&stopped, false);
	assert_int_equal(pthread_create(&thread, NULL, watch, NULL), 0);
	for (i = 0; i < ROUNDS; i++) {
		assert_int_equal(shmfs_object_open("x", SHMFS_CREATE_ONLY,
						   SHMFS_READ_WRITE,
						   SHMFS_PERM_UNRESTRICTED, &object),
				 0);
		shmfs_object_close(object);
		assert_int_equal(shmfs_object_remove("x"), 0);
	}
	atomic_store(&stopped, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	umask(before);
	assert_int_equal(atomic_load(&failures), 0);
}

static void *use_object(void *data)
{
	const struct shmfs_object *object = data;
	struct shmfs_region *region;
	uint64_t size;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		expect(shmfs_object_truncate(object, 8192) == 0);
		expect(shmfs_object_reserve(object, 4096) == 0);
		expect(shmfs_object_size(object, &size) == 0 && size == 8192);
		expect(!strcmp(shmfs_object_name(object), "x"));
		expect(shmfs_region_map(object, SHMFS_READ_WRITE, 0, 0, NULL, 0,
					&region) == 0);
		shmfs_region_unmap(region);
	}
	return data;
}

static void test_one_object(void **state)
{
	struct shmfs_object *object;

	(void)state;
	assert_int_equal(shmfs_object_open("x", SHMFS_CREATE_ONLY, SHMFS_READ_WRITE, 0600,
					   &object),
			 0);
	assert_int_equal(shmfs_object_truncate(object, 8192), 0);
	run_threads(use_object, object);
	shmfs_object_close(object);
	assert_int_equal(shmfs_object_remove("x"), 0);
}

static void *use_region(void *data)
{
	const struct shmfs_region *region = data;
	atomic_int *counter = shmfs_region_address(region);
	int i;

	for (i = 0; i < ROUNDS; i++) {
		atomic_fetch_add(counter, 1);
		expect(shmfs_region_size(region) == 8192);
		expect(shmfs_region_flush(region, 0, 0, SHMFS_FLUSH_ASYNC) == 0);
		expect(shmfs_region_advise(region, SHMFS_ADVICE_DONTNEED) == 0);
	}
	return data;
}

/* No store is lost, although the pages are dropped and read again all the time. */
static void test_one_region(void **state)
{
	struct shmfs_region *region;

	(void)state;
	assert_int_equal(shmfs_region_map_anonymous(8192, NULL, 0, &region), 0);
	run_threads(use_region, region);
	assert_int_equal(*(int *)shmfs_region_address(region), THREADS * ROUNDS);
	shmfs_region_unmap(region);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_open_or_create),   fixture_test(test_create_only),
		fixture_test(test_appears_complete), fixture_test(test_one_object),
		fixture_test(test_one_region),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("races", tests, NULL, NULL) != 0;
}
