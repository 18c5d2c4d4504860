/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How much memory all pending files of one kind hold, and whose it is. The kernel bounds
 * segments by SHMMAX and SHMALL; what is to become one is held against the same limits.
 * Beyond that nobody but root may hold more of the machine's memory than he leaves for
 * others.
 */
#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

struct sysv_share;

/* What there is, in bytes. */
struct sysv_limits {
	uint64_t file;     /* one segment at the most */
	uint64_t segments; /* all that are still to be made */
	uint64_t memory;   /* all that the machine has */
};

struct sysv_budget {
	pthread_mutex_t lock;
	uint64_t taken;            /* bytes; protected by lock, as all below */
	struct sysv_share *shares; /* of each user, a hash */
	struct sysv_limits limits; /* as they were last */
	uint64_t until;            /* they serve, by CLOCK_MONOTONIC in nanoseconds */
};

void sysv_budget_init(struct sysv_budget *b);
/* What was taken need not have been given back. */
void sysv_budget_done(struct sysv_budget *b);

/*
 * Takes @n bytes for @uid, for a file that is @size bytes large then: -EFBIG above
 * SHMMAX, -ENOSPC above SHMALL or the share of @uid, -ENOMEM.
 */
int sysv_budget_take(struct sysv_budget *b, uid_t uid, uint64_t n, uint64_t size);
/* Takes what @uid had before, whatever the limits are now: 0 or -ENOMEM. */
int sysv_budget_force(struct sysv_budget *b, uid_t uid, uint64_t n);
void sysv_budget_give(struct sysv_budget *b, uid_t uid, uint64_t n);
