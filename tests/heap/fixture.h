/* SPDX-License-Identifier: MIT */
#pragma once
/* The setup and teardown of every test of heaps, and the check of a heap. */
#include "native/fixture.h"

#include <shmfs/heap.h>

#define HEAP "heap"

static inline void fixture_problem(const char *problem, void *data)
{
	(void)data;
	print_error("%s\n", problem);
}

static inline void assert_in_order(struct shmfs_heap *heap)
{
	assert_int_equal(shmfs_heap_check(heap, fixture_problem, NULL), 0);
}

static inline struct shmfs_heap *fixture_heap(uint64_t size, uint64_t limit)
{
	const struct shmfs_heap_options options = { .size = size, .limit = limit };
	struct shmfs_heap *heap = NULL;

	assert_int_equal(shmfs_heap_open(HEAP, SHMFS_CREATE_ONLY, &options, &heap), 0);
	return heap;
}

static inline void fixture_heap_end(struct shmfs_heap *heap)
{
	assert_in_order(heap);
	shmfs_heap_close(heap);
	assert_int_equal(shmfs_heap_remove(HEAP), 0);
}
