/* SPDX-License-Identifier: MIT */
/*
 * The mount against a plain tmpfs. SHMFS_SEED and SHMFS_OPS, both printed, repeat a run.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "differential/differential.h"
#include "files.h"
#include "mount.h"

/* Small enough to be full now and then. */
#define SIZE "mode=1777,size=16m,nr_inodes=100k"

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 0) : otherwise;
}

static void limit(const char *dir)
{
	must(mount("shmfs-test", dir, NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV, SIZE));
}

/*
 * The daemon has itself told of each close, which ends record locks, only for the files
 * that are opened after the first record lock.
 */
static void lock_once(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = file_open(MOUNT_DIR, "lock", O_RDWR | O_CREAT);

	must(fcntl(fd, F_SETLK, &lock));
	close(fd);
	must(unlink(MOUNT_DIR "/lock"));
}

static bool caches(void)
{
	const char *options = getenv("SHMFS_TEST_OPTIONS");

	return options && strstr(options, "coherence=notify");
}

static void test_differential(void **state)
{
	struct differential differential = {
		.subject = MOUNT_DIR,
		.native = NATIVE_DIR,
		.reference = PLAIN_DIR,
		.io = mount_passthrough() ? IO_PASSTHROUGH : IO_DIRECT,
		.seed = from_environment("SHMFS_SEED", (uint64_t)time(NULL)),
		.operations = from_environment("SHMFS_OPS", 50000),
		.users = mount_privileged(),
		.caches = caches(),
		.patience = 5,
		.log = stderr,
	};

	(void)state;
	limit(NATIVE_DIR);
	limit(PLAIN_DIR);
	mount_start(NULL);
	lock_once();
	fprintf(stderr, "SHMFS_SEED=%llu SHMFS_OPS=%llu SHMFS_TEST_IO=%s\n",
		(unsigned long long)differential.seed,
		(unsigned long long)differential.operations,
		mount_passthrough() ? "passthrough" : "direct");
	assert_true(differential_run(&differential));
}

static int run(void)
{
	const struct CMUnitTest tests[] = { mount_test_unmounted(test_differential) };

	return cmocka_run_group_tests_name("differential", tests, NULL, NULL);
}

int main(void)
{
	return mount_main((unsigned int)from_environment("SHMFS_OPS", 50000) / 400 + 60,
			  run);
}
