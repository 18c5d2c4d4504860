/* SPDX-License-Identifier: MIT */
#ifndef SHMFS_SHMFS_H
#define SHMFS_SHMFS_H
/**
 * DOC: libshmfs
 *
 * Shared memory in C, as four nouns, and what synchronises processes in it:
 *
 * - a *shared-memory object* (<shmfs/object.h>) is named memory that any process of the
 *   machine can open. It has a name, a size, an owner and permissions, and it lives until
 *   it is removed or the machine restarts, whoever created it;
 * - a *System V segment* (<shmfs/sysv.h>) is the same of an older kind: it has a key in
 *   place of a name, and the size that it was created with;
 * - a *mapped region* (<shmfs/region.h>) is a part of an object, a whole segment, or a
 *   part of any other file that can be mapped, in the address space of the process. It is
 *   there to be used with plain loads and stores;
 * - a *heap* (<shmfs/heap.h>) is an object in which processes allocate memory and give
 *   names to what they share, and which survives the death of any of them at any moment;
 * - a *mutex* (<shmfs/mutex.h>), a *read/write lock* (<shmfs/rwlock.h>), a *condition*
 *   (<shmfs/condition.h>), a *semaphore* (<shmfs/semaphore.h>), a *barrier*
 *   (<shmfs/barrier.h>), a *queue* of messages (<shmfs/queue.h>) and a *ring* of them
 *   (<shmfs/ring.h>) lie in a heap. They survive such deaths as well, also between
 *   containers. A thread can wait for one of several of them (<shmfs/wait.h>), and does
 *   something once for all processes (<shmfs/once.h>);
 * - a *lock of a file* (<shmfs/filelock.h>) excludes others from an object, or any other
 *   file, and lies in the kernel.
 *
 * Data in any of them refers to other data by *relative pointers* (<shmfs/pointer.h>) or,
 * in a heap, by offsets.
 *
 * Who creates an object, and who uses it:
 *
 *	struct shmfs_object *object;
 *	struct shmfs_region *region;
 *	int r;
 *
 *	r = shmfs_object_open("example", SHMFS_OPEN_OR_CREATE, SHMFS_READ_WRITE,
 *			      SHMFS_PERM_DEFAULT, &object);
 *	if (r < 0)
 *		return r;
 *	r = shmfs_object_reserve(object, 1024);
 *	if (r >= 0)
 *		r = shmfs_region_map(object, SHMFS_READ_WRITE, 0, 0, NULL, 0, &region);
 *	shmfs_object_close(object);	// the region stays
 *	if (r < 0)
 *		return r;
 *	strcpy(shmfs_region_address(region), "seen by all who map the object");
 *	shmfs_region_unmap(region);
 *
 * Build with `cc example.c $(pkg-config --cflags --libs shmfs)`.
 *
 * Interoperable
 *	The objects are those of shm_open(3): what Boost.Interprocess, Python's
 *	multiprocessing.shared_memory or any other user of shm_open() creates opens here
 *	by its name, and the other way round. They are also the files of a shmfs mount.
 *	The segments are those of shmget(2), by their keys and identifiers.
 *
 * Errors
 *	A function that can fail returns a negative errno value, and 0 (or what it says)
 *	when it succeeded. Where it fails nothing is half done, and what a @ret parameter
 *	points to is left alone. The errnos that are worth a branch stand at each
 *	function; others come from the kernel, unchanged. The library never prints, never
 *	exits, never installs a signal handler, and does not use errno as a result.
 *
 * Ownership
 *	What a function returns through its last parameter belongs to the caller, who
 *	gives it back with shmfs_object_close(), shmfs_sysv_close(),
 *	shmfs_region_unmap() or shmfs_heap_close(). They accept NULL and return NULL, so
 *	that `object = shmfs_object_close(object)` leaves no dangling pointer. A region
 *	does not need its object or segment: they can be given back in any order.
 *
 * Threads
 *	There are no globals, but for what heaps need when the process forks. Functions
 *	that take a pointer to const may be called by many threads at once on the same
 *	object, segment or region. The others (giving back and shrinking) need it for
 *	themselves, as free(3) does. Memory that is shared is not locked by being mapped:
 *	threads and processes that use it synchronise as they always must.
 *
 * SIGBUS
 *	A region lies within its object when it is mapped, always. There are two ways left
 *	to be killed by a load or a store: somebody truncates the object below the region
 *	later, which no library can prevent; and memory runs out at a first store, which
 *	shmfs_object_reserve() does prevent. A segment never shrinks.
 *
 * Since: 0.1
 */
#include <shmfs/barrier.h>
#include <shmfs/condition.h>
#include <shmfs/filelock.h>
#include <shmfs/heap.h>
#include <shmfs/mutex.h>
#include <shmfs/object.h>
#include <shmfs/once.h>
#include <shmfs/pointer.h>
#include <shmfs/queue.h>
#include <shmfs/region.h>
#include <shmfs/ring.h>
#include <shmfs/rwlock.h>
#include <shmfs/semaphore.h>
#include <shmfs/sysv.h>
#include <shmfs/wait.h>

/*
 * The version of these headers, for #if. Within one soname (libshmfs.so.1) the library is
 * compatible with all programs that were built with an older minor version.
 */
#define SHMFS_VERSION_MAJOR 0
#define SHMFS_VERSION_MINOR 2
#define SHMFS_VERSION_MICRO 0

#endif
