/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Memory that a mutex protects and that changes word by word: all cells are the same when
 * nobody is inside. Whoever learns of a death there repairs it, and may die meanwhile.
 */
#include <errno.h>
#include <stdbool.h>
#include <time.h>

#include <shmfs/condition.h>

#define CELLS 8

enum { CELLS_CHANGING = 1, CELLS_REPAIRING = 2 };

struct cells {
	struct shmfs_mutex mutex;
	uint64_t inside; /* what somebody who has the mutex does; 0: nothing */
	uint64_t cell[CELLS];
	uint64_t repairs;
	uint64_t broken_off;   /* repairs, by the death of whoever made them */
	struct timespec pause; /* within a repair, so that more of them are broken off */
};

static inline bool cells_are_whole(const struct cells *c)
{
	for (int i = 1; i < CELLS; i++)
		if (c->cell[i] != c->cell[0])
			return false;
	return !c->inside;
}

static inline int cells_repair(struct shmfs_heap *heap, struct cells *c)
{
	c->broken_off += c->inside == CELLS_REPAIRING;
	*(volatile uint64_t *)&c->inside = CELLS_REPAIRING;
	if (c->pause.tv_nsec)
		nanosleep(&c->pause, NULL);
	for (int i = 1; i < CELLS; i++)
		c->cell[i] = c->cell[0];
	c->repairs++;
	*(volatile uint64_t *)&c->inside = 0;
	return shmfs_mutex_consistent(heap, &c->mutex);
}

/* What locking the mutex returned, and -EBADMSG where half a change is there. */
static inline int cells_look(struct shmfs_heap *heap, struct cells *c, int r)
{
	if (r == -EOWNERDEAD)
		return cells_repair(heap, c);
	return r == 0 && !cells_are_whole(c) ? -EBADMSG : r;
}

/* Nobody else is inside, unless it died there. */
static inline int cells_lock(struct shmfs_heap *heap, struct cells *c)
{
	return cells_look(heap, c, shmfs_mutex_lock(heap, &c->mutex));
}

static inline int cells_unlock(struct shmfs_heap *heap, struct cells *c)
{
	return shmfs_mutex_unlock(heap, &c->mutex);
}

static inline int cells_wait(struct shmfs_heap *heap, struct cells *c,
			     struct shmfs_condition *condition)
{
	return cells_look(heap, c, shmfs_condition_wait(heap, condition, &c->mutex));
}

static inline int cells_change(struct shmfs_heap *heap, struct cells *c)
{
	int r = cells_lock(heap, c);

	if (r < 0)
		return r;
	*(volatile uint64_t *)&c->inside = CELLS_CHANGING;
	for (int i = 0; i < CELLS; i++)
		(*(volatile uint64_t *)&c->cell[i])++;
	*(volatile uint64_t *)&c->inside = 0;
	return cells_unlock(heap, c);
}
