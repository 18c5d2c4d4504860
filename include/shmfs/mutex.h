/* SPDX-License-Identifier: MIT */
#ifndef SHMFS_MUTEX_H
#define SHMFS_MUTEX_H
/**
 * DOC: mutual exclusion between processes
 *
 * A mutex lies in a heap: in a named object, or in other memory of it. A mutex that
 * is all zeros is free, so it needs no function that makes it. A thread that has locked
 * it holds it until it unlocks it.
 *
 * A process that dies does not take the mutex with it. The next thread that locks it gets
 * it, and -EOWNERDEAD says that the memory which it protects may be half changed. That
 * thread repairs what must be repaired and calls shmfs_mutex_consistent(). Where it
 * unlocks the mutex without that, nobody can repair the memory any more, and everybody
 * who locks the mutex gets -ENOTRECOVERABLE for ever. This is how a robust mutex of POSIX
 * behaves (pthread_mutexattr_setrobust(3)), but it also holds where the processes live in
 * different containers.
 *
 * A thread that waits for a mutex learns of the death of its holder within 100 ms. A
 * thread that ends while it holds a mutex stays its holder for as long as its process
 * lives. So does a process that is stopped.
 *
 * Threads: all functions may be called by any thread, on the same mutex as well.
 *
 * Processes: a mutex that a thread holds when its process calls fork(2) is held by the
 * parent, and not by the child.
 *
 * Since: 0.2
 */
#include <stdint.h>

#include <shmfs/heap.h>

#ifdef __cplusplus
extern "C" {
#endif

struct timespec;

/* A thread may lock the mutex again while it holds it, and unlocks it as often. */
#define SHMFS_MUTEX_RECURSIVE 1u

/**
 * struct shmfs_mutex - a mutex, all zeros at first
 * @word:   0, or who has it: as the lock of a heap in shmfs_heap(5). Bit 30: its last
 * holder died, and nobody has repaired what it protects. All bits: nobody can
 * @flags:  0 or SHMFS_MUTEX_RECURSIVE. The user sets it before its first use
 * @holder: the thread that holds it: an owner (shmfs_heap(5)) in the upper 32 bits, and a
 *          number of the thread in its process
 * @depth:  how often the holder has locked it again
 * @deaths: how many of its holders died
 *
 * Only @flags is the user's. The mutex begins at a multiple of 8.
 *
 * Since: 0.2
 */
struct shmfs_mutex {
	uint32_t word;
	uint32_t flags;
	uint64_t holder;
	uint32_t depth;
	uint32_t deaths;
} __attribute__((aligned(8)));

/**
 * shmfs_mutex_lock() - wait for a mutex, and hold it
 * @heap:  an attachment that may write
 * @mutex: a mutex in that heap
 *
 * Threads: any. Cost: some instructions where the mutex is free.
 *
 * Return: 0, or a negative errno. The thread holds the mutex after 0 and -EOWNERDEAD:
 * -EOWNERDEAD       the process that held it died: repair what it protects
 * -ENOTRECOVERABLE  somebody has unlocked it without having repaired that
 * -EDEADLK          the thread holds it already, and it is not recursive
 * -EAGAIN           the thread has locked it 4294967295 times
 * -EROFS            the attachment may only read
 *
 * Since: 0.2
 */
int shmfs_mutex_lock(struct shmfs_heap *heap, struct shmfs_mutex *mutex);

/**
 * shmfs_mutex_try_lock() - hold a mutex if that is possible at once
 * @heap:  an attachment that may write
 * @mutex: a mutex in that heap
 *
 * Threads: any. Cost: some instructions where the mutex is free; a system call where
 * another process holds it.
 *
 * Return: 0, or a negative errno, as shmfs_mutex_lock(), and:
 * -EBUSY  another thread holds it
 *
 * Since: 0.2
 */
int shmfs_mutex_try_lock(struct shmfs_heap *heap, struct shmfs_mutex *mutex);

/**
 * shmfs_mutex_lock_until() - wait for a mutex until a time, and hold it
 * @heap:     an attachment that may write
 * @mutex:    a mutex in that heap
 * @clock:    CLOCK_MONOTONIC or CLOCK_REALTIME
 * @deadline: the time of that clock
 *
 * Threads: any. Cost: as shmfs_mutex_lock().
 *
 * Return: 0, or a negative errno, as shmfs_mutex_lock(), and:
 * -ETIMEDOUT  the time came first
 * -EINVAL     @clock is none of the above, or @deadline is no time
 *
 * Since: 0.2
 */
int shmfs_mutex_lock_until(struct shmfs_heap *heap, struct shmfs_mutex *mutex, int clock,
			   const struct timespec *deadline);

/**
 * shmfs_mutex_unlock() - give a mutex back
 * @heap:  the attachment with which it was locked
 * @mutex: the mutex
 *
 * Threads: the one that holds it. Cost: some instructions; a system call where another
 * thread waits.
 *
 * Return: 0, or a negative errno:
 * -EPERM  the thread does not hold it
 *
 * Since: 0.2
 */
int shmfs_mutex_unlock(struct shmfs_heap *heap, struct shmfs_mutex *mutex);

/**
 * shmfs_mutex_consistent() - tell that a mutex's memory is repaired
 * @heap:  the attachment with which it was locked
 * @mutex: the mutex
 *
 * Call it after -EOWNERDEAD, before the mutex is unlocked.
 *
 * Threads: the one that holds it. Cost: some instructions.
 *
 * Return: 0, or a negative errno:
 * -EPERM   the thread does not hold it
 * -EINVAL  there is nothing to repair
 *
 * Since: 0.2
 */
int shmfs_mutex_consistent(struct shmfs_heap *heap, struct shmfs_mutex *mutex);

#ifdef __cplusplus
}
#endif

#endif
