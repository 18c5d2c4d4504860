/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Attachments that may write, and whether their processes live. The kernel knows: it
 * releases the lock of a slot's byte when the process dies, in whatever container.
 */
#include "lib/heap/heap.h"

/* Takes a slot for @h, whose descriptor no other process shares: -EAGAIN where none is
 * free. */
int slot_take(struct shmfs_heap *h);
void slot_give(struct shmfs_heap *h);
/* Whether the attachment @owner, which may be ours, is there. */
bool slot_is_alive(struct shmfs_heap *h, uint32_t owner);
/* Attachments that are alive, ours too. */
unsigned int slot_count(struct shmfs_heap *h);
