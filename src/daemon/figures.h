/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a session has done so far, for who wants to know how it is used: requests by kind,
 * and how long they took from being read to being served. A request that waits for a lock
 * is served when it begins to wait.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "fs/tree.h"

#define FIGURES_REQUESTS 64 /* kinds of request: numbers of linux/fuse.h */
#define FIGURES_TIMES    24 /* powers of two of microseconds, the last without an end */

struct figures {
	uint64_t since;                          /* of clock_ns() */
	atomic_ulong requests[FIGURES_REQUESTS]; /* 0: of a kind that we do not know */
	atomic_ulong times[FIGURES_TIMES];
};

void figures_init(struct figures *f);
/* One more @request, a number of linux/fuse.h, that took @ns nanoseconds. */
void figures_count(struct figures *f, uint32_t request, uint64_t ns);
/* Says them in some lines of the log. @status is what is presented where, and how. */
void figures_log(const struct figures *f, const struct tree *tree, const char *status);
