/* SPDX-License-Identifier: MIT */
#pragma once
#include "lib/heap/heap.h"

/* Takes memory for a file from @from to @to, whatever signals come. */
int growth_allocate(int fd, uint64_t from, uint64_t to);

/* Lets the heap grow until @size bytes can be allocated at once: 0, or a negative errno.
 */
int growth_for(struct shmfs_heap *h, uint64_t size);
