/* SPDX-License-Identifier: MIT */
#ifndef SHMFS_ONCE_H
#define SHMFS_ONCE_H
/**
 * DOC: doing something once for all processes
 *
 * A once lies in a heap and stands for a task that is done by one thread of one process,
 * such as making shared memory ready. The first thread that asks does the task; all
 * others wait until it is done. A once that is all zeros is not begun. It is the
 * pthread_once(3) of several processes.
 *
 * A process that dies while it does the task leaves it to the next thread that asks or
 * waits. That thread is told so by -EOWNERDEAD, since the task may be half done, and a
 * thread that waits learns of the death within 100 ms. A task that fails can be left to
 * the next as well.
 *
 * A thread that asks for the task which it is doing waits for itself for ever.
 *
 * Threads: all functions may be called by any thread, on the same once as well.
 *
 * Processes: a task that a thread does when its process calls fork(2) is done by the
 * parent, and not by the child.
 *
 * Since: 0.2
 */
#include <stdint.h>

#include <shmfs/heap.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct shmfs_once - a task for one process, all zeros at first
 * @word: 0, or who does the task: as the lock of a heap in shmfs_heap(5)
 * @done: 1 when it is done
 *
 * Since: 0.2
 */
struct shmfs_once {
	uint32_t word;
	uint32_t done;
};

/**
 * shmfs_once_begin() - begin a task, or wait until another has done it
 * @heap: an attachment; one that may only read learns whether the task is done
 * @once: a once in that heap
 *
 * After 0 and -EOWNERDEAD the caller does the task, and then calls shmfs_once_end(), or
 * shmfs_once_abort().
 *
 * Threads: any. Cost: a load where it is done; system calls where another does it.
 *
 * Return: 0, or a negative errno:
 * -EOWNERDEAD  the process that was doing it died: it may be half done
 * -EALREADY    it is done, and there is nothing to do
 * -EROFS       it is not done, and the attachment may only read
 *
 * Since: 0.2
 */
int shmfs_once_begin(struct shmfs_heap *heap, struct shmfs_once *once);

/**
 * shmfs_once_end() - tell that the task is done
 * @heap: the attachment that does it
 * @once: the once
 *
 * Whatever the task has stored is seen by all who learn that it is done.
 *
 * Threads: the one that does it. Cost: some instructions; a system call where another
 * thread waits.
 *
 * Return: 0, or a negative errno:
 * -EPERM  the attachment does not do the task
 *
 * Since: 0.2
 */
int shmfs_once_end(struct shmfs_heap *heap, struct shmfs_once *once);

/**
 * shmfs_once_abort() - leave the task to another
 * @heap: the attachment that does it
 * @once: the once
 *
 * The next that asks begins it with 0, so undo first what must not be found half done.
 *
 * Threads, cost: as shmfs_once_end().
 *
 * Return: 0, or a negative errno, as shmfs_once_end().
 *
 * Since: 0.2
 */
int shmfs_once_abort(struct shmfs_heap *heap, struct shmfs_once *once);

/**
 * shmfs_once_fn - a task, for shmfs_once_run()
 * @died: 1 if a process died that was doing it, else 0
 * @data: what was given to shmfs_once_run()
 *
 * Return: 0 when it is done; anything else leaves it to the next.
 *
 * Since: 0.2
 */
typedef int (*shmfs_once_fn)(int died, void *data);

/**
 * shmfs_once_run() - do a task, unless it is done
 * @heap: an attachment, as for shmfs_once_begin()
 * @once: a once in that heap
 * @fn:   the task
 * @data: handed to it
 *
 * Threads: any. @fn is called on the calling thread. Cost: as shmfs_once_begin().
 *
 * Return: 0 when the task is done, by whomever; what @fn returned if it was not 0; or a
 * negative errno:
 * -EROFS  it is not done, and the attachment may only read
 *
 * Since: 0.2
 */
int shmfs_once_run(struct shmfs_heap *heap, struct shmfs_once *once, shmfs_once_fn fn,
		   void *data);

#ifdef __cplusplus
}
#endif

#endif
