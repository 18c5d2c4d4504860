/* SPDX-License-Identifier: MIT */
#ifndef SHMFS_CONDITION_H
#define SHMFS_CONDITION_H
/**
 * DOC: waiting for what other processes do
 *
 * A condition lies in a heap, beside a mutex. A thread that holds the mutex and finds
 * that it has nothing to do waits on the condition, which unlocks the mutex meanwhile. A
 * thread that has changed something signals it. A condition that is all zeros is
 * ready.
 *
 * A wait can end without a signal. So look in a loop whether what was waited for is
 * there.
 *
 * Signal while you hold the mutex. Then no death can lose a signal: a process that dies
 * between a change and its signal dies as the holder of the mutex. The waits of all end
 * within 100 ms, and one thread learns of the death by -EOWNERDEAD: of those who wait, or
 * whoever locks the mutex before them. A signal that went to a process which was killed
 * at that moment goes to the others within 100 ms.
 *
 * Threads: all functions may be called by any thread, on the same condition as well.
 *
 * Since: 0.2
 */
#include <stdint.h>

#include <shmfs/heap.h>
#include <shmfs/mutex.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct shmfs_condition - a condition, all zeros at first
 * @event: the 32 bits at the lower address count signals, and are the futex on which
 *         threads sleep. The others count the threads that wait, or more after deaths
 *
 * Since: 0.2
 */
struct shmfs_condition {
	uint64_t event;
} __attribute__((aligned(8)));

/**
 * shmfs_condition_wait() - unlock a mutex, wait for a signal, and lock it again
 * @heap:      an attachment that may write
 * @condition: a condition in that heap
 * @mutex:     a mutex that the thread holds, also a recursive one that it has locked
 *             several times
 *
 * Threads: that which holds the mutex. Cost: system calls.
 *
 * Return: 0, or a negative errno. The thread holds the mutex in any case, but for the
 * last three:
 * -EOWNERDEAD       a process that held the mutex died: repair what it protects
 * -ENOTRECOVERABLE  somebody has unlocked the mutex without having repaired that
 * -EPERM            the thread does not hold the mutex
 * -EROFS            the attachment may only read
 *
 * Since: 0.2
 */
int shmfs_condition_wait(struct shmfs_heap *heap, struct shmfs_condition *condition,
			 struct shmfs_mutex *mutex);

/**
 * shmfs_condition_wait_until() - wait for a signal until a time
 * @heap:      an attachment that may write
 * @condition: a condition in that heap
 * @mutex:     a mutex that the thread holds
 * @clock:     CLOCK_MONOTONIC or CLOCK_REALTIME
 * @deadline:  the time of that clock
 *
 * Threads, cost: as shmfs_condition_wait(). After the deadline it still waits for the
 * mutex.
 *
 * Return: 0, or a negative errno, as shmfs_condition_wait(), and:
 * -ETIMEDOUT  the time came first; the thread holds the mutex
 * -EINVAL     @clock is none of the above, or @deadline is no time
 *
 * Since: 0.2
 */
int shmfs_condition_wait_until(struct shmfs_heap *heap, struct shmfs_condition *condition,
			       struct shmfs_mutex *mutex, int clock,
			       const struct timespec *deadline);

/**
 * shmfs_condition_signal() - wake one thread that waits
 * @heap:      an attachment that may write
 * @condition: a condition in that heap
 *
 * Threads: any, with the mutex or without it. Cost: some instructions where nobody waits;
 * else a system call.
 *
 * Return: 0, or a negative errno:
 * -EROFS  the attachment may only read
 *
 * Since: 0.2
 */
int shmfs_condition_signal(struct shmfs_heap *heap, struct shmfs_condition *condition);

/**
 * shmfs_condition_broadcast() - wake all threads that wait
 * @heap:      an attachment that may write
 * @condition: a condition in that heap
 *
 * Threads, cost: as shmfs_condition_signal().
 *
 * Return: 0, or a negative errno:
 * -EROFS  the attachment may only read
 *
 * Since: 0.2
 */
int shmfs_condition_broadcast(struct shmfs_heap *heap, struct shmfs_condition *condition);

#ifdef __cplusplus
}
#endif

#endif
