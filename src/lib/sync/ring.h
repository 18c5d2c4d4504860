/* SPDX-License-Identifier: MIT */
#pragma once
/* What a wait for one of several needs of a ring. */
#include <stdbool.h>

#include <shmfs/ring.h>

/* The event of a message, or of more room. */
uint64_t *ring_event(struct shmfs_ring *ring, bool room);
/* Whether there is a message, or room for any. A damaged ring is ready to say so. */
bool ring_is_ready(struct shmfs_heap *h, struct shmfs_ring *ring, bool room);
