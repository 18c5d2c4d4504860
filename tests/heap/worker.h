/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Changes a heap at random until the process is killed, and checks afterwards whether all
 * of it is whole.
 */
#include "heap/fixture.h"

#define WORKER_PLACES 64 /* of all */
#define WORKER_MOST   8  /* workers, each of which has a place of its own behind them */
#define WORKER_NAMES  96
#define WORKER_STEPS  10

/* Memory that says of itself what it is. */
struct worker_memory {
	uint64_t size;
	uint64_t place;
	uint64_t check;
	unsigned char fill[];
};

struct worker_table {
	/* Each transaction moves some from one account to another: the sum stays. */
	uint64_t account[16];
	shmfs_offset_t place[WORKER_PLACES + WORKER_MOST];
};

#define WORKER_SUM UINT64_C(1600)

struct worker {
	struct shmfs_heap *heap; /* its own attachment */
	unsigned int who; /* less than WORKER_MOST; nobody else is at the same time */
	unsigned int seed;
};

/* Makes the table, which is the root of @heap. */
void worker_prepare(struct shmfs_heap *heap);

/* Attaches to the heap and goes on for ever. */
void worker_run(unsigned int who, unsigned int seed);

/* One operation, of WORKER_STEPS sorts: which is any number. */
void worker_step(struct worker *w, unsigned int which);

/*
 * Fails the test where anything is broken, half done, or lost. Names that are no worker's
 * are counted only.
 */
void worker_verify(struct shmfs_heap *heap);
