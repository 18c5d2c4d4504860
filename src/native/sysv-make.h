/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Making the segment of a pending file, of its @size, by its @maker since @since. Both
 * are called with its lock held, and set its segment.
 */
#include "native/sysv-pending.h"

/* By this process: 0, or the errnos of shmget(2), and -EIDRM where others removed it. */
int sysv_make(struct sysv_pending *p, struct sysv_segments *segments);
/* By one that has died: 0, or a negative errno where it did not come so far. */
int sysv_make_begun(struct sysv_pending *p, struct sysv_segments *segments);
