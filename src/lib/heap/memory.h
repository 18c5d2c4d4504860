/* SPDX-License-Identifier: MIT */
#pragma once
/* Memory of the heap, which grows where it must. The caller has the lock. */
#include "lib/heap/heap.h"

int memory_alloc(struct shmfs_heap *h, uint64_t size, uint64_t align, uint64_t *ret);
/* -EINVAL where nothing in use begins at @position. */
int memory_free(struct shmfs_heap *h, uint64_t position);
