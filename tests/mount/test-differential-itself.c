/* SPDX-License-Identifier: MIT */
/*
 * The differential test, tested: between two file systems that are the same it finds
 * nothing, and the smallest lie it finds. Needs neither the daemon nor /dev/fuse.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "differential/differential.h"
#include "differential/op.h"
#include "files.h"
#include "mount.h"
#include "sandbox.h"
#include "util/cleanup.h"
#include "watchdog.h"

#define SUBJECT_DIR   SCRATCH_DIR "/subject"
#define REFERENCE_DIR SCRATCH_DIR "/reference"
#define OPTIONS       "mode=1777,size=16m,nr_inodes=100k"

static int setup(void **state)
{
	(void)state;
	sandbox_tmpfs(SUBJECT_DIR, OPTIONS);
	sandbox_tmpfs(REFERENCE_DIR, OPTIONS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	must(umount2(SUBJECT_DIR, MNT_DETACH));
	must(umount2(REFERENCE_DIR, MNT_DETACH));
	return 0;
}

static struct differential plain(void)
{
	const char *seed = getenv("SHMFS_SEED"), *operations = getenv("SHMFS_OPS");

	return (struct differential){
		.subject = SUBJECT_DIR,
		.native = SUBJECT_DIR,
		.reference = REFERENCE_DIR,
		.seed = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL),
		.operations = operations ? strtoull(operations, NULL, 0) : 200000,
		.users = mount_privileged(),
		.patience = 5,
		.log = stderr,
	};
}

static void test_the_same(void **state)
{
	struct differential differential = plain();

	(void)state;
	fprintf(stderr, "SHMFS_SEED=%llu SHMFS_OPS=%llu\n",
		(unsigned long long)differential.seed,
		(unsigned long long)differential.operations);
	assert_true(differential_run(&differential));
}

/* A file of some bytes, open for writing, or -1. */
static int some_file(const char *native)
{
	struct stat st;

	for (unsigned int i = 0; i < NAMES_VALID; i++) {
		int fd = open(at(native, name_text(i)), O_RDWR | O_CLOEXEC);

		if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0)
			return fd;
		close_fd(fd);
	}
	return -1;
}

static bool flip_a_bit(const char *native)
{
	_cleanup_close_ int fd = some_file(native);
	struct stat st;
	char byte;

	if (fd < 0 || fstat(fd, &st) < 0 || pread(fd, &byte, 1, 0) != 1)
		return false;
	byte ^= 1;
	must(pwrite(fd, &byte, 1, 0));
	must(futimens(fd, (struct timespec[]){ st.st_atim, st.st_mtim }));
	return true;
}

static bool change_the_mode(const char *native)
{
	_cleanup_close_ int fd = some_file(native);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && fchmod(fd, (st.st_mode & 0777) ^ 1) == 0;
}

static bool shift_a_time(const char *native)
{
	_cleanup_close_ int fd = some_file(native);
	struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 12345 } };

	return fd >= 0 && futimens(fd, times) == 0;
}

static bool add_a_file(const char *native)
{
	return mknod(at(native, "new"), S_IFREG | 0600, 0) == 0;
}

static bool remove_a_file(const char *native)
{
	for (unsigned int i = 0; i < NAMES_VALID; i++) {
		if (unlink(at(native, name_text(i))) == 0)
			return true;
	}
	return false;
}

static bool allocate_a_page(const char *native)
{
	_cleanup_close_ int fd = some_file(native);

	return fd >= 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)1 << 30, 1) == 0;
}

static bool add_an_attribute(const char *native)
{
	_cleanup_close_ int fd = some_file(native);

	return fd >= 0 && fsetxattr(fd, "user.lie", "", 0, 0) == 0;
}

static void test_lies(void **state)
{
	static bool (*const lies[])(const char *) = {
		flip_a_bit,    change_the_mode, shift_a_time,     add_a_file,
		remove_a_file, allocate_a_page, add_an_attribute,
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct differential differential = plain();
		char *text = NULL;
		size_t size = 0;

		differential.seed = 1;
		differential.operations = 4000;
		differential.patience = 0;
		differential.tamper = lies[i];
		differential.log = open_memstream(&text, &size);
		assert_non_null(differential.log);
		if (differential_run(&differential))
			fail_msg("lie %u was not noticed", i);
		fclose(differential.log);
		free(text);
		teardown(state);
		setup(state);
	}
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lies, setup, teardown),
	};

	return cmocka_run_group_tests_name("differential itself", tests, NULL, NULL);
}

int main(void)
{
	sandbox_enter();
	sandbox_tmpfs(SCRATCH_DIR, "mode=755");
	if (mkdir(SUBJECT_DIR, 0755) < 0 || mkdir(REFERENCE_DIR, 0755) < 0) {
		perror(SCRATCH_DIR);
		return 1;
	}
	return watchdog_run(240, run);
}
