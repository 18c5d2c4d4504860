/* SPDX-License-Identifier: MIT */
#ifndef SHMFS_FILELOCK_H
#define SHMFS_FILELOCK_H
/**
 * DOC: locking a file
 *
 * A lock of a file keeps processes out of each other's way that use the same object or
 * any other file, without anything in its memory: one has it exclusively, or any number
 * share it. It is for whoever asks for it, and keeps nobody from reading and writing.
 *
 * The lock belongs to the open file description behind the descriptor (F_OFD_SETLK,
 * fcntl(2)), and covers the whole file. Each shmfs_object_open() and each open(2) makes a
 * description. The kernel frees the lock when the last descriptor of the description is
 * closed and the last region that was mapped by one is unmapped, so at the latest when
 * all processes that have either have died. Unlock it before you close an object whose
 * regions stay. It conflicts with the record locks of fcntl(2), and so with the file
 * locks of Boost.Interprocess, but not with flock(2).
 *
 * Descriptors that dup(2) or fork(2) has copied share a lock: parent and child do not
 * exclude each other, each of them can unlock it, and it lives until both have closed and
 * unmapped the file or died. Open the file again where they must exclude each other. The
 * same holds for the threads of a process.
 *
 * A description that has the lock can ask for the other mode. Two that share the lock and
 * both wait to have it exclusively wait for ever; the kernel does not notice that.
 *
 * Do not lock the file of a heap: its attachments have locks of their own there.
 *
 * Threads: all functions may be called by any thread, on the same descriptor as well.
 *
 * Since: 0.2
 */

#ifdef __cplusplus
extern "C" {
#endif

struct timespec;

/**
 * enum shmfs_filelock_mode - how a lock is had
 * @SHMFS_FILELOCK_SHARED:    with others; the descriptor is open for reading
 * @SHMFS_FILELOCK_EXCLUSIVE: alone; the descriptor is open for writing
 *
 * Since: 0.2
 */
enum shmfs_filelock_mode {
	SHMFS_FILELOCK_SHARED,
	SHMFS_FILELOCK_EXCLUSIVE,
};

/**
 * shmfs_filelock_lock() - wait for a lock, and have it
 * @fd:   a descriptor of the file, such as that of shmfs_object_fd()
 * @mode: how to have it
 *
 * Interrupting signals do not end it early. Threads: any. Cost: a system call.
 *
 * Return: 0, or a negative errno, and then it has what it had:
 * -EBADF   @fd is not open, or not open for what @mode takes
 * -EINVAL  @mode is none of the above, or the file cannot be locked
 * -ENOLCK  no memory for locks
 *
 * Since: 0.2
 */
int shmfs_filelock_lock(int fd, enum shmfs_filelock_mode mode);

/**
 * shmfs_filelock_try_lock() - have a lock if that is possible at once
 * @fd:   a descriptor of the file
 * @mode: how to have it
 *
 * Threads, cost: as shmfs_filelock_lock().
 *
 * Return: 0, or a negative errno, as shmfs_filelock_lock(), and:
 * -EBUSY  another has it
 *
 * Since: 0.2
 */
int shmfs_filelock_try_lock(int fd, enum shmfs_filelock_mode mode);

/**
 * shmfs_filelock_lock_until() - wait for a lock until a time, and have it
 * @fd:       a descriptor of the file
 * @mode:     how to have it
 * @clock:    CLOCK_MONOTONIC or CLOCK_REALTIME
 * @deadline: the time of that clock
 *
 * The kernel has no wait for such a lock that ends at a time. So the thread asks again
 * after naps, which grow from 0.1 to 10 ms: it has the lock up to 10 ms after that is
 * free, and those who wait by shmfs_filelock_lock() come before it.
 *
 * Threads: any. Cost: a system call; two for each nap.
 *
 * Return: 0, or a negative errno, as shmfs_filelock_lock(), and:
 * -ETIMEDOUT  the time came first
 * -EINVAL     likewise where @clock is none of the above, or @deadline is no time
 *
 * Since: 0.2
 */
int shmfs_filelock_lock_until(int fd, enum shmfs_filelock_mode mode, int clock,
			      const struct timespec *deadline);

/**
 * shmfs_filelock_unlock() - give a lock back
 * @fd: a descriptor of the file
 *
 * Where there is no lock it does nothing.
 *
 * Threads: any. Cost: a system call.
 *
 * Return: 0, or a negative errno:
 * -EBADF  @fd is not open
 *
 * Since: 0.2
 */
int shmfs_filelock_unlock(int fd);

#ifdef __cplusplus
}
#endif

#endif
