/* SPDX-License-Identifier: MIT */
#pragma once
/* What a wait for one of several needs of a queue. */
#include <stdbool.h>

#include <shmfs/queue.h>

/* The event of a message, or of a free slot. */
uint64_t *queue_event(struct shmfs_queue *q, bool room);
/* Whether there is one. The lock is not taken, so others may change it at any moment. */
bool queue_is_ready(const struct shmfs_queue *q, bool room);
/* Whether whoever has the lock is dead. Its heir may find a message, or a free slot. */
bool queue_is_orphaned(struct shmfs_heap *h, struct shmfs_queue *q);
