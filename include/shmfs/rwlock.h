/* SPDX-License-Identifier: MIT */
#ifndef SHMFS_RWLOCK_H
#define SHMFS_RWLOCK_H
/**
 * DOC: readers and writers of several processes
 *
 * A read/write lock lies in a heap: in a named object, or in other memory of it. One that
 * is all zeros is free, so it needs no function that makes it. A thread holds it in one
 * of three ways. Any number of threads hold it shared, in order to read. One thread alone
 * holds it exclusively, in order to write. And one thread may hold it upgradable while
 * others hold it shared: it reads, and can become the one that writes, without anybody
 * writing in between.
 *
 * A process that dies does not take the lock with it. Its shared or upgradable ownership
 * is simply over, and a thread that waits for it to end goes on within 100 ms. Where it
 * held the lock exclusively, the next thread that locks it gets -EOWNERDEAD: the memory
 * which the lock protects may be half changed. That thread holds the lock exclusively,
 * whichever ownership it asked for, so that it may repair the memory. It calls
 * shmfs_rwlock_consistent(), and then unlocks the lock, or keeps what it asked for by
 * shmfs_rwlock_downgrade_to_shared() or shmfs_rwlock_downgrade_to_upgradable(). Where it
 * unlocks the lock without having called the first, everybody gets -ENOTRECOVERABLE for
 * ever. This holds also where the processes live in different containers.
 *
 * Neither readers nor writers wait for ever because of the others. When a writer waits
 * for readers to leave, those who come later wait. When it has unlocked the lock, the
 * readers that waited come before the next writer, unless they take more than 5 ms to
 * run, or that writer calls a function that does not wait. Among themselves, writers and
 * those who want the lock upgradable are in no order, as with a mutex. A thread that
 * holds the lock shared must give that back before it asks for more, or it may wait for
 * ever.
 *
 * Shared ownership belongs to the process: the threads that have it are counted, not
 * known. So another thread of the process may unlock it. A thread that ends while it
 * holds the lock holds it for as long as its process lives. A process that is stopped
 * while it holds the lock or waits for it holds the others up until it goes on.
 *
 * Free the memory of a lock when no thread is in one of these functions any more: a
 * reader that has given its share back may still look at the lock when another thread
 * holds it exclusively.
 *
 * The lock has 4160 bytes, since each attachment counts its readers in a word of its own:
 * 1024 attachments can share it, and readers of different processes do not slow each
 * other down. It is meant for what is large and mostly read. A mutex protects what is
 * small.
 *
 * Threads: all functions may be called by any thread, on the same lock as well.
 *
 * Processes: a lock that a thread holds when its process calls fork(2) is held by the
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

/**
 * struct shmfs_rwlock - a read/write lock, all zeros at first
 * @word:    0, or who holds it upgradable or exclusively, or waits for readers to leave:
 *           as the word of a mutex
 * @state:   0: open to readers; 1: closed, @word waits for readers to leave; 2: closed,
 *           @word holds it exclusively
 * @holder:  the thread that has @word: an owner (shmfs_heap(5)) in the upper 32 bits, and
 *           a number of the thread in its process
 * @readers: the event of an open lock
 * @writer:  the event of readers that leave
 * @groups:  a bit for each group of @shares in which somebody may be counted
 * @turn:    so many readers come before the next writer
 * @unused:  0
 * @shares:  how many threads of each attachment hold it shared
 *
 * It begins at a multiple of 8. At a multiple of 64 it is faster.
 *
 * Since: 0.2
 */
struct shmfs_rwlock {
	uint32_t word;
	uint32_t state;
	uint64_t holder;
	uint64_t readers;
	uint64_t writer;
	uint64_t groups;
	uint32_t turn;
	uint32_t unused[5];
	uint32_t shares[1024];
} __attribute__((aligned(8)));

/**
 * shmfs_rwlock_lock_shared() - wait for a lock, and hold it together with others
 * @heap: an attachment that may write
 * @lock: a lock in that heap
 *
 * Threads: any. Cost: some instructions where nobody writes or waits to write.
 *
 * Return: 0, or a negative errno. The thread holds the lock after 0 and -EOWNERDEAD:
 * -EOWNERDEAD       the process that held it exclusively died, and now the thread does:
 *                   repair what it protects
 * -ENOTRECOVERABLE  somebody has unlocked it without having repaired that
 * -EDEADLK          the thread holds it upgradable or exclusively
 * -EAGAIN           16383 threads of the process hold it shared
 * -EROFS            the attachment may only read
 *
 * Since: 0.2
 */
int shmfs_rwlock_lock_shared(struct shmfs_heap *heap, struct shmfs_rwlock *lock);

/**
 * shmfs_rwlock_try_lock_shared() - hold a lock together with others if that is possible
 * @heap: an attachment that may write
 * @lock: a lock in that heap
 *
 * Threads: any. Cost: some instructions where nobody writes or waits to write; else a
 * system call.
 *
 * Return: 0, or a negative errno, as shmfs_rwlock_lock_shared(), and:
 * -EBUSY  another thread holds it exclusively, or waits or tries to do so
 *
 * Since: 0.2
 */
int shmfs_rwlock_try_lock_shared(struct shmfs_heap *heap, struct shmfs_rwlock *lock);

/**
 * shmfs_rwlock_lock_shared_until() - wait for a lock until a time, and share it
 * @heap:     an attachment that may write
 * @lock:     a lock in that heap
 * @clock:    CLOCK_MONOTONIC or CLOCK_REALTIME
 * @deadline: the time of that clock
 *
 * Threads: any. Cost: as shmfs_rwlock_lock_shared().
 *
 * Return: 0, or a negative errno, as shmfs_rwlock_lock_shared(), and:
 * -ETIMEDOUT  the time came first
 * -EINVAL     @clock is none of the above, or @deadline is no time
 *
 * Since: 0.2
 */
int shmfs_rwlock_lock_shared_until(struct shmfs_heap *heap, struct shmfs_rwlock *lock,
				   int clock, const struct timespec *deadline);

/**
 * shmfs_rwlock_lock_exclusive() - wait for a lock, and hold it alone
 * @heap: an attachment that may write
 * @lock: a lock in that heap
 *
 * Threads: any. Cost: some instructions where the lock is free.
 *
 * Return: 0, or a negative errno. The thread holds the lock after 0 and -EOWNERDEAD:
 * -EOWNERDEAD       the process that held it exclusively died: repair what it protects
 * -ENOTRECOVERABLE  somebody has unlocked it without having repaired that
 * -EDEADLK          the thread holds it upgradable or exclusively
 * -EROFS            the attachment may only read
 *
 * Since: 0.2
 */
int shmfs_rwlock_lock_exclusive(struct shmfs_heap *heap, struct shmfs_rwlock *lock);

/**
 * shmfs_rwlock_try_lock_exclusive() - hold a lock alone if that is possible at once
 * @heap: an attachment that may write
 * @lock: a lock in that heap
 *
 * Threads: any. Cost: some instructions where the lock is free; else a system call for
 * each process that holds it.
 *
 * Return: 0, or a negative errno, as shmfs_rwlock_lock_exclusive(), and:
 * -EBUSY  another thread holds it
 *
 * Since: 0.2
 */
int shmfs_rwlock_try_lock_exclusive(struct shmfs_heap *heap, struct shmfs_rwlock *lock);

/**
 * shmfs_rwlock_lock_exclusive_until() - wait for a lock until a time, and hold it alone
 * @heap:     an attachment that may write
 * @lock:     a lock in that heap
 * @clock:    CLOCK_MONOTONIC or CLOCK_REALTIME
 * @deadline: the time of that clock
 *
 * Threads: any. Cost: as shmfs_rwlock_lock_exclusive().
 *
 * Return: 0, or a negative errno, as shmfs_rwlock_lock_exclusive(), and:
 * -ETIMEDOUT  the time came first
 * -EINVAL     @clock is none of the above, or @deadline is no time
 *
 * Since: 0.2
 */
int shmfs_rwlock_lock_exclusive_until(struct shmfs_heap *heap, struct shmfs_rwlock *lock,
				      int clock, const struct timespec *deadline);

/**
 * shmfs_rwlock_lock_upgradable() - wait for a lock, and hold it in order to read and
 * perhaps write
 * @heap: an attachment that may write
 * @lock: a lock in that heap
 *
 * Others may hold it shared, before and meanwhile.
 *
 * Threads: any. Cost: some instructions where nobody holds it upgradable or exclusively.
 *
 * Return: 0, or a negative errno. The thread holds the lock after 0 and -EOWNERDEAD:
 * -EOWNERDEAD       the process that held it exclusively died, and now the thread does:
 *                   repair what it protects
 * -ENOTRECOVERABLE  somebody has unlocked it without having repaired that
 * -EDEADLK          the thread holds it upgradable or exclusively
 * -EROFS            the attachment may only read
 *
 * Since: 0.2
 */
int shmfs_rwlock_lock_upgradable(struct shmfs_heap *heap, struct shmfs_rwlock *lock);

/**
 * shmfs_rwlock_try_lock_upgradable() - hold a lock upgradable if that is possible at once
 * @heap: an attachment that may write
 * @lock: a lock in that heap
 *
 * Threads: any. Cost: some instructions where nobody holds it upgradable or exclusively;
 * else a system call.
 *
 * Return: 0, or a negative errno, as shmfs_rwlock_lock_upgradable(), and:
 * -EBUSY  another thread holds it upgradable or exclusively, or waits to hold it alone,
 *         or is taking over from one that did
 *
 * Since: 0.2
 */
int shmfs_rwlock_try_lock_upgradable(struct shmfs_heap *heap, struct shmfs_rwlock *lock);

/**
 * shmfs_rwlock_lock_upgradable_until() - wait until a time to hold a lock upgradable
 * @heap:     an attachment that may write
 * @lock:     a lock in that heap
 * @clock:    CLOCK_MONOTONIC or CLOCK_REALTIME
 * @deadline: the time of that clock
 *
 * Threads: any. Cost: as shmfs_rwlock_lock_upgradable().
 *
 * Return: 0, or a negative errno, as shmfs_rwlock_lock_upgradable(), and:
 * -ETIMEDOUT  the time came first
 * -EINVAL     @clock is none of the above, or @deadline is no time
 *
 * Since: 0.2
 */
int shmfs_rwlock_lock_upgradable_until(struct shmfs_heap *heap, struct shmfs_rwlock *lock,
				       int clock, const struct timespec *deadline);

/**
 * shmfs_rwlock_upgrade() - wait until readers have left, and hold a lock alone
 * @heap: the attachment with which it was locked
 * @lock: the lock
 *
 * Nobody writes in between.
 *
 * Threads: the one that holds it upgradable. Cost: some instructions where nobody holds
 * it shared.
 *
 * Return: 0, or a negative errno:
 * -EPERM  the thread does not hold it upgradable
 *
 * Since: 0.2
 */
int shmfs_rwlock_upgrade(struct shmfs_heap *heap, struct shmfs_rwlock *lock);

/**
 * shmfs_rwlock_try_upgrade() - hold a lock alone if nobody shares it
 * @heap: the attachment with which it was locked
 * @lock: the lock
 *
 * Threads: the one that holds it upgradable. Cost: some instructions where nobody holds
 * it shared; else a system call for each process that does.
 *
 * Return: 0, or a negative errno, and then the thread holds it as before:
 * -EBUSY  another thread holds it shared
 * -EPERM  the thread does not hold it upgradable
 *
 * Since: 0.2
 */
int shmfs_rwlock_try_upgrade(struct shmfs_heap *heap, struct shmfs_rwlock *lock);

/**
 * shmfs_rwlock_upgrade_until() - wait until a time for readers to leave
 * @heap:     the attachment with which it was locked
 * @lock:     the lock
 * @clock:    CLOCK_MONOTONIC or CLOCK_REALTIME
 * @deadline: the time of that clock
 *
 * Threads, cost: as shmfs_rwlock_upgrade().
 *
 * Return: 0, or a negative errno, and then the thread holds it as before:
 * -ETIMEDOUT  the time came first
 * -EPERM      the thread does not hold it upgradable
 * -EINVAL     @clock is none of the above, or @deadline is no time
 *
 * Since: 0.2
 */
int shmfs_rwlock_upgrade_until(struct shmfs_heap *heap, struct shmfs_rwlock *lock,
			       int clock, const struct timespec *deadline);

/**
 * shmfs_rwlock_downgrade_to_upgradable() - let others share a lock that was held alone
 * @heap: the attachment with which it was locked
 * @lock: the lock
 *
 * It does not wait.
 *
 * Threads: the one that holds it exclusively. Cost: some instructions; a system call
 * where another thread waits.
 *
 * Return: 0, or a negative errno, and then the thread holds it as before:
 * -EPERM       the thread does not hold it exclusively
 * -EOWNERDEAD  what a dead process left is not repaired: see shmfs_rwlock_consistent()
 *
 * Since: 0.2
 */
int shmfs_rwlock_downgrade_to_upgradable(struct shmfs_heap *heap,
					 struct shmfs_rwlock *lock);

/**
 * shmfs_rwlock_downgrade_to_shared() - keep no more than a share of a lock
 * @heap: the attachment with which it was locked
 * @lock: the lock
 *
 * It does not wait, and nobody writes in between.
 *
 * Threads: the one that holds it exclusively or upgradable. Cost: some instructions; a
 * system call where another thread waits.
 *
 * Return: 0, or a negative errno, and then the thread holds it as before:
 * -EPERM       the thread holds it neither exclusively nor upgradable
 * -EOWNERDEAD  what a dead process left is not repaired: see shmfs_rwlock_consistent()
 * -EAGAIN      16383 threads of the process hold it shared
 *
 * Since: 0.2
 */
int shmfs_rwlock_downgrade_to_shared(struct shmfs_heap *heap, struct shmfs_rwlock *lock);

/**
 * shmfs_rwlock_unlock() - give a lock back, however it is held
 * @heap: the attachment with which it was locked
 * @lock: the lock
 *
 * Threads: the one that holds it; of shared ownership, any of its process. Cost: some
 * instructions; a system call where another thread waits.
 *
 * Return: 0, or a negative errno:
 * -EPERM  neither the thread holds it exclusively or upgradable, nor its process shared
 *
 * Since: 0.2
 */
int shmfs_rwlock_unlock(struct shmfs_heap *heap, struct shmfs_rwlock *lock);

/**
 * shmfs_rwlock_consistent() - tell that a lock's memory is repaired
 * @heap: the attachment with which it was locked
 * @lock: the lock
 *
 * Call it after -EOWNERDEAD, before the lock is unlocked. The thread holds it exclusively
 * after that as well.
 *
 * Threads: the one that holds it. Cost: some instructions.
 *
 * Return: 0, or a negative errno:
 * -EPERM   the thread does not hold it exclusively or upgradable
 * -EINVAL  there is nothing to repair
 *
 * Since: 0.2
 */
int shmfs_rwlock_consistent(struct shmfs_heap *heap, struct shmfs_rwlock *lock);

#ifdef __cplusplus
}
#endif

#endif
