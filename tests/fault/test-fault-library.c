/* SPDX-License-Identifier: MIT */
/* Each allocation of the library, and each opening, fails in turn, in this very process.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <unistd.h>

#include <cmocka.h>
#include <shmfs/object.h>
#include <shmfs/region.h>
#include <shmfs/sysv.h>

#include "inject.h"
#include "sandbox.h"

#define KEY  0x1234
#define SIZE 10000

static int error_now;

/* Whether it worked; it must, or fail for what was made to fail. */
static bool worked(int r)
{
	if (r < 0 && r != -error_now)
		fail_msg("%s", strerror(-r));
	return r >= 0;
}

static int count(const char *name, void *data)
{
	(void)name;
	++*(unsigned int *)data;
	return 0;
}

static void map_object(const struct shmfs_object *object)
{
	struct shmfs_region *region = NULL;

	if (worked(shmfs_region_map(object, SHMFS_READ_WRITE, 100, 0, NULL, 0, &region)))
		memset(shmfs_region_address(region), 'x', shmfs_region_size(region));
	shmfs_region_unmap(region);
}

static void use_object(void)
{
	struct shmfs_object *object = NULL;
	unsigned int n = 0;

	if (!worked(shmfs_object_open("a", SHMFS_OPEN_OR_CREATE, SHMFS_READ_WRITE, 0600,
				      &object))) {
		assert_null(object);
		assert_int_equal(sandbox_count_entries("/dev/shm"), 0);
		return;
	}
	assert_true(worked(shmfs_object_truncate(object, SIZE)));
	map_object(object);
	if (worked(shmfs_object_list(count, &n)))
		assert_int_equal(n, 1);
	shmfs_object_close(object);
	while (!worked(shmfs_object_remove("a")))
		;
}

static void map_segment(const struct shmfs_sysv *sysv)
{
	struct shmfs_region *region = NULL;

	if (worked(shmfs_region_map_sysv(sysv, SHMFS_READ_WRITE, NULL, 0, &region)))
		memset(shmfs_region_address(region), 'x', shmfs_region_size(region));
	shmfs_region_unmap(region);
}

static void use_segment(void)
{
	struct shmfs_sysv *sysv = NULL;
	bool made = worked(shmfs_sysv_open(KEY, SHMFS_CREATE_ONLY, SIZE, 0600, &sysv));
	int id = shmget(KEY, 0, 0);

	assert_int_equal(made, sysv != NULL);
	assert_int_equal(made, id >= 0);
	if (made)
		map_segment(sysv);
	shmfs_sysv_close(sysv);
	if (id >= 0)
		assert_int_equal(shmctl(id, IPC_RMID, NULL), 0);
}

/* Returns how many failed. */
static unsigned long fail_in_turn(struct inject_calls *calls, int error,
				  void (*use)(void))
{
	long blocks = atomic_load(&inject->blocks);
	unsigned int fds = sandbox_count_fds();
	unsigned long from = 0;

	error_now = error;
	do {
		atomic_store(&calls->failed, 0);
		atomic_store(&calls->times, 1);
		atomic_store(&calls->error, error);
		atomic_store(&calls->calls, 0);
		atomic_store(&calls->from, ++from);
		use();
		atomic_store(&calls->from, 0);
		assert_int_equal(atomic_load(&inject->blocks), blocks);
		assert_int_equal(sandbox_count_fds(), fds);
		assert_int_equal(sandbox_count_entries("/dev/shm"), 0);
	} while (atomic_load(&calls->failed));
	return from - 1;
}

static void test_objects(void **state)
{
	unsigned long n = fail_in_turn(&inject->memory, ENOMEM, use_object);
	unsigned long files = fail_in_turn(&inject->files, ENFILE, use_object);

	(void)state;
	assert_true(n >= 3);
	assert_true(files >= 2);
	print_message("objects: %lu allocations and %lu openings failed\n", n, files);
}

static void test_segments(void **state)
{
	unsigned long n = fail_in_turn(&inject->memory, ENOMEM, use_segment);

	(void)state;
	assert_true(n >= 2);
	print_message("segments: %lu allocations failed\n", n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_segments),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("fault-library", tests, NULL, NULL) != 0;
}
