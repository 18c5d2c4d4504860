/* SPDX-License-Identifier: MIT */
#pragma once
/* What the tests of System V segments share: none is left, and each tells about itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include <shmfs/region.h>

#include "fixture.h"

#define KEY 0x1234

/* The number of segments in the namespace. */
static inline int sysv_count(void)
{
	struct shm_info info;

	assert_true(shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info) >= 0);
	return info.used_ids;
}

static inline int sysv_setup(void **state)
{
	assert_int_equal(sysv_count(), 0);
	return fixture_setup(state);
}

static inline int sysv_teardown(void **state)
{
	assert_int_equal(sysv_count(), 0);
	return fixture_teardown(state);
}

#define sysv_test(test) cmocka_unit_test_setup_teardown(test, sysv_setup, sysv_teardown)

static inline struct shmfs_sysv *sysv_create(int32_t key, uint64_t size)
{
	struct shmfs_sysv *sysv = NULL;

	assert_int_equal(shmfs_sysv_open(key, SHMFS_CREATE_ONLY, size, SHMFS_PERM_DEFAULT,
					 &sysv),
			 0);
	assert_non_null(sysv);
	return sysv;
}

/* Removes and closes. */
static inline void sysv_drop(struct shmfs_sysv *sysv)
{
	assert_int_equal(shmfs_sysv_remove(shmfs_sysv_id(sysv)), 0);
	assert_null(shmfs_sysv_close(sysv));
}

/* What the kernel itself tells of a segment. */
static inline struct shmid_ds sysv_stat(int id)
{
	struct shmid_ds ds;

	assert_int_equal(shmctl(id, IPC_STAT, &ds), 0);
	return ds;
}

static inline int sysv_nattch(const struct shmfs_sysv *sysv)
{
	return (int)sysv_stat(shmfs_sysv_id(sysv)).shm_nattch;
}

/* Writes a tunable, and takes what it was before. False where that is not allowed. */
static inline bool sysv_tune(const char *path, const char *value, char before[64])
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, before, 63);
	assert_true(n > 0);
	before[n] = '\0';
	/* What is written behind the beginning is ignored. */
	n = pwrite(fd, value, strlen(value), 0);
	close(fd);
	return n == (ssize_t)strlen(value);
}

static inline void sysv_untune(const char *path, const char *before)
{
	char ignored[64];

	assert_true(sysv_tune(path, before, ignored));
}
