/* SPDX-License-Identifier: MIT */
#ifndef SHMFS_BARRIER_H
#define SHMFS_BARRIER_H
/**
 * DOC: waiting for each other
 *
 * A barrier lies in a heap. Each of its participants does a part of some work and then
 * waits at the barrier, until all of them have come. Then all go on, and meet at the same
 * barrier again. One of them gets SHMFS_BARRIER_SERIAL, and does what must be done once.
 *
 * A participant is a thread of any process. One whose process dies while it waits is not
 * there any more: the others go on when somebody has come in its place, such as the same
 * program started anew. One that dies before it comes leaves the others waiting in the
 * same way. Who does not want to wait for ever uses shmfs_barrier_wait_until(), which
 * takes the caller back when the time comes.
 *
 * All go on together, or none: a process that dies in the moment in which the last
 * participant comes was there or was not, for all others alike. Where the last one itself
 * dies in that moment, the others go on within 100 ms, and nobody gets
 * SHMFS_BARRIER_SERIAL.
 *
 * A process that is stopped while it waits has come.
 *
 * A barrier has a lock, which each participant takes for a moment, and the last one for
 * as long as it asks whether the others are alive. Also shmfs_barrier_wait_until() waits
 * for this lock, however late it is.
 *
 * Free the memory of a barrier when shmfs_barrier_wait() has returned for all who have
 * come, and not when it has returned for one.
 *
 * The barrier has 4160 bytes, since each attachment counts its threads in a word of its
 * own.
 *
 * Threads: all functions may be called by any thread, on the same barrier as well.
 *
 * Processes: a child that fork(2) makes while a thread of its parent waits does not wait.
 *
 * Since: 0.2
 */
#include <stdint.h>

#include <shmfs/heap.h>

#ifdef __cplusplus
extern "C" {
#endif

struct timespec;

/* What one of the participants gets from shmfs_barrier_wait(). */
#define SHMFS_BARRIER_SERIAL 1

/**
 * struct shmfs_barrier - a barrier, all zeros at first but for @count
 * @lock:       as the lock of a heap in shmfs_heap(5)
 * @count:      its participants. The user sets it before its first use
 * @generation: how often all have come. It is the futex on which threads sleep
 * @counted:    the generation in which @shares were counted
 * @groups:     a bit for each group of @shares in which somebody may be counted
 * @unused:     0
 * @shares:     how many threads of each attachment wait
 *
 * It begins at a multiple of 8. At a multiple of 64 it is faster.
 *
 * Since: 0.2
 */
struct shmfs_barrier {
	uint32_t lock;
	uint32_t count;
	uint32_t generation;
	uint32_t counted;
	uint64_t groups;
	uint64_t unused[5];
	uint32_t shares[1024];
} __attribute__((aligned(8)));

/**
 * shmfs_barrier_wait() - wait until all have come
 * @heap:    an attachment that may write
 * @barrier: a barrier in that heap
 *
 * Threads: any. Cost: system calls; the last one to come makes one for each other
 * process, to see that it is alive.
 *
 * Return: SHMFS_BARRIER_SERIAL for one of the participants, 0 for the others, or a
 * negative errno:
 * -EINVAL  the barrier has no participants
 * -EAGAIN  16383 threads of the process wait
 * -EROFS   the attachment may only read
 *
 * Since: 0.2
 */
int shmfs_barrier_wait(struct shmfs_heap *heap, struct shmfs_barrier *barrier);

/**
 * shmfs_barrier_wait_until() - wait until all have come, or until a time
 * @heap:     an attachment that may write
 * @barrier:  a barrier in that heap
 * @clock:    CLOCK_MONOTONIC or CLOCK_REALTIME
 * @deadline: the time of that clock
 *
 * Threads, cost: as shmfs_barrier_wait().
 *
 * Return: as shmfs_barrier_wait(), and:
 * -ETIMEDOUT  the time came first, and the caller is not counted any more
 * -EINVAL     @clock is none of the above, or @deadline is no time
 *
 * Since: 0.2
 */
int shmfs_barrier_wait_until(struct shmfs_heap *heap, struct shmfs_barrier *barrier,
			     int clock, const struct timespec *deadline);

#ifdef __cplusplus
}
#endif

#endif
