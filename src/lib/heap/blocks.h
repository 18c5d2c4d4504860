/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The allocator: two-level segregated fit (TLSF). Allocating and freeing take a bounded
 * number of steps, whatever the heap holds. The caller has the lock; changes are logged.
 */
#include "lib/heap/heap.h"

/* The most that is asked for at once. */
#define BLOCKS_MOST (FORMAT_LIMIT_MAX / 2)

/* The first block and the end block of a new heap, which nobody else sees yet. */
void blocks_format(struct shmfs_heap *h);

/*
 * Memory of @size bytes that begins at a multiple of @align, a power of two: its
 * position, or -ENOSPC. Its contents are not defined.
 */
int blocks_alloc(struct shmfs_heap *h, uint64_t size, uint64_t align, uint64_t *ret);
/* The memory at @position, which blocks_find() has found in use. */
void blocks_free(struct shmfs_heap *h, uint64_t position);
/* Makes it @size bytes large where it is, or -ENOSPC. */
int blocks_resize(struct shmfs_heap *h, uint64_t position, uint64_t size);
/* Adds the memory up to @size, which is behind the end of the heap: 0, or -EUCLEAN. */
int blocks_extend(struct shmfs_heap *h, uint64_t size);
/* Gives up the free memory at the end of the heap, in whole pages. */
void blocks_shorten(struct shmfs_heap *h);

/* The block in use whose memory is at @position: the size of the memory, or -EINVAL. */
int blocks_find(struct shmfs_heap *h, uint64_t position, uint64_t *ret_size);

/* The list of free blocks of @size: where to insert one. */
void blocks_class(uint64_t size, unsigned int *ret_range, unsigned int *ret_class);
