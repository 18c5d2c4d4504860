/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The lock of the heap, and the change that is made under it. An operation is
 *
 *	mark = lock_enter(h) ... log_set() ... lock_leave(h, mark, r)
 *
 * and stands for itself, or within a transaction of the user for a part of it.
 */
#include "lib/heap/heap.h"

/*
 * Takes the lock, unless the thread has it. Returns a mark, or a negative errno:
 * -EROFS, -E2BIG, or why the attachment is lost.
 */
int64_t lock_enter(struct shmfs_heap *h);
/* Ends the operation of @mark, which is undone where @r < 0. Returns @r. */
int lock_leave(struct shmfs_heap *h, int64_t mark, int r);

/* Takes the lock in order to read, unless the thread has it: 0, or a negative errno. */
int lock_hold(struct shmfs_heap *h);
void lock_release(struct shmfs_heap *h);

/* Names are about to change: readers without the lock will look again. */
void lock_naming(struct shmfs_heap *h);
/* Whether the thread has the lock. */
bool lock_is_mine(struct shmfs_heap *h);
