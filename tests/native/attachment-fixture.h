/* SPDX-License-Identifier: MIT */
#pragma once
/* What the tests of regions of System V segments share. */
#include <inttypes.h>

#include "segment-fixture.h"

static size_t page;

static inline struct shmfs_region *must_map(const struct shmfs_sysv *sysv,
					    enum shmfs_mode mode)
{
	struct shmfs_region *region = NULL;

	assert_int_equal(shmfs_region_map_sysv(sysv, mode, NULL, 0, &region), 0);
	assert_non_null(region);
	assert_int_equal(shmfs_region_mode(region), mode);
	assert_int_equal(shmfs_region_size(region), shmfs_sysv_size(sysv));
	return region;
}

static inline char *bytes_of(const struct shmfs_region *region)
{
	return shmfs_region_address(region);
}

/* The refusal @expected, that leaves the caller's pointer and the segment alone. */
static inline void refused(int expected, const struct shmfs_sysv *sysv,
			   enum shmfs_mode mode, void *address, unsigned int flags)
{
	struct shmfs_region *region = (struct shmfs_region *)&region;

	assert_int_equal(shmfs_region_map_sysv(sysv, mode, address, flags, &region),
			 expected);
	assert_ptr_equal(region, (struct shmfs_region *)&region);
}

static inline struct shmfs_region *map_at(const struct shmfs_sysv *sysv, void *address,
					  unsigned int flags)
{
	struct shmfs_region *region = NULL;

	assert_int_equal(shmfs_region_map_sysv(sysv, SHMFS_READ_WRITE, address, flags,
					       &region),
			 0);
	return region;
}

/* Whether a segment is mapped at @address. */
static inline bool is_mapped(const char *address)
{
	uintptr_t begin, end, wanted = (uintptr_t)address;
	FILE *maps = fopen("/proc/self/maps", "re");
	bool found = false;
	char line[512];

	assert_non_null(maps);
	while (!found && fgets(line, sizeof(line), maps)) {
		assert_int_equal(sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &begin, &end), 2);
		found = wanted >= begin && wanted < end && strstr(line, "/SYSV");
	}
	fclose(maps);
	return found;
}
