/* SPDX-License-Identifier: MIT */
#ifndef SHMFS_SEMAPHORE_H
#define SHMFS_SEMAPHORE_H
/**
 * DOC: counting permits between processes
 *
 * A semaphore lies in a heap and has a number of permits. A thread waits until there is
 * one and takes it; whoever posts adds one. A semaphore that is all zeros has
 * none.
 *
 * Nobody owns a permit. A process that dies after it took one and before it posts has
 * lost it for all. Where that must not be, use a mutex, whose holder is known. A process
 * that dies while it waits takes none, and a wake-up that went to it goes to another that
 * waits within 100 ms.
 *
 * Threads: all functions may be called by any thread, on the same semaphore as well.
 *
 * Since: 0.2
 */
#include <stdint.h>

#include <shmfs/heap.h>

#ifdef __cplusplus
extern "C" {
#endif

struct timespec;

/* The most permits of a semaphore. */
#define SHMFS_SEMAPHORE_MAX 2147483647u

/**
 * struct shmfs_semaphore - a semaphore, all zeros at first
 * @event:  the 32 bits at the lower address are the futex on which threads sleep; the
 *          others count those that wait, or more after deaths
 * @value:  its permits. The user may set it before its first use
 * @unused: 0
 *
 * Since: 0.2
 */
struct shmfs_semaphore {
	uint64_t event;
	uint32_t value;
	uint32_t unused;
} __attribute__((aligned(8)));

/**
 * shmfs_semaphore_post() - add a permit
 * @heap:      an attachment that may write
 * @semaphore: a semaphore in that heap
 *
 * Threads: any. Cost: some instructions where nobody waits; else a system call.
 *
 * Return: 0, or a negative errno, and then nothing is added:
 * -EOVERFLOW  it has SHMFS_SEMAPHORE_MAX permits
 * -EROFS      the attachment may only read
 *
 * Since: 0.2
 */
int shmfs_semaphore_post(struct shmfs_heap *heap, struct shmfs_semaphore *semaphore);

/**
 * shmfs_semaphore_wait() - wait for a permit, and take it
 * @heap:      an attachment that may write
 * @semaphore: a semaphore in that heap
 *
 * Threads: any. Cost: some instructions where there is a permit.
 *
 * Return: 0, or a negative errno:
 * -EROFS  the attachment may only read
 *
 * Since: 0.2
 */
int shmfs_semaphore_wait(struct shmfs_heap *heap, struct shmfs_semaphore *semaphore);

/**
 * shmfs_semaphore_try_wait() - take a permit if there is one
 * @heap:      an attachment that may write
 * @semaphore: a semaphore in that heap
 *
 * Threads: any. Cost: some instructions.
 *
 * Return: 0, or a negative errno:
 * -EBUSY  there is none
 * -EROFS  the attachment may only read
 *
 * Since: 0.2
 */
int shmfs_semaphore_try_wait(struct shmfs_heap *heap, struct shmfs_semaphore *semaphore);

/**
 * shmfs_semaphore_wait_until() - wait for a permit until a time, and take it
 * @heap:      an attachment that may write
 * @semaphore: a semaphore in that heap
 * @clock:     CLOCK_MONOTONIC or CLOCK_REALTIME
 * @deadline:  the time of that clock
 *
 * Threads, cost: as shmfs_semaphore_wait().
 *
 * Return: 0, or a negative errno:
 * -ETIMEDOUT  the time came first
 * -EINVAL     @clock is none of the above, or @deadline is no time
 * -EROFS      the attachment may only read
 *
 * Since: 0.2
 */
int shmfs_semaphore_wait_until(struct shmfs_heap *heap, struct shmfs_semaphore *semaphore,
			       int clock, const struct timespec *deadline);

/**
 * shmfs_semaphore_value() - how many permits there are
 * @semaphore: a semaphore
 *
 * Threads: any. Others may change it at any moment. Cost: a load.
 *
 * Return: the number.
 *
 * Since: 0.2
 */
uint32_t shmfs_semaphore_value(const struct shmfs_semaphore *semaphore);

#ifdef __cplusplus
}
#endif

#endif
