/* SPDX-License-Identifier: MIT */
#pragma once
#include "lib/heap/heap.h"

/* Lets the heap grow until @size bytes can be allocated at once: 0, or a negative errno.
 */
int growth_for(struct shmfs_heap *h, uint64_t size);
