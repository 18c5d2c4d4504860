/* SPDX-License-Identifier: MIT */
#ifndef SHMFS_WAIT_H
#define SHMFS_WAIT_H
/**
 * DOC: waiting for one of several
 *
 * A thread waits until one of several semaphores, queues and rings is ready, also of
 * several heaps: until there is a permit, a message, or room for one. It takes nothing by
 * that. So call shmfs_semaphore_try_wait(), shmfs_queue_try_receive() or whatever is
 * meant for what is ready, and wait again where that returns -EAGAIN, or -EBUSY of a
 * semaphore: another thread was faster. -EBUSY of a ring says that another attachment has
 * the side. Do not wait for that ring any more: it stays ready.
 *
 * Where several threads wait, each permit and each message wakes one that waits for it,
 * whether it waits for that alone or for several. A thread that was woken for more than
 * it returns with wakes others in its place. A wake-up that went to a process which was
 * killed goes to another that waits within 100 ms. A wait for a queue also ends where the
 * process died that had the lock of the queue, since a message may be there then.
 *
 * Linux 5.16 and later put a thread to sleep on all of them at once (futex_waitv(2)).
 * Elsewhere, and where a filter of system calls forbids that, the thread looks every 5
 * ms.
 *
 * Threads: all functions may be called by any thread, for the same semaphores, queues and
 * rings as well.
 *
 * Since: 0.2
 */
#include <stddef.h>

#include <shmfs/heap.h>
#include <shmfs/queue.h>
#include <shmfs/ring.h>
#include <shmfs/semaphore.h>

#ifdef __cplusplus
extern "C" {
#endif

struct timespec;

/* The most that a thread can wait for. */
#define SHMFS_WAIT_MOST 128u

/**
 * enum shmfs_wait_for - what a thread waits for
 * @SHMFS_WAIT_SEMAPHORE:     a permit of a semaphore
 * @SHMFS_WAIT_QUEUE_MESSAGE: a message in a queue
 * @SHMFS_WAIT_QUEUE_ROOM:    room in a queue
 * @SHMFS_WAIT_RING_MESSAGE:  a message in a ring
 * @SHMFS_WAIT_RING_ROOM:     room in a ring for a message of any size that it takes
 *
 * Since: 0.2
 */
enum shmfs_wait_for {
	SHMFS_WAIT_SEMAPHORE,
	SHMFS_WAIT_QUEUE_MESSAGE,
	SHMFS_WAIT_QUEUE_ROOM,
	SHMFS_WAIT_RING_MESSAGE,
	SHMFS_WAIT_RING_ROOM,
};

/**
 * struct shmfs_wait - one of those that a thread waits for
 * @heap:   an attachment that may write
 * @what:   what is waited for
 * @ready:  set by shmfs_wait_any(): 1 if it is there, else 0
 * @object: the semaphore, queue or ring in that heap, by @what
 *
 * Since: 0.2
 */
struct shmfs_wait {
	struct shmfs_heap *heap;
	enum shmfs_wait_for what;
	int ready;
	union {
		struct shmfs_semaphore *semaphore;
		struct shmfs_queue *queue;
		struct shmfs_ring *ring;
	} object;
};

/**
 * shmfs_wait_any() - wait until one of several is ready
 * @list: what to wait for
 * @n:    how many there are, 1 to SHMFS_WAIT_MOST
 *
 * Ownership: @list stays the caller's. Threads: any, each with a list of its own. Cost:
 * grows with @n; system calls where nothing is ready.
 *
 * Return: 0, and then at least one is ready; or a negative errno:
 * -EINVAL  @n is none of the above, or what is waited for is not
 * -EROFS   an attachment may only read
 *
 * Since: 0.2
 */
int shmfs_wait_any(struct shmfs_wait *list, size_t n);

/**
 * shmfs_wait_any_until() - wait until one of several is ready, or until a time
 * @list:     what to wait for
 * @n:        how many there are, 1 to SHMFS_WAIT_MOST
 * @clock:    CLOCK_MONOTONIC or CLOCK_REALTIME
 * @deadline: the time of that clock; one that is past: it only looks
 *
 * Ownership, threads, cost: as shmfs_wait_any().
 *
 * Return: 0, or a negative errno, as shmfs_wait_any(), and:
 * -ETIMEDOUT  the time came first
 * -EINVAL     likewise where @clock is none of the above, or @deadline is no time
 *
 * Since: 0.2
 */
int shmfs_wait_any_until(struct shmfs_wait *list, size_t n, int clock,
			 const struct timespec *deadline);

#ifdef __cplusplus
}
#endif

#endif
