/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What only /proc/sysvipc/shm tells, for all segments at once: how much memory each
 * takes, and when they were others. Where there are many, who asks for one after the
 * other shall not have all of them read each time: what was read serves for as long again
 * as reading it took.
 */
#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "native/sysv-table.h"

struct sysv_usage {
	pthread_mutex_t lock;
	struct sysv_table *table; /* protected by lock, as all below */
	uint64_t until;           /* it serves, by CLOCK_MONOTONIC in nanoseconds */
	uint32_t seen;            /* a hash of which segments there were */
	struct timespec changed;  /* when that was another */
};

void sysv_usage_init(struct sysv_usage *u);
void sysv_usage_done(struct sysv_usage *u);

/*
 * What was read last, however long ago, or 0: nothing is read. Both together, in bytes.
 */
uint64_t sysv_usage_last(struct sysv_usage *u, int id);

/*
 * When segments came or went last, as far as anybody looked: nothing tells of it by
 * itself. At first it is when @u was made. 0 or a negative errno.
 */
int sysv_usage_changed(struct sysv_usage *u, struct timespec *ret);

/* Both in bytes, and 0 for a segment that is not there. 0 or a negative errno. */
int sysv_usage_get(struct sysv_usage *u, int id, uint64_t *ret_rss, uint64_t *ret_swap);
