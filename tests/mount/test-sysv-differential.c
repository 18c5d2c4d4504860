/* SPDX-License-Identifier: MIT */
/*
 * The mount against a model kept with native calls. SHMFS_SEED and SHMFS_OPS, both
 * printed, repeat a run. And the test itself tested: the smallest lie it finds.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/shm.h>
#include <time.h>

#include "mount.h"
#include "sysv-differential/differential.h"

enum { OPERATIONS = 20000, LIE_OPERATIONS = 1200 };

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 0) : otherwise;
}

/* In a namespace of its own, in which identifiers begin again. */
static bool run_one(struct differential *differential)
{
	bool equal;

	must(unshare(CLONE_NEWIPC));
	mount_start(differential->all ? "kind=all" : "kind=sysv");
	differential->daemon = mount_pid();
	differential->shares = mount_passthrough();
	equal = differential_run(differential);
	mount_stop();
	return equal;
}

static void compare(bool all, bool forced)
{
	struct differential differential = {
		.all = all,
		.forced = forced,
		.seed = from_environment("SHMFS_SEED", (uint64_t)time(NULL)),
		.operations = from_environment("SHMFS_OPS", OPERATIONS),
		.log = stderr,
	};

	fprintf(stderr, "SHMFS_SEED=%llu SHMFS_OPS=%llu SHMFS_TEST_IO=%s\n",
		(unsigned long long)differential.seed,
		(unsigned long long)differential.operations,
		mount_passthrough() ? "passthrough" : "direct");
	assert_true(run_one(&differential));
}

static void test_differential(void **state)
{
	(void)state;
	compare(false, false);
}

/* With kernel.shm_rmid_forced a file is the last user as an attachment is. */
static void test_differential_forced(void **state)
{
	(void)state;
	compare(false, true);
}

static void test_differential_all(void **state)
{
	(void)state;
	compare(true, false);
}

/* A segment that has a key, and so was not removed; or -1. */
static int some_segment(struct shmid_ds *ret)
{
	int last = shmctl(0, SHM_INFO, ret);

	for (int i = 0; i <= last; i++) {
		int id = shmctl(i, SHM_STAT_ANY, ret);

		if (id >= 0 && ret->shm_perm.__key != IPC_PRIVATE)
			return id;
	}
	return -1;
}

static bool flip_a_bit(bool subject)
{
	struct shmid_ds ds;
	int id = some_segment(&ds);
	char *at;

	if (id < 0)
		return false;
	at = shmat(id, NULL, 0);
	at[ds.shm_segsz - 1] ^= subject;
	return shmdt(at) == 0;
}

static bool stay_attached(bool subject)
{
	struct shmid_ds ds;
	int id = some_segment(&ds);
	void *at;

	if (id < 0)
		return false;
	at = shmat(id, NULL, 0);
	return subject || shmdt(at) == 0;
}

static bool change_a_mode(bool subject)
{
	struct shmid_ds ds;
	int id = some_segment(&ds);

	ds.shm_perm.mode ^= subject;
	return id >= 0 && shmctl(id, IPC_SET, &ds) == 0;
}

static bool change_a_group(bool subject)
{
	struct shmid_ds ds;
	int id = some_segment(&ds);

	ds.shm_perm.gid += subject;
	return id >= 0 && shmctl(id, IPC_SET, &ds) == 0;
}

static bool lock_a_segment(bool subject)
{
	struct shmid_ds ds;
	int id = some_segment(&ds);
	int command = ds.shm_perm.mode & SHM_LOCKED ? SHM_UNLOCK : SHM_LOCK;

	return id >= 0 && (!subject || shmctl(id, command, NULL) == 0);
}

static bool remove_a_segment(bool subject)
{
	struct shmid_ds ds;
	int id = some_segment(&ds);

	return id >= 0 && (!subject || shmctl(id, IPC_RMID, NULL) == 0);
}

static bool make_a_segment(bool subject)
{
	return subject && shmget(IPC_PRIVATE, 1, 0600) >= 0;
}

static void test_lies(void **state)
{
	static bool (*const lies[])(bool) = {
		flip_a_bit,     stay_attached,    change_a_mode,  change_a_group,
		lock_a_segment, remove_a_segment, make_a_segment,
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct differential differential = {
			.seed = 1 + i,
			.operations = LIE_OPERATIONS,
			.tamper = lies[i],
		};
		char *text = NULL;
		size_t size = 0;

		differential.log = open_memstream(&text, &size);
		assert_non_null(differential.log);
		if (run_one(&differential))
			fail_msg("lie %u was not noticed", i);
		fclose(differential.log);
		free(text);
	}
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_lies),
		mount_test_unmounted(test_differential),
		mount_test_unmounted(test_differential_forced),
		mount_test_unmounted(test_differential_all),
	};

	return cmocka_run_group_tests_name("sysv differential", tests, NULL, NULL);
}

int main(void)
{
	uint64_t operations = from_environment("SHMFS_OPS", OPERATIONS);

	return mount_main((unsigned int)operations / 100 + 160, run);
}
