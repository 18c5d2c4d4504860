/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What is attached goes with the memory of the process that has attached it, and a
 * segment that was removed with its last attachment. So beside a daemon there is a
 * process that has the same memory, its anchor: the daemon's death leaves all attached
 * until the next one has attached it again.
 */
#include <sys/types.h>

/* The name of the process. */
#define ANCHOR_NAME "shmfs-anchor"

/*
 * Makes the anchor of this process, which has one thread, for as long as its parent
 * lives, that is, ours. It waits in reading from @fd, which nobody writes to. One for the
 * memory of each process.
 */
int anchor_new(int fd, pid_t *ret);
