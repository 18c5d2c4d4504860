/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Making the segment of a pending file. All are called with its lock "making" held.
 */
#include "native/sysv-pending.h"

/*
 * Makes it, of @size bytes, with what was written: 0, or the errnos of shmget(2), and
 * -EIDRM where others removed it, or the name before. Then there is none.
 */
int sysv_make(struct sysv_pending *p, uint64_t size);
/*
 * Goes on with what a process began that has died: 0, also where that was nothing, or
 * -EIDRM where what was written went with it.
 */
int sysv_make_settle(struct sysv_pending *p);
/*
 * Takes a segment away again that closing has made, since more is written, and collects
 * what it has: -ENOSPC where its size was said, or somebody else has it, too.
 */
int sysv_make_again(struct sysv_pending *p);
/* What a process that died had begun of that ends: the segment gets its mode back. */
void sysv_make_reopen(const struct sysv_pending *p);
/* What a process began that has died goes. */
void sysv_make_give_up(struct sysv_pending *p);
