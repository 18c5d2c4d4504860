/* SPDX-License-Identifier: MIT */
/*
 * fork(2) gives the child the mappings and the descriptors of its parent, but not its
 * threads. The child must not act as its parent: the parent's slot would live on with the
 * child. So the child gets slots of its own before fork() returns there, by system calls
 * alone, since another thread of the parent may have held any lock of the C library.
 *
 * A mapping keeps the open file description that it was made from, and the child cannot
 * do without the mapping. So the lock of the slot belongs to another description, which
 * is never mapped and goes with its descriptors. Whatever opens, closes or lists it does
 * so under the lock that fork() takes: no child has a descriptor that it knows nothing
 * of.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/heap/attachments.h"
#include "lib/heap/slot.h"
#include "util/cleanup.h"

static struct {
	pthread_mutex_t lock;
	pthread_once_t once;
	int result;               /* of pthread_atfork() */
	struct shmfs_heap *first; /* protected by lock */
} all = { .lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT };

int attachments_reopen(int fd)
{
	char path[40];
	int r;

	/* A thread may have descriptors of its own; before Linux 3.17 nobody says which.
	 */
	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", fd);
	r = open(path, O_RDWR | O_CLOEXEC);
	if (r < 0 && errno == ENOENT) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		r = open(path, O_RDWR | O_CLOEXEC);
	}
	return r < 0 ? -errno : r;
}

static void before_fork(void)
{
	pthread_mutex_lock(&all.lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&all.lock);
}

/* In the child. A transaction under way is the parent's. */
static void attach_anew(struct shmfs_heap *h)
{
	int fd, r;

	atomic_store(&h->holder, NULL);
	h->holds = 0;
	h->depth = 0;
	h->naming = false;
	/* Another thread may have been about to make it larger. */
	h->freed = NULL;
	h->n_freed = h->freed_room = 0;
	if (!h->writable)
		return;
	h->owner = 0;
	fd = attachments_reopen(h->fd);
	/* The parent's lock goes with the parent's descriptor from here on. */
	close_fd(h->fd);
	h->fd = fd;
	r = fd < 0 ? fd : slot_take(h);
	/* -EAGAIN would be taken for a queue that is empty or full. */
	if (r < 0)
		atomic_store(&h->lost, r == -EAGAIN ? -EUSERS : r);
}

static void in_child(void)
{
	for (struct shmfs_heap *h = all.first; h; h = h->next)
		attach_anew(h);
	pthread_mutex_unlock(&all.lock);
}

static void watch_forks(void)
{
	all.result = -pthread_atfork(before_fork, after_fork, in_child);
}

/* Replaces the descriptor that was mapped. */
static int unmapped_fd(struct shmfs_heap *h)
{
	int fd = attachments_reopen(h->fd);

	if (fd < 0)
		return fd;
	close_fd(h->fd);
	h->fd = fd;
	return 0;
}

int attachments_add(struct shmfs_heap *h)
{
	int r;

	pthread_once(&all.once, watch_forks);
	if (all.result < 0)
		return all.result;
	pthread_mutex_lock(&all.lock);
	r = h->writable ? unmapped_fd(h) : 0;
	if (r == 0) {
		h->next = all.first;
		if (h->next)
			h->next->previous = h;
		all.first = h;
	}
	pthread_mutex_unlock(&all.lock);
	return r;
}

void attachments_remove(struct shmfs_heap *h)
{
	pthread_mutex_lock(&all.lock);
	if (h->previous)
		h->previous->next = h->next;
	else if (all.first == h)
		all.first = h->next;
	if (h->next)
		h->next->previous = h->previous;
	slot_give(h);
	h->fd = close_fd(h->fd);
	pthread_mutex_unlock(&all.lock);
}
