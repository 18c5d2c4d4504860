/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What was written to a pending file. It lies in a memfd: memory that grows, that is
 * charged to the daemon's memory control group, as what the daemon writes to a segment
 * is, and whose descriptor outlives the daemon. sysv-budget.h bounds it.
 *
 * Whoever calls these has excluded all others, but from reading @size and @used.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "native/sysv-budget.h"
#include "native/sysv-segment.h"

struct sysv_collected {
	struct sysv_budget *budget;
	uid_t user;                /* whose memory it counts as */
	int fd;                    /* -1: nothing was written */
	uint64_t charged;          /* bytes of @budget */
	bool poured;               /* some of it is in the segment, and no longer here */
	int failed;                /* a part was refused with this; 0: none */
	atomic_uint_fast64_t size; /* bytes that a file of it has */
	atomic_uint_fast64_t used; /* bytes of memory that it takes */
};

void sysv_collected_init(struct sysv_collected *c, struct sysv_budget *b, uid_t user);
/* Takes over what a process that died has left; where that fails it counts as poured. */
void sysv_collected_adopt(struct sysv_collected *c, int fd, bool poured);
/* Nothing was written. */
void sysv_collected_drop(struct sysv_collected *c);

/*
 * As of a file. Where writing is refused, for the errnos of sysv_budget_take() and
 * memfd_create(2), no segment should be made of the rest, so that stays known.
 */
ssize_t sysv_collected_read(const struct sysv_collected *c, void *buf, size_t n,
			    uint64_t offset);
ssize_t sysv_collected_write(struct sysv_collected *c, const void *buf, size_t n,
			     uint64_t offset);
int64_t sysv_collected_seek(const struct sysv_collected *c, int64_t offset, int whence);

/* Nothing was written so far: what @segment has was, without its holes. */
int sysv_collected_copy(struct sysv_collected *c, struct sysv_segment *segment);

/*
 * Moves it into @segment, as far as that is large enough. What has moved takes no memory
 * here, so that all of it never takes memory twice; and to repeat what was interrupted
 * moves the rest.
 */
int sysv_collected_pour(struct sysv_collected *c, struct sysv_segment *segment);
