/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How many descriptors callers may make us keep, with what they open and lock. The rest
 * of the process's is for requests, so that these work also where no file can be opened
 * any more.
 */
#include <errno.h>
#include <stdatomic.h>

struct quota {
	atomic_uint taken;
	unsigned int max; /* 0: as many as there are */
};

/* Returns 0, or -ENFILE. */
static inline int quota_take(struct quota *q)
{
	if (atomic_fetch_add(&q->taken, 1) < q->max || q->max == 0)
		return 0;
	atomic_fetch_sub(&q->taken, 1);
	return -ENFILE;
}

static inline void quota_give(struct quota *q)
{
	atomic_fetch_sub(&q->taken, 1);
}
