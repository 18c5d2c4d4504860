/* SPDX-License-Identifier: MIT */
#pragma once
/* All attachments of this process, for what happens to them when it forks. */
#include "lib/heap/heap.h"

/* A descriptor of a new open file description of what @fd is of, for writing too. */
int attachments_reopen(int fd);

int attachments_add(struct shmfs_heap *h);
void attachments_remove(struct shmfs_heap *h);
