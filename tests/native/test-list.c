/* SPDX-License-Identifier: MIT */
/* Listing objects, while they come and go as well. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <shmfs/object.h>

#include "fixture.h"

#define STABLE 200

static void create(const char *name)
{
	struct shmfs_object *object;

	assert_int_equal(shmfs_object_open(name, SHMFS_CREATE_ONLY, SHMFS_READ_WRITE,
					   SHMFS_PERM_DEFAULT, &object),
			 0);
	shmfs_object_close(object);
}

static int count(const char *name, void *data)
{
	unsigned int *n = data;

	assert_true(strlen(name) > 0);
	(*n)++;
	return 0;
}

static int stop_at_once(const char *name, void *data)
{
	count(name, data);
	return -ECANCELED;
}

static void test_all(void **state)
{
	unsigned int n = 0;

	(void)state;
	assert_int_equal(shmfs_object_list(NULL, NULL), -EINVAL);
	assert_int_equal(shmfs_object_list(count, &n), 0);
	assert_int_equal(n, 0);
	create("a");
	create("b");
	create("sem.c");
	assert_int_equal(shmfs_object_list(count, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(shmfs_object_remove("a"), 0);
	assert_int_equal(shmfs_object_remove("b"), 0);
	assert_int_equal(shmfs_object_remove("sem.c"), 0);
}

static void test_stop(void **state)
{
	unsigned int n = 0;

	(void)state;
	create("a");
	create("b");
	assert_int_equal(shmfs_object_list(stop_at_once, &n), -ECANCELED);
	assert_int_equal(n, 1);
	assert_int_equal(shmfs_object_remove("a"), 0);
	assert_int_equal(shmfs_object_remove("b"), 0);
}

static void test_only_regular_files(void **state)
{
	unsigned int n = 0;

	(void)state;
	assert_int_equal(mkdir("/dev/shm/directory", 0755), 0);
	assert_int_equal(mkfifo("/dev/shm/fifo", 0644), 0);
	assert_int_equal(symlink("x", "/dev/shm/link"), 0);
	create("x");
	assert_int_equal(shmfs_object_list(count, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(shmfs_object_remove("x"), 0);
	assert_int_equal(rmdir("/dev/shm/directory"), 0);
	assert_int_equal(unlink("/dev/shm/fifo"), 0);
	assert_int_equal(unlink("/dev/shm/link"), 0);
}

static int remove_it(const char *name, void *data)
{
	assert_int_equal(shmfs_object_remove(name), 0);
	return count(name, data);
}

/* As `rm` does for a whole directory. */
static void test_remove_while_listing(void **state)
{
	unsigned int i, n = 0;
	char name[32];

	(void)state;
	for (i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "object-%u", i);
		create(name);
	}
	assert_int_equal(shmfs_object_list(remove_it, &n), 0);
	assert_int_equal(n, 2000);
}

static atomic_bool churn_ends;

static void *churn(void *data)
{
	struct shmfs_object *object;
	char name[32];
	unsigned int i;

	for (i = 0; !atomic_load(&churn_ends); i++) {
		snprintf(name, sizeof(name), "churn-%u", i % 16);
		if (shmfs_object_open(name, SHMFS_CREATE_ONLY, SHMFS_READ_WRITE, 0600,
				      &object) == 0)
			shmfs_object_close(object);
		snprintf(name, sizeof(name), "churn-%u", (i + 8) % 16);
		shmfs_object_remove(name);
	}
	for (i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "churn-%u", i);
		shmfs_object_remove(name);
	}
	return data;
}

static int tick(const char *name, void *data)
{
	unsigned int *seen = data;

	if (!strncmp(name, "stable-", 7))
		seen[strtoul(name + 7, NULL, 10)]++;
	return 0;
}

static void each_once(void)
{
	unsigned int i, seen[STABLE] = { 0 };

	assert_int_equal(shmfs_object_list(tick, seen), 0);
	for (i = 0; i < STABLE; i++)
		assert_int_equal(seen[i], 1);
}

static void test_churn(void **state)
{
	pthread_t thread;
	char name[32];
	int i;

	(void)state;
	for (i = 0; i < STABLE; i++) {
		snprintf(name, sizeof(name), "stable-%d", i);
		create(name);
	}
	assert_int_equal(pthread_create(&thread, NULL, churn, NULL), 0);
	for (i = 0; i < 500; i++)
		each_once();
	atomic_store(&churn_ends, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	for (i = 0; i < STABLE; i++) {
		snprintf(name, sizeof(name), "stable-%d", i);
		assert_int_equal(shmfs_object_remove(name), 0);
	}
}

/* A root without /dev/shm. */
static int nowhere(void *data)
{
	struct shmfs_object *object;

	if (chroot("/sys") < 0)
		return 1;
	assert_int_equal(shmfs_object_list(count, data), -ENOENT);
	assert_int_equal(shmfs_object_remove("x"), -ENOENT);
	assert_int_equal(shmfs_object_open("x", SHMFS_OPEN_OR_CREATE, SHMFS_READ_WRITE,
					   0600, &object),
			 -ENOENT);
	return 0;
}

static void test_nowhere(void **state)
{
	unsigned int n = 0;

	(void)state;
	assert_int_equal(fixture_child(nowhere, &n), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_all),
		fixture_test(test_stop),
		fixture_test(test_only_regular_files),
		fixture_test(test_remove_while_listing),
		fixture_test(test_churn),
		fixture_test(test_nowhere),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("list", tests, NULL, NULL) != 0;
}
