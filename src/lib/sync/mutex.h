/* SPDX-License-Identifier: MIT */
#pragma once
/* What a condition needs of a mutex. */
#include <shmfs/mutex.h>

#include "lib/heap/owned.h"

/* A number that changes when a holder died. */
static inline uint32_t mutex_deaths(const struct shmfs_mutex *m)
{
	return __atomic_load_n(&m->deaths, __ATOMIC_RELAXED);
}

bool mutex_is_mine(struct shmfs_heap *h, const struct shmfs_mutex *m);
/* Unlocks a mutex that is ours, however often it was locked, and locks it again as often:
 * 0, -EOWNERDEAD, or an error and then it is not locked. */
uint32_t mutex_release(struct shmfs_heap *h, struct shmfs_mutex *m);
int mutex_regain(struct shmfs_heap *h, struct shmfs_mutex *m, uint32_t depth);
